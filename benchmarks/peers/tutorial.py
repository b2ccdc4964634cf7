"""The peer of the gateway: a Flask application as the tutorial has it, under waitress, its SMS client a stub.

`python tutorial.py` prints its port and serves until it is killed. An alert is nowhere but in the request.
"""

import logging
import socket
from typing import Any

from flask import Flask, jsonify, request
from waitress import serve

TEAMS = {"critical": ["+244923000000", "+244912000001"], "warning": ["+244923000000"], "info": []}
ICONS = {"critical": "🚨", "warning": "⚠️", "info": "ℹ️"}  # noqa: RUF001 - the emoji, not the letter

app = Flask(__name__)


class Sms:
    """Sends nothing."""

    def send(self, to: list[str], content: str, sender_id: str) -> str:
        return f"{len(to)}-{len(content)}-{sender_id}"


@app.post("/alerts")
def alerts() -> Any:
    data = request.get_json(silent=True) or {}
    level = data.get("level", "info").lower()
    if not data.get("description"):
        return jsonify(error="description is required"), 422
    to = TEAMS.get(level, [])
    if not to:
        return jsonify(ok=True, sent=False, reason="no recipients for this level")
    text = f"{ICONS.get(level, '')} [{level.upper()}] {data.get('service', 'unknown')}: {data['description']}"
    return jsonify(ok=True, message_id=Sms().send(to, text, "Alerts"))


if __name__ == "__main__":
    logging.getLogger("waitress").setLevel(logging.ERROR)  # it warns of every request that waits
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        serve(app, sockets=[listener], _quiet=True)
