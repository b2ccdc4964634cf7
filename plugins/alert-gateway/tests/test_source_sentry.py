"""Sentry: issues, issue alerts and metric alerts of an integration, and the legacy plugin's events."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from alert_core import Alert, Secret
from alert_gateway.config import SourceTable
from alert_gateway.events import Parsed, UnknownShapeError
from alert_gateway.sources.sentry import authenticate, delivery_id, parse

SECRET = "sentry-canary-client-secret"
ISSUE: dict[str, Any] = {
    "action": "created",
    "actor": {"type": "application", "name": "Sentry"},
    "data": {
        "issue": {
            "id": "1170820242",
            "shortId": "SHOP-1",
            "title": "ReferenceError: cart is not defined",
            "culprit": "checkout(app.js)",
            "level": "fatal",
            "platform": "javascript",
            "project": {"id": "1", "slug": "shop", "name": "Shop"},
            "web_url": "https://example.sentry.io/issues/1170820242/",
            "metadata": {"type": "ReferenceError", "value": "cart is not defined"},
            "lastSeen": "2026-03-04T05:06:07.000000Z",
        }
    },
}
EVENT: dict[str, Any] = {
    "action": "triggered",
    "data": {
        "event": {
            "event_id": "e4874d664c3540c1a32eab185f12c5ab",
            "issue_id": "1170820242",
            "title": "ReferenceError: cart is not defined",
            "culprit": "checkout(app.js)",
            "message": "while paying",
            "level": "error",
            "datetime": "2026-03-04T05:06:07Z",
            "project": 1,
            "web_url": "https://example.sentry.io/issues/1170820242/events/e48/",
            "issue_url": "https://sentry.io/api/0/issues/1170820242/",
            "tags": [["environment", "prod"], ["release", "1.2"], ["user", "id:canary"], ["level", "error"]],
            "request": {"cookies": [["session", "canary"]], "headers": [["Authorization", "canary"]]},
            "user": {"email": "canary@example.org"},
        },
        "triggered_rule": "Errors of shop",
    },
}
LEGACY: dict[str, Any] = {
    "id": "1170820242",
    "project": "shop",
    "project_name": "Shop",
    "project_slug": "shop",
    "level": "error",
    "culprit": "pay at app.js:245",
    "message": "Cannot pay: HTTP 504",
    "url": "https://example.sentry.io/issues/1170820242/",
    "event": {
        "title": "Cannot pay",
        "timestamp": 1772600767.5,
        "environment": "prod",
        "logentry": {"formatted": "Cannot pay: HTTP 504"},
        "request": {"headers": [["Cookie", "canary"]]},
    },
}
METRIC: dict[str, Any] = {
    "action": "critical",
    "data": {
        "description_title": "Critical: Too many errors",
        "description_text": "1000 events in the last 10 minutes",
        "metric_alert": {"id": "7", "alert_rule": {"name": "Too many errors"}, "projects": ["shop"]},
        "web_url": "https://example.sentry.io/alerts/7/",
    },
}


def told(body: object, **headers: str) -> Parsed:
    return parse(json.dumps(body).encode(), headers, {}, SourceTable())


def one(body: object) -> Alert:
    (alert,) = told(body)
    return alert


def test_an_issue_says_what_who_is_woken_needs() -> None:
    alert = one(ISSUE)
    assert (alert.title, alert.message) == ("ReferenceError: cart is not defined", "checkout(app.js)")
    assert (alert.severity, alert.status, alert.dedup_key) == ("critical", "firing", "sentry:1170820242")
    assert (alert.url, alert.source) == ("https://example.sentry.io/issues/1170820242/", "shop")
    assert alert.metadata == {"platform": "javascript", "short_id": "SHOP-1", "severity_raw": "fatal", "via": "sentry"}


def test_an_issue_alert_says_what_who_is_woken_needs_and_nothing_of_the_request() -> None:
    alert = one(EVENT)
    assert (alert.title, alert.message) == ("ReferenceError: cart is not defined", "checkout(app.js)\nwhile paying")
    assert (alert.severity, alert.status, alert.dedup_key) == ("error", "firing", "sentry:1170820242")
    assert alert.url == "https://example.sentry.io/issues/1170820242/events/e48/"
    assert alert.metadata == {"environment": "prod", "release": "1.2", "rule": "Errors of shop"}
    assert "canary" not in str(alert.to_dict())


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("created", "firing"),
        ("unresolved", "firing"),
        ("resolved", "resolved"),
        ("assigned", "acknowledged"),
        ("ignored", "acknowledged"),
        ("archived", "acknowledged"),
    ],
)
def test_what_is_done_with_an_issue_is_its_status_under_the_same_key(action: str, status: str) -> None:
    alert = one({**ISSUE, "action": action, "actor": {"name": "Ana"}})
    assert (alert.status, alert.dedup_key) == (status, one(EVENT).dedup_key)
    assert alert.metadata.get("actor") == (None if status == "firing" else "Ana")


def test_the_legacy_plugins_event_says_what_who_is_woken_needs() -> None:
    alert = one(LEGACY)
    assert (alert.title, alert.message) == ("Cannot pay", "pay at app.js:245\nCannot pay: HTTP 504")
    assert (alert.severity, alert.dedup_key, alert.source) == ("error", "sentry:1170820242", "shop")
    assert alert.url == "https://example.sentry.io/issues/1170820242/"
    assert alert.metadata["environment"] == "prod"
    assert "canary" not in str(alert.to_dict())


def test_a_metric_alert_has_a_key_of_its_own() -> None:
    alert, end = one(METRIC), one({**METRIC, "action": "resolved"})
    assert (alert.title, alert.message) == ("Critical: Too many errors", "1000 events in the last 10 minutes")
    assert (alert.severity, alert.status, alert.dedup_key) == ("critical", "firing", "sentry:metric:7")
    assert (end.severity, end.status, end.dedup_key) == ("critical", "resolved", "sentry:metric:7")
    assert one({**METRIC, "action": "warning"}).severity == "warning"


@pytest.mark.parametrize(
    ("event", "title", "message", "severity"),
    [
        ({"title": "A"}, "A", "A", "warning"),
        ({"message": "A\nB"}, "A\nB", "A\nB", "warning"),
        ({"culprit": "f()"}, "f()", "f()", "warning"),
        ({"metadata": {"title": "A", "value": "B"}, "level": "info"}, "A", "B", "info"),
        ({"title": "A", "tags": [{"key": "level", "value": "fatal"}, 7, [], ["x"]]}, "A", "A", "critical"),
        ({}, "Alert from sentry", "Alert from sentry", "warning"),
    ],
    ids=range(6),
)
def test_missing_fields_are_made_up_for(event: dict[str, Any], title: str, message: str, severity: str) -> None:
    alert = one({"action": "triggered", "data": {"event": event}})
    assert (alert.title, alert.message, alert.severity) == (title, message, severity)


def test_ids_may_be_numbers() -> None:
    assert one({"data": {"error": {"issue_id": 7, "title": "A"}}}).dedup_key == "sentry:7"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"action": "created", "data": {"installation": {"uuid": "a"}}}, {}),
        ({"action": "created", "data": {"comment_id": 7}}, {}),
        ({"action": "created", "data": {}}, {"sentry-hook-resource": "comment"}),
    ],
    ids=range(3),
)
def test_a_comment_and_an_installation_are_no_alerts(body: object, headers: dict[str, str]) -> None:
    assert (len(found := told(body, **headers)), found.ignored) == (0, 1)


@pytest.mark.parametrize("body", [{}, {"data": {}}, {"data": {"issue": "x"}}, [], "text", None], ids=str)
def test_another_shape_is_unknown(body: object) -> None:
    with pytest.raises(UnknownShapeError):
        told(body)


def test_a_signature_is_of_the_bytes_under_the_client_secret() -> None:
    body = json.dumps(ISSUE).encode()
    headers = {"sentry-hook-signature": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(), "request-id": "r1"}
    assert authenticate(body, headers, {}, SourceTable(secret=Secret(SECRET)))
    assert not authenticate(body + b" ", headers, {}, SourceTable(secret=Secret(SECRET)))
    assert not authenticate(body, headers, {}, SourceTable())
    assert not authenticate(body, {}, {}, SourceTable(secret=Secret(SECRET)))
    assert delivery_id(body, headers) == "r1"
    assert delivery_id(body, {}) is None
