"""An SMTP server (aiosmtpd) that requires STARTTLS and a password.

    smtp.py CERTIFICATE KEY PORT DIRECTORY

Writes each message that it accepts to DIRECTORY as JSON.  The local part of a recipient
selects another answer: refused-... 550; later-... 450, while DIRECTORY has a file "busy";
drop-... no answer after the message, while it has a file "drop".  While it has a file
"hold", all answers after a message are delayed.  While it has a file "open", connections
have no AUTH and need no password.
"""

import asyncio
import email
import email.policy
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

certificate, key, port, directory = sys.argv[1:]
number = 0


def exists(name):
    return os.path.exists(os.path.join(directory, name))


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"app", b"secret"), handled=False)


class Handler:
    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        return [line for line in responses if not (exists("open") and "AUTH" in line)]

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused-"):
            return f"550 5.1.1 <{address}> does not exist"
        if address.startswith("later-") and exists("busy"):
            return f"450 4.2.0 <{address}> is greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        global number
        number += 1
        mail = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        record = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": {name.lower(): str(value) for name, value in mail.items()},
            "text": mail.get_content(),
            "tls": session.ssl is not None,
        }
        path = os.path.join(directory, f"{os.getpid()}-{number:04}")
        with open(path + ".tmp", "w", encoding="utf-8") as file:
            json.dump(record, file)
        os.rename(path + ".tmp", path + ".json")
        while exists("hold"):
            await asyncio.sleep(0.05)
        if envelope.rcpt_tos[0].startswith("drop-") and exists("drop"):
            server.transport.close()
        return "250 OK"


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)


def session():
    return SMTP(
        Handler(),
        tls_context=context,
        require_starttls=True,
        auth_required=not exists("open"),
        authenticator=authenticate,
        enable_SMTPUTF8=True,
        hostname="localhost",
        loop=loop,
    )


loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
server = loop.run_until_complete(loop.create_server(session, "127.0.0.1", int(port)))
print("ready", flush=True)
loop.run_forever()
