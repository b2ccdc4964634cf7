import json
from typing import Any

import pytest

from alert_core import Alert, Severity, Status
from alert_gateway.config import SourceTable
from alert_gateway.events import Parsed, UnknownShapeError
from alert_gateway.sources import opsgenie

CREATE: dict[str, Any] = {
    "action": "Create",
    "alert": {
        "alertId": "70413a06-38d6-4c85-92b8-5ebc900d42e2",
        "tinyId": "1791",
        "alias": "checkout-latency",
        "message": "Checkout answers in 9 s",
        "description": "p99 of POST /checkout over 5 minutes",
        "tags": ["payments", "slo"],
        "entity": "checkout",
        "priority": "P1",
        "createdAt": 1772600767089,
        "updatedAt": 1772600767089000123,
        "username": "ana@example.com",
        "details": {"region": "eu-west", "runbook": "https://runbooks.example.com/checkout"},
    },
    "integrationName": "alert-core",
}


def acted(action: str, **alert: Any) -> dict[str, Any]:
    return CREATE | {"action": action, "alert": CREATE["alert"] | alert}


def parse(body: Any) -> Parsed:
    return opsgenie.parse(json.dumps(body).encode(), {}, {}, SourceTable())


def read(body: Any) -> Alert:
    (alert,) = parse(body)
    return alert


def test_an_alert_is_read_as_opsgenie_shows_it() -> None:
    alert = read(CREATE)
    assert (alert.title, alert.message) == ("Checkout answers in 9 s", "p99 of POST /checkout over 5 minutes")
    assert (alert.severity, alert.status) == (Severity.CRITICAL, Status.FIRING)
    assert (alert.source, alert.tags) == ("checkout", ("payments", "slo"))
    assert (alert.dedup_key, alert.url) == ("opsgenie:checkout-latency", "https://runbooks.example.com/checkout")
    assert alert.created_at.isoformat() == "2026-03-04T05:06:07.089000+00:00"
    assert alert.metadata["opsgenie_id"] == "1791"
    assert (alert.metadata["region"], alert.metadata["severity_raw"]) == ("eu-west", "P1")


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("Create", Status.FIRING),
        ("create", Status.FIRING),
        ("Acknowledge", Status.ACKNOWLEDGED),
        ("UnAcknowledge", Status.FIRING),
        ("UpdatePriority", Status.FIRING),
        ("Close", Status.RESOLVED),
        ("Delete", Status.RESOLVED),
    ],
)
def test_an_action_that_changes_the_state_is_told_of_the_same_event(action: str, status: Status) -> None:
    alert = read(acted(action))
    assert (alert.status, alert.dedup_key) == (status, read(CREATE).dedup_key)


@pytest.mark.parametrize(
    "body",
    [
        acted("AddNote", note="Looking at it"),
        acted("AddTags", addedTags="late"),
        acted("RemoveTags"),
        acted("AssignOwnership", owner="rui@example.com"),
        acted("TakeOwnership"),
        acted("AddTeam"),
        acted("Restart the pods"),
        {"action": "Escalate", "alert": {"alertId": "70413a06-38d6-4c85-92b8-5ebc900d42e2"}, "escalationName": "night"},
    ],
)
def test_what_changes_no_state_is_ignored_and_counted(body: dict[str, Any]) -> None:
    assert (list(parse(body)), parse(body).ignored) == ([], 1)


def test_who_did_what_and_said_what_is_told() -> None:
    alert = read(acted("Close", username="rui@example.com", note="Rolled back", updatedAt=1772601000000000000))
    assert alert.metadata["action"] == "Close"
    assert (alert.metadata["username"], alert.metadata["note"]) == ("rui@example.com", "Rolled back")
    assert alert.created_at.isoformat() == "2026-03-04T05:10:00+00:00"  # of nanoseconds


@pytest.mark.parametrize(
    ("priority", "severity"),
    [
        ("P1", Severity.CRITICAL),
        ("P2", Severity.ERROR),
        ("P3", Severity.WARNING),
        ("P4", Severity.INFO),
        ("P5", Severity.INFO),
        (1, Severity.CRITICAL),
        (3, Severity.WARNING),
        ("urgent", Severity.WARNING),
        (None, Severity.WARNING),
    ],
)
def test_a_priority_is_a_word_or_a_number(priority: object, severity: Severity) -> None:
    assert read(acted("Create", priority=priority)).severity is severity


@pytest.mark.parametrize(
    ("alert", "title", "key"),
    [
        ({"message": "Disk full"}, "Disk full", None),
        ({"message": "Disk full", "alertId": "70413a06"}, "Disk full", "opsgenie:70413a06"),
        ({"alertId": "70413a06", "tinyId": 12}, "Opsgenie alert 12", "opsgenie:70413a06"),
        ({"alias": "disk", "tags": None, "details": []}, "Opsgenie alert disk", "opsgenie:disk"),
    ],
)
def test_missing_fields_are_made_up_for(alert: dict[str, Any], title: str, key: str | None) -> None:
    made = read({"alert": alert})
    assert (made.title, made.message, made.source, made.status) == (title, title, "opsgenie", Status.FIRING)
    assert key in {None, made.dedup_key}


@pytest.mark.parametrize(
    "body", [{}, [], [CREATE], "text", None, {"action": "Create"}, {"alert": "text"}, {"alert": {}}]
)
def test_anything_else_is_of_no_known_shape(body: object) -> None:
    with pytest.raises(UnknownShapeError):
        parse(body)
