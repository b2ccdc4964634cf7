"""The old names through a real worker on a real broker: nothing secret there, and a killed worker's alert arrives."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.once]

HERE = Path(__file__).parent
SECONDS = 120
CANARY = "hunter2-canary-7Qx"
SEND = f"""
import django, compat_worker
django.setup()
from alert_infra.django import send_alert
metadata = {{"token": {CANARY!r}, "invoice": 7}}
print(send_alert(title="Stock low", message="password={CANARY}", metadata=metadata).sent)
"""


@pytest.fixture
def broker() -> Iterator[str]:
    """The socket of a Redis of our own, which listens on no port."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/redis"
        command = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            assert any("eady to accept connections" in line for line in server.stdout)
            yield path
            server.kill()


@pytest.fixture
def mailbox() -> Iterator[socket.socket]:
    """Where the worker's mail backend tells what it sends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        yield listener


def taken(mailbox: socket.socket, answer: bytes) -> Any:
    """One mail that the worker is about to send."""
    peer, _ = mailbox.accept()
    with peer, peer.makefile("r") as lines:
        peer.settimeout(SECONDS)
        told = json.loads(lines.readline())
        peer.sendall(answer)
        return told


def test_an_alert_outlives_the_worker_that_had_it(
    broker: str, mailbox: socket.socket, clean_environment: dict[str, str]
) -> None:
    ours = {"COMPAT_BROKER": f"redis+socket://{broker}", "COMPAT_PORT": str(mailbox.getsockname()[1])}
    process: dict[str, Any] = {"cwd": HERE, "env": {**clean_environment, **ours}}
    sent = subprocess.run([sys.executable, "-c", SEND], check=True, capture_output=True, timeout=SECONDS, **process)
    assert sent.stdout.decode().strip() == "('celery',)"
    assert CANARY not in stored(broker)
    options = ["--concurrency=1", "--pool=prefork", "--without-gossip", "--without-mingle", "--loglevel=critical"]
    command = [sys.executable, "-m", "celery", "-A", "compat_worker", "worker", "-Q", "alerts", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **process) as worker:
        try:
            first, again = taken(mailbox, b"die"), taken(mailbox, b"go on")
        finally:
            worker.terminate()
            worker.wait(SECONDS)
    assert first == again
    ((subject, body),) = again
    assert subject == "[ERROR] Stock low"
    assert "- invoice: 7" in body
    assert CANARY not in body


def stored(broker: str) -> str:
    """What the queue's one message has, its body decoded."""
    import redis

    with redis.Redis(unix_socket_path=broker) as client:
        messages: Any = client.lrange("alerts", 0, -1)
    (message,) = map(json.loads, messages)
    return json.dumps(message) + base64.b64decode(message["body"]).decode()
