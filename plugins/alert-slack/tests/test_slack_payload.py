"""The message that Slack gets: valid whatever the alert is, and nothing of it interpreted."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alert_core import Alert, Severity, Status
from alert_slack.payload import message

MENTIONS = "<!channel> <!here> <!everyone> <@U012AB3CD> <!subteam^S012AB3CD> <#C0123>"
PHISHING = "<https://evil.example|https://bank.example>"
LINK = re.compile(r"<(?i:https?)://[^<>|\s]+\|[^<>|]+>")

text = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="&<>|!@#*_~`\n ab\u202e\u0301\U0001f525", max_size=6000),
    st.builds(lambda part, times: part * times, st.text(max_size=20), st.integers(0, 400)),
    st.sampled_from(
        [MENTIONS, PHISHING, "&lt;!channel&gt;", "```\ncode", "&" * 5000, "👩‍👩‍👧‍👦" * 500, "\x00\x1b[31m", "@channel"]
    ),
)
title = text.filter(lambda given: given.strip() != "")
urls = st.builds(
    "{}://{}".format, st.sampled_from(["http", "HTTPS"]), st.from_regex(r"[^\s/?#]\S{0,3000}", fullmatch=True)
)
alerts = st.builds(
    Alert,
    title,
    title,
    severity=st.sampled_from(Severity),
    status=st.sampled_from(Status),
    source=st.none() | text,
    tags=st.lists(text, max_size=30),
    metadata=st.dictionaries(text, text | st.integers() | st.lists(text, max_size=3), max_size=30),
    url=st.none() | urls,
    request_id=st.none() | text,
    redact=st.booleans(),
)


def text_objects(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Every text object of a message's blocks."""
    found = []
    for block in body["blocks"]:
        found += [block["text"]] if "text" in block else []
        found += [*block.get("fields", []), *block.get("elements", [])]
    return found


def shown(body: dict[str, Any]) -> str:
    """What a reader sees, a line for each text object."""
    return "\n".join(found["text"] for found in text_objects(body))


def length(text: str) -> int:
    """UTF-16 units: the most that Slack may count."""
    return len(text.encode("utf-16-le")) // 2


@given(alerts)
@example(
    Alert(
        "&" * 200, "<" * 9000, metadata={f"k{n}": ">" * 500 for n in range(60)}, url="https://a.example/" + "&" * 2990
    )
)
@example(Alert("\u0301" * 200, "a" + "\u0301" * 9000))
@example(Alert("half \ud83d", "half \ude00", redact=False))
def test_any_alert_gives_a_message_within_every_limit_of_slack(alert: Alert) -> None:
    body = json.loads(json.dumps(message(alert), ensure_ascii=False).encode())
    assert body.keys() == {"text", "blocks", "unfurl_links", "unfurl_media"}
    assert 0 < length(body["text"]) <= 4000
    assert 0 < len(body["blocks"]) <= 50
    limits = {"header": 150, "section": 3000, "context": 3000}
    for block in body["blocks"]:
        assert len(block.get("fields", [])) <= 10
        assert len(block.get("elements", [])) <= 10
        for found in block.get("fields", []):
            assert length(found["text"]) <= 2000
        if "text" in block:
            assert length(block["text"]["text"]) <= limits[block["type"]]
    for found in text_objects(body):
        assert found["text"].strip()
    assert sum(length(found["text"]) for found in text_objects(body)) <= 12_000


@given(alerts)
@example(Alert(MENTIONS, MENTIONS, source=MENTIONS, tags=[MENTIONS], metadata={MENTIONS: MENTIONS}))
@example(Alert(PHISHING, PHISHING, url="https://a.example/<!channel>|x&lt;"))
def test_any_alert_leaves_slack_nothing_to_interpret_but_our_own_link(alert: Alert) -> None:
    body = message(alert)
    assert not {"link_names", "parse"} & body.keys()
    for found in [{"type": "plain_text", "text": body["text"]}, *text_objects(body)]:
        ours = found["type"] == "mrkdwn" and found["verbatim"]
        assert ours or found["type"] == "plain_text"
        alerts_own = LINK.sub("", found["text"]) if ours else found["text"]
        assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", alerts_own)


@given(alerts)
def test_the_same_alert_gives_the_same_bytes(alert: Alert) -> None:
    again = alert if not alert.is_masked else Alert.from_dict(alert.to_dict())
    assert json.dumps(message(again)) == json.dumps(message(alert))


def test_everything_that_an_alert_says_is_shown() -> None:
    alert = Alert(
        "Payment provider timeout",
        "No answer\nin 10 s",
        severity="critical",
        source="billing",
        tags=["payments", "eu"],
        metadata={"order": 17, "hosts": ["a", "b"], "note": "two\nlines"},
        url="https://grafana.example.org/d/1?from=now-1h&to=now",
        created_at=datetime(2026, 8, 21, 12, 0, 5, tzinfo=UTC),
        id="0b0e6c9a",
        request_id="req-9",
    )
    assert message(alert)["text"] == "🚨 CRITICAL: Payment provider timeout\nNo answer\nin 10 s"
    assert shown(message(alert)).splitlines() == [
        "🚨 CRITICAL: Payment provider timeout",
        "No answer",
        "in 10 s",
        "Severity: critical",
        "Status: firing",
        "Source: billing",
        "Tags: payments, eu",
        "order: 17",
        'hosts: ["a", "b"]',
        "note: two lines",
        "<https://grafana.example.org/d/1?from=now-1h&amp;to=now|Open grafana.example.org>",
        "2026-08-21 12:00:05 UTC · alert 0b0e6c9a · request req-9",
    ]


@pytest.mark.parametrize(
    ("severity", "label"),
    [("info", "\u2139\ufe0f INFO"), ("warning", "⚠️ WARNING"), ("error", "🔴 ERROR"), ("critical", "🚨 CRITICAL")],
)
def test_the_severity_is_the_first_thing_read(severity: str, label: str) -> None:
    body = message(Alert("Disk full", "/var", severity=severity))
    assert body["blocks"][0]["text"]["text"] == f"{label}: Disk full"
    assert body["text"].startswith(f"{label}: Disk full")


@pytest.mark.parametrize(("status", "label"), [("resolved", "✅ RESOLVED"), ("acknowledged", "👀 ACKNOWLEDGED")])
def test_what_does_not_fire_says_so_in_place_of_the_severity(status: str, label: str) -> None:
    body = message(Alert("Disk full", "/var", severity="critical", status=status))
    assert body["blocks"][0]["text"]["text"] == f"{label}: Disk full"
    assert "Severity: critical" in shown(body)
    assert "CRITICAL" not in body["text"]


def test_a_title_too_long_for_the_header_follows_in_full() -> None:
    long = " ".join(f"word{n}" for n in range(60))
    header, section, *_ = message(Alert(long, "m"))["blocks"]
    assert header["text"]["text"].endswith("…")
    assert section["text"]["text"] == long


def test_a_line_break_in_a_title_becomes_a_space() -> None:
    assert message(Alert("a\r\nb\u2028c", "m"))["blocks"][0]["text"]["text"] == "🔴 ERROR: a b c"


def test_a_long_message_goes_on_in_a_second_section_from_a_whole_line() -> None:
    lines = "\n".join(f"line {n} of the report" for n in range(180))
    texts = [block["text"]["text"] for block in message(Alert("t", lines))["blocks"][1:3]]
    assert "\n".join(texts) == lines


def test_a_longer_message_ends_in_an_ellipsis() -> None:
    last = message(Alert("t", "word " * 2000))["blocks"][2]
    assert last["text"]["text"].endswith("…")


def test_metadata_beyond_twenty_lines_is_counted() -> None:
    body = message(Alert("t", "m", metadata={f"key{n:02}": n for n in range(40)}))
    assert [len(block["fields"]) for block in body["blocks"] if "fields" in block] == [10, 10]
    assert "key17: 17" in shown(body)
    assert "key18" not in shown(body)
    assert body["blocks"][-1]["elements"][0]["text"].startswith("and 22 more · ")


def test_the_link_cannot_be_broken_out_of() -> None:
    body = message(Alert("t", "m", url='https://a.example/x|y>z<!here>?q="1"&b=2'))
    assert "<https://a.example/x%7Cy%3Ez%3C!here%3E?q=%221%22&amp;b=2|Open a.example>" in shown(body)


def test_a_url_too_long_for_a_link_is_shown_as_text() -> None:
    body = message(Alert("t", "m", url="https://a.example/" + "x" * 4000))
    assert "\nhttps://a.example/xxx" in shown(body)


def test_a_url_that_names_no_host_is_still_a_link() -> None:
    assert "<http://[x|Open link>" in shown(message(Alert("t", "m", url="http://[x")))


def test_what_looks_like_an_escape_is_shown_as_it_was_written() -> None:
    body = message(Alert("a &amp; b", "m"))
    assert body["text"].startswith("🔴 ERROR: a &amp;amp; b")
    assert body["blocks"][0]["text"]["text"] == "🔴 ERROR: a &amp;amp; b"
