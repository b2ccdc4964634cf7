"""The event that PagerDuty gets: one that it takes, whatever the alert is, with all that has room."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alert_core import Alert, Secret, Severity, Status
from alert_core.http import HttpRequest
from alert_pagerduty.payload import dedup_key, event
from alert_pagerduty.transport import PagerDutyTransport

KEY = "R0utingKeyCanary0123456789abcdef"
TRANSPORT = PagerDutyTransport(routing_key=Secret(KEY))
URI = re.compile(
    r"https?://[a-z0-9.:_\[\]-]+([/?]([a-z0-9/?:@!$&'()*+,;=~._-]|%[0-9a-f]{2})*)?(#[^#]*)?", re.IGNORECASE
)
ZONES = [UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=9.5))]
BLANK = ["\x00\x1b[31m", "\u200b\ufeff"]

text = st.one_of(
    st.text(max_size=200),
    st.text(alphabet='"\\/\n\t ab\u202e\u0301\u200b\U0001f525', max_size=6000),
    st.builds(lambda part, times: part * times, st.text(max_size=20), st.integers(0, 400)),
    st.sampled_from([*BLANK, "👩‍👩‍👧‍👦" * 50, '"' * 5000, "ж" * 2000, KEY, f"key={KEY}", "note", "message"]),
)
title = text.filter(lambda given: given.strip() != "")
urls = st.builds(
    "{}://{}".format, st.sampled_from(["http", "HTTPS"]), st.from_regex(r"[^\s/?#]\S{0,3000}", fullmatch=True)
) | st.builds("https://h.example/{}".format, st.from_regex(r"\S{0,300}", fullmatch=True))
alerts = st.builds(
    Alert,
    title,
    title,
    severity=st.sampled_from(Severity),
    status=st.sampled_from(Status),
    source=st.none() | text,
    tags=st.lists(text, max_size=30),
    metadata=st.dictionaries(
        text | st.sampled_from(["class", "group", "component"]),
        text | st.integers() | st.lists(text, max_size=3),
        max_size=30,
    ),
    dedup_key=st.none() | text,
    url=st.none() | urls,
    request_id=st.none() | text,
    created_at=st.none() | st.datetimes(timezones=st.sampled_from(ZONES)),
    redact=st.booleans(),
)


def sent(alert: Alert) -> HttpRequest:
    """As it goes out."""
    return TRANSPORT.build_request(alert)


def length(text: str) -> int:
    """UTF-16 units: the most that PagerDuty may count."""
    return len(text.encode("utf-16-le")) // 2


def visible(text: str) -> str:
    """What a reader sees of it."""
    return "".join(char for char in text if char.isprintable() and not char.isspace())


def details(alert: Alert) -> dict[str, str]:
    """What stands in `custom_details`, but for the ids that every alert has."""
    found: dict[str, str] = event(alert)["payload"]["custom_details"]
    return {name: value for name, value in found.items() if name not in ("alert_id", "correlation_id")}


HUGE = Alert(
    '"' * 90_000,
    '"\\\n' * 300_000,
    source="ж" * 5000,
    tags=["🔥" * 9000] * 9,
    metadata={f"{n}{'ж' * 300}": "🔥" * 9000 for n in range(300)} | {"class": '"' * 9000, "group": "\\" * 9000},
    url="https://a.example/" + "a" * 1980,
    request_id='"' * 5000,
    correlation_id="ж" * 5000,
    id="ж" * 5000,
    dedup_key="🔥" * 255,
)


@given(alerts)
@example(HUGE)
@example(HUGE.evolve(redact=False))
@example(Alert("half \ud83d", "half \ude00", dedup_key="\ud83d", metadata={"\ud83d": "\ude00"}, redact=False))
@example(Alert("\x07", "\u200b", source="\x00", metadata={"group": "\ufeff"}))
@example(Alert("t", "m", created_at=datetime.min.replace(tzinfo=UTC)))
def test_any_alert_gives_an_event_that_pagerduty_takes(alert: Alert) -> None:
    content = sent(alert).content
    assert len(content) <= 512_000
    body = json.loads(content.decode("utf-8"))
    assert 0 < length(body["dedup_key"]) <= 255
    if alert.status is not Status.FIRING:
        assert body.keys() == {"routing_key", "event_action", "dedup_key"}
        return
    assert body.keys() - {"client_url", "links"} == {"routing_key", "event_action", "dedup_key", "payload", "client"}
    payload = body["payload"]
    assert visible(payload["summary"])
    assert length(payload["summary"]) <= 1024
    assert payload["severity"] in {"critical", "error", "warning", "info"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", payload["timestamp"])
    for name in ("source", "component", "group", "class"):
        if name == "source" or name in payload:
            assert visible(payload[name])
            assert length(payload[name]) <= 1024
    for name, value in payload["custom_details"].items():
        assert name
        assert isinstance(value, str)
        assert value


@given(alerts.filter(lambda alert: alert.status is Status.FIRING))
@example(HUGE)
def test_any_alert_keeps_its_title_and_its_message(alert: Alert) -> None:
    payload = event(alert)["payload"]
    said = {"title": payload["summary"], **payload["custom_details"]}
    for name, whole in (("title", visible(alert.title)), ("message", visible(alert.message))):
        shown = visible(said.get(name, ""))
        assert shown == whole or whole.startswith(shown.removesuffix("…")) or not whole
        assert shown or not whole or (name == "message" and alert.message == alert.title)


@given(alerts)
def test_the_same_alert_gives_the_same_bytes(alert: Alert) -> None:
    again = alert if not alert.is_masked else Alert.from_dict(alert.to_dict())
    assert sent(again).content == sent(alert).content


@given(alerts.filter(lambda alert: alert.is_masked))
def test_the_routing_key_is_nowhere_but_in_its_field(alert: Alert) -> None:
    assert sent(alert).content.count(KEY.encode()) == 1


@given(urls)
def test_a_link_is_a_uri_that_any_reader_takes(url: str) -> None:
    body = event(Alert("t", "m", url=url))
    for link in body.get("links", []):
        assert URI.fullmatch(link["href"])
        assert urlsplit(link["href"]).hostname == link["text"].removeprefix("Open ").strip("[]")
        assert len(link["href"]) <= 2000
        assert body["client_url"] == link["href"]


@given(text, text)
def test_keys_that_differ_stay_apart(one: str, other: str) -> None:
    assert (dedup_key(one) == dedup_key(other)) == (one == other)


def test_everything_that_an_alert_says_is_told() -> None:
    alert = Alert(
        "Payment provider timeout",
        "No answer\nin 10 s",
        severity="critical",
        source="billing",
        tags=["payments", "eu"],
        metadata={"order": 17, "hosts": ["a", "b"], "component": "gateway"},
        url="https://grafana.example.org/d/1?from=now-1h&to=now",
        created_at=datetime(2026, 8, 21, 12, 0, 5, tzinfo=UTC),
        dedup_key="billing/timeout",
        id="0b0e6c9a",
        correlation_id="c-1",
        request_id="req-9",
    )
    assert json.loads(sent(alert).content) == {
        "routing_key": KEY,
        "event_action": "trigger",
        "dedup_key": "billing/timeout",
        "payload": {
            "summary": "Payment provider timeout",
            "source": "billing",
            "severity": "critical",
            "timestamp": "2026-08-21T12:00:05.000+00:00",
            "component": "gateway",
            "custom_details": {
                "message": "No answer\nin 10 s",
                "tags": "payments, eu",
                "order": "17",
                "hosts": '["a", "b"]',
                "component": "gateway",
                "request_id": "req-9",
                "correlation_id": "c-1",
                "alert_id": "0b0e6c9a",
            },
        },
        "client": "alert-core",
        "client_url": "https://grafana.example.org/d/1?from=now-1h&to=now",
        "links": [{"href": "https://grafana.example.org/d/1?from=now-1h&to=now", "text": "Open grafana.example.org"}],
    }


@pytest.mark.parametrize(("status", "action"), [("acknowledged", "acknowledge"), ("resolved", "resolve")])
def test_what_does_not_fire_tells_its_action_and_its_key_and_no_more(status: str, action: str) -> None:
    alert = Alert("Disk full", "/var", status=status, dedup_key="disk-db1", metadata={"a": 1}, url="https://a.example")
    assert event(alert) == {"event_action": action, "dedup_key": "disk-db1"}


@pytest.mark.parametrize("severity", list(Severity))
def test_the_severities_of_an_alert_are_pagerdutys(severity: Severity) -> None:
    told = event(Alert("t", "m", severity=severity))["payload"]["severity"]
    assert type(told) is str
    assert told == severity
    assert told in {"critical", "error", "warning", "info"}


def test_an_alert_without_a_source_comes_from_alert_core() -> None:
    assert event(Alert("t", "m"))["payload"]["source"] == "alert-core"
    assert event(Alert("t", "m", source="\x07"))["payload"]["source"] == "alert-core"


def test_component_group_and_class_are_told_where_the_metadata_has_them() -> None:
    metadata = {"component": "eth0", "group": "\x07", "class": "ping failure", "host": "db1"}
    payload = event(Alert("t", "m", metadata=metadata))["payload"]
    assert (payload["component"], payload["class"]) == ("eth0", "ping failure")
    assert not {"group", "host"} & payload.keys()


@pytest.mark.parametrize("blank", ["\x07", "\u200b", "\ufeff\u2060", "\x00\x1b"])
def test_a_title_of_nothing_visible_gives_way_to_the_severity(blank: str) -> None:
    assert event(Alert(blank, "m", severity="warning"))["payload"]["summary"] == "WARNING"


def test_a_line_break_in_a_title_becomes_a_space() -> None:
    assert event(Alert("a\r\nb\u2028c", "m"))["payload"]["summary"] == "a b c"


def test_a_title_too_long_for_the_summary_is_told_in_full_below() -> None:
    long = " ".join(f"word{n}" for n in range(300))
    alert = Alert(long, "m")
    assert event(alert)["payload"]["summary"].endswith("…")
    assert details(alert)["title"] == long
    assert "title" not in details(Alert("short", "m"))


@pytest.mark.parametrize("char", ["a", "ж", "🔥"])
def test_a_summary_is_as_long_as_pagerduty_may_count_at_most(char: str) -> None:
    summary = event(Alert(char * 2000, "m"))["payload"]["summary"]
    assert 1022 <= length(summary) <= 1024


def test_a_key_that_pagerduty_takes_is_kept_as_it_is() -> None:
    for key in ("disk-db1", "srv01/mysql", "диск", "a" * 255, "🔥" * 127):
        assert dedup_key(key) == key


@pytest.mark.parametrize("key", ["🔥" * 128, "a\nb", "a\x00", "\ud800", "a\u200bb"])
def test_a_key_that_is_too_long_in_utf16_or_cannot_be_seen_is_hashed(key: str) -> None:
    assert dedup_key(key) == sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def test_a_resolve_has_the_key_of_its_firing_whatever_the_key_is() -> None:
    for key in (None, "a\nb", "🔥" * 200, "a" * 300):
        firing = Alert("Disk full", "/var", source="db1", dedup_key=key)
        resolve = Alert("Disk full", "all is well", source="db1", dedup_key=key, status="resolved", severity="info")
        assert event(resolve)["dedup_key"] == event(firing)["dedup_key"]


def test_metadata_that_has_room_is_told_whole() -> None:
    alert = Alert("t", "m", metadata={"dump": "x" * 200_000, "rest": 1})
    assert details(alert)["dump"] == "x" * 200_000
    assert "note" not in details(alert)


def test_of_metadata_without_room_long_values_are_cut() -> None:
    alert = Alert("Disk full", "/var is at 98 %", metadata={"dump": "x" * 600_000, "host": "db1"})
    told = details(alert)
    assert told["dump"].endswith("x…")
    assert len(told["dump"]) < 10_000
    assert told["host"] == "db1"
    assert told["message"] == "/var is at 98 %"
    assert "note" not in told


def test_metadata_that_has_no_room_at_all_is_counted() -> None:
    alert = Alert("t", "m", metadata={f"key{n:03}": "x" * 9000 for n in range(100)})
    told = details(alert)
    shown = [name for name in told if name.startswith("key")]
    assert shown == [f"key{n:03}" for n in range(len(shown))]
    assert told["note"] == f"{100 - len(shown)} more of the metadata had no room: an event has at most 512,000 bytes"
    assert 490_000 < len(sent(alert).content) <= 512_000


@pytest.mark.parametrize("char", ["a", "ж", '"', "🔥"])
def test_an_event_is_filled_to_its_limit_and_not_over_it(char: str) -> None:
    long = char * 2000
    ids: dict[str, Any] = {"dedup_key": char * 127, "id": long, "correlation_id": long, "request_id": long}
    metadata = {f"key{n:03}": "x" * 990 for n in range(600)} | {f"k{n}": "x" for n in range(300)}
    alert = Alert(long, long, source=long, tags=[long], metadata=metadata, url=f"https://a.example/{long[:800]}", **ids)
    assert 509_000 < len(sent(alert).content) <= 512_000


def test_a_small_value_is_told_though_a_large_one_before_it_had_no_room() -> None:
    metadata: dict[str, Any] = {f"key{n:03}": "x" * 9000 for n in range(100)} | {"host": "db1"}
    assert details(Alert("t", "m", metadata=metadata))["host"] == "db1"


def test_a_message_without_room_ends_in_an_ellipsis() -> None:
    told = details(Alert("t", "é" * 1_000_000, metadata={"host": "db1"}))
    assert told["message"].endswith("é…")
    assert len(told["message"]) > 100_000
    assert told["host"] == "db1"


def test_metadata_cannot_replace_what_the_alert_says() -> None:
    told = details(Alert("t", "the message", metadata={"message": "its", "note": "mine"}))
    assert told["message"] == "the message"
    assert (told["metadata.message"], told["metadata.note"]) == ("its", "mine")


def test_values_whose_keys_look_the_same_are_both_told() -> None:
    assert details(Alert("t", "m", metadata={"a b": 1, "a\nb": 2, "": 3}))["a b"] == "1\n2"


def test_a_value_without_a_key_is_told() -> None:
    assert details(Alert("t", "m", metadata={"": "lost?"}))["metadata"] == "lost?"


@pytest.mark.parametrize(
    ("url", "href"),
    [
        ("https://a.example", "https://a.example"),
        ("HTTPS://A.example:8443/x?y=1#z", "HTTPS://A.example:8443/x?y=1#z"),
        ("http://[::1]:3000/d", "http://[::1]:3000/d"),
        ('https://a.example/x|y>z<h>?q="1"&v[]=2', "https://a.example/x%7Cy%3Ez%3Ch%3E?q=%221%22&v%5B%5D=2"),
        ("https://a.example/100%/é%20%zz", "https://a.example/100%25/%C3%A9%20%25zz"),
        ("https://a.example/#a#b", "https://a.example/#a%23b"),
    ],
)
def test_the_link_is_percent_encoded_where_it_must_be(url: str, href: str) -> None:
    body = event(Alert("t", "m", url=url))
    assert [link["href"] for link in body["links"]] == [href]
    assert body["client_url"] == href
    assert "url" not in body["payload"]["custom_details"]


@pytest.mark.parametrize(
    "url", ["http://[x", "https://bücher.example/", "https://bank.example@evil.example/", "https://a.example:x/",
            "https://a.example/" + "x" * 4000]
)  # fmt: skip
def test_a_url_that_cannot_be_a_link_is_told_as_text(url: str) -> None:
    alert = Alert("t", "m", url=url, redact=False)
    assert event(alert).keys() == {"event_action", "dedup_key", "payload", "client"}
    assert details(alert)["url"].removesuffix("…") == url[:1999]
