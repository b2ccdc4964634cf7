import json
from collections.abc import Callable
from typing import Any

import pytest

from alert_core import Alert, Secret, Severity, Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import BodyError
from alert_gateway.events import UnknownShapeError
from alert_gateway.sources import pagerduty

KEY = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
TRIGGER: dict[str, Any] = {
    "routing_key": KEY,
    "event_action": "trigger",
    "dedup_key": "db1/disk",
    "payload": {
        "summary": "Disk 98 % full on db1",
        "source": "db1.example.com",
        "severity": "critical",
        "timestamp": "2026-03-04T05:06:07.089+0000",
        "component": "postgres",
        "group": "databases",
        "class": "disk",
        "custom_details": {"message": "412 MB are left on /var.", "free": "412 MB", "inodes": {"free": 1200}},
    },
    "client": "Nagios",
    "client_url": "https://nagios.example.com",
    "links": [
        {"href": "https://runbooks.example.com/disk", "text": "Runbook"},
        {"href": "https://graphs.example.com/db1", "text": "Graph"},
    ],
    "images": [{"src": "https://graphs.example.com/db1.png"}],
}
RESOLVE = {"routing_key": KEY, "event_action": "resolve", "dedup_key": "db1/disk"}
# As Alertmanager's notifier sends it.
ALERTMANAGER: dict[str, Any] = {
    "routing_key": KEY,
    "dedup_key": "5b1e7c1f0d9a4b8e8b6f2a3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f70",
    "event_action": "trigger",
    "payload": {
        "summary": "[FIRING:1] InstanceDown shop",
        "source": "Alertmanager",
        "severity": "error",
        "custom_details": {
            "firing": "Labels:\n - alertname = InstanceDown\n",
            "num_firing": "1",
            "num_resolved": "0",
            "resolved": "",
        },
    },
    "client": "Alertmanager",
    "client_url": "https://alertmanager.example.com/#/alerts",
}
CHANGE: dict[str, Any] = {
    "routing_key": KEY,
    "payload": {
        "summary": "Deployed shop 4.12",
        "timestamp": "2026-03-04T05:06:07.089+0000",
        "source": "deploy-bot",
        "custom_details": {"revision": "f00d"},
    },
    "links": [{"href": "https://ci.example.com/deploys/412"}],
}
VERSION_1 = {
    "service_key": KEY,
    "event_type": "trigger",
    "incident_key": "srv01/HTTP",
    "description": "FAILURE for HTTP on srv01",
    "client": "Monitor",
    "client_url": "https://monitor.example.com",
    "details": {"ping time": "1500ms"},
}


def read(body: Any, **settings: Any) -> Alert:
    (alert,) = pagerduty.parse(json.dumps(body).encode(), {}, {}, SourceTable(**settings))
    return alert


def key_of(body: Any) -> str:
    return pagerduty.answer(json.dumps(body).encode(), {})["dedup_key"]


def test_a_trigger_is_read_with_all_that_pagerduty_would_show() -> None:
    alert = read(TRIGGER)
    assert (alert.title, alert.message) == ("Disk 98 % full on db1", "412 MB are left on /var.")
    assert (alert.severity, alert.status) == (Severity.CRITICAL, Status.FIRING)
    assert (alert.source, alert.dedup_key) == ("db1.example.com", "pagerduty:db1/disk")
    assert alert.url == "https://runbooks.example.com/disk"
    assert alert.created_at.isoformat() == "2026-03-04T05:06:07.089000+00:00"
    assert alert.metadata == {
        "component": "postgres",
        "group": "databases",
        "class": "disk",
        "client": "Nagios",
        "links": ["https://graphs.example.com/db1"],
        "images": ["https://graphs.example.com/db1.png"],
        "free": "412 MB",
        "inodes": {"free": 1200},
        "via": "pagerduty",
    }


@pytest.mark.parametrize(
    ("action", "status"),
    [("acknowledge", Status.ACKNOWLEDGED), ("resolve", Status.RESOLVED), ("Resolve", Status.RESOLVED)],
)
def test_what_follows_a_trigger_needs_no_more_than_its_key(action: str, status: Status) -> None:
    alert = read(RESOLVE | {"event_action": action})
    assert (alert.status, alert.dedup_key) == (status, read(TRIGGER).dedup_key)
    assert alert.title == "Event db1/disk"


def test_a_resolve_with_a_summary_keeps_it() -> None:
    assert read(TRIGGER | {"event_action": "resolve"}).title == "Disk 98 % full on db1"


def test_alertmanagers_notifier_tells_its_alerts_in_the_details() -> None:
    alert = read(ALERTMANAGER)
    assert alert.message == "Labels:\n - alertname = InstanceDown"
    assert alert.url == "https://alertmanager.example.com/#/alerts"
    assert alert.dedup_key == f"pagerduty:{ALERTMANAGER['dedup_key']}"
    assert alert.metadata == {"client": "Alertmanager", "num_firing": "1", "num_resolved": "0", "via": "pagerduty"}


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        ("critical", Severity.CRITICAL),
        ("error", Severity.ERROR),
        ("warning", Severity.WARNING),
        ("info", Severity.INFO),
        ("Critical", Severity.CRITICAL),
        ("high", Severity.ERROR),
        ("catastrophic", Severity.WARNING),
        (None, Severity.WARNING),
    ],
)
def test_a_severity_that_pagerduty_would_refuse_loses_no_alert(said: str | None, severity: Severity) -> None:
    payload = TRIGGER["payload"] | {"severity": said}
    assert read(TRIGGER | {"payload": payload}).severity is severity


def test_a_change_event_is_an_info_of_its_own() -> None:
    alert = read(CHANGE, default_severity=Severity.CRITICAL)
    assert (alert.title, alert.severity, alert.tags) == ("Deployed shop 4.12", Severity.INFO, ("change",))
    assert (alert.source, alert.url) == ("deploy-bot", "https://ci.example.com/deploys/412")
    later = CHANGE | {"payload": CHANGE["payload"] | {"timestamp": "2026-03-04T06:00:00Z"}}
    assert read(later).dedup_key != alert.dedup_key
    assert read(CHANGE).dedup_key == alert.dedup_key


def test_the_first_versions_events_are_read_too() -> None:
    alert = read(VERSION_1)
    assert (alert.title, alert.dedup_key) == ("FAILURE for HTTP on srv01", "pagerduty:srv01/HTTP")
    assert alert.metadata == {"client": "Monitor", "ping time": "1500ms"}
    resolved = read({"service_key": KEY, "event_type": "resolve", "incident_key": "srv01/HTTP"})
    assert (resolved.status, resolved.dedup_key) == (Status.RESOLVED, alert.dedup_key)


def test_details_may_be_a_text() -> None:
    payload = TRIGGER["payload"] | {"custom_details": "/var is full"}
    assert read(TRIGGER | {"payload": payload}).message == "/var is full"


def test_the_routing_key_is_not_told() -> None:
    assert all(
        KEY not in json.dumps(read(body).to_dict()) for body in (TRIGGER, RESOLVE, ALERTMANAGER, CHANGE, VERSION_1)
    )


def test_the_answer_is_what_pagerdutys_clients_look_for() -> None:
    answer = pagerduty.answer(json.dumps(TRIGGER).encode(), {})
    assert answer == {"status": "success", "message": "Event processed", "dedup_key": "db1/disk"}
    assert pagerduty.answer(json.dumps(VERSION_1).encode(), {})["incident_key"] == "srv01/HTTP"


def test_a_trigger_without_a_key_is_answered_with_one_that_resolves_it() -> None:
    keyless = {name: said for name, said in TRIGGER.items() if name != "dedup_key"}
    made = key_of(keyless)
    assert made == key_of(keyless | {"client": "another"})
    assert made != key_of(keyless | {"payload": TRIGGER["payload"] | {"source": "db2.example.com"}})
    assert read(RESOLVE | {"dedup_key": made}).dedup_key == read(keyless).dedup_key


@pytest.mark.parametrize("body", [TRIGGER, RESOLVE, CHANGE, VERSION_1])
def test_a_routing_key_proves_the_sender_where_it_is_the_sources_token(body: dict[str, Any]) -> None:
    raw = json.dumps(body).encode()
    assert pagerduty.authenticate(raw, {}, {}, SourceTable(token=Secret(KEY)))
    assert pagerduty.authenticate(raw, {}, {}, SourceTable(token=(Secret("another-key"), Secret(KEY))))
    assert not pagerduty.authenticate(raw, {}, {}, SourceTable(token=Secret("another-key")))
    assert not pagerduty.authenticate(raw, {}, {}, SourceTable())


def test_a_notifier_of_pagerduty_needs_no_more_than_another_url(make: Callable[..., Any]) -> None:
    asked = make({"sources": {"pagerduty": {"token": KEY}}})
    status, answer = asked.post("/alerts/pagerduty", TRIGGER)
    assert (status, answer["status"], answer["dedup_key"]) == (202, "success", "db1/disk")
    assert asked.post("/alerts/pagerduty", RESOLVE)[1]["status"] == "success"
    assert [alert.status for alert in asked.alerts] == [Status.FIRING, Status.RESOLVED]
    assert asked.post("/alerts/pagerduty", TRIGGER | {"routing_key": "another-key"})[0] == 401


@pytest.mark.parametrize("path", ["/v2/enqueue", "/v2/change/enqueue", "/generic/2010-04-15/create_event.json", "/"])
@pytest.mark.parametrize("name", ["pagerduty", "pagerduty-eu"])
def test_a_client_may_append_pagerdutys_path_to_its_base_url(make: Callable[..., Any], name: str, path: str) -> None:
    asked = make({"sources": {"pagerduty-eu": {"type": "pagerduty", "token": KEY}}})
    assert asked.post(f"/alerts/{name}{path}", TRIGGER)[0] == 202
    assert asked.alerts[0].dedup_key == f"{name}:db1/disk"


def test_no_other_path_is_pagerdutys_nor_pagerdutys_another_sources(make: Callable[..., Any]) -> None:
    asked = make()
    for path in ("/alerts/pagerduty/v2/enqueue/x", "/alerts/pagerduty//v2/enqueue", "/alerts/grafana/v2/enqueue"):
        status, answer = asked.post(path, TRIGGER)
        assert (status, answer["error"][:12]) == (404, "no such path")
    assert asked.alerts == []


@pytest.mark.parametrize(
    "body", [{}, [], "text", {"routing_key": ""}, {"routing_key": [KEY]}, {"routing_key": {"a": KEY}}]
)
def test_without_a_routing_key_nothing_is_proved(body: object) -> None:
    assert not pagerduty.authenticate(json.dumps(body).encode(), {}, {}, SourceTable(token=Secret(KEY)))


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        [TRIGGER],
        "text",
        None,
        {"routing_key": KEY},
        {"event_action": "resolve"},
        {"event_action": "trigger", "dedup_key": "a"},
    ],
)
def test_anything_else_is_of_no_known_shape(body: object) -> None:
    with pytest.raises(UnknownShapeError):
        read(body)


def test_what_is_no_json_is_the_senders_fault() -> None:
    with pytest.raises(BodyError):
        pagerduty.parse(b"{", {}, {}, SourceTable())
