"""What the providers answer to what they take, and what they remember."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_sandbox.exchange import Provider, Request, Taken
from alert_sandbox.faults import Fault
from alert_sandbox.providers import new_providers

Ask = Callable[..., Taken]

FIELDS = st.sampled_from(
    "text blocks type fields elements attachments channel chat_id entities parse_mode from to subject headers tags"
    " personalizations email content value payload summary severity custom_details links dedup_key recipients".split()
)


def body(taken: Taken) -> Any:
    return json.loads(taken.answer.body)


def test_a_slack_webhook_says_ok_and_gives_no_id(ask: Ask) -> None:
    answer = ask("slack").answer
    assert (answer.status, answer.body) == (200, b"ok")


def test_a_slack_webhook_takes_its_json_as_a_form_field_too(ask: Ask) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    taken = ask("slack", headers=form, body=b"payload=%7B%22text%22%3A%22Disk%22%7D")
    assert (taken.answer.body, taken.seen.text) == (b"ok", "Disk")


def test_slack_shows_the_blocks_unescaped_and_the_fallback_only_in_a_notification(ask: Ask) -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "CRITICAL: a &lt; b &amp; c"}},
        {"type": "section", "fields": [{"type": "plain_text", "text": "Source: x"}]},
    ]
    seen = ask("slack", json={"blocks": blocks}).seen
    assert seen.title == "CRITICAL: a < b & c"
    assert seen.text == "CRITICAL: a < b & c\nSource: x"


def test_a_slack_bot_gets_the_channel_and_the_ts_of_its_message_each_later_than_the_last(ask: Ask) -> None:
    first, second = body(ask("slack-bot")), body(ask("slack-bot"))
    assert (first["ok"], first["channel"]) == (True, "C0123456789")
    assert first["ts"] < second["ts"] == second["message"]["ts"]


def test_a_slack_bot_may_name_its_channel_and_is_told_its_id(ask: Ask) -> None:
    assert body(ask("slack-bot", json={"channel": "#ops"}))["channel"].startswith("C")


def test_a_slack_thread_is_known_in_its_own_channel(ask: Ask) -> None:
    ts = body(ask("slack-bot"))["ts"]
    assert body(ask("slack-bot", json={"thread_ts": ts}))["message"]["thread_ts"] == ts
    assert body(ask("slack-bot", json={"thread_ts": ts, "channel": "C9"}))["error"] == "thread_not_found"


def test_slack_warns_of_a_missing_charset(ask: Ask) -> None:
    answer = body(ask("slack-bot", headers={"content-type": "application/json"}))
    assert (answer["ok"], answer["warning"]) == (True, "missing_charset")


def test_slack_takes_a_form_whose_blocks_are_json(ask: Ask) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    sent = b"channel=C1&blocks=%5B%7B%22type%22%3A%22divider%22%7D%5D"
    assert body(ask("slack-bot", headers=form, body=sent))["message"]["blocks"] == [{"type": "divider"}]


def test_telegram_returns_the_plain_text_and_its_entities(ask: Ask) -> None:
    result = body(ask("telegram", json={"text": "<b>Disk</b> &lt;1&gt;", "parse_mode": "HTML"}))["result"]
    assert result["text"] == "Disk <1>"
    assert result["entities"] == [{"type": "bold", "offset": 0, "length": 4}]
    assert (result["chat"]["id"], result["message_id"]) == (-1001, 1)


def test_telegram_takes_forms_and_queries(ask: Ask) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert body(ask("telegram", headers=form, body=b"chat_id=7&text=hello"))["result"]["text"] == "hello"
    assert body(ask("telegram", headers=form, body=b"", query="chat_id=7&text=hi", method="GET"))["ok"] is True


def test_telegram_counts_after_the_markup_is_read(ask: Ask) -> None:
    text = "<b>" + "&lt;" * 4096 + "</b>"
    assert body(ask("telegram", json={"text": text, "parse_mode": "HTML"}))["ok"] is True


def test_resend_sends_once_for_one_idempotency_key_and_gives_the_same_id(ask: Ask) -> None:
    keyed = {"headers": {"idempotency-key": "k"}}
    first, second = ask("resend", **keyed), ask("resend", **keyed)
    assert body(first)["id"] == body(second)["id"]
    assert "not sent again" in second.answer.note
    other = ask("resend", json={"subject": "Other"}, **keyed)
    assert (other.answer.status, body(other)["name"]) == (409, "invalid_idempotent_request")
    assert [broken.rule.id for broken in other.broken] == ["resend-idempotency"]


def test_resend_forgets_a_key_after_a_day(ask: Ask, clock: Callable[..., datetime]) -> None:
    first = body(ask("resend", headers={"idempotency-key": "k"}))["id"]
    clock(advance=timedelta(hours=23, minutes=59))
    assert body(ask("resend", headers={"idempotency-key": "k"}))["id"] == first
    clock(advance=timedelta(minutes=1))
    assert body(ask("resend", headers={"idempotency-key": "k"}))["id"] != first


def test_sendgrid_accepts_with_202_an_empty_body_and_an_id(ask: Ask) -> None:
    answer = ask("sendgrid").answer
    assert (answer.status, answer.body) == (202, b"")
    assert answer.headers["X-Message-Id"]


def test_sendgrids_own_sandbox_mode_answers_200(ask: Ask) -> None:
    assert ask("sendgrid", json={"mail_settings": {"sandbox_mode": {"enable": True}}}).answer.status == 200


def test_a_pagerduty_incident_opens_counts_is_acknowledged_and_resolves_by_its_dedup_key(ask: Ask) -> None:
    def incident(action: str) -> Any:
        return ask("pagerduty", json={"event_action": action}).seen.view["incident"]

    assert incident("trigger") == {"number": 1, "status": "triggered", "triggers": 1}
    assert incident("trigger") == {"number": 1, "status": "triggered", "triggers": 2}
    assert incident("acknowledge") == {"number": 1, "status": "acknowledged", "triggers": 2}
    assert incident("resolve") == {"number": 1, "status": "resolved", "triggers": 2}
    assert incident("resolve") is None
    assert incident("trigger") == {"number": 2, "status": "triggered", "triggers": 1}


def test_pagerduty_drops_a_resolve_of_nothing_and_says_202(ask: Ask) -> None:
    taken = ask("pagerduty", json={"event_action": "resolve", "payload": None})
    assert (taken.answer.status, taken.broken) == (202, ())
    assert "dropped" in taken.answer.note


def test_pagerduty_names_the_dedup_key_that_it_was_not_given(ask: Ask) -> None:
    assert body(ask("pagerduty", json={"dedup_key": None}))["dedup_key"]


def test_castbrick_has_one_id_for_all_recipients(ask: Ask) -> None:
    answer = body(ask("castbrick", json={"recipients": ["+244923000000", "+244912000001"]}))
    assert (answer["recipientCount"], answer["status"], answer["error"]) == (2, "Queued", None)
    assert answer["messageId"] == answer["id"]


def test_twilio_queues_and_counts_segments(ask: Ask) -> None:
    taken = ask("twilio", form={"Body": "x" * 161})
    answer = body(taken)
    assert (taken.answer.status, answer["status"], answer["num_segments"]) == (201, "queued", "2")
    assert answer["sid"].startswith("SM")


def test_vonage_has_an_entry_for_each_segment(ask: Ask) -> None:
    answer = body(ask("vonage", form={"text": "x" * 161}))
    assert (answer["message-count"], [entry["status"] for entry in answer["messages"]]) == ("2", ["0", "0"])


def test_vonage_shows_question_marks_where_the_type_should_have_been_unicode(ask: Ask) -> None:
    assert ask("vonage", form={"text": "olá 😀"}).seen.text == "ol? ?"
    assert ask("vonage", form={"text": "olá 😀", "type": "unicode"}).seen.text == "olá 😀"


JSON_KINDS = ("slack", "slack-bot", "telegram", "resend", "sendgrid", "pagerduty", "castbrick")


@pytest.mark.parametrize("kind", JSON_KINDS)
@pytest.mark.parametrize("sent", [b"", b"null", b"[]", b"7", b"\xff\xfe"])
def test_a_body_that_is_no_json_object_is_refused(ask: Ask, kind: str, sent: bytes) -> None:
    assert ask(kind, body=sent).broken


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=3),
    max_leaves=8,
)


@given(kind=st.sampled_from(JSON_KINDS), fields=st.dictionaries(FIELDS, VALUES, max_size=5))
def test_fields_of_any_type_are_answered_and_shown(
    make_request: Callable[..., Request], kind: str, fields: dict[str, Any]
) -> None:
    provider = next(provider for provider in new_providers() if provider.kind == kind)
    taken = provider.handle(make_request(kind, json=fields))
    assert 200 <= taken.answer.status < 500
    json.dumps(taken.seen.view)


EVERY = ("slack", "slack-bot", "telegram", "resend", "sendgrid", "pagerduty", "castbrick", "twilio", "vonage")
FAILING = {
    "429": dict.fromkeys(EVERY, 429),
    "500": dict.fromkeys(EVERY, 500),
    "503": dict.fromkeys(EVERY, 503),
    "error": dict.fromkeys(EVERY, 200),
}


@pytest.mark.parametrize(
    ("fault", "kind", "status"), [(fault, kind, status) for fault, of in FAILING.items() for kind, status in of.items()]
)
def test_a_fault_is_told_in_the_providers_own_way(
    providers: Mapping[str, Provider], fault: str, kind: str, status: int
) -> None:
    answer = providers[kind].fail(Fault(fault))
    assert answer.status == status
    assert answer.body != b"ok"


def test_the_seconds_to_wait_are_told_where_the_provider_tells_them(providers: Mapping[str, Provider]) -> None:
    fault = Fault("429", "7")
    assert providers["slack"].fail(fault).headers["Retry-After"] == "7"
    assert providers["telegram"].fail(fault).headers["Retry-After"] == "7"
    assert json.loads(providers["telegram"].fail(fault).body)["parameters"] == {"retry_after": 7}
    assert providers["resend"].fail(fault).headers["retry-after"] == "7"
    sendgrid = providers["sendgrid"].fail(fault).headers
    assert int(sendgrid["X-RateLimit-Reset"]) == int(providers["sendgrid"].clock().timestamp()) + 7
    for kind in ("pagerduty", "twilio", "vonage", "castbrick"):
        assert not {"retry-after"} & {name.lower() for name in providers[kind].fail(fault).headers}


def test_an_error_can_be_the_providers_own(providers: Mapping[str, Provider]) -> None:
    def told(kind: str, code: str) -> tuple[int, str]:
        answer = providers[kind].fail(Fault("error", code))
        return answer.status, answer.body.decode()

    assert told("slack", "channel_is_archived") == (200, "channel_is_archived")
    assert '"error": "restricted_action"' in told("slack-bot", "restricted_action")[1]
    assert told("resend", "daily_quota_exceeded")[0] == 429
    assert told("castbrick", "insufficient_credits")[0] == 402
    assert '"status": "9"' in told("vonage", "9")[1]


def test_a_request_knows_no_credential_in_a_broken_header() -> None:
    assert Request(headers={"authorization": "Basic %%%"}).basic() == ("", "")
    assert Request(headers={"authorization": "Basic eA=="}).bearer() == ""
