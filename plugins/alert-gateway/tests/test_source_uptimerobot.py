"""UptimeRobot: the same monitor in JSON, in a form, and in a query."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from alert_core import Alert
from alert_gateway.config import SourceTable
from alert_gateway.documents import BodyError
from alert_gateway.events import UnknownShapeError
from alert_gateway.sources.uptimerobot import parse

FORM = {"content-type": "application/x-www-form-urlencoded"}
DOWN = {
    "monitorID": "794656123",
    "monitorURL": "https://shop.example.org",
    "monitorFriendlyName": "Shop",
    "alertType": "1",
    "alertTypeFriendlyName": "Down",
    "alertDetails": "HTTP 503 - Service Unavailable",
    "alertFriendlyDuration": "*alertFriendlyDuration*",
    "alertDateTime": "1772600767",
}
UP = {**DOWN, "alertType": "2", "alertTypeFriendlyName": "Up", "alertDetails": "HTTP 200 - OK"}


def one(body: bytes, headers: dict[str, str] | None = None, query: dict[str, str] | None = None) -> Alert:
    (alert,) = parse(body, headers or {}, query or {}, SourceTable())
    return alert


def sent(body: object) -> Alert:
    return one(json.dumps(body).encode())


def test_a_monitor_that_is_down_says_what_who_is_woken_needs() -> None:
    alert = sent(DOWN)
    assert (alert.title, alert.message) == ("Shop", "HTTP 503 - Service Unavailable")
    assert (alert.severity, alert.status, alert.dedup_key) == ("warning", "firing", "uptimerobot:794656123")
    assert alert.url == "https://shop.example.org"
    assert alert.created_at == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert alert.metadata == {"state": "Down"}


def test_up_resolves_down() -> None:
    assert (sent(UP).status, sent(UP).dedup_key) == ("resolved", sent(DOWN).dedup_key)
    assert sent({**UP, "alertType": 2}).status == "resolved"
    assert sent({"monitorFriendlyName": "Shop", "alertTypeFriendlyName": "Up"}).status == "resolved"


def test_json_form_and_query_say_the_same() -> None:
    in_json, in_form = sent(DOWN), one(urlencode(DOWN).encode(), FORM)
    in_query, in_both = one(b"", FORM, {**DOWN, "token": "x"}), one(b'{"alertType": "1"}', {}, DOWN)
    assert len({repr(alert.evolve(id="1", correlation_id="1").to_dict()) for alert in (in_json, in_form)}) == 1
    assert in_query.to_dict() | {"id": "", "correlation_id": ""} == in_json.to_dict() | {"id": "", "correlation_id": ""}
    assert in_both.dedup_key == in_json.dedup_key


def test_a_certificate_that_expires_is_another_event_than_a_site_that_is_down() -> None:
    expiry = {**DOWN, "alertType": "3", "alertDetails": "SSL expires in 7 days", "sslExpiryDaysLeft": "7"}
    alert = sent(expiry)
    assert (alert.status, alert.dedup_key) == ("firing", "uptimerobot:794656123:ssl")
    assert alert.metadata["sslExpiryDaysLeft"] == "7"


@pytest.mark.parametrize(
    ("body", "title", "message", "key"),
    [
        ({"monitor_friendly_name": "Shop", "alert_type_friendly_name": "Down"}, "Shop", "Down", "Shop"),
        ({"monitorURL": "shop.example.org", "alertType": "1"}, "shop.example.org", "Down", "shop.example.org"),
        ({"monitorID": 7, "alertDetails": "*alertDetails*", "alertType": "2"}, "Monitor 7", "Up", "7"),
    ],
)
def test_missing_fields_are_made_up_for(body: dict[str, object], title: str, message: str, key: str) -> None:
    alert = sent(body)
    assert (alert.title, alert.message, alert.dedup_key) == (title, message, f"uptimerobot:{key}")


def test_an_empty_request_cannot_be_read() -> None:
    with pytest.raises(BodyError):
        one(b"", {}, {"token": "x"})


@pytest.mark.parametrize("body", [{}, {"alertType": "1"}, {"monitorID": "*monitorID*"}, [], "text", None], ids=str)
def test_another_shape_is_unknown(body: object) -> None:
    with pytest.raises(UnknownShapeError):
        sent(body)
