"""What an SMS says: one line within its segments, the important first, nothing torn."""

import re
import unicodedata
from typing import Any

import pytest
import smsutil  # type: ignore[import-untyped]
from hypothesis import assume, example, given
from hypothesis import strategies as st

from alert_core import Alert, Secret, Severity, Status
from alert_sms.payload import MAX_SEGMENTS, gsm_7_like, text
from alert_sms.segments import GSM_7, UCS_2, count, is_gsm_7

TUTORIAL = "🚨 [CRITICAL] payments-api: Error rate exceeded 5% for 3 consecutive minutes"
URL = "https://grafana.example.org/d/42"
FULL = Alert(
    "Payment provider timeout",
    "No answer in 10 s",
    severity="critical",
    source="billing",
    tags=["payments", "eu"],
    metadata={"order": 17},
    url=URL,
)

words = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="a€{}[]~ \n\u202e\u0301\u200d\U0001f525ж\u2019", max_size=2000),
    st.builds(lambda part, times: part * times, st.text(max_size=20), st.integers(0, 400)),
    st.sampled_from(
        ["👩‍👩‍👧‍👦" * 100, "🇦🇴" * 100, "\x00\x1b[31m", "half \ud83d", "a\r\nb\u2028c", "word " * 200, "x" * 3000]
    ),
)
title = words.filter(lambda given: given.strip() != "")
urls = st.builds("https://{}".format, st.from_regex(r"[^\s/?#]\S{0,400}", fullmatch=True))
alerts = st.builds(
    Alert,
    title,
    title,
    severity=st.sampled_from(Severity),
    status=st.sampled_from(Status),
    source=st.none() | words,
    tags=st.lists(words, max_size=5),
    metadata=st.dictionaries(words, words, max_size=3),
    url=st.none() | urls,
    redact=st.booleans(),
)
segments = st.integers(1, MAX_SEGMENTS)


def one(alert: Alert, **options: bool) -> str:
    """The text in one segment."""
    return text(alert, max_segments=1, **options)


def two(alert: Alert, **options: bool) -> str:
    """The text in two segments."""
    return text(alert, max_segments=2, **options)


@given(alerts, segments, st.booleans(), st.booleans())
@example(Alert("\x07", "\x1b\u200b"), 1, True, False)
@example(Alert("a" + "\u0301" * 3000, "m", source="s" * 500), 1, True, True)
def test_any_alert_is_one_line_within_its_segments_that_says_its_state_first(
    alert: Alert, most: int, icons: bool, transliterate: bool
) -> None:
    said = text(alert, max_segments=most, icons=icons, transliterate=transliterate)
    assert len(smsutil.split(said).parts) <= most
    assert len(said) <= 1600
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", said)
    assert said == said.strip()
    state = alert.status if alert.status != "firing" else alert.severity
    assert f"[{state.upper()}]" in said[:18]


@given(alerts, segments)
def test_the_same_alert_gives_the_same_text(alert: Alert, most: int) -> None:
    again = alert if not alert.is_masked else Alert.from_dict(alert.to_dict())
    assert text(again, max_segments=most) == text(alert, max_segments=most)


@given(alerts, segments)
def test_a_url_is_there_whole_at_the_end_or_not_at_all(alert: Alert, most: int) -> None:
    assume(alert.url is not None)
    assume("https://" not in f"{alert.title}{alert.message}{alert.source}{alert.tags}")
    said = text(alert, max_segments=most)
    assert said.endswith(f" {alert.url}") or "https://" not in said


@given(st.text(alphabet="ab ж", max_size=80), st.sampled_from(["👩‍👩‍👧‍👦", "🇦🇴", "👍🏽", "e\u0301", "😀"]), segments)
def test_no_character_is_torn_by_the_cut(before: str, cluster: str, most: int) -> None:
    said = text(Alert("Disk full", f"{before}|{cluster * 300}"), max_segments=most)
    _, _, shown = said.partition("|")
    rest = shown.removesuffix("…").removesuffix("...")
    assert rest == cluster * (len(rest) // len(cluster))


@given(alerts)
def test_where_a_text_fits_whole_more_segments_change_nothing_but_what_was_left_out(alert: Alert) -> None:
    bare = alert.evolve(source=None, tags=(), url=None)
    said = [text(bare, max_segments=most, icons=False) for most in range(1, MAX_SEGMENTS + 1)]
    whole = [line for line in said if not line.endswith(("...", "…"))]
    assert len(set(whole)) <= 1
    assert said[len(said) - len(whole) :] == whole


@given(st.text(max_size=600), st.text(max_size=60), st.sampled_from(["title", "message", "source", "tags"]))
def test_a_credential_in_an_alert_is_not_in_its_text_wherever_the_cut_falls(
    before: str, after: str, field: str
) -> None:
    canary = Secret("SmsCanary/9&x+tQ4=w").reveal()
    value = f"{before}{canary}{after}"
    planted: dict[str, Any] = {field: [value] if field == "tags" else value}
    alert = Alert(**{"title": "Disk full", "message": "/var", **planted})
    for most in (1, 2, MAX_SEGMENTS):
        assert canary not in text(alert, max_segments=most)


DESCRIPTION = "Error rate exceeded 5% for 3 consecutive minutes"


@pytest.mark.parametrize(
    ("title", "message"),
    [(f"payments-api: {DESCRIPTION}", DESCRIPTION), (f"payments-api: {DESCRIPTION[:20]}…", DESCRIPTION)],
)
def test_a_title_made_of_the_source_and_the_message_is_not_told_beside_them(title: str, message: str) -> None:
    alert = Alert(title, message, severity="critical", source="payments-api")
    assert text(alert, max_segments=2) == TUTORIAL
    assert text(alert, max_segments=2, transliterate=True) == TUTORIAL.removeprefix("🚨 ")


def test_a_title_that_begins_with_the_source_and_says_more_is_told() -> None:
    alert = Alert("api: down", "No answer", severity="error", source="api")
    assert text(alert, max_segments=1, icons=False) == "[ERROR] api: api: down: No answer"


def test_the_tutorials_text_is_had_from_source_and_title() -> None:
    description = "Error rate exceeded 5% for 3 consecutive minutes"
    alert = Alert(description, description, severity="critical", source="payments-api")
    assert two(alert) == TUTORIAL


def test_the_tutorials_text_is_had_from_title_and_message_too() -> None:
    alert = Alert("payments-api", "Error rate exceeded 5% for 3 consecutive minutes", severity="critical")
    assert two(alert) == TUTORIAL


def test_source_title_message_tags_and_url_follow_each_other() -> None:
    assert two(FULL) == f"🚨 [CRITICAL] billing: Payment provider timeout: No answer in 10 s (payments, eu) {URL}"


def test_metadata_is_not_told() -> None:
    assert "17" not in two(FULL)


@pytest.mark.parametrize(
    ("severity", "status", "start"),
    [
        ("info", "firing", "\u2139\ufe0f [INFO]"),
        ("warning", "firing", "⚠️ [WARNING]"),
        ("error", "firing", "🔴 [ERROR]"),
        ("critical", "firing", "🚨 [CRITICAL]"),
        ("critical", "acknowledged", "👀 [ACKNOWLEDGED]"),
        ("critical", "resolved", "✅ [RESOLVED]"),
    ],
)
def test_the_state_is_the_first_thing_read(severity: str, status: str, start: str) -> None:
    assert one(Alert("Disk full", "/var", severity=severity, status=status)) == f"{start} Disk full: /var"


def test_the_icon_goes_first_where_it_would_cost_something_else() -> None:
    told = one(FULL)
    assert told == f"[CRITICAL] billing: Payment provider timeout: No answer in 10 s (payments, eu) {URL}"
    assert count(told).encoding == GSM_7


def test_then_the_tags_go_and_then_the_url() -> None:
    near = FULL.evolve(message="m" * 60, tags=["payments", "europe-west", "production"])
    assert one(near).endswith(f"{'m' * 60} {URL}")
    nearer = near.evolve(message="m" * 95, tags=["eu"])
    assert one(nearer).endswith(f"{'m' * 95} (eu)")
    assert one(near.evolve(message="m" * 110)).endswith("m" * 110)


def test_then_the_text_is_cut_at_its_end() -> None:
    told = one(FULL.evolve(message="word " * 100))
    assert told.startswith("[CRITICAL] billing: Payment provider timeout: word word")
    assert told.endswith("word...")
    assert (count(told).encoding, count(told).segments) == (GSM_7, 1)


def test_a_cut_text_that_is_not_gsm_7_keeps_its_icon_and_ends_in_one_character() -> None:
    told = one(Alert("Диск заполнен", "осталось " * 50, severity="critical"))
    assert told.startswith("🚨 [CRITICAL] Диск заполнен: осталось")
    assert told.endswith("…")
    assert count(told).encoding == UCS_2
    assert 68 <= count(told).units <= 70


def test_a_long_source_leaves_room_for_the_title() -> None:
    assert "...: Disk full: /var" in one(Alert("Disk full", "/var", source="long.name." * 100))
    assert "...: Диск: /var" in one(Alert("Диск", "/var", source="long.name." * 100))


def test_a_line_break_becomes_a_space() -> None:
    assert one(Alert("a\r\nb\u2028c", "d\ne\tf")) == "🔴 [ERROR] a b c: d e f"


def test_without_icons_there_is_none() -> None:
    assert one(Alert("Disk full", "/var"), icons=False) == "[ERROR] Disk full: /var"


def test_transliterated_there_is_none_either_and_the_text_stays_gsm_7() -> None:
    alert = Alert("Não há espaço — só 2\u00a0%", "“/var” isn\u2019t writable…", tags=["mañana", "ação"], url=URL)
    told = one(alert, transliterate=True)
    assert told == f'[ERROR] Nao há espaco - so 2 %: "/var" isn\'t writable... (mañana, acao) {URL}'.replace("há", "ha")
    assert count(told).encoding == GSM_7


@given(words)
def test_transliteration_leaves_gsm_7_alone_and_is_done_once(given: str) -> None:
    plain = gsm_7_like(given)
    assert gsm_7_like(plain) == plain
    assert plain == given or not is_gsm_7(given)


@given(words)
def test_transliteration_loses_no_letter(given: str) -> None:
    def kept(char: str) -> bool:
        return char in plain or unicodedata.normalize("NFKD", char) != char or char == "\u00d7"

    plain = gsm_7_like(given)
    assert all(kept(char) for char in unicodedata.normalize("NFC", given) if char.isalpha())


def test_what_has_no_likeness_stays() -> None:
    assert gsm_7_like("Диск 🔥 ½ ≥ 40 °C") == "Диск 🔥 1/2 >= 40 oC"
