"""A worker as its page says to start it: for plain Python, and found by Django's autodiscovery."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alert_core import Alert, Dispatcher
from alert_core.testing import CANARY

pytestmark = pytest.mark.xdist_group("alert-celery")
HERE = Path(__file__).parent
POOLS = {"redis": ("solo", "1"), "rabbitmq": ("threads", "2")}


def test_a_worker_delivers_from_alerts_toml_alone_in_threads_or_in_one_process(
    broker: Any, queue: str, tmp_path: Path, run_worker: Any
) -> None:
    sender = {
        "targets": {"ops": {"type": "remote", "min_severity": "warning"}},
        "queue": {"type": "celery", "broker": broker.url, "queue": queue},
    }
    (tmp_path / "alerts.toml").write_text(
        f'[targets.ops]\ntype = "console"\n[queue]\ntype = "celery"\nbroker = "env:BROKER"\nqueue = "{queue}"\n'
    )
    pool, concurrency = POOLS[broker.kind]
    environment = {"ALERT_CONFIG": str(tmp_path / "alerts.toml"), "BROKER": broker.url}
    worker = run_worker(environment, "-A", "alert_celery.app", "worker", "-P", pool, "-c", concurrency, "-Q", queue)
    with Dispatcher.from_config(sender) as dispatcher:
        for number in range(20):
            report = dispatcher.send(Alert(f"alert {number}.", f"password={CANARY}", severity="critical"))
            assert (report.queued, report.ok, report.stored) == (("ops",), True, True)
        assert dispatcher.send(Alert("quiet", "m", severity="info")).dropped == "min_severity"
    for number in range(20):
        worker.wait_for(f"[CRITICAL] alert {number}.")
    worker.kill()
    assert CANARY not in worker.log
    assert "kept-by-the-broker-alone" not in worker.log
    assert "guest:guest" not in worker.log


def test_a_worker_whose_configuration_is_wrong_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "alerts.toml").write_text('[targets.ops]\ntype = "console"\n')
    command = [sys.executable, "-c", "import alert_celery.app"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PATH": ""}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert 'queue.type: must be "celery"' in done.stderr


DJANGO = """
import json
import celery_shop
import alert_core

celery_shop.app.loader.import_default_modules()
task = celery_shop.app.tasks["alert_core.deliver"]
dispatcher = alert_core.configure({"targets": {"ops": {"type": "memory"}}, "queue": {"type": "celery"}})
report = alert_core.send("t", "m")
print(json.dumps([task.name, task.acks_late, report.sent, len(dispatcher.targets["ops"].alerts)]))
"""


def test_djangos_autodiscovery_finds_the_task_which_delivers_with_the_default_dispatcher() -> None:
    command = [sys.executable, "-c", DJANGO]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["alert_core.deliver", True, ["ops"], 1]


def test_the_plugin_loads_no_celery_until_a_configuration_asks_for_it() -> None:
    code = (
        "import sys, alert_celery.plugin; list(alert_celery.plugin.alert_register()); sys.exit('celery' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
