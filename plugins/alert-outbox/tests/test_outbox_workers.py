"""Several processes on one database, a process that forks, a hundred thousand alerts."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from alert_outbox import Outbox

HERE = Path(__file__).parent
FEW = 60


def script(name: str, *arguments: str) -> Any:
    """Run one of the scripts beside this file; the JSON that it prints."""
    command = [sys.executable, "-W", "ignore", str(HERE / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1_200, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("alerts", [FEW, pytest.param(2_000, marks=pytest.mark.chaos)])
@pytest.mark.parametrize("workers", [2, 8])
def test_several_processes_deliver_each_alert_once_and_each_key_in_order(
    database: dict[str, Any], tmp_path: Path, workers: int, alerts: int
) -> None:
    counted = script("workers.py", str(tmp_path), str(workers), str(alerts), *filter(None, [database.get("url")]))
    assert counted["statuses"] == [0] * workers
    assert counted["times"] == {"1": alerts}
    assert counted["processes"] > 1 or alerts == FEW  # which one of several may deliver alone
    assert counted["in_order"]


@pytest.mark.parametrize("alerts", [1_000, pytest.param(100_000, marks=pytest.mark.chaos)])
def test_queued_alerts_are_in_the_database_and_not_in_memory(tmp_path: Path, alerts: int) -> None:
    kilobytes = script("load.py", str(tmp_path), str(alerts))
    assert kilobytes["queued"] - kilobytes["before"] < 20_000
    assert kilobytes["delivered"] - kilobytes["queued"] < 20_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_busy_process_enqueues_and_delivers_for_itself(database: dict[str, Any], tmp_path: Path) -> None:
    program = f"""
    import os, sys, threading, warnings
    warnings.simplefilter("ignore")  # 3.12+ warns of a fork with threads: that is the case under test
    from alert_core import Alert, Dispatcher
    from alert_core.testing import isolated_plugins
    from alert_outbox import Outbox

    class Provider:
        name = "a"
        def send(self, alert): os.write(1, f"{{alert.title}}\\n".encode())

    d = Dispatcher([Provider()], queue=Outbox(**{database!r}), plugins=isolated_plugins(), deadline=30)
    busy = threading.Thread(target=lambda: [d.enqueue(Alert(f"parent-{{n}}", "m")) for n in range(100)])
    busy.start()
    pids = []
    for child in range(5):
        pid = os.fork()
        if not pid:
            report = d.send(Alert(f"child-{{child}}", "m"))
            d.close()  # it may have leased what the parent enqueued
            os._exit(0 if report.stored and not report.failed else 1)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 5
    busy.join()
    assert d.flush(60)
    d.close()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    expected = [f"parent-{n}" for n in range(100)] + [f"child-{n}" for n in range(5)]
    assert sorted(done.stdout.split()) == sorted(expected)


FORKING = """
import logging, os, threading, warnings
warnings.simplefilter("ignore")  # 3.12+ warns of a fork with threads: that is the case under test
logging.disable()
from alert_core import Alert, Dispatcher, QueueError
from alert_core.testing import isolated_plugins
from alert_outbox import Outbox, forks

class Provider:
    name = "a"
    def send(self, alert): ...

outbox = Outbox(**DATABASE, worker=False)
d = Dispatcher([Provider()], queue=outbox, plugins=isolated_plugins())
d.enqueue(Alert("parent", "m"))
inside, forking = threading.Event(), threading.Event()
os.register_at_fork(before=forking.set)  # the last to be registered is called first
"""


def forking(database: dict[str, Any], program: str) -> None:
    """Run a program that forks; its child's status is the program's."""
    whole = f"DATABASE = {database!r}\n{FORKING}\n{textwrap.dedent(program)}"
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_a_child_has_enqueued_outlives_its_parents_connection(database: dict[str, Any]) -> None:
    forking(
        database,
        """
        stored, closed = os.pipe(), os.pipe()
        if not (pid := os.fork()):
            d.enqueue(Alert("child", "m"))
            os.write(stored[1], b"x")
            os.read(closed[0], 1)
            for _ in range(5):
                d.enqueue(Alert("child", "m"))
            os._exit(0)
        os.read(stored[0], 1)
        d.close()
        assert Outbox(**DATABASE).inspection.overview().open == 2
        os.write(closed[1], b"x")
        raise SystemExit(os.waitpid(pid, 0)[1])
        """,
    )
    assert Outbox(**database).inspection.overview().open == 7


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_waits_for_those_who_read(database: dict[str, Any]) -> None:
    forking(
        database,
        """
        read = []
        def work(_):
            inside.set()
            assert forking.wait(30)
            threading.Event().wait(0.05)  # the fork may not come meanwhile
            read.append(True)
        threading.Thread(target=outbox.database.read, args=[work], daemon=True).start()
        assert inside.wait(30)
        if not (pid := os.fork()):
            assert read
            d.enqueue(Alert("child", "m"))
            os._exit(0)
        raise SystemExit(os.waitpid(pid, 0)[1])
        """,
    )
    assert Outbox(**database).inspection.overview().open == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("use", ["read", "write"])
def test_a_child_of_a_process_that_did_not_stop_using_a_sqlite_file_is_refused_it(tmp_path: Path, use: str) -> None:
    database = {"path": str(tmp_path / "alerts.db")}
    forking(
        database,
        f"""
        forks.PATIENCE = 0.05
        forked = threading.Event()
        def work(*_):
            inside.set()
            assert forked.wait(30)
        busy = threading.Thread(target=outbox.database.{use}, args=[work], daemon=True)
        busy.start()
        assert inside.wait(30)
        if not (pid := os.fork()):
            for one in (d, Dispatcher([Provider()], queue=Outbox(**DATABASE), plugins=isolated_plugins())):
                try:
                    one.enqueue(Alert("child", "m"))
                except QueueError as error:
                    assert "when this process was forked" in str(error)
                else:
                    raise AssertionError
                report = one.send(Alert("child", "m"))
                assert (report.stored, report.sent) == (False, ("a",))
            os._exit(0)
        forked.set()
        busy.join()
        d.enqueue(Alert("parent", "m"))
        raise SystemExit(os.waitpid(pid, 0)[1])
        """,
    )
    assert Outbox(**database).inspection.overview().open == 2
