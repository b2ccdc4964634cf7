"""Alertmanager: every alert of a group is an alert, with the status, the severity and the key that are its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from alert_core import Alert, Severity
from alert_gateway.config import SourceTable
from alert_gateway.events import Parsed, UnknownShapeError
from alert_gateway.sources.alertmanager import parse

NEVER = "0001-01-01T00:00:00Z"
FIRING: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "DiskFull", "instance": "db1", "service": "db", "severity": "critical"},
    "annotations": {"summary": "Disk 91% full on db1", "description": "9 GiB are left."},
    "startsAt": "2026-03-04T05:06:07.891234567Z",
    "endsAt": NEVER,
    "generatorURL": "http://prometheus.example.org/graph?g0.expr=up",
    "fingerprint": "d40fc7db1abbc59f",
}
RESOLVED = {**FIRING, "status": "resolved", "annotations": {}, "endsAt": "2026-03-04T06:00:00Z"}


def group(*alerts: object, **more: object) -> dict[str, Any]:
    return {
        "receiver": "gateway",
        "status": "firing",
        "alerts": list(alerts),
        "groupLabels": {"alertname": "DiskFull"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.org",
        "version": "4",
        "groupKey": '{}:{alertname="DiskFull"}',
        "truncatedAlerts": 0,
        **more,
    }


def told(body: object, **settings: Any) -> Parsed:
    return parse(json.dumps(body).encode(), {}, {}, SourceTable(**settings))


def one(body: object, **settings: Any) -> Alert:
    (alert,) = told(body, **settings)
    return alert


def test_a_firing_alert_says_what_who_is_woken_needs() -> None:
    alert = one(group(FIRING))
    assert (alert.title, alert.message) == ("Disk 91% full on db1", "9 GiB are left.")
    assert (alert.severity, alert.status) == ("critical", "firing")
    assert alert.dedup_key == "alertmanager:d40fc7db1abbc59f"
    assert alert.url == "http://prometheus.example.org/graph?g0.expr=up"
    assert alert.created_at == datetime(2026, 3, 4, 5, 6, 7, 891234, UTC)
    assert alert.source == "db"
    assert alert.metadata == {"alertname": "DiskFull", "instance": "db1", "via": "alertmanager"}


def test_a_resolve_is_of_the_same_event_though_its_annotations_are_gone() -> None:
    alert = one(group(RESOLVED, status="resolved"))
    assert (alert.title, alert.message) == ("DiskFull", "instance=db1")
    assert (alert.status, alert.severity) == ("resolved", "critical")
    assert alert.dedup_key == one(group(FIRING)).dedup_key
    assert alert.created_at == datetime(2026, 3, 4, 6, tzinfo=UTC)


def test_each_alert_of_a_mixed_group_has_a_status_of_its_own() -> None:
    other = {**FIRING, "fingerprint": "38537c553f3b86be"}
    assert [(alert.status, alert.dedup_key[-4:]) for alert in told(group(RESOLVED, other))] == [
        ("resolved", "c59f"),
        ("firing", "86be"),
    ]


@pytest.mark.parametrize(
    ("labels", "annotations", "title", "message"),
    [
        ({"alertname": "A"}, {"summary": "S", "description": "D"}, "S", "D"),
        ({"alertname": "A"}, {"title": "T", "message": "M"}, "T", "M"),
        ({"alertname": "A"}, {"description": "D"}, "A", "D"),
        ({"alertname": "A", "pod": "p-1", "ns": "x"}, {}, "A", "pod=p-1, ns=x"),
        ({"alertname": "A"}, {}, "A", "A"),
        ({"pod": "p-1", "severity": "page"}, {}, "pod=p-1", "pod=p-1"),
        ({"severity": "page"}, {}, "severity=page", "severity=page"),
        ({}, {}, "Alert from alertmanager", "Alert from alertmanager"),
        ({"alertname": "A"}, None, "A", "A"),
        ({"alertname": None, "pod": 7}, {"summary": " "}, "pod=7", "pod=7"),
    ],
)
def test_title_and_message_are_the_best_there_are(
    labels: dict[str, Any], annotations: dict[str, Any] | None, title: str, message: str
) -> None:
    alert = one(group({"status": "firing", "labels": labels, "annotations": annotations}))
    assert (alert.title, alert.message) == (title, message)


@pytest.mark.parametrize(
    ("word", "severity", "kept"),
    [("critical", "critical", None), ("page", "critical", "page"), ("none", "info", "none"), (None, "warning", None)],
)
def test_the_severity_is_the_label(word: str | None, severity: str, kept: str | None) -> None:
    alert = one(group({"labels": {"alertname": "A", "severity": word}}))
    assert (alert.severity, alert.metadata.get("severity_raw")) == (severity, kept)


def test_the_tables_default_severity_is_for_alerts_without_one() -> None:
    assert one(group({"labels": {"alertname": "A"}}), default_severity=Severity.ERROR).severity is Severity.ERROR


def test_without_a_fingerprint_the_labels_are_the_key() -> None:
    bare = {name: FIRING[name] for name in ("status", "labels", "annotations")}
    firing, resolved = one(group(bare)), one(group({**bare, "status": "resolved", "annotations": {}}))
    other = one(group({**bare, "labels": {**FIRING["labels"], "instance": "db2"}}))
    assert firing.dedup_key == resolved.dedup_key != other.dedup_key


@pytest.mark.parametrize(
    ("annotations", "generator", "link"),
    [
        ({"runbook_url": "https://r.example.org"}, "http://p.example.org", "https://r.example.org"),
        ({"dashboard_url": "https://d.example.org"}, "http://p.example.org", "https://d.example.org"),
        ({"runbook": "ask Ana"}, "http://p.example.org", "http://p.example.org"),
        ({}, "", "http://alertmanager.example.org"),
        ({}, "/graph", "http://alertmanager.example.org"),
    ],
)
def test_the_link_is_what_people_wrote_else_the_graph_else_alertmanager(
    annotations: dict[str, str], generator: str, link: str
) -> None:
    alert = one(group({**FIRING, "annotations": annotations, "generatorURL": generator}))
    assert alert.url == link
    assert (alert.metadata.get("generator_url") == generator) == (generator.startswith("http") and link != generator)


def test_a_truncated_group_says_how_many_nobody_hears_of() -> None:
    assert one(group(FIRING, truncatedAlerts=3)).message == (
        "9 GiB are left.\n\n3 more alerts of this group were left out: raise the sender's max_alerts."
    )


def test_prometheus_itself_posts_a_list() -> None:
    assert [alert.title for alert in told([FIRING, {**FIRING, "annotations": {}}])] == [
        "Disk 91% full on db1",
        "DiskFull",
    ]


def test_what_is_no_alert_in_a_group_is_counted() -> None:
    assert (len(found := told(group(FIRING, None, "x", {}))), found.ignored) == (1, 3)
    assert (len(found := told(group())), found.ignored) == (0, 1)


def test_a_body_of_the_users_own_template_is_read_where_it_has_a_title_or_a_text() -> None:
    alert = one(
        {"summary": "Disk full", "text": "on db1", "severity": "critical", "status": "resolved", "groupKey": "g"}
    )
    assert (alert.title, alert.message, alert.severity, alert.status) == ("Disk full", "on db1", "critical", "resolved")
    assert alert.dedup_key == "alertmanager:g"


@pytest.mark.parametrize("body", [{}, {"a": 1}, [], [1], "text", 7, None, {"alerts": ["x"]}, {"alerts": {}}], ids=str)
def test_another_shape_is_unknown(body: object) -> None:
    if body == []:
        assert told(body).ignored == 1
        return
    with pytest.raises(UnknownShapeError):
        told(body)
