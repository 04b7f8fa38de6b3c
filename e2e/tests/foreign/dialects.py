"""Clients as others write them: of the Messaging API and of Resources, with a WebSocket library of their own.

    dialects.py API CHAT CHAT    (the addresses of api-server and of two chat-servers, which may be one)

Ends with status 0 when everything was as docs/dialects.md says.
"""

import json
import sys
import urllib.error
import urllib.request

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

API, CHATS = sys.argv[1], sys.argv[2:4]
# Nothing here takes so long.
LONG = 20


def call(method, path, body=None, token=None):
    """The status and the body of an answer."""
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=LONG) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read())


def tell(socket, kind, data):
    socket.send(json.dumps({"type": kind, "data": data}))


def hear(socket, kind):
    """The next frame of this type; people come and go meanwhile."""
    while True:
        frame = json.loads(socket.recv(timeout=LONG))
        if frame["type"] == kind:
            return frame.get("data", frame)
        assert frame["type"] in ("user_status", "message_sent", "message_read"), frame


def same(found, expected):
    assert found == expected, f"{found!r} is not {expected!r}"


class Somebody:
    """A user of the Messaging API, connected."""

    def __init__(self, name, chat):
        account = {"username": name, "email": f"{name}@example.org", "password": "correct horse"}
        status, answer = call("POST", "/api/users/register", account)
        same((status, answer["success"], answer["data"]["username"]), (201, True, name))
        status, again = call("POST", "/api/users/register", account)
        same((status, again["success"], again["code"]), (400, False, "USERNAME_TAKEN"))
        login = {"username": name, "password": "correct horse"}
        status, answer = call("POST", "/api/users/login", login)
        same((status, answer["success"]), (200, True))
        self.id, self.token = answer["data"]["user"]["id"], answer["data"]["token"]
        self.socket = connect(f"{chat}/ws?token={self.token}", open_timeout=LONG, proxy=None)
        same(hear(self.socket, "connected")["userID"], self.id)

    def call(self, method, path, body=None):
        return call(method, path, body, self.token)


def messaging():
    ann, bob = Somebody("foreign-ann", CHATS[0]), Somebody("foreign-bob", CHATS[1])
    tell(ann.socket, "ping", {})
    hear(ann.socket, "pong")

    # Directly: from a socket, and from REST.
    tell(ann.socket, "send_message", {"recipientID": bob.id, "content": "hi", "messageType": "text"})
    message = hear(bob.socket, "direct_message")
    same((message["senderID"], message["recipientID"], message["content"]), (ann.id, bob.id, "hi"))
    sent = bob.call("POST", "/api/messages/send", {"recipientID": ann.id, "content": "hello"})
    same((sent[0], sent[1]["data"]["read"]), (201, False))
    same(hear(ann.socket, "direct_message")["content"], "hi")
    same(hear(ann.socket, "direct_message")["content"], "hello")
    same(ann.call("GET", "/api/messages/unread")[1]["data"], {"unreadCount": 1})
    tell(ann.socket, "mark_read", {"messageID": sent[1]["data"]["id"]})
    read = json_until(bob.socket, "message_read")
    same((read["messageID"], read["userID"]), (sent[1]["data"]["id"], ann.id))
    status, page = bob.call("GET", f"/api/messages/history/{ann.id}?limit=1&offset=0")
    same((status, page["data"][0]["content"], page["data"][0]["read"]), (200, "hello", True))
    same(page["pagination"], {"limit": 1, "offset": 0, "total": 2})
    same(ann.call("POST", "/api/messages/send", {"senderID": bob.id, "recipientID": bob.id, "content": "x"})[0], 403)

    # In a group, in order and once.
    status, made = ann.call("POST", "/api/groups", {"name": "Tea", "description": "at five"})
    same(status, 201)
    group = made["data"]["id"]
    same(bob.call("POST", f"/api/groups/{group}/join")[0], 200)
    for n in range(30):
        tell(bob.socket, "message", {"groupID": group, "content": str(n)})
    for who in (ann, bob):
        same([hear(who.socket, "group_message")["content"] for _ in range(30)], [str(n) for n in range(30)])
    members = ann.call("GET", f"/api/groups/{group}/members")[1]["data"]
    same([member["userID"] for member in members], [ann.id, bob.id])
    tell(bob.socket, "leave_group", {"groupID": group})
    tell(bob.socket, "message", {"groupID": group, "content": "gone"})
    same(json_until(bob.socket, "error")["code"], "NOT_A_MEMBER")
    ann.socket.close()
    bob.socket.close()


def json_until(socket, kind):
    """The next frame of this type, whatever comes before it."""
    while True:
        frame = json.loads(socket.recv(timeout=LONG))
        if frame["type"] == kind:
            return frame["data"]


def resources():
    one, two = (connect(f"{chat}/resources/ws", open_timeout=LONG, proxy=None) for chat in CHATS)
    first, second = (json.loads(socket.recv(timeout=LONG)) for socket in (one, two))
    same((first["type"], second["type"]), ("welcome", "welcome"))
    one.send("hello")
    frames = [json.loads(socket.recv(timeout=LONG)) for socket in (one, two)]
    same(frames[0], frames[1])
    same((frames[0]["type"], frames[0]["content"], frames[0]["clientID"]), ("message", "hello", first["clientID"]))
    status, added = call("POST", "/resources", {"message": "from REST"}, second["token"])
    same((status, added["clientID"]), (201, second["clientID"]))
    same([json.loads(socket.recv(timeout=LONG))["content"] for socket in (one, two)], ["from REST"] * 2)
    status, listed = call("GET", "/resources", None, first["token"])
    same([one["content"] for one in listed], ["hello", "from REST"])
    same(call("DELETE", f"/resources/{added['id']}", None, first["token"])[0], 403)
    same(call("DELETE", f"/resources/{added['id']}", None, second["token"])[0], 204)
    same([json.loads(socket.recv(timeout=LONG)) for socket in (one, two)], [{"type": "delete", "id": added["id"]}] * 2)
    one.close()
    two.close()
    try:
        refused = connect(f"{CHATS[0]}/resources/ws?token=wrong", open_timeout=LONG, proxy=None)
        same(json.loads(refused.recv(timeout=LONG))["code"], "UNAUTHORIZED")
        refused.recv(timeout=LONG)
        raise AssertionError("it is closed")
    except ConnectionClosed as closed:
        same(closed.rcvd.code, 4401)


messaging()
resources()
print("as documented")
