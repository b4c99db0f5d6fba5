"""The HTTP part of the servers for psycopg 3 and psycopg2. It does not use the database."""
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from calls import STATEMENTS, answer, error_answer, parameters


def serve(run, database_error):
    """Serve STATEMENTS. run(address, token, sql, parameters) returns the rows of a statement."""

    class Handler(BaseHTTPRequestHandler):
        def call(self, route):
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if route not in STATEMENTS:
                return 404, {}
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            try:
                # Behind a proxy, use the address that the proxy states.
                rows = run(self.client_address[0], token, STATEMENTS[route], parameters(data))
                return answer(route, rows)
            except (ValueError, KeyError):  # no JSON, or a parameter is missing
                return 400, {"error": "invalid request"}
            except database_error as error:
                return error_answer(error)

        def do_POST(self):
            status, body = self.call(f"{self.command} {self.path}")
            content = json.dumps(body, default=str).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Cache-Control", "no-store")
            self.send_header("Content-Length", str(len(content)))
            if "retry_after" in body:
                self.send_header("Retry-After", str(body["retry_after"]))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, *arguments):
            pass  # the server does not log requests

    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", 8000))), Handler).serve_forever()
