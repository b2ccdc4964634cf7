"""Grafana: unified alerting's groups, legacy rules' states, and a signature over the body or a time and the body."""

from __future__ import annotations

import hashlib
import hmac
import json
from types import SimpleNamespace
from typing import Any

import pytest

from alert_core import Alert, Secret
from alert_gateway.config import SourceTable
from alert_gateway.events import Parsed, UnknownShapeError
from alert_gateway.sources import grafana
from alert_gateway.sources.grafana import authenticate, parse

UNIFIED: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "Latency", "grafana_folder": "Shop", "severity": "critical"},
    "annotations": {"summary": "p99 is 3 s", "description": "Checkout is slow.", "__dashboardUid__": "u"},
    "startsAt": "2026-03-04T05:06:07.62281314Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "https://grafana.example.org/alerting/grafana/x/view?orgId=2",
    "fingerprint": "c4edaaf9f9f839b0",
    "silenceURL": "https://grafana.example.org/alerting/silence/new",
    "dashboardURL": "https://grafana.example.org/d/u",
    "panelURL": "https://grafana.example.org/d/u?viewPanel=1",
    "values": {"B": 3.1},
    "valueString": "[ var='B' value=3.1 ]",
    "orgId": 2,
}
GROUP: dict[str, Any] = {
    "receiver": "gateway",
    "status": "firing",
    "orgId": 2,
    "alerts": [UNIFIED],
    "externalURL": "https://grafana.example.org/",
    "title": "[FIRING:1] Latency",
    "state": "alerting",
    "message": "**Firing**",
}
LEGACY: dict[str, Any] = {
    "title": "[Alerting] CPU",
    "ruleId": 7,
    "ruleName": "CPU of web",
    "ruleUrl": "https://grafana.example.org/d/x?panelId=2",
    "state": "alerting",
    "message": "CPU is high",
    "evalMatches": [{"value": 97.5, "metric": "user", "tags": None}],
    "tags": {"severity": "warning", "team": "web"},
}
SECRET = "grafana-canary-hmac-key"


def told(body: object, **settings: Any) -> Parsed:
    return parse(json.dumps(body).encode(), {}, {}, SourceTable(**settings))


def one(body: object, **settings: Any) -> Alert:
    (alert,) = told(body, **settings)
    return alert


def without(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: said for name, said in found.items() if name not in names}


def test_a_unified_alert_says_what_who_is_woken_needs() -> None:
    alert = one(GROUP)
    assert (alert.title, alert.message) == ("p99 is 3 s", "Checkout is slow.")
    assert (alert.severity, alert.status, alert.dedup_key) == ("critical", "firing", "grafana:2:c4edaaf9f9f839b0")
    assert alert.url == "https://grafana.example.org/d/u?viewPanel=1"
    assert alert.source == "grafana"
    assert alert.metadata == {
        "alertname": "Latency",
        "grafana_folder": "Shop",
        "values": {"B": 3.1},
        "generator_url": "https://grafana.example.org/alerting/grafana/x/view?orgId=2",
        "silence_url": "https://grafana.example.org/alerting/silence/new",
    }


def test_a_unified_resolve_has_its_firings_key() -> None:
    resolved = one({**GROUP, "alerts": [{**UNIFIED, "status": "resolved"}], "status": "resolved", "state": "ok"})
    assert (resolved.status, resolved.dedup_key) == ("resolved", one(GROUP).dedup_key)


def test_a_fingerprint_is_of_one_organisation() -> None:
    assert one({**GROUP, "orgId": 3, "alerts": [{**UNIFIED, "orgId": 3}]}).dedup_key != one(GROUP).dedup_key
    assert one({**GROUP, "alerts": [without(UNIFIED, "orgId")]}).dedup_key == one(GROUP).dedup_key
    assert one({"alerts": [without(UNIFIED, "orgId")]}).dedup_key == "grafana:c4edaaf9f9f839b0"


@pytest.mark.parametrize(
    ("status", "state", "expected"),
    [
        ("firing", "ok", "firing"),
        ("resolved", "alerting", "resolved"),
        (None, "ok", "resolved"),
        (None, None, "firing"),
    ],
)
def test_a_missing_status_is_the_groups(status: str | None, state: str | None, expected: str) -> None:
    body = {"state": state, "alerts": [{**UNIFIED, "status": status}]}
    assert one(body).status == expected


@pytest.mark.parametrize(
    ("alertname", "annotations", "title"),
    [
        ("DatasourceNoData", {}, "No data: Latency of shop"),
        ("DatasourceNoData", {"summary": "p99 is 3 s"}, "No data: p99 is 3 s"),
        ("DatasourceError", {"Error": "timeout"}, "Error: Latency of shop"),
    ],
)
def test_a_rule_without_data_does_not_say_what_it_would_with_data(
    alertname: str, annotations: dict[str, str], title: str
) -> None:
    labels = {"alertname": alertname, "rulename": "Latency of shop"}
    assert one({"alerts": [{"status": "firing", "labels": labels, "annotations": annotations}]}).title == title


def test_nulls_missing_fields_and_a_link_without_a_host_do_no_harm() -> None:
    bare = {"labels": {"alertname": "A"}, "annotations": None, "values": None, "generatorURL": "?orgId=1"}
    alert = one({"alerts": [bare], "externalURL": "https://grafana.example.org/"})
    assert (alert.title, alert.severity, alert.status) == ("A", "warning", "firing")
    assert alert.url == "https://grafana.example.org/"
    assert alert.metadata == {"alertname": "A"}
    assert one({"alerts": [bare]}).url is None


def test_the_test_button_of_a_contact_point_is_an_alert() -> None:
    body = {
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "TestAlert", "instance": "Grafana"},
                "annotations": {"summary": "Notification test"},
                "startsAt": "2026-03-04 05:06:07.62281314 +0000 UTC m=+0.01",
                "fingerprint": "57c6d9296de2ad39",
            }
        ]
    }
    alert = one(body)
    assert (alert.title, alert.created_at.isoformat()) == ("Notification test", "2026-03-04T05:06:07.622813+00:00")


def test_a_legacy_rule_says_what_who_is_woken_needs() -> None:
    alert = one(LEGACY)
    assert (alert.title, alert.message) == ("[Alerting] CPU", "CPU is high")
    assert (alert.severity, alert.status, alert.dedup_key) == ("warning", "firing", "grafana:rule:7")
    assert alert.url == "https://grafana.example.org/d/x?panelId=2"
    assert alert.metadata == {"team": "web", "rule": "CPU of web", "values": {"user": "97.5"}}


@pytest.mark.parametrize(
    ("state", "severity", "status"),
    [
        ("alerting", "critical", "firing"),
        ("ok", "critical", "resolved"),
        ("no_data", "warning", "firing"),
        ("pending", "info", "firing"),
        ("paused", "info", "firing"),
        (None, "critical", "firing"),
    ],
)
def test_a_legacy_state_is_the_severity_where_no_tag_is(state: str | None, severity: str, status: str) -> None:
    alert = one({**without(LEGACY, "tags"), "state": state})
    assert (alert.severity, alert.status, alert.dedup_key) == (severity, status, "grafana:rule:7")


@pytest.mark.parametrize(
    ("missing", "title", "message"),
    [
        (["message"], "[Alerting] CPU", "user = 97.5"),
        (["message", "evalMatches"], "[Alerting] CPU", "[Alerting] CPU"),
        (["title"], "CPU of web", "CPU is high"),
        (["title", "ruleName", "ruleUrl", "tags"], "CPU is high", "CPU is high"),
    ],
)
def test_a_legacy_rules_optional_fields_are_optional(missing: list[str], title: str, message: str) -> None:
    alert = one(without(LEGACY, *missing))
    assert (alert.title, alert.message) == (title, message)


def test_a_legacy_rule_is_of_one_organisation() -> None:
    assert one({**LEGACY, "orgId": 1}).dedup_key == "grafana:rule:1:7"
    assert one(without(LEGACY, "ruleId")).dedup_key == "grafana:rule:CPU of web"


def test_the_tutorials_body_is_critical_while_it_alerts() -> None:
    alert = one({"state": "alerting", "ruleName": "High latency", "message": "p99 > 2 s"})
    assert (alert.severity, alert.title, alert.message) == ("critical", "High latency", "p99 > 2 s")


def test_a_text_alone_is_an_alert() -> None:
    alert = one({"text": "Disk full\non db1"})
    assert (alert.title, alert.message, alert.status) == ("Disk full", "Disk full\non db1", "firing")
    assert one({"title": "[RESOLVED] A", "message": "fine", "state": "ok", "alerts": []}).status == "resolved"


@pytest.mark.parametrize("body", [{}, {"state": "alerting"}, [1], "text", None, {"alerts": [1]}], ids=str)
def test_another_shape_is_unknown(body: object) -> None:
    with pytest.raises(UnknownShapeError):
        told(body)


def signature(content: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


BODY = json.dumps(GROUP).encode()
NOW, LATE = "1795000400", "1795000000"


@pytest.mark.parametrize(
    ("headers", "proved"),
    {
        "the body": ({"x-grafana-alerting-signature": signature(BODY)}, True),
        "capitals": ({"x-grafana-alerting-signature": signature(BODY).upper()}, True),
        "time and body": ({"x-grafana-alerting-signature": signature(f"{NOW}:".encode() + BODY), "x-ts": NOW}, True),
        "an old time": ({"x-grafana-alerting-signature": signature(f"{LATE}:".encode() + BODY), "x-ts": LATE}, False),
        "another time": ({"x-grafana-alerting-signature": signature(f"{LATE}:".encode() + BODY), "x-ts": NOW}, False),
        "another body": ({"x-grafana-alerting-signature": signature(BODY + b" ")}, False),
        "another secret": ({"x-grafana-alerting-signature": signature(BODY, "other")}, False),
        "nothing": ({}, False),
        "no text": ({"x-grafana-alerting-signature": "é"}, False),
    }.values(),
    ids=range(9),
)
def test_a_signature_is_of_the_body_or_of_a_fresh_time_and_the_body(
    headers: dict[str, str], proved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grafana, "time", SimpleNamespace(time=lambda: float(NOW)))
    assert authenticate(BODY, headers, {}, SourceTable(secret=Secret(SECRET))) is proved
    assert not authenticate(BODY, headers, {}, SourceTable())
