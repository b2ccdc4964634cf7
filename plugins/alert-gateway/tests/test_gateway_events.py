"""events: whatever a sender says is an alert, its times are times, its words are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import Alert, Secret, Severity, Status
from alert_gateway.config import SourceTable
from alert_gateway.events import Parsed, event, moment

SETTINGS = SourceTable()
WORDS = st.text(max_size=30)
OPTIONAL = st.none() | WORDS


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2026-11-22T00:56:33.731612773Z", datetime(2026, 11, 22, 0, 56, 33, 731612, UTC)),
        ("2017-08-03T15:17:37-04:00", datetime(2017, 8, 3, 15, 17, 37, tzinfo=timezone(timedelta(hours=-4)))),
        ("2026-11-22 00:56:33", datetime(2026, 11, 22, 0, 56, 33, tzinfo=UTC)),
        ("2023-06-12 08:24:38.326 +0000 UTC m=+0.01", datetime(2023, 6, 12, 8, 24, 38, 326000, UTC)),
        (1502709956, datetime(2017, 8, 14, 11, 25, 56, tzinfo=UTC)),
        (1502709956.5, datetime(2017, 8, 14, 11, 25, 56, 500000, UTC)),
        ("1502709956288", datetime(2017, 8, 14, 11, 25, 56, 288000, UTC)),
        (1502709956288000, datetime(2017, 8, 14, 11, 25, 56, 288000, UTC)),
        (1502709956288000110, datetime(2017, 8, 14, 11, 25, 56, 288000, UTC)),
    ],
)
def test_a_time_is_read_as_senders_write_it(raw: object, expected: datetime) -> None:
    assert moment(raw) == expected


@pytest.mark.parametrize(
    "raw", ["0001-01-01T00:00:00Z", "", "soon", "$DATE", 0, "7", -1, float("inf"), float("nan"), None, True, [], {}]
)
def test_what_is_no_time_is_none(raw: object) -> None:
    assert moment(raw) is None
    assert moment(10**5000) is None


@given(WORDS | st.integers() | st.floats() | st.datetimes().map(str) | st.from_regex(r"\d{1,25}(\.\d+)?"))
def test_any_time_can_be_an_alerts(raw: object) -> None:
    assert Alert("t", "m", created_at=moment(raw)).to_dict()


@pytest.mark.parametrize(
    ("title", "message", "expected"),
    [
        ("Disk full", "91%", ("Disk full", "91%")),
        ("Disk full", None, ("Disk full", "Disk full")),
        (None, "Disk full\non db1", ("Disk full", "Disk full\non db1")),
        (" ", " \n", ("Alert from grafana", "Alert from grafana")),
    ],
)
def test_title_and_message_stand_in_for_each_other(title: str | None, message: str | None, expected: object) -> None:
    alert = event("grafana", SETTINGS, title=title, message=message)
    assert (alert.title, alert.message) == expected


@pytest.mark.parametrize(
    ("raw", "severity", "kept"),
    [
        ("critical", "critical", None),
        ("Critical", "critical", None),
        ("P1", "critical", "P1"),
        (" page ", "critical", "page"),
        ("whatever", "info", "whatever"),
        (3, "info", "3"),
        ("", "info", None),
        (None, "info", None),
        (["critical"], "info", None),
    ],
)
def test_a_severity_is_folded_and_the_senders_word_kept(raw: object, severity: str, kept: str | None) -> None:
    alert = event("x", SETTINGS, title="t", severity=raw, default=Severity.INFO)
    assert (alert.severity, alert.metadata.get("severity_raw")) == (severity, kept)


def test_the_tables_default_severity_goes_before_the_sources() -> None:
    settings = SourceTable(default_severity=Severity.CRITICAL)
    assert event("x", settings, title="t", default=Severity.INFO).severity is Severity.CRITICAL
    assert event("x", settings, title="t", severity="low", default=Severity.INFO).severity is Severity.INFO


def test_a_senders_key_is_its_own_and_no_key_is_of_source_title_and_tags() -> None:
    assert event("a", SETTINGS, title="t", key="7").dedup_key == "a:7"
    assert event("a", SETTINGS, title="t").dedup_key == Alert("t", "m", source="a").dedup_key
    assert len(event("a", SETTINGS, title="t", key="7" * 1000).dedup_key) == 64


@pytest.mark.parametrize(
    ("url", "link", "kept"),
    [
        (" https://example.org/d/1 ", "https://example.org/d/1", None),
        ("?orgId=1", None, "?orgId=1"),
        ("javascript:alert(1)", None, "javascript:alert(1)"),
        ("http://", None, "http://"),
        ("https://a b", None, "https://a b"),
        (None, None, None),
    ],
)
def test_a_link_is_http_or_kept_as_a_detail(url: str | None, link: str | None, kept: str | None) -> None:
    alert = event("x", SETTINGS, title="t", url=url)
    assert (alert.url, alert.metadata.get("url")) == (link, kept)


def test_what_says_nothing_is_left_out() -> None:
    alert = event("x", SETTINGS, title="t", tags=["a", " ", "a ", "b"], metadata={"a": None, "b": "", "c": [], "d": 0})
    assert alert.tags == ("a", "b")
    assert alert.metadata == {"d": 0}


def test_a_service_is_the_source_and_the_tool_is_told_beside_it() -> None:
    alert = event("newrelic", SETTINGS, title="t", service="checkout")
    assert (alert.source, alert.metadata) == ("checkout", {"via": "newrelic"})


def test_no_first_line_shows_half_a_secret() -> None:
    secret = Secret("gateway-canary-first\ngateway-canary-second")
    assert "canary" not in event("x", SETTINGS, title=None, message=f"{secret.reveal()} is refused").title


@given(
    title=OPTIONAL,
    message=OPTIONAL,
    severity=OPTIONAL | st.integers() | st.lists(WORDS),
    status=st.sampled_from(Status),
    key=OPTIONAL,
    url=OPTIONAL | st.text(alphabet="htps:/ .?\n", max_size=12).map("https://".__add__),
    tags=st.lists(WORDS, max_size=3),
    metadata=st.none() | st.dictionaries(WORDS, OPTIONAL | st.integers() | st.lists(WORDS), max_size=3),
    service=OPTIONAL,
)
def test_whatever_is_said_is_an_alert(**said: Any) -> None:
    alert = event("x", SETTINGS, **said)
    assert Alert.from_dict(alert.to_dict()) == alert
    assert "\n" not in alert.title or said["title"]


def test_parsed_is_a_list_that_counts_what_is_no_alert() -> None:
    alert = event("x", SETTINGS, title="t")
    assert (Parsed([alert], ignored=2), Parsed([alert], ignored=2).ignored) == ([alert], 2)
    assert Parsed().ignored == 0
