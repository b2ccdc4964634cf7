"""Datadog: our payload, others' payloads, and the variables that Datadog leaves as they are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from alert_core import Alert
from alert_gateway.config import SourceTable
from alert_gateway.events import UnknownShapeError
from alert_gateway.sources.datadog import delivery_id, parse

TRIGGERED: dict[str, str] = {
    "title": "[P2] [Triggered on {host:web-3}] CPU is high",
    "message": "CPU of web-3 is over 95%.",
    "priority": "P2",
    "alert_type": "error",
    "transition": "Triggered",
    "alert_cycle_key": "8473625172839",
    "alert_id": "1234",
    "scope": "host:web-3",
    "hostname": "web-3",
    "link": "https://app.datadoghq.com/event/event?id=5",
    "tags": "env:prod, team:web",
    "date": "1772600767000",
    "event_id": "5",
}
RECOVERED = {**TRIGGERED, "title": "[P2] [Recovered on {host:web-3}] CPU is high", "transition": "Recovered"}


def one(body: object, headers: dict[str, str] | None = None) -> Alert:
    (alert,) = parse(body if isinstance(body, bytes) else json.dumps(body).encode(), headers or {}, {}, SourceTable())
    return alert


def test_a_triggered_monitor_says_what_who_is_woken_needs() -> None:
    alert = one(TRIGGERED)
    assert (alert.title, alert.message) == (TRIGGERED["title"], "CPU of web-3 is over 95%.")
    assert (alert.severity, alert.status) == ("error", "firing")
    assert alert.dedup_key == "datadog:8473625172839"
    assert alert.url == "https://app.datadoghq.com/event/event?id=5"
    assert alert.tags == ("env:prod", "team:web")
    assert alert.created_at == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert alert.metadata == {"alert_id": "1234", "scope": "host:web-3", "hostname": "web-3", "severity_raw": "P2"}


def test_a_recovery_has_its_triggers_key() -> None:
    assert (one(RECOVERED).status, one(RECOVERED).dedup_key) == ("resolved", one(TRIGGERED).dedup_key)


@pytest.mark.parametrize(
    "transition", ["Triggered", "Re-Triggered", "No Data", "Renotify", "Warn", "$ALERT_TRANSITION"]
)
def test_every_other_transition_fires(transition: str) -> None:
    assert one({**TRIGGERED, "transition": transition}).status == "firing"


@pytest.mark.parametrize(
    ("priority", "kind", "severity"),
    [
        ("P1", "error", "critical"),
        ("P3", "error", "warning"),
        ("P5", "error", "info"),
        ("", "error", "error"),
        ("$ALERT_PRIORITY", "warning", "warning"),
        ("", "info", "info"),
        ("", "", "warning"),
    ],
)
def test_the_priority_is_the_severity_else_the_alerts_type(priority: str, kind: str, severity: str) -> None:
    assert one({**TRIGGERED, "priority": priority, "alert_type": kind}).severity == severity


def test_a_recovery_without_a_priority_goes_the_way_of_an_error() -> None:
    bare = {**RECOVERED, "priority": "$ALERT_PRIORITY", "alert_type": "success"}
    assert (one(bare).severity, one(bare).status) == ("error", "resolved")
    assert one({**bare, "transition": "$ALERT_TRANSITION"}).status == "resolved"


def test_variables_that_do_not_apply_say_nothing() -> None:
    bare = {name: f"${name.upper()}" for name in TRIGGERED} | {"title": "Disk full", "org": {"id": "$ORG_ID"}}
    alert = one(bare)
    assert (alert.title, alert.message, alert.severity) == ("Disk full", "Disk full", "warning")
    assert (alert.url, alert.tags, alert.metadata) == (None, (), {})


def test_a_payload_in_which_nothing_was_filled_in_says_so() -> None:
    alert = one({"title": "$EVENT_TITLE", "message": "$TEXT_ONLY_MSG", "tags": "$TAGS[team]"})
    assert (
        alert.title
        == "Datadog left every variable of the webhook's payload as it is. Compare the payload with the docs."
    )


def test_without_a_cycle_the_monitor_and_its_scope_are_the_key() -> None:
    bare = {name: said for name, said in TRIGGERED.items() if name != "alert_cycle_key"}
    assert one(bare).dedup_key == "datadog:1234:host:web-3"
    assert one({**bare, "transition": "Recovered"}).dedup_key == "datadog:1234:host:web-3"
    assert one({**bare, "scope": "host:web-4"}).dedup_key == "datadog:1234:host:web-4"


def test_the_encoding_as_a_form_says_the_same() -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    alert = one(urlencode(TRIGGERED).encode(), form)
    assert alert.evolve(id="1", correlation_id="1") == one(TRIGGERED).evolve(id="1", correlation_id="1")


def test_datadogs_own_names_and_markdown_are_read() -> None:
    alert = one(
        {"EVENT_TITLE": "Disk", "EVENT_MSG": "%%%\nfull on **db1**\n%%%", "ALERT_PRIORITY": "P1", "tags": ["a"]}
    )
    assert (alert.title, alert.message, alert.severity, alert.tags) == ("Disk", "full on **db1**", "critical", ("a",))


def test_an_event_is_known_again_where_datadog_tries_again() -> None:
    first, again, end = (delivery_id(json.dumps(body).encode(), {}) for body in (TRIGGERED, TRIGGERED, RECOVERED))
    assert first == again != end
    assert delivery_id(b'{"id": "1234", "title": "t"}', {}) is None
    assert delivery_id(b'{"event_id": "$ID"}', {}) is None


@pytest.mark.parametrize("body", [{}, {"a": 1}, [], "text", None], ids=str)
def test_another_shape_is_unknown(body: object) -> None:
    with pytest.raises(UnknownShapeError):
        one(body)
