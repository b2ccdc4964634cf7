import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import alert_gateway.plugin
from alert_core import Alert, Dispatcher, QueueError
from alert_core.plugins import Plugins
from alert_core.testing import VirtualClock
from alert_gateway.gateway import Gateway
from alert_gateway.messages import Request
from alert_gateway.metrics import Counts, exposition

Make = Callable[..., Any]


def outbox(tmp_path: Path, **options: Any) -> dict[str, Any]:
    return {"queue": {"type": "outbox", "path": str(tmp_path / "alerts.db"), **options}}


def test_what_was_asked_accepted_and_delivered_is_counted(make: Make) -> None:
    asked = make({"targets": {"counted": {"type": "memory"}}})
    before = asked.metrics()
    asked.post("/alerts", [{"title": "a"}, {"title": "b"}])
    asked.post("/alerts/pagerduty", {"event_action": "trigger", "payload": {"summary": "s", "severity": "error"}})
    asked.post("/alerts", {})
    assert asked.dispatcher.flush(60)
    found = asked.metrics()
    assert found['alert_gateway_accepted_total{source="alerts",status="accepted"}'] == 2
    assert found['alert_gateway_accepted_total{source="pagerduty",status="accepted"}'] == 1
    assert found['alert_gateway_requests_total{status="202"}'] == 2
    assert found['alert_gateway_requests_total{status="422"}'] == 1
    name = 'alert_gateway_delivered_total{target="counted"}'
    assert found[name] - before.get(name, 0) == 3  # of the whole process


def test_what_fails_and_what_is_dropped_is_counted(make: Make) -> None:
    def refuse(_alert: Alert) -> None:
        raise TypeError

    routes = [{"match": {"severity": "info"}, "targets": []}, {"targets": ["refusing"]}]
    asked = make({"targets": {"refusing": {"type": "memory"}}, "routes": routes})
    asked.dispatcher.targets["refusing"].send = refuse
    before = asked.metrics()
    asked.post("/alerts", [{"title": "a"}, {"title": "b", "severity": "info"}])
    assert asked.dispatcher.flush(60)
    found = asked.metrics()
    for name in ('alert_gateway_failed_total{target="refusing"}', 'alert_gateway_dropped_total{reason="silenced"}'):
        assert found[name] - before.get(name, 0) == 1
    assert found['alert_gateway_accepted_total{source="alerts",status="unrouted"}'] == 1


def test_the_depth_of_what_is_in_memory_is_told(make: Make) -> None:
    import threading

    clock, go_on = VirtualClock(autojump=False), threading.Event()
    asked = make({"targets": {"memory": {"type": "memory", "timeout": 300}}}, clock=clock)
    asked.dispatcher.targets["memory"].send = lambda alert: go_on.wait(60) and None
    asked.post("/alerts", [{"title": f"a{number}"} for number in range(20)])
    clock.advance(9)
    found = asked.metrics()
    assert found['alert_gateway_queue_depth{target="memory",state="waiting"}'] == 20
    assert found['alert_gateway_queue_oldest_seconds{target="memory"}'] == 9
    go_on.set()
    asked.dispatcher.flush(60)
    assert not [name for name in asked.metrics() if "queue" in name]


def test_the_depth_of_the_outbox_is_told(make: Make, tmp_path: Path) -> None:
    import alert_outbox.plugin

    asked = make(outbox(tmp_path, worker=False), alert_outbox.plugin)
    assert not [name for name in asked.metrics() if "queue" in name]
    asked.post("/alerts", [{"title": "a"}, {"title": "a"}, {"title": "b"}])
    found = asked.metrics()
    depth = {name: value for name, value in found.items() if "queue_depth" in name and value}
    assert depth == {
        'alert_gateway_queue_depth{target="memory",state="waiting"}': 2,
        'alert_gateway_queue_depth{target="memory",state="held"}': 1,
    }
    assert 0 <= found['alert_gateway_queue_oldest_seconds{target="memory"}'] < 600


def test_the_gateway_is_ready_as_long_as_the_outbox_can_be_written(make: Make, tmp_path: Path) -> None:
    import alert_outbox.plugin

    folder = tmp_path / "data"
    folder.mkdir()
    asked = make(outbox(folder, worker=False), alert_outbox.plugin)
    assert json.loads(asked.ask("GET", "/readyz").body) == {"ok": True}
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    response = asked.ask("GET", "/readyz")
    assert (response.status, response.headers["retry-after"]) == (503, "5")
    assert asked.ask("GET", "/healthz").status == 200
    assert asked.post("/alerts", {"title": "a"})[0] == 503


def test_where_no_target_is_configured_nothing_is_ready_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Dispatcher.from_config({}, plugins=Plugins([alert_gateway.plugin])) as dispatcher:
        gateway = Gateway(dispatcher)
        gateway.start()
        gateway.start()
        response = gateway.handle(Request(method="GET", path="/readyz"))
        gateway.close()
    assert response.status == 503
    assert "no target is configured" in json.loads(response.body)["error"]
    told = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert told == ["no target is configured", "GET /readyz 503"]


def test_metrics_are_told_although_the_outbox_cannot_be_read(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = make()

    def refuse() -> None:
        raise QueueError("gone")

    monkeypatch.setattr(asked.gateway.depth, "read", refuse)
    asked.post("/alerts", {"title": "a"})
    found = asked.metrics()
    assert found['alert_gateway_requests_total{status="202"}'] == 1
    assert found["alert_gateway_store_up"] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_counts_although_its_parent_was_counting_when_it_forked() -> None:
    counts = Counts("c_total", "Help.", "label")
    with counts._lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other tests' threads may be about
        child = os.fork()
        if not child:
            counts.add("a")
            os._exit(0 if counts.samples() == {("a",): 1} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_labels_are_escaped_and_text_is_utf_8() -> None:
    counts = Counts("c_total", "Help.", "label")
    counts.add('a"b\\c\nd\ud800é')
    text = exposition([counts], [("g", "Help.", (), {(): 1.5})])
    assert text.splitlines() == [
        "# HELP c_total Help.",
        "# TYPE c_total counter",
        'c_total{label="a\\"b\\\\c\\nd?é"} 1',
        "# HELP g Help.",
        "# TYPE g gauge",
        "g 1.5",
    ]
