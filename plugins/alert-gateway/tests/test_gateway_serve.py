"""`alertctl serve` as a process: it listens, it ends in order, and what it said yes to survives its death."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from alert_core import Alert, ConfigError, Dispatcher
from alert_core.testing import VirtualClock, isolated_plugins
from alert_gateway import cli
from alert_outbox import Outbox

PATIENT = "[gateway]\nanswer_within = 60\n"


class Process:
    """`alertctl serve` with a configuration."""

    def __init__(self, folder: Path, configuration: str, *arguments: str) -> None:
        config = folder / "alerts.toml"
        config.write_text(configuration)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ALERT_")}
        command = [sys.executable, "-c", "from alert_core.cli import main; main()", "serve", *arguments]
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: list[str] = []
        self._began = threading.Event()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
            self._began.set()
        self._began.set()

    def listening(self) -> int:
        """The port that it has printed."""
        assert self._began.wait(60)
        found = re.fullmatch(r"Listening on http://127\.0\.0\.1:(\d+)/\n", "".join(self._lines[:1]))
        assert found, self._lines
        return int(found[1])

    def end(self, name: signal.Signals) -> tuple[int, str]:
        """The exit status and what was printed, after a signal."""
        self._process.send_signal(name)
        return self.close(), "".join(self._lines)

    def close(self) -> int:
        """Wait for its end."""
        status = self._process.wait(120)
        self._reading.join(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status

    def kill(self) -> None:
        """End it, where it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
            self.close()


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Process] = []

    def process(configuration: str, *arguments: str) -> Process:
        started.append(Process(tmp_path, configuration, *arguments))
        return started[-1]

    yield process
    for one in started:
        one.kill()


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a provider that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def post(port: int, body: object) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", "/alerts", json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def delivered(path: Path, count: int) -> set[str]:
    """The titles that a later process delivers from the same database, once there are so many."""
    titles: set[str] = set()
    done = threading.Event()

    class Later:
        name = "ops"

        def send(self, alert: Alert) -> None:
            titles.add(alert.title)
            if len(titles) >= count:
                done.set()

    clock = VirtualClock()  # jumps to the end of the leases that the dead process held
    queue = Outbox(path=str(path), poll="1h")
    dispatcher = Dispatcher([Later()], queue=queue, plugins=isolated_plugins(), clock=clock)
    clock.leave()
    assert done.wait(60)
    clock.autojump = False
    dispatcher.close(0)
    clock.leave()
    return titles


def test_on_sigterm_what_was_accepted_is_delivered_and_the_exit_status_is_0(start: Start) -> None:
    process = start(PATIENT + '[targets.ops]\ntype = "console"\n', "--port", "0")
    port = process.listening()
    titles = [f"alert number {number}" for number in range(50)]
    assert post(port, [{"title": title} for title in titles])[0] == 202
    status, printed = process.end(signal.SIGTERM)
    assert status == 0
    assert "this machine alone may ask" in printed
    assert all(title in printed for title in titles)
    assert "Traceback" not in printed


def test_ctrl_c_ends_it_too_and_that_alerts_would_go_to_nobody_was_told(start: Start) -> None:
    process = start(PATIENT, "--port", "0")
    process.listening()
    status, printed = process.end(signal.SIGINT)
    assert status == 0
    assert "no target is configured: alerts go to nobody" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("name", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_answered_with_202_and_not_delivered_outlives_the_process(
    start: Start, silent: str, tmp_path: Path, name: signal.Signals
) -> None:
    target = f'[targets.ops]\ntype = "slack"\nwebhook_url = "{silent}"\ntimeout = 1\n'
    queue = '[queue]\ntype = "outbox"\npath = "alerts.db"\n'
    process = start(f"deadline = 0.5\n{PATIENT}{target}{queue}", "--port", "0")
    port = process.listening()
    titles = {f"alert {number}" for number in range(30)}
    for title in titles:
        assert post(port, {"title": title})[0] == 202
    process.end(name)
    assert delivered(tmp_path / "alerts.db", len(titles)) == titles


Refused = Callable[..., Exception]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """What the command raises, which `alertctl` tells in a line for each fault."""

    def run(configuration: str, *arguments: str) -> Exception:
        (tmp_path / "alerts.toml").write_text(configuration)
        monkeypatch.setenv("ALERT_CONFIG", str(tmp_path / "alerts.toml"))
        with pytest.raises((ConfigError, click.ClickException)) as told:
            cli.serve.main(list(arguments), standalone_mode=False)
        return told.value

    return run


def test_the_help_shows_each_command_on_a_line_of_its_own() -> None:
    assert "\n      alertctl serve\n" in CliRunner().invoke(cli.serve, ["--help"]).output


def test_without_a_token_it_listens_to_nobody_else(refused: Refused) -> None:
    told = refused('[targets.ops]\ntype = "noop"\n', "--host", "0.0.0.0", "--port", "0")
    assert "gateway.token: is needed to listen on 0.0.0.0" in str(told)


def test_a_port_that_is_taken_is_told_in_one_line(refused: Refused) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refused('[targets.ops]\ntype = "noop"\n', "--port", str(port))
    assert f"cannot listen on 127.0.0.1 port {port}: " in str(told)


def test_a_configuration_that_is_wrong_is_told_with_every_fault(refused: Refused) -> None:
    told = refused('[targets.ops]\ntype = "noop"\n[sources.graffana]\n[heartbeats."a b"]\nevery = 1\n', "--port", "0")
    assert 'sources.graffana: no such format; did you mean "grafana"?' in str(told)
    assert "heartbeats.a b" in str(told)
