"""The message that Telegram gets: valid whatever the alert is, and nothing of it interpreted."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alert_core import Alert, Severity, Status
from alert_telegram.payload import message, plain

MARKUP = '<b>bold</b> <a href="https://evil.example">bank</a> &lt; *bold* _it_ [x](tg://user?id=1) `code` ||hidden||'
LIVE = "@everyone @ops. /stop /stop@other_bot (@channel) '/kick'\n/ban"
# What TDLib finds in a plain text (td/telegram/MessageEntity.cpp: match_mentions, match_bot_commands).
MENTION = re.compile(r"(?<!\w)@[a-zA-Z0-9_]{2,32}(?!\w)")
COMMAND = re.compile(r"(?<![\w/<>])/[a-zA-Z0-9_]{1,64}(?:@[a-zA-Z0-9_]{3,32})?(?![\w/<>])")

text = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="&<>|!@#*_~`/\n ab\u202e\u0301\U0001f525", max_size=6000),
    st.builds(lambda part, times: part * times, st.text(max_size=20), st.integers(0, 400)),
    st.sampled_from(
        [MARKUP, LIVE, LIVE * 50, "/" * 5000, "@a " * 2000, "👩‍👩‍👧‍👦" * 500, "\x00\x1b[31m", "x@example.com"]
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


def length(text: str) -> int:
    """UTF-16 units, as Telegram counts."""
    return len(text.encode("utf-16-le")) // 2


def sliced(body: dict[str, Any], entity: dict[str, Any]) -> str:
    """The part of the text that an entity is of."""
    units = body["text"].encode("utf-16-le")
    return str(units[2 * entity["offset"] : 2 * (entity["offset"] + entity["length"])].decode("utf-16-le"))


def of(body: dict[str, Any], kind: str) -> list[str]:
    """The parts of the text that are of a kind of entity."""
    return [sliced(body, entity) for entity in body["entities"] if entity["type"] == kind]


def without_code(body: dict[str, Any]) -> str:
    """The text, every unit of what is `code` replaced by one that is of no word."""
    units = body["text"].encode("utf-16-le")
    for entity in body["entities"]:
        if entity["type"] == "code":
            start, end = 2 * entity["offset"], 2 * (entity["offset"] + entity["length"])
            units = units[:start] + "\ufffc".encode("utf-16-le") * entity["length"] + units[end:]
    return str(units.decode("utf-16-le"))


@given(alerts)
@example(Alert("&" * 700, "<" * 9000, metadata={f"k{n}": "\U0001f525" * 500 for n in range(60)}))
@example(Alert("\u0301" * 700, "a" + "\u0301" * 9000, url="http://intranet/" + "x" * 3000))
@example(Alert("half \ud83d", "half \ude00", redact=False))
@example(Alert("@ab " * 200, "/ab " * 2000, source=LIVE * 9, request_id="@ab " * 99, url="https://a.example/@ab"))
def test_any_alert_gives_a_message_within_every_limit_of_telegram(alert: Alert) -> None:
    body = json.loads(json.dumps(message(alert), ensure_ascii=False).encode())
    assert body.keys() == {"text", "entities", "link_preview_options"}
    assert body["text"].strip() == body["text"] != ""
    assert length(body["text"]) <= 4096
    assert 0 < len(body["entities"]) <= 100
    end = 0
    for entity in body["entities"]:
        assert entity.keys() - {"url"} == {"type", "offset", "length"}
        assert entity["type"] in {"bold", "italic", "code", "text_link"}
        assert entity["offset"] >= end, "no two overlap"
        end = entity["offset"] + entity["length"]
        assert sliced(body, entity).strip(), "begins and ends between two characters, and is not blank"
    assert end <= length(body["text"])


@given(alerts)
@example(Alert(MARKUP, MARKUP, source=MARKUP, tags=[MARKUP], metadata={MARKUP: MARKUP}))
@example(Alert(LIVE, LIVE, source=LIVE, tags=[LIVE], metadata={LIVE: LIVE}, request_id=LIVE))
@example(Alert("a", "/ban" * 500 + " /ban@me" * 500))
def test_any_alert_leaves_telegram_nothing_to_interpret_but_our_own_link(alert: Alert) -> None:
    body = message(alert)
    assert "parse_mode" not in body
    assert not MENTION.search(without_code(body))
    assert not COMMAND.search(without_code(body))
    for entity in body["entities"]:
        if entity["type"] == "text_link":
            assert re.fullmatch(r"(?i:https?)://[^\s<>|\"]+", entity["url"])
            assert sliced(body, entity).startswith("Open ")


@given(alerts)
@example(Alert("t" * 900, "\U0001f525" * 3000, url="https://a.example/" + "x" * 1900))
def test_any_alerts_plain_form_is_within_the_limit_too(alert: Alert) -> None:
    body = plain(message(alert))
    assert body.keys() == {"text", "link_preview_options"}
    assert 0 < length(body["text"]) <= 4096


@given(alerts)
def test_the_same_alert_gives_the_same_bytes(alert: Alert) -> None:
    again = alert if not alert.is_masked else Alert.from_dict(alert.to_dict())
    assert json.dumps(message(again)) == json.dumps(message(alert))


EVERYTHING = Alert(
    "Payment provider timeout",
    "No answer\nin 10 s",
    severity="critical",
    source="billing",
    tags=["payments", "eu-west"],
    metadata={"order": 17, "hosts": ["a", "b"], "note": "two\nlines"},
    url="https://grafana.example.org/d/1?from=now-1h&to=now",
    created_at=datetime(2026, 8, 21, 12, 0, 5, tzinfo=UTC),
    id="0b0e6c9a",
    request_id="req-9",
)


def test_everything_that_an_alert_says_is_shown() -> None:
    body = message(EVERYTHING)
    assert body["text"].split("\n") == [
        "🚨 CRITICAL: Payment provider timeout",
        "",
        "No answer",
        "in 10 s",
        "",
        "Severity: critical",
        "Status: firing",
        "Source: billing",
        "Tags: #payments, eu-west",
        "order: 17",
        'hosts: ["a", "b"]',
        "note: two lines",
        "",
        "Open grafana.example.org",
        "",
        "2026-08-21 12:00:05 UTC · alert 0b0e6c9a · request req-9",
    ]
    assert body["link_preview_options"] == {"is_disabled": True}


def test_the_title_is_bold_the_link_a_link_and_the_small_print_italic() -> None:
    body = message(EVERYTHING)
    assert [(entity["type"], sliced(body, entity)) for entity in body["entities"]] == [
        ("bold", "🚨 CRITICAL: Payment provider timeout"),
        ("text_link", "Open grafana.example.org"),
        ("italic", "2026-08-21 12:00:05 UTC · alert 0b0e6c9a · request req-9"),
    ]
    assert body["entities"][1]["url"] == "https://grafana.example.org/d/1?from=now-1h&to=now"


@pytest.mark.parametrize(
    ("severity", "label"),
    [("info", "\u2139\ufe0f INFO"), ("warning", "⚠️ WARNING"), ("error", "🔴 ERROR"), ("critical", "🚨 CRITICAL")],
)
def test_the_severity_is_the_first_thing_read(severity: str, label: str) -> None:
    assert message(Alert("Disk full", "/var", severity=severity))["text"].startswith(f"{label}: Disk full\n\n")


@pytest.mark.parametrize(("status", "label"), [("resolved", "✅ RESOLVED"), ("acknowledged", "👀 ACKNOWLEDGED")])
def test_what_does_not_fire_says_so_in_place_of_the_severity(status: str, label: str) -> None:
    shown = message(Alert("Disk full", "/var", severity="critical", status=status))["text"]
    assert shown.startswith(f"{label}: Disk full\n\n")
    assert "Severity: critical" in shown
    assert "CRITICAL" not in shown


def test_mentions_and_commands_of_an_alert_are_code_and_nothing_else_is() -> None:
    body = message(
        Alert(
            "Ask @ops_team",
            "Run /restart@other_bot or /status, see /var/log, mail x@example.com: it is 3/4 full",
            source="@billing",
        )
    )
    assert of(body, "code") == ["@ops_team", "/restart@other_bot", "/status", "@billing"]
    assert of(body, "bold") == ["🔴 ERROR: Ask "]


def test_with_the_most_mentions_in_every_part_all_entities_are_within_the_hundred_that_telegram_keeps() -> None:
    most = "x @ab " * 12 + "x"
    body = message(Alert(most, f"{most} y", source=most, url="http://intranet" + "/@ab" * 12, request_id=most))
    assert [len(of(body, kind)) for kind in ("code", "bold", "italic")] == [60, 13, 13]


def test_a_part_with_many_mentions_is_code_as_a_whole() -> None:
    names = " ".join(f"@name{n}" for n in range(13))
    body = message(Alert("t", names, source="@billing"))
    assert of(body, "code") == [names, "@billing"]


@pytest.mark.parametrize(
    ("tag", "shown"),
    [
        ("payments", "#payments"),
        ("eu_1", "#eu_1"),
        ("диск", "#диск"),
        ("2026", "2026"),
        ("eu-west", "eu-west"),
        ("two words", "two words"),
        ("#1st", "#1st"),
        ("m²", "m²"),
    ],
)
def test_a_tag_is_a_hashtag_where_telegram_takes_it_whole(tag: str, shown: str) -> None:
    assert f"\nTags: {shown}\n" in message(Alert("t", "m", tags=[tag]))["text"]


def test_tags_too_many_for_their_line_are_no_hashtags_lest_the_last_be_cut() -> None:
    shown = message(Alert("t", "m", tags=[f"tag{n}" for n in range(60)]))["text"]
    assert "\nTags: tag0, tag1, tag2, " in shown
    assert "#" not in shown


def test_metadata_that_is_called_tags_keeps_its_value() -> None:
    shown = message(Alert("t", "m", tags=["eu"], metadata={"Tags": "mine"}))["text"]
    assert "\nTags: #eu\nTags: mine\n" in shown


def test_a_line_break_in_a_title_becomes_a_space() -> None:
    assert message(Alert("a\r\nb\u2028c", "m"))["text"].startswith("🔴 ERROR: a b c\n\n")


def test_a_long_message_takes_all_the_room_that_is_left() -> None:
    shown = message(Alert("t", "\U0001f525" * 5000))["text"]
    assert 4092 <= length(shown) <= 4096
    assert "\U0001f525…\n\nSeverity" in shown


def test_a_message_keeps_room_beside_the_longest_title_and_facts() -> None:
    many = {f"key{n:02}": "v" * 300 for n in range(40)}
    alert = Alert("t" * 900, "m" * 5000, metadata=many, url="http://intranet/" + "x" * 900)
    assert message(alert)["text"].count("m") > 1200


def test_metadata_beyond_twenty_lines_is_counted() -> None:
    shown = message(Alert("t", "m", metadata={f"key{n:02}": n for n in range(40)}))["text"]
    assert "key17: 17" in shown
    assert "key18" not in shown
    assert "\n\nand 22 more · " in shown


def test_metadata_beyond_its_room_is_counted() -> None:
    shown = message(Alert("t", "m", metadata={f"key{n:02}": "v" * 300 for n in range(15)}))["text"]
    assert "\n\nand 8 more · " in shown


@pytest.mark.parametrize("url", ["http://grafana:3000/d/1", "http://localhost/x", "http://[::1]/x", "http://[x"])
def test_a_host_that_telegram_takes_for_none_is_shown_as_text(url: str) -> None:
    body = message(Alert("t", "m", url=url))
    assert f"\n\n{url}\n\n" in body["text"]
    assert of(body, "text_link") == []


def test_a_url_too_long_for_a_link_is_shown_as_text() -> None:
    body = message(Alert("t", "m", url="https://a.example/" + "x" * 4000))
    assert "\n\nhttps://a.example/xxx" in body["text"]
    assert of(body, "text_link") == []


def test_the_plain_form_says_where_the_link_leads() -> None:
    assert plain(message(EVERYTHING)) == {
        "text": message(EVERYTHING)["text"].replace(
            "Open grafana.example.org", "https://grafana.example.org/d/1?from=now-1h&to=now"
        ),
        "link_preview_options": {"is_disabled": True},
    }


def test_the_plain_form_without_a_link_is_the_text_alone() -> None:
    body = message(Alert("🔥 fire", "m"))
    assert plain(body) == {name: body[name] for name in ("text", "link_preview_options")}


def test_markup_is_shown_as_it_was_written() -> None:
    assert f": {MARKUP}\n" in message(Alert(MARKUP, "m"))["text"]
