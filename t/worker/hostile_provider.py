"""A provider of OpenID Connect that misbehaves, over TLS.

    hostile_provider.py CERTIFICATE KEY JWKS

The first part of the path is the behaviour: the issuer is https://127.0.0.1:PORT/NAME, and
"good" does nothing wrong.  Prints the ports for https and http, then each request.
"""

import http.server
import json
import pathlib
import ssl
import sys
import threading
import time

certificate, key, jwks = sys.argv[1:]


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def slowly(self, chunk):
        for _ in range(600):
            self.wfile.write(chunk)
            self.wfile.flush()
            time.sleep(0.1)

    def do_GET(self):
        try:
            self.get()
        except OSError:
            pass  # the worker has closed the connection

    def get(self):
        name, _, what = self.path.strip("/").partition("/")
        is_tls = self.server is servers["https"]
        print("https" if is_tls else "http", self.path, flush=True)
        insecure = f"http://127.0.0.1:{ports['http']}/{name}"
        issuer = f"https://127.0.0.1:{ports['https']}/{name}"
        configuration = {"issuer": issuer, "jwks_uri": f"{issuer}/jwks"}
        keys = pathlib.Path(jwks).read_bytes()

        if not is_tls:
            self.answer(json.dumps(configuration).encode() if "well-known" in what else keys)
        elif "well-known" in what:
            self.configuration(name, issuer, insecure, configuration)
        elif name == "redirected-keys":
            self.answer(b"", 302, Location=f"{insecure}/jwks")
        elif name == "elsewhere":
            self.answer(b"", 307, Location=f"https://127.0.0.1:{ports['https']}/good/jwks")
        elif name == "huge-keys":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(keys.rstrip()[:-1])
            for _ in range(20000):
                self.wfile.write(b" " * 65536)
            self.wfile.write(b"}")
        elif name == "slow-keys":
            self.send_response(200)
            self.end_headers()
            self.slowly(b" ")
        elif name == "failing-keys":
            self.answer(keys, 500)
        elif name == "html-keys":
            self.answer(b"<html></html>")
        elif name == "list-keys":
            self.answer(json.dumps(json.loads(keys)["keys"]).encode())
        elif name == "secret-keys":
            self.answer(json.dumps({"keys": [{"kty": "oct", "kid": "x", "k": "AAAA"}]}).encode())
        elif name == "nul-keys":
            self.answer(keys.rstrip()[:-1] + b', "x": "\\u0000"}')
        else:
            self.answer(keys, Cache_Control="public, max-age=1" if name == "good" else "max-age=86400")

    def configuration(self, name, issuer, insecure, configuration):
        well_known = ".well-known/openid-configuration"
        if name == "redirected":
            self.answer(b"", 302, Location=f"{insecure}/{well_known}")
        elif name == "huge":
            self.answer(json.dumps(configuration).encode() + b" " * 1000000)
        elif name == "slow":
            self.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
            self.slowly(b"x")
        elif name == "http-keys":
            self.answer(json.dumps({**configuration, "jwks_uri": f"{insecure}/jwks"}).encode())
        elif name == "file-keys":
            self.answer(json.dumps({**configuration, "jwks_uri": f"file://{jwks}"}).encode())
        elif name == "no-keys":
            self.answer(json.dumps({"issuer": issuer}).encode())
        elif name == "other-issuer":
            self.answer(json.dumps({**configuration, "issuer": f"https://127.0.0.1:{ports['https']}/good"}).encode())
        elif name == "slash-issuer":
            self.answer(json.dumps({**configuration, "issuer": f"{issuer}/"}).encode())
        elif name == "cut":
            self.answer(json.dumps(configuration).encode()[:-1])
        elif name == "deep":
            self.answer(b"[" * 200000)
        elif name == "binary":
            self.answer(b"\xff\xfe\x00" * 100)
        else:
            self.answer(json.dumps(configuration).encode())


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


servers = {name: Server(("127.0.0.1", 0), Handler) for name in ("https", "http")}
servers["https"].socket = context.wrap_socket(servers["https"].socket, server_side=True)
ports = {name: server.server_address[1] for name, server in servers.items()}
print(ports["https"], ports["http"], flush=True)
for server in servers.values():
    threading.Thread(target=server.serve_forever).start()
