"""Fork, interpreter exit and the default dispatcher, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PREAMBLE = r"""
import os, sys, threading, time
import alert_core
from alert_core import Alert, Dispatcher, hookimpl
from alert_core.plugins import Plugins

class Slow:
    name = "slow"
    def __init__(self, seconds=0.0): self.seconds = seconds
    def send(self, alert):
        time.sleep(self.seconds)
        os.write(1, f"sent {alert.title}\n".encode())  # one write: threads print at once

class Watch:
    @hookimpl
    def alert_dropped(self, alert, reason): os.write(1, f"dropped {alert.title} {reason}\n".encode())

def alert(title): return Alert(title, "m")
"""


def run(program: str, tmp_path: Path, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, **environ},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if "deliveries are dropped" not in line], done.stderr
    return done.stdout


def test_exit_delivers_what_is_left(tmp_path: Path) -> None:
    out = run(
        """
        d = Dispatcher([Slow(0.05)], plugins=Plugins())
        for n in range(3): d.enqueue(alert(f"n{n}"))
        """,
        tmp_path,
    )
    assert sorted(out.splitlines()) == ["sent n0", "sent n1", "sent n2"]


def test_exit_waits_at_most_the_deadline_and_tells_what_it_leaves(tmp_path: Path) -> None:
    out = run(
        """
        class Hung:
            name, concurrency = "hung", 1
            def send(self, alert): time.sleep(600)
        d = Dispatcher([Hung()], plugins=Plugins([Watch()]), deadline=0.2)
        d.enqueue(alert("running")); d.enqueue(alert("waiting"))
        """,
        tmp_path,
    )
    assert sorted(out.splitlines()) == ["dropped running exit", "dropped waiting exit"]


def test_an_alert_of_an_atexit_handler_is_delivered(tmp_path: Path) -> None:
    out = run(
        """
        import atexit
        d = None
        atexit.register(lambda: d.send(alert("late")))      # runs after the dispatcher's own
        import alert_core.dispatcher
        atexit.register(lambda: d.enqueue(alert("last")))   # runs before it
        d = Dispatcher([Slow()], plugins=Plugins())
        """,
        tmp_path,
    )
    assert sorted(out.splitlines()) == ["sent last", "sent late"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_sends_with_lanes_of_its_own_and_the_parent_keeps_its_jobs(tmp_path: Path) -> None:
    out = run(
        """
        import warnings
        warnings.simplefilter("ignore")          # 3.12+ warns of a fork with threads: that is the case under test
        d = Dispatcher([Slow(0.05)], plugins=Plugins())
        for n in range(20): d.enqueue(alert(f"parent{n}"))
        pid = os.fork()
        if pid == 0:
            report = d.send(alert("child"))
            print(report.sent, flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        assert d.flush(30)
        """,
        tmp_path,
    )
    lines = out.splitlines()
    assert sorted(set(lines)) == sorted(lines), "something was sent twice"
    assert {"sent child", "('slow',)", *(f"sent parent{n}" for n in range(20))} == set(lines)


def test_nothing_configured_is_an_error_that_says_the_three_ways(tmp_path: Path) -> None:
    out = run(
        """
        for name in list(os.environ):
            if name.startswith(("ALERT_", "CASTBRICK_", "TWILIO_", "VONAGE_")): del os.environ[name]
        try: alert_core.send("Disk full")
        except alert_core.ConfigError as error: print(error)
        """,
        tmp_path,
    )
    assert "alerts.toml" in out
    assert "ALERT_SLACK_WEBHOOK_URL" in out
    assert "configure()" in out


def test_the_file_in_the_working_directory_is_found_and_alert_config_empty_means_no_file(tmp_path: Path) -> None:
    (tmp_path / "alerts.toml").write_text('[targets.here]\ntype = "noop"\n')
    program = """
        try: print(alert_core.send("Disk full", severity="info").sent)
        except alert_core.ConfigError: print("nothing")
        """
    assert run(program, tmp_path, ALERT_CONFIG="alerts.toml") == "('here',)\n"
    assert run(program, tmp_path, ALERT_CONFIG="") == "nothing\n"
    environ = {name: value for name, value in os.environ.items() if name != "ALERT_CONFIG"}
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environ,
        check=True,
    )
    assert done.stdout == "('here',)\n"


def test_configure_takes_a_mapping_and_closes_the_one_before(tmp_path: Path) -> None:
    out = run(
        """
        alert_core.configure({"targets": {"a": {"type": "noop"}}})
        first = alert_core.default.get()
        alert_core.configure({"targets": {"b": {"type": "noop"}}})
        print(alert_core.send("Disk full").sent, first.send(alert("x")).deliveries[0].outcome)
        """,
        tmp_path,
    )
    assert out == "('b',) dropped\n"
