"""The words that every channel shares: what stands first, what is told, and where a link leads."""

import json
import re
import string
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import Alert, Severity, Status
from alert_core.presentation import (
    body_text,
    details,
    facts,
    headline,
    icon,
    label,
    link,
    link_label,
    origin,
    state,
    utc,
)

texts = st.text(st.characters(exclude_categories=()), max_size=60)  # lone surrogates and controls too
words = texts | st.sampled_from(["\r\nBcc: x@evil.example", "\x07", "\u2028", "\ud800", " \t "])
alerts = st.builds(
    Alert,
    words.filter(str.strip),
    words.filter(str.strip),
    severity=st.sampled_from(Severity),
    status=st.sampled_from(Status),
    source=st.none() | words,
    tags=st.lists(words, max_size=3),
    metadata=st.dictionaries(words, words | st.integers() | st.lists(words, max_size=2), max_size=4),
    redact=st.booleans(),
)
urls = st.text(string.ascii_letters + "\"'<>|&?=/[]@:%#é\x01\x7f", max_size=40).map("https://a{}".format)


@pytest.mark.parametrize(
    ("severity", "shown"),
    [("info", "ℹ️ INFO"), ("warning", "⚠️ WARNING"), ("error", "🔴 ERROR"), ("critical", "🚨 CRITICAL")],  # noqa: RUF001
)
def test_what_fires_is_its_severity(severity: str, shown: str) -> None:
    alert = Alert("Disk full", "m", severity=severity)
    assert state(alert) is alert.severity
    assert f"{icon(alert)} {label(alert)}" == shown
    assert headline(alert) == f"{shown}: Disk full"


@pytest.mark.parametrize(("status", "shown"), [("acknowledged", "👀 ACKNOWLEDGED"), ("resolved", "✅ RESOLVED")])
def test_what_fires_no_longer_is_its_status(status: str, shown: str) -> None:
    alert = Alert("Disk full", "m", severity="critical", status=status)
    assert state(alert) is alert.status
    assert headline(alert) == f"{shown}: Disk full"


@given(alerts)
def test_a_headline_and_every_name_are_one_printable_line_and_no_value_is_empty(alert: Alert) -> None:
    told = [*facts(alert), *details(alert)]
    for line in (headline(alert), *(name for name, _ in told)):
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", line)
    for _, value in told:
        assert value.strip()
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]", value)


def test_an_alert_says_of_itself_what_it_has() -> None:
    full = Alert("t", "m", severity="warning", source="billing", tags=["payments", "eu"])
    assert dict(facts(full)) == {"Severity": "warning", "Status": "firing", "Source": "billing", "Tags": "payments, eu"}
    assert list(dict(facts(Alert("t", "m", tags=["\x07"])))) == ["Severity", "Status"]


def test_metadata_is_told_as_text_and_what_is_no_text_as_json() -> None:
    metadata = {"a\nkey": "two\nlines", "hosts": ["a", "é"], "none": None, "empty": " ", "deep": {"x": 1.5}}
    told = {"a key": "two\nlines", "hosts": '["a", "é"]', "none": "null", "deep": '{"x": 1.5}'}
    assert dict(details(Alert("t", "m", metadata=metadata))) == told
    assert dict(details(Alert("t", "m", metadata=metadata, redact=False))) == told


def test_metadata_that_was_not_masked_is_told_as_json_all_the_same() -> None:
    (told,) = details(Alert("t", "m", metadata={"when": {datetime(2026, 8, 21, tzinfo=UTC)}}, redact=False))
    assert json.loads(told[1])


@given(urls)
def test_a_link_cannot_be_broken_out_of_and_leads_where_it_led(url: str) -> None:
    found = link(Alert("t", "m", url=url, redact=False))
    assert not re.search(r'[\s"<>|\\\x00-\x20\x7f-\x9f]', found)
    assert unquote(found) == unquote(re.sub("[\ud800-\udfff]", "?", url))


def test_an_alert_without_a_url_has_no_link() -> None:
    assert link(Alert("t", "m")) == ""


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://grafana.example.org/d/1?x=y", "Open grafana.example.org"),
        ("HTTP://Example.ORG:8080", "Open example.org"),
        ("https://bank.example@evil.example/", "Open evil.example"),
        ("http://[x", "Open link"),
        ("https://:80/", "Open link"),
    ],
)
def test_a_link_says_to_which_host_it_leads(url: str, shown: str) -> None:
    assert link_label(url) == shown


@given(urls)
def test_any_url_has_a_label_of_its_host(url: str) -> None:
    try:
        host = urlsplit(url).hostname or "link"
    except ValueError:
        host = "link"
    assert link_label(url) == f"Open {host}"


def test_moments_are_told_in_utc_to_the_ends_of_time() -> None:
    there = timezone(timedelta(hours=2))
    assert utc(Alert("t", "m", created_at=datetime(2026, 8, 1, 14, tzinfo=there))) == datetime(
        2026, 8, 1, 12, tzinfo=UTC
    )
    assert utc(Alert("t", "m", created_at=datetime(1, 1, 1, tzinfo=there))) == datetime(1, 1, 1, tzinfo=UTC)


def test_the_small_print_says_when_which_alert_and_what_had_no_room() -> None:
    alert = Alert("t", "m", id="a1", request_id="r\n9", created_at=datetime(2026, 8, 21, 12, 0, 5, tzinfo=UTC))
    assert origin(alert) == "2026-08-21 12:00:05 UTC · alert a1 · request r 9"
    assert origin(alert, hidden=3).startswith("and 3 more · ")


def test_a_message_that_only_repeats_a_short_title_is_not_told_twice() -> None:
    assert body_text(Alert("Disk full", "Disk full")) == ""
    assert body_text(Alert("Disk full", "/var is at 98 %")) == "/var is at 98 %"
    assert body_text(Alert("x" * 101, "x" * 101)) == "x" * 101  # some channel may have cut the title


@pytest.mark.parametrize(
    "url", ["http://\x1b", "https://a.example/\ud800", "https://a.example/|<b>", "https://evil.example\\@good.example/"]
)
def test_a_link_is_never_empty_and_ends_no_markup(url: str) -> None:
    told = link(Alert("t", "m", url=url, redact=False))
    assert told.isascii()
    assert re.fullmatch(r"https?://[^\s<>|\"]+", told)
