"""Segments, blocks, plans, and the ring of messages."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core.text import utf16_length
from alert_sandbox.exchange import Seen
from alert_sandbox.faults import LIMIT, Fault, Faults, parse_plan
from alert_sandbox.providers import slack_blocks
from alert_sandbox.segments import segments
from alert_sandbox.store import HIDDEN, Filter, Store, hide


@pytest.mark.parametrize(
    ("text", "encoding", "count"),
    [
        ("", "GSM-7", 1),
        ("a" * 160, "GSM-7", 1),
        ("a" * 161, "GSM-7", 2),
        ("a" * 306, "GSM-7", 2),
        ("a" * 307, "GSM-7", 3),
        ("€" * 80, "GSM-7", 1),
        ("€" * 81, "GSM-7", 2),
        ("ж" * 70, "UCS-2", 1),
        ("ж" * 71, "UCS-2", 2),
        ("ж" * 134, "UCS-2", 2),
        ("ж" * 135, "UCS-2", 3),
        ("😀" * 35, "UCS-2", 1),
        ("😀" * 36, "UCS-2", 2),
        ("a" * 100 + "’", "UCS-2", 2),  # noqa: RUF001 - the quote that forces UCS-2
        ("ç", "UCS-2", 1),
        ("`", "UCS-2", 1),
    ],
)
def test_segments_are_counted_as_phones_do(text: str, encoding: str, count: int) -> None:
    found = segments(text)
    assert (found.encoding, len(found.parts)) == (encoding, count)


@given(st.text(alphabet="aé€[😀ж", max_size=500))
def test_segments_join_to_the_text_and_none_is_over_its_limit(text: str) -> None:
    found = segments(text)
    assert "".join(found.parts) == text
    if found.encoding == "UCS-2":
        assert all(utf16_length(part) <= (70 if len(found.parts) == 1 else 67) for part in found.parts)
    assert len(found.parts) > 1 or found.units <= (160 if found.encoding == "GSM-7" else 70)


def text(value: str, kind: str = "mrkdwn") -> dict[str, Any]:
    return {"type": kind, "text": value}


@pytest.mark.parametrize(
    ("block", "fault"),
    [
        ({"type": "header", "text": text("x" * 151, "plain_text")}, "must be less than 151 characters"),
        ({"type": "header", "text": text("😀" * 76, "plain_text")}, "must be less than 151 characters"),
        ({"type": "header", "text": text("x")}, "must be one of: plain_text [json-pointer:/blocks/0/text/type]"),
        ({"type": "section"}, "missing required field: text or fields"),
        ({"type": "section", "text": text("")}, "must be more than 0 characters"),
        ({"type": "section", "fields": [text("x")] * 11}, "no more than 10 items allowed"),
        ({"type": "section", "fields": [text("x" * 2001)]}, "[json-pointer:/blocks/0/fields/0/text]"),
        ({"type": "context", "elements": [text("x")] * 11}, "no more than 10 items allowed"),
        ({"type": "context", "elements": []}, "at least one item"),
        ({"type": "actions", "elements": [{"type": "button", "text": text("x" * 76, "plain_text")}]}, "less than 76"),
        ({"type": "image", "image_url": "https://e.example/i.png"}, "[json-pointer:/blocks/0/alt_text]"),
        ({"type": "poem"}, "unsupported type: poem"),
        ({"type": "divider", "block_id": "x" * 256}, "must be less than 256 characters"),
        (7, "must be an object [json-pointer:/blocks/0]"),
    ],
)
def test_a_block_that_slack_refuses_is_told_with_its_place(block: Any, fault: str) -> None:
    assert any(fault in found for found in slack_blocks.faults([block])), list(slack_blocks.faults([block]))


def test_blocks_that_slack_takes_have_no_fault() -> None:
    blocks = [
        {"type": "header", "text": text("x" * 150, "plain_text")},
        {"type": "section", "text": text("x" * 3000), "fields": [text("y" * 2000)] * 10},
        {"type": "context", "elements": [text("z"), {"type": "image", "image_url": "https://e", "alt_text": "a"}]},
        {"type": "divider"},
        {"type": "rich_text", "elements": []},
    ]  # fmt: skip
    assert list(slack_blocks.faults(blocks)) == []
    too_many = list(slack_blocks.faults([{"type": "divider"}] * 51))
    assert too_many == ["no more than 50 items allowed [json-pointer:/blocks]"]
    assert "`block_id` already exists" in next(slack_blocks.faults([{"type": "divider", "block_id": "a"}] * 2))


def names(faults: Faults, count: int, kind: str = "slack", asked: str = "") -> list[str]:
    return [str(faults.next(kind, asked)) for _ in range(count)]


def test_a_plan_is_a_fault_a_request_and_its_last_one_stays() -> None:
    faults = Faults()
    faults.set("slack", parse_plan("429:7, 500,503"))
    assert names(faults, 4) == ["429:7", "500", "503", "503"]
    assert names(faults, 1, "resend") == ["ok"]
    assert faults.plans() == {"slack": "503"}


def test_a_plan_that_ends_in_ok_is_gone_after_it() -> None:
    faults = Faults()
    faults.set("slack", parse_plan("500,ok"))
    assert names(faults, 3) == ["500", "ok", "ok"]
    assert faults.plans() == {}


def test_a_plan_for_every_kind_holds_where_a_kind_has_none_of_its_own() -> None:
    faults = Faults()
    faults.set("*", parse_plan("503"))
    faults.set("slack", parse_plan("500"))
    assert [str(faults.next(kind)) for kind in ("slack", "smtp")] == ["500", "503"]
    faults.clear("slack")
    assert str(faults.next("slack")) == "503"
    faults.clear()
    assert str(faults.next("slack")) == "ok"


def test_a_plan_that_a_request_brings_goes_on_from_one_request_to_the_next() -> None:
    faults = Faults()
    faults.set("slack", parse_plan("500"))
    assert names(faults, 3, asked="429,ok") == ["429", "ok", "ok"]
    assert names(faults, 1) == ["500"]


def test_the_plans_that_requests_bring_are_remembered_in_bounded_memory() -> None:
    faults = Faults()
    for number in range(1500):
        faults.next("slack", "429,ok", where=str(number))
    assert len(faults._asked) == 1000


@pytest.mark.parametrize("plan", ["", "418", "429,,500", ",".join(["ok"] * (LIMIT + 1))])
def test_a_plan_that_cannot_be_read_says_what_there_is(plan: str) -> None:
    with pytest.raises(ValueError, match=r"no fault|at most"):
        parse_plan(plan)


def test_a_fault_keeps_its_argument_as_seconds_that_make_sense() -> None:
    assert [Fault.parse(told).seconds(1) for told in ("429", "429:7", "429:x", "429:1e9")] == [1, 7, 1, 86_400]


def add(store: Store, title: str = "", body: str = "", kind: str = "slack", **fields: Any) -> Any:
    given: dict[str, Any] = {
        "at": datetime(2026, 8, 21, tzinfo=UTC),
        "kind": kind,
        "accepted": True,
        "seen": Seen(title=title, text=body or title, view=fields.pop("view", {})),
        "request": {"method": "POST", "path": "/", "headers": {}, "body": body},
        "answer": {"status": 200, "headers": {}, "body": "ok"},
    }
    return store.add(**{**given, **fields})


def test_the_ring_keeps_the_latest_messages_and_ids_go_on() -> None:
    store = Store(messages=3)
    for number in range(5):
        add(store, str(number))
    assert [message.title for message in store.find(Filter())] == ["2", "3", "4"]
    assert (store.get(1), store.get(5).id if (last := store.get(5)) else last) == (None, 5)  # type: ignore[union-attr]


def test_the_ring_is_bounded_in_bytes_too_but_keeps_the_last_message() -> None:
    store = Store(size=10_000)
    for _ in range(5):
        add(store, body="x" * 4_000)
    assert len(store.find(Filter())) == 1
    add(store, body="x" * 50_000)
    assert len(store.find(Filter())) == 1
    add(store, "small")
    assert [message.title for message in store.find(Filter())] == ["small"]


@pytest.mark.parametrize(
    ("title", "body", "severity"),
    [
        ("🚨 CRITICAL: Disk full", "", "critical"),
        ("[RESOLVED] Disk full", "", "resolved"),
        ("Disk full", "Disk full\nWARNING something", "warning"),
        ("Informational", "", ""),
        ("nothing", "x" * 300 + " ERROR", ""),
    ],
)
def test_the_severity_is_the_word_that_the_message_leads_with(title: str, body: str, severity: str) -> None:
    assert add(Store(), title, body).severity == severity


def test_a_pagerduty_events_severity_is_its_field_unless_it_resolves() -> None:
    payload = {"severity": "error"}
    assert add(Store(), view={"action": "trigger", "payload": payload}).severity == "error"
    assert add(Store(), view={"action": "resolve", "payload": payload}).severity == "resolved"


def test_a_filter_takes_what_fits_all_of_it() -> None:
    store = Store()
    add(store, "CRITICAL: Disk FULL")
    add(store, "WARNING: Disk", kind="smtp", accepted=False)
    for wanted, ids in [
        ({"kind": "smtp"}, [2]),
        ({"severity": "critical"}, [1]),
        ({"text": "disk full"}, [1]),
        ({"accepted": False}, [2]),
        ({"after": 1}, [2]),
        ({"kind": "smtp", "text": "full"}, []),
    ]:
        assert [message.id for message in store.find(Filter(**wanted))] == ids, wanted  # type: ignore[arg-type]


def test_masked_marks_are_counted() -> None:
    assert add(Store(), body="key [REDACTED] and [REDACTED:authorization], but not [REDACTION]").masked == 2


def test_only_the_first_occurrence_of_a_credential_is_hidden_since_a_second_one_is_a_leak() -> None:
    assert hide("/bot1:abc/x 1:abc", ["1:abc"]) == f"/bot{HIDDEN}/x 1:abc"
