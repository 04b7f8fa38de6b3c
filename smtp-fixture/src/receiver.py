"""A mail server for tests, of aiosmtpd and Python's own parser of mails. Its one argument is JSON: `answers`, what it says
to the first mails in turn (then 250), `login` [user, password] and `tls` [certificate, key] it insists on. Writes its
port, then each mail as a line of JSON. Ends with its standard input."""

import asyncio
import email
import email.policy
import json
import logging
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

options = json.loads(sys.argv[1])
answers = options["answers"]
# Tests break off conversations on purpose.
logging.disable(logging.CRITICAL)


def tell(value):
    print(json.dumps(value), flush=True)


class Handler:
    async def handle_DATA(self, server, session, envelope):
        answer = answers.pop(0) if answers else "250 OK"
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        bodies = [mail.get_body((kind,)) for kind in ("plain", "html")]
        tell({
            "answer": answer,
            "encrypted": session.ssl is not None,
            "user": session.auth_data.login.decode() if session.authenticated else None,
            "sender": envelope.mail_from,
            "receivers": envelope.rcpt_tos,
            "headers": [[name, str(value)] for name, value in mail.items()],
            "text": bodies[0].get_content().replace("\r\n", "\n"),
            "html": bodies[1].get_content().replace("\r\n", "\n"),
            "defects": [str(defect) for part in mail.walk() for defect in part.defects],
        })
        return answer


def authenticate(server, session, envelope, mechanism, data):
    right = [data.login.decode(), data.password.decode()] == options["login"]
    return AuthResult(success=right, handled=False, auth_data=data)


def connection():
    extra = {}
    if options["tls"]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*options["tls"])
        extra = {"tls_context": context, "require_starttls": True}
    if options["login"]:
        extra |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": bool(options["tls"])}
    return SMTP(Handler(), hostname="mail.example", enable_SMTPUTF8=True, **extra)


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(connection, "127.0.0.1", 0)
    tell(server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
