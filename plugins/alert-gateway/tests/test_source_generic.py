"""generic: any body by the fields of the configuration, and by a guess for the rest."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from alert_core import Alert, ConfigError, Dispatcher
from alert_gateway.config import SourceTable
from alert_gateway.events import Parsed, UnknownShapeError
from alert_gateway.faults import raise_faults
from alert_gateway.sources.generic import parse

NAGIOS = {
    "data": {"check": "http", "host": "web-3", "state": "red", "output": "Connection refused", "at": 1772600767},
    "owner": {"team": "web"},
    "links": ["https://nagios.example.org/x"],
}
FIELDS = {
    "title": "data.check + data.host",
    "message": "data.long_output, data.output",
    "severity": "data.state",
    "severity.critical": "red, black",
    "severity.warning": "yellow",
    "status": "data.state",
    "status.resolved": "green",
    "status.acknowledged": "grey",
    "dedup_key": "data.host + data.check",
    "source": "data.host",
    "url": "links.0",
    "created_at": "data.at",
    "metadata.team": "owner.team",
}


def told(body: object, **fields: str) -> Parsed:
    return parse(json.dumps(body).encode(), {}, {}, SourceTable(fields=fields))


def one(body: object, **fields: str) -> Alert:
    (alert,) = told(body, **fields)
    return alert


def test_the_fields_of_the_configuration_say_where_everything_is() -> None:
    alert = one(NAGIOS, **FIELDS)
    assert (alert.title, alert.message) == ("http web-3", "Connection refused")
    assert (alert.severity, alert.status, alert.dedup_key) == ("critical", "firing", "generic:web-3 http")
    assert (alert.source, alert.url) == ("web-3", "https://nagios.example.org/x")
    assert alert.created_at == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert alert.metadata == {"team": "web", "via": "generic"}


@pytest.mark.parametrize(
    ("state", "severity", "status"),
    [
        ("Black", "critical", "firing"),
        ("yellow", "warning", "firing"),
        ("green", "warning", "resolved"),
        ("grey", "warning", "acknowledged"),
        ("resolved", "warning", "resolved"),
        ("fatal", "critical", "firing"),
    ],
)
def test_words_of_ones_own_stand_for_severities_and_statuses(state: str, severity: str, status: str) -> None:
    alert = one({**NAGIOS, "data": {**NAGIOS["data"], "state": state}}, **FIELDS)  # type: ignore[dict-item]  # is a dict
    assert (alert.severity, alert.status, alert.dedup_key) == (severity, status, "generic:web-3 http")


def test_what_is_not_mapped_is_guessed() -> None:
    alert = one({"what": "Disk full", "description": "on db1", "level": "critical"}, title="what")
    assert (alert.title, alert.message, alert.severity) == ("Disk full", "on db1", "critical")


def test_a_list_in_the_body_is_an_alert_each() -> None:
    body = {"found": {"problems": [{"n": "a"}, {"n": "b"}, 7, {}]}}
    alerts = told(body, alerts="found.problems", title="n")
    assert ([alert.title for alert in alerts], alerts.ignored) == (["a", "b"], 2)
    assert [alert.title for alert in told([{"title": "a"}, {"title": "b"}])] == ["a", "b"]
    assert told({"found": []}, alerts="found").ignored == 1


@pytest.mark.parametrize(
    ("body", "title", "message", "severity", "status"),
    [
        ({"title": "Disk full", "message": "db1", "type": "failure"}, "Disk full", "db1", "error", "firing"),
        ({"title": "Backup", "message": "done", "type": "success"}, "Backup", "done", "info", "firing"),
        ({"title": "Backup", "message": "done", "type": "backup"}, "Backup", "done", "warning", "firing"),
        ({"name": "CPU", "state": "OK", "priority": "high"}, "CPU", "CPU", "error", "resolved"),
        ({"text": "Deploy failed\nsee the log"}, "Deploy failed", "Deploy failed\nsee the log", "warning", "firing"),
        ({"content": "Deploy failed"}, "Deploy failed", "Deploy failed", "warning", "firing"),
        ({"event": {"Title": "A", "Level": "warn"}, "status": "resolved"}, "A", "A", "warning", "resolved"),
        ({"alerts": [{"labels": {"alertname": "A", "severity": "page"}}]}, "A", "A", "critical", "firing"),
    ],
    ids=range(8),
)
def test_without_a_mapping_the_usual_names_are_read(
    body: dict[str, Any], title: str, message: str, severity: str, status: str
) -> None:
    alert = one(body)
    assert (alert.title, alert.message, alert.severity, alert.status) == (title, message, severity, status)


def test_a_guess_tells_what_else_there_is() -> None:
    body = {"title": "A", "region": "eu", "count": 3, "nested": {"x": 1}, "password": "generic-canary", "tags": "a, b"}
    alert = one(body)
    assert (alert.metadata["region"], alert.metadata["count"], alert.tags) == ("eu", "3", ("a", "b"))
    assert "nested" not in alert.metadata
    assert "canary" not in str(alert.to_dict())
    assert one({"title": "A", "tags": ["a", 7, "b"]}).tags == ("a", "b")
    assert one({"title": "A", "x": {"t": "a,b"}}, tags="x.t").tags == ("a", "b")


def test_a_form_is_a_body_too() -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    (alert,) = parse(urlencode({"title": "A", "severity": "critical"}).encode(), form, {}, SourceTable())
    assert (alert.title, alert.severity) == ("A", "critical")


@pytest.mark.parametrize("resolved", [False, True])
def test_a_resolve_has_its_firings_key_without_any_mapping(resolved: bool) -> None:
    alert = one({"title": "CPU", "service": "web", "status": "resolved" if resolved else "firing"})
    assert alert.dedup_key == Alert("CPU", "m", source="web").dedup_key


@pytest.mark.parametrize("body", [{}, {"a": 1}, [1], [{}], "text", None], ids=str)
def test_another_shape_is_unknown(body: object) -> None:
    with pytest.raises(UnknownShapeError):
        told(body)
    with pytest.raises(UnknownShapeError):
        told(body, title="nowhere")


def test_a_field_that_does_not_exist_is_a_fault_of_the_configuration() -> None:
    fields = {**FIELDS, "tilte": "a", "metadata.anything": "b", "colour": "c"}
    table = {"type": "generic", "fields": fields}
    with (
        Dispatcher.from_config({"targets": {"none": {"type": "noop"}}, "sources": {"nagios": table}}) as dispatcher,
        pytest.raises(ConfigError) as raised,
    ):
        raise_faults(dispatcher)
    first, second = str(raised.value).splitlines()[-2:]
    assert 'sources.nagios.fields: "tilte" is no field of an alert; did you mean "title"?' in first
    assert '"colour" is no field of an alert; there are title, message,' in second


def test_a_value_that_the_name_beside_it_tells_to_be_secret_is_masked() -> None:
    (alert,) = told({"name": "password", "message": "m", "value": "correct horse"})
    assert "horse" not in str(alert.to_dict())
