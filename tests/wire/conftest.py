"""The vendors' published specifications, where they are, and a mock server that answers by each."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from tests.wire.exchange import DOCUMENTS
from tests.wire.specification import Specification

BESIDE: Final = Path(__file__).parents[3] / "shared" / "specs"
START_SECONDS: Final = 60  # all five together take some six on a quiet machine


@pytest.fixture(scope="session")
def specs() -> Path:
    """The folder with the vendors' documents: beside the checkout, or where ALERT_CORE_SPECS says."""
    named = os.environ.get("ALERT_CORE_SPECS")
    folder = Path(named) if named else BESIDE
    if not folder.is_dir():
        assert not named, "ALERT_CORE_SPECS names no folder"
        pytest.skip("no vendors' specifications here: ALERT_CORE_SPECS may name their folder")
    return folder


@pytest.fixture(scope="session")
def mock_servers(specs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The origin of a Prism server for each kind of DOCUMENTS; mark the test `needs("prism")`."""
    folder = tmp_path_factory.mktemp("prism")
    with ExitStack() as stack:
        listeners = {kind: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for kind in DOCUMENTS}
        ports = {kind: listener.getsockname()[1] for kind, listener in listeners.items()}
    with ExitStack() as stack:
        servers = {}
        for kind, port in ports.items():
            document = folder / f"{kind}.json"
            served_document = served(Specification.read(specs / DOCUMENTS[kind]).document)
            document.write_text(json.dumps(served_document, default=str))  # YAML has dates, JSON has not
            servers[kind] = start(document, port)
            stack.callback(stop, servers[kind])
        for kind, port in ports.items():
            wait_until_it_listens(servers[kind], port, folder / f"{kind}.log")
        yield {kind: f"http://127.0.0.1:{port}" for kind, port in ports.items()}


def served(document: dict[str, Any]) -> dict[str, Any]:
    """The document for Prism: with the server's path before each path, and no made-up error in a success."""
    before = urlsplit(document["servers"][-1]["url"]).path
    paths = {f"{before}{path}": methods for path, methods in document["paths"].items()}
    sms = document["components"]["schemas"].get("SendSmsResponse")  # CastBrick's has `error`, without an example
    if sms:
        del sms["properties"]["error"]
    return {name: value for name, value in document.items() if not name.startswith("x-")} | {"paths": paths}


def start(document: Path, port: int) -> subprocess.Popen[bytes]:
    """Start Prism, in a process group of its own."""
    program = shutil.which("prism")
    assert program, 'mark this test @pytest.mark.needs("prism")'
    # Vonage's own example of an answer fits both of its two schemas: with --errors Prism would not send it.
    strict = [] if document.stem == "vonage" else ["--errors"]
    command = [program, "mock", "--host", "127.0.0.1", "--port", str(port), *strict, str(document)]
    with document.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def wait_until_it_listens(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return once the server takes connections."""
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        assert server.poll() is None, f"Prism ended: {log.read_text()[-2000:]}"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"Prism did not listen within {START_SECONDS} seconds: {log.read_text()[-2000:]}")


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and what it started."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, how)
            server.wait(timeout=10)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        else:
            return
