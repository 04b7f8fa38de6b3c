"""A client of Socket.IO by python-socketio, driven by lines as socketio.mjs is.

python python_socketio.py URL TRANSPORTS [TOKEN]
"""

import base64
import json
import sys
import threading

import socketio

url, transports, *token = sys.argv[1:]
lock = threading.Lock()


def say(what):
    with lock:
        print(json.dumps(what), flush=True)


client = socketio.Client(reconnection_delay=0.05, reconnection_delay_max=0.2)
client.on("connect", lambda: say({"status": "connect"}))
client.on("disconnect", lambda *reason: say({"status": "disconnect"}))
client.on("connect_error", lambda error: say({"status": "connect_error", "message": str(error)}))
client.on("*", lambda event, argument=None: say({"event": [event, argument]}))
auth = {"token": token[0]} if token else None
client.connect(url, transports=transports.split(","), auth=auth, wait_timeout=20)

for line in sys.stdin:
    command = json.loads(line)
    event, argument = command["emit"]
    if "image" in command:
        argument["image"] = base64.b64decode(command["image"])
    say({"ack": client.call(event, argument, timeout=20)})
client.disconnect()
