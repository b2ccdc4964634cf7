"""Several processes on one database, a process that forks, a hundred thousand alerts."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent

pytestmark = pytest.mark.chaos


def script(name: str, *arguments: str) -> Any:
    """Run one of the scripts beside this file; the JSON that it prints."""
    command = [sys.executable, "-W", "ignore", str(HERE / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("workers", [2, 8])
def test_several_processes_deliver_each_alert_once_and_each_key_in_order(
    database: dict[str, Any], tmp_path: Path, workers: int
) -> None:
    counted = script("workers.py", str(tmp_path), str(workers), "300", *filter(None, [database.get("url")]))
    assert counted["statuses"] == [0] * workers
    assert counted["times"] == {"1": 300}
    assert counted["processes"] > 1
    assert counted["in_order"]


def test_a_hundred_thousand_queued_alerts_are_in_the_database_and_not_in_memory(tmp_path: Path) -> None:
    kilobytes = script("load.py", str(tmp_path))
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
        timeout=30,
        check=False,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    expected = [f"parent-{n}" for n in range(100)] + [f"child-{n}" for n in range(5)]
    assert sorted(done.stdout.split()) == sorted(expected)
