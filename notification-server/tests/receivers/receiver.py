"""A push service with a device behind it, and a webhook's receiver, on loopback.

Written with libraries for the receiving side that have nothing to do with the sender: http_ece decrypts (RFC 8291),
py_vapid verifies (RFC 8292), standardwebhooks verifies. The first line on stdout is where it is and the device's keys;
then a line of JSON for each request that was verified, or what was wrong with it.

A line `NAME SECRET` on stdin is what the webhook NAME verifies with. It ends with the end of stdin.

POST /push/NAME and /hook/NAME; `?status=N&retry_after=S&times=T`: the first T requests of that path (default: all) are
answered with status N instead of 201. `?location=L`: what is accepted is named so.
"""

import base64
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02
from standardwebhooks import Webhook

device = ec.generate_private_key(ec.SECP256R1())
auth = os.urandom(16)
seen = {}
secrets = {}
lock = threading.Lock()


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unbase64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def say(line):
    with lock:
        print(json.dumps(line), flush=True)


def pushed(headers, body):
    authorization = headers["Authorization"]
    assert Vapid02.verify(authorization), "the signature is wrong"
    parts = dict(part.split("=", 1) for part in authorization.split(" ", 1)[1].split(","))
    assert headers["Content-Encoding"] == "aes128gcm"
    assert len(body) <= 4096
    plain = http_ece.decrypt(body, private_key=device, auth_secret=auth, version="aes128gcm")
    return {
        "key": parts["k"],
        "claims": json.loads(unbase64url(parts["t"].split(".")[1])),
        "ttl": headers["TTL"],
        "topic": headers["Topic"],
        "payload": json.loads(plain),
    }


def hooked(secret, headers, body):
    return {"id": headers["webhook-id"], "event": Webhook(secret).verify(body, dict(headers.items()))}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        target = urlsplit(self.path)
        _, kind, name = target.path.split("/", 2)
        query = {key: values[0] for key, values in parse_qs(target.query).items()}
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            told = pushed(self.headers, body) if kind == "push" else hooked(secrets[name], self.headers, body)
        except Exception as problem:
            told = {"wrong": repr(problem)}
        with lock:
            seen[self.path] = count = seen.get(self.path, 0) + 1
        status = 201
        if "status" in query and count <= int(query.get("times", count)):
            status = int(query["status"])
        self.send_response(status)
        if "retry_after" in query and status != 201:
            self.send_header("Retry-After", query["retry_after"])
        if status in (301, 302, 307, 308):
            self.send_header("Location", "/push/elsewhere")
        if "location" in query and status == 201:
            self.send_header("Location", query["location"])
        answer = b"" if status == 201 else b"as asked"
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        say({"path": target.path, "status": status, **told})

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
public = device.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
say({"url": f"http://127.0.0.1:{server.server_port}", "p256dh": base64url(public), "auth": base64url(auth)})
threading.Thread(target=server.serve_forever, daemon=True).start()
for line in sys.stdin:
    name, secret = line.split()
    secrets[name] = secret
    say({"knows": name})
