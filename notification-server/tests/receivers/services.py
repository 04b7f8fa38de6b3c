"""FCM and APNs on loopback, as their documentation describes them; not Google's or Apple's servers.

hypercorn speaks HTTP/1.1 and HTTP/2, PyJWT checks the tokens. The first line on stdout is where they are and the keys of
an operator; then a line of JSON for each push that was as it should be, or what was wrong with it.

A device's token is hex: of `ok`, or of `STATUS REASON [TIMES]`: the first TIMES pushes to it (default: all) are answered
so, with REASON as each of the two services puts it. Access tokens are refused once `revoke` came on stdin.
"""

import asyncio
import json
import socket
import sys
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypercorn.asyncio import serve
from hypercorn.config import Config

TEAM, KEY_ID, TOPIC, PROJECT = "TEAM123456", "KEY1234567", "org.example.tea", "tea-12345"
EMAIL = "pusher@tea-12345.iam.example.com"
account = rsa.generate_private_key(public_exponent=65537, key_size=2048)
apple = ec.generate_private_key(ec.SECP256R1())
granted, seen = {}, {}
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
url = f"http://127.0.0.1:{listener.getsockname()[1]}"


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def say(line):
    print(json.dumps(line), flush=True)


def wanted(device):
    """What is to be answered, and why."""
    seen[device] = count = seen.get(device, 0) + 1
    status, reason, times = (bytes.fromhex(device).decode() + " - -").split(" ")[:3]
    if status == "ok" or (times.isdigit() and count > int(times)):
        return 200, None
    return int(status), reason


def grant(body):
    form = dict(pair.split("=", 1) for pair in body.decode().split("&"))
    assert form["grant_type"] == "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer", form
    claims = jwt.decode(form["assertion"], account.public_key(), algorithms=["RS256"], audience=f"{url}/token")
    assert claims["iss"] == EMAIL and claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
    assert 0 < claims["exp"] - claims["iat"] <= 3600
    token = f"access-{len(granted)}" + "x" * 1500
    granted[token] = True
    return 200, {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}


def fcm(headers, body):
    token = headers["authorization"].removeprefix("Bearer ")
    if not granted.get(token):
        return 401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}}
    assert len(body) <= 4096
    message = json.loads(body)["message"]
    assert all(isinstance(value, str) for value in message["data"].values())
    status, reason = wanted(message["token"])
    say({"service": "fcm", "status": status, "access": token[:8], "message": message})
    if status == 200:
        return 200, {"name": f"projects/{PROJECT}/messages/1"}
    details = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": reason}]
    return status, {"error": {"code": status, "status": reason, "details": details}}


def apns(device, scope, headers, body):
    assert scope["http_version"] == "2", "HTTP/2 alone"
    token = headers["authorization"].removeprefix("bearer ").removeprefix("Bearer ")
    claims = jwt.decode(token, apple.public_key(), algorithms=["ES256"])
    assert claims["iss"] == TEAM and abs(time.time() - claims["iat"]) < 3600
    assert jwt.get_unverified_header(token)["kid"] == KEY_ID
    assert headers["apns-topic"] == TOPIC and headers["apns-push-type"] == "alert"
    assert len(headers.get("apns-collapse-id", "")) <= 64 and len(body) <= 4096
    status, reason = wanted(device)
    known = {name: headers.get(f"apns-{name}") for name in ["id", "collapse-id", "expiration"]}
    say({"service": "apns", "status": status, "token": token[-16:], "headers": known, "payload": json.loads(body)})
    return (200, None) if status == 200 else (status, {"reason": reason})


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    while True:
        part = await receive()
        body += part.get("body", b"")
        if not part.get("more_body"):
            break
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    path = scope["path"]
    try:
        if path == "/token":
            status, answer = grant(body)
        elif path == f"/v1/projects/{PROJECT}/messages:send":
            status, answer = fcm(headers, body)
        else:
            assert path.startswith("/3/device/"), path
            status, answer = apns(path.removeprefix("/3/device/"), scope, headers, body)
    except Exception as problem:
        say({"wrong": repr(problem)})
        status, answer = 500, {"reason": repr(problem)}
    text = b"" if answer is None else json.dumps(answer).encode()
    extra = [(b"retry-after", b"1")] if status == 429 else []
    length = (b"content-length", str(len(text)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *extra]})
    await send({"type": "http.response.body", "body": text})


async def main():
    ended = asyncio.Event()

    def listen_to_whoever_started_it():
        for line in sys.stdin:
            if line.strip() == "revoke":
                granted.update((token, False) for token in granted)
                say({"revoked": True})
        loop.call_soon_threadsafe(ended.set)

    loop = asyncio.get_running_loop()
    loop.run_in_executor(None, listen_to_whoever_started_it)
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.errorlog = None
    service_account = {
        "type": "service_account", "project_id": PROJECT, "client_email": EMAIL,
        "private_key": pem(account), "token_uri": f"{url}/token",
    }
    say({"url": url, "account": service_account, "apple": pem(apple), "team": TEAM, "key": KEY_ID, "topic": TOPIC})
    await serve(app, config, shutdown_trigger=ended.wait)


asyncio.run(main())
