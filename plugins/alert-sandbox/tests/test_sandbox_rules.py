"""Every rule of every provider: a request that breaks it, and the provider's own answer to that."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alert_sandbox import mail
from alert_sandbox.environment import ACCOUNT, BOT
from alert_sandbox.exchange import Taken
from alert_sandbox.faults import FAULTS
from alert_sandbox.providers import PROVIDERS

Ask = Callable[..., Taken]


def slack(blocks: Any) -> dict[str, Any]:
    return {"json": {"text": "fallback", "blocks": blocks}}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def people(**person: Any) -> dict[str, Any]:
    return {"json": {"personalizations": [{"to": [{"email": "o@example.com"}], **person}]}}


def event(**payload: Any) -> dict[str, Any]:
    full = {"summary": "Disk full", "source": "db1", "severity": "critical", **payload}
    return {"json": {"payload": {k: v for k, v in full.items() if v is not None}}}


# kind, rule, what is changed, the answer's status, a part of its body
CASES: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("slack", "slack-method", {"method": "GET"}, 405, "method_not_allowed"),
    ("slack", "slack-url", {"path": "/T0/B0"}, 404, "no_service"),
    ("slack", "slack-token", {"path": "/T0/B0/invalid"}, 403, "invalid_token"),
    ("slack", "slack-payload", {"body": b"{"}, 400, "invalid_payload"),
    ("slack", "slack-payload", {"body": b"[]"}, 400, "invalid_payload"),
    ("slack", "slack-text", {"json": {"text": None}}, 400, "no_text"),
    ("slack", "slack-text", {"json": {"text": "  "}}, 400, "no_text"),
    ("slack", "slack-blocks", slack([section("x" * 3001)]), 400, "invalid_blocks"),
    ("slack", "slack-attachments", {"json": {"attachments": "x"}}, 400, "invalid_attachments"),
    ("slack", "slack-attachments-count", {"json": {"attachments": [{}] * 101}}, 400, "too_many_attachments"),
    ("slack-bot", "slack-api-method", {"path": "/chat.post"}, 200, '"unknown_method"'),
    ("slack-bot", "slack-api-auth", {"bearer": ""}, 200, '"not_authed"'),
    ("slack-bot", "slack-api-token", {"bearer": "abc"}, 200, '"invalid_auth"'),
    ("slack-bot", "slack-api-token", {"bearer": "xoxb-invalid"}, 200, '"invalid_auth"'),
    ("slack-bot", "slack-api-type", {"headers": {"content-type": "text/plain"}}, 200, '"invalid_post_type"'),
    ("slack-bot", "slack-api-json", {"body": b"{"}, 200, '"invalid_json"'),
    ("slack-bot", "slack-api-object", {"body": b"[]"}, 200, '"json_not_object"'),
    ("slack-bot", "slack-api-arguments", {"json": {"channel": None}}, 200, "missing required field: channel"),
    ("slack-bot", "slack-api-channel", {"json": {"channel": "Not A Channel"}}, 200, '"channel_not_found"'),
    ("slack-bot", "slack-api-text", {"json": {"text": ""}}, 200, '"no_text"'),
    ("slack-bot", "slack-api-blocks", slack([section("x" * 3001)]), 200, "must be less than 3001 characters"),
    ("slack-bot", "slack-api-attachments", {"json": {"attachments": {}}}, 200, '"invalid_attachments"'),
    ("slack-bot", "slack-api-attachments-count", {"json": {"attachments": [{}] * 101}}, 200, "too_many_attachments"),
    ("slack-bot", "slack-api-markdown", {"json": {"markdown_text": "x"}}, 200, '"markdown_text_conflict"'),
    ("slack-bot", "slack-api-length", {"json": {"text": None, "markdown_text": "x" * 12_001}}, 200, '"msg_too_long"'),
    ("slack-bot", "slack-api-thread", {"json": {"thread_ts": "1700000000.000001"}}, 200, '"thread_not_found"'),
    ("telegram", "telegram-url", {"path": "/bot1:short/sendMessage"}, 404, '"Not Found"'),
    ("telegram", "telegram-url", {"path": f"/bot{BOT}/sendSong"}, 404, "method not found"),
    ("telegram", "telegram-token", {"path": f"/bot1:{'invalid' * 5}/sendMessage"}, 401, '"Unauthorized"'),
    ("telegram", "telegram-body", {"body": b"{"}, 400, "can't parse JSON object"),
    ("telegram", "telegram-chat-id", {"json": {"chat_id": None}}, 400, "chat_id is empty"),
    ("telegram", "telegram-chat", {"json": {"chat_id": "ops"}}, 400, "chat not found"),
    ("telegram", "telegram-chat", {"json": {"chat_id": 1 << 52}}, 400, "chat not found"),
    ("telegram", "telegram-thread", {"json": {"message_thread_id": "x"}}, 400, "message thread not found"),
    ("telegram", "telegram-text", {"json": {"text": " \n"}}, 400, "message text is empty"),
    ("telegram", "telegram-text", {"json": {"text": "<b></b>", "parse_mode": "HTML"}}, 400, "message text is empty"),
    ("telegram", "telegram-length", {"json": {"text": "x" * 4097}}, 400, "message is too long"),
    ("telegram", "telegram-length", {"json": {"text": "😀" * 2049}}, 400, "message is too long"),
    ("telegram", "telegram-parse-mode", {"json": {"parse_mode": "rst"}}, 400, "unsupported parse_mode"),
    ("telegram", "telegram-markup", {"json": {"text": "a <c", "parse_mode": "HTML"}}, 400, "can't parse entities"),
    (
        "telegram",
        "telegram-entities",
        {"json": {"entities": [{"type": "bold", "offset": 5, "length": 9}]}},
        400,
        "can't parse MessageEntity",
    ),
    ("resend", "resend-url", {"path": "/mails"}, 404, '"not_found"'),
    ("resend", "resend-method", {"method": "GET"}, 405, '"method_not_allowed"'),
    ("resend", "resend-auth", {"bearer": ""}, 401, '"missing_api_key"'),
    ("resend", "resend-key", {"bearer": "sk_1"}, 403, '"invalid_api_key"'),
    ("resend", "resend-user-agent", {"headers": {"user-agent": ""}}, 403, "User-Agent"),
    ("resend", "resend-body", {"body": b"nothing"}, 400, '"validation_error"'),
    ("resend", "resend-missing", {"json": {"subject": None}}, 422, "Missing `subject` field."),
    ("resend", "resend-missing", {"json": {"text": ""}}, 422, "Missing `html` or `text` field."),
    ("resend", "resend-from", {"json": {"from": "Alerts"}}, 400, "Invalid `from` field"),
    ("resend", "resend-domain", {"json": {"from": "a@invalid.example"}}, 403, "is not verified"),
    ("resend", "resend-to", {"json": {"to": ["ops"]}}, 400, "Invalid `to` field"),
    ("resend", "resend-to", {"json": {"to": [f"o{n}@example.com" for n in range(51)]}}, 400, "1 to 50"),
    ("resend", "resend-subject", {"json": {"subject": "a\nb"}}, 400, "one line"),
    ("resend", "resend-template", {"json": {"template": {"id": "t"}}}, 400, "template"),
    ("resend", "resend-headers", {"json": {"headers": {"X-A": "a\r\nb"}}}, 400, "headers"),
    ("resend", "resend-tags", {"json": {"tags": [{"name": "a b", "value": "c"}]}}, 400, "ASCII letters"),
    ("resend", "resend-scheduled-at", {"json": {"scheduled_at": "2026-10-01T00:00:00Z"}}, 400, "30 days"),
    ("resend", "resend-attachments", {"json": {"attachments": [{"filename": "a"}]}}, 422, '"invalid_attachment"'),
    ("resend", "resend-idempotency-key", {"headers": {"idempotency-key": "k" * 257}}, 400, "invalid_idempotency_key"),
    ("sendgrid", "sendgrid-url", {"path": "/mail"}, 404, "Not Found"),
    ("sendgrid", "sendgrid-method", {"method": "PUT"}, 405, "Method Not Allowed"),
    ("sendgrid", "sendgrid-auth", {"bearer": "re_1"}, 401, "authorization grant is invalid"),
    ("sendgrid", "sendgrid-type", {"headers": {"content-type": "text/plain"}}, 415, "application/json"),
    ("sendgrid", "sendgrid-body", {"body": b"{"}, 400, "Bad Request"),
    ("sendgrid", "sendgrid-sender", {"json": {"from": {"email": "a@invalid.example"}}}, 403, "Sender Identity"),
    ("sendgrid", "sendgrid-personalizations", {"json": {"personalizations": []}}, 400, "at least one personalization"),
    ("sendgrid", "sendgrid-to", people(to=[]), 400, "personalizations.0.to"),
    ("sendgrid", "sendgrid-to", people(to=[{"email": "ops"}]), 400, "valid address"),
    ("sendgrid", "sendgrid-duplicate", people(cc=[{"email": "O@EXAMPLE.com"}]), 400, "first duplicate instance"),
    ("sendgrid", "sendgrid-name", people(to=[{"email": "o@example.com", "name": "a;b"}]), 400, "; or ,"),
    ("sendgrid", "sendgrid-recipients", people(to=[{"email": f"{n}@a.example"} for n in range(1001)]), 400, "1000"),
    ("sendgrid", "sendgrid-from", {"json": {"from": "a@example.com"}}, 400, "from.email"),
    ("sendgrid", "sendgrid-from-unicode", {"json": {"from": {"email": "ä@example.com"}}}, 400, "Unicode"),
    ("sendgrid", "sendgrid-subject", {"json": {"subject": ""}}, 400, "subject is required"),
    ("sendgrid", "sendgrid-content", {"json": {"content": [{"type": "text/plain", "value": ""}]}}, 400, "at least one"),
    (
        "sendgrid",
        "sendgrid-content-order",
        {"json": {"content": [{"type": "text/html", "value": "a"}, {"type": "text/plain", "value": "a"}]}},
        400,
        "text/plain first",
    ),
    ("sendgrid", "sendgrid-headers", {"json": {"headers": {"Subject": "x"}}}, 400, "reserved"),
    ("sendgrid", "sendgrid-categories", {"json": {"categories": ["a", "a"]}}, 400, "unique categories"),
    ("sendgrid", "sendgrid-custom-args", {"json": {"custom_args": {"a": "x" * 10_000}}}, 400, "10,000 bytes"),
    ("sendgrid", "sendgrid-send-at", {"json": {"send_at": 4_000_000_000}}, 400, "72 hours"),
    ("sendgrid", "sendgrid-attachments", {"json": {"attachments": [{"content": "eA=="}]}}, 400, "filename"),
    ("pagerduty", "pagerduty-url", {"path": "/queue"}, 404, "Not Found"),
    ("pagerduty", "pagerduty-method", {"method": "GET"}, 405, "Method Not Allowed"),
    ("pagerduty", "pagerduty-size", event(custom_details={"a": "x" * 512_000}), 413, "512 KB"),
    ("pagerduty", "pagerduty-body", {"body": b"{"}, 400, "invalid event"),
    ("pagerduty", "pagerduty-auth", {"json": {"routing_key": ""}}, 400, "'routing_key' is missing or blank"),
    ("pagerduty", "pagerduty-routing-key", {"json": {"routing_key": "k" * 31}}, 400, "should be 32 characters"),
    ("pagerduty", "pagerduty-routing-key", {"json": {"routing_key": "invalid".ljust(32, "k")}}, 400, "Invalid routing"),
    ("pagerduty", "pagerduty-action", {"json": {"event_action": "open"}}, 400, "'event_action' is invalid"),
    ("pagerduty", "pagerduty-action", {"json": {"event_action": None}}, 400, "'event_action' is missing or blank"),
    ("pagerduty", "pagerduty-dedup-key", {"json": {"dedup_key": "k" * 256}}, 400, "maximum is 255"),
    ("pagerduty", "pagerduty-dedup-key", {"json": {"dedup_key": None, "event_action": "resolve"}}, 400, "dedup_key"),
    ("pagerduty", "pagerduty-payload", {"json": {"payload": None}}, 400, "'payload' is missing or blank"),
    ("pagerduty", "pagerduty-summary", event(summary="x" * 1025), 400, "maximum is 1024"),
    ("pagerduty", "pagerduty-source", event(source=None), 400, "'payload.source' is missing or blank"),
    ("pagerduty", "pagerduty-severity", event(severity="fatal"), 400, "'payload.severity' is invalid"),
    ("pagerduty", "pagerduty-timestamp", event(timestamp="yesterday"), 400, "ISO 8601"),
    ("pagerduty", "pagerduty-details", event(custom_details=["a"]), 400, "custom_details"),
    ("pagerduty", "pagerduty-links", {"json": {"links": [{"href": "javascript:x"}]}}, 400, "'links' is invalid"),
    (
        "pagerduty",
        "pagerduty-images",
        {"json": {"images": [{"src": "http://a.example/i"}]}},
        400,
        "'images' is invalid",
    ),
    ("castbrick", "castbrick-url", {"path": "/sms"}, 404, "Not Found"),
    ("castbrick", "castbrick-auth", {"bearer": "re_1"}, 401, "Invalid or missing API key."),
    ("castbrick", "castbrick-body", {"body": b"[]"}, 422, "JSON object"),
    ("castbrick", "castbrick-recipients", {"json": {"recipients": []}}, 422, "required"),
    ("castbrick", "castbrick-recipients", {"json": {"recipients": ["923000000"]}}, 422, "E.164"),
    ("castbrick", "castbrick-content", {"json": {"content": " "}}, 422, "content is required"),
    ("castbrick", "castbrick-scheduled-at", {"json": {"scheduledAt": "soon"}}, 422, "ISO 8601"),
    ("twilio", "twilio-url", {"path": "/Accounts/AC1/Messages.json"}, 404, "20404"),
    ("twilio", "twilio-method", {"method": "PUT"}, 405, "20004"),
    ("twilio", "twilio-auth", {"basic": f"{ACCOUNT}:invalid"}, 401, "20003"),
    ("twilio", "twilio-auth", {"basic": f"AC{'0' * 32}:token"}, 401, "20003"),
    ("twilio", "twilio-to-missing", {"form": {"To": None}}, 400, "21604"),
    ("twilio", "twilio-to", {"form": {"To": "923000000"}}, 400, "21211"),
    ("twilio", "twilio-from-missing", {"form": {"From": None}}, 400, "21603"),
    ("twilio", "twilio-from", {"form": {"From": "Twelve chars"}}, 400, "21212"),
    ("twilio", "twilio-service", {"form": {"MessagingServiceSid": "MG1"}}, 400, "21701"),
    ("twilio", "twilio-body-missing", {"form": {"Body": ""}}, 400, "21602"),
    ("twilio", "twilio-body-length", {"form": {"Body": "x" * 1601}}, 400, "21617"),
    ("twilio", "twilio-validity", {"form": {"ValidityPeriod": "0"}}, 400, "20001"),
    ("twilio", "twilio-magic", {"form": {"To": "+15005550009"}}, 400, "21614"),
    ("twilio", "twilio-magic", {"form": {"From": "+15005550008"}}, 429, "21611"),
    ("vonage", "vonage-url", {"path": "/sms"}, 404, "Not Found"),
    ("vonage", "vonage-missing", {"form": {"text": None}}, 200, '"status": "2"'),
    ("vonage", "vonage-to", {"form": {"to": "+244923000000"}}, 200, '"status": "3"'),
    ("vonage", "vonage-type", {"form": {"type": "emoji"}}, 200, '"status": "3"'),
    ("vonage", "vonage-ttl", {"form": {"ttl": "19999"}}, 200, '"status": "3"'),
    ("vonage", "vonage-client-ref", {"form": {"client-ref": "x" * 41}}, 200, '"status": "3"'),
    ("vonage", "vonage-auth", {"form": {"api_secret": "invalid"}}, 200, '"status": "4"'),
    ("vonage", "vonage-length", {"form": {"text": "x" * 3201}}, 200, '"status": "12"'),
    ("vonage", "vonage-from", {"form": {"from": "Twelve chars"}}, 200, '"status": "15"'),
    ("vonage", "vonage-signature", {"form": {"sig": "00"}}, 200, '"status": "32"'),
]


@pytest.mark.parametrize(
    ("kind", "rule", "changes", "status", "told"), CASES, ids=[f"{case[1]}-{n}" for n, case in enumerate(CASES)]
)
def test_a_request_that_breaks_a_rule_gets_the_providers_own_answer(
    ask: Ask, kind: str, rule: str, changes: dict[str, Any], status: int, told: str
) -> None:
    taken = ask(kind, **changes)
    assert [broken.rule.id for broken in taken.broken] == [rule]
    assert (taken.answer.status, told in taken.answer.body.decode()) == (status, True), taken.answer


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.kind)
def test_the_request_that_each_case_changes_breaks_no_rule(ask: Ask, provider: Any) -> None:
    taken = ask(provider.kind)
    assert taken.broken == ()
    assert taken.answer.status in (200, 201, 202)
    assert "Disk full" in taken.seen.text


def test_every_rule_of_the_table_is_broken_by_a_case_but_for_the_one_that_needs_two_requests() -> None:
    known = {rule.id for provider in PROVIDERS for rule in provider.rules}
    assert known - {case[1] for case in CASES} == {"resend-idempotency"}
    assert len(known) == sum(len(provider.rules) for provider in PROVIDERS)


def test_every_rule_names_the_vendors_page() -> None:
    for provider in PROVIDERS:
        for rule in provider.rules:
            assert rule.id.startswith(provider.kind.removesuffix("-bot")), rule
            assert "." in rule.source.split("/")[0], rule


def test_a_provider_that_tells_all_errors_at_once_does_so(ask: Ask) -> None:
    taken = ask("pagerduty", json={"routing_key": "x", "event_action": "open", "payload": {"summary": ""}})
    told = json.loads(taken.answer.body)
    assert told["status"] == "invalid event"
    assert len(told["errors"]) == 3
    assert {broken.rule.id for broken in taken.broken} == {
        "pagerduty-routing-key",
        "pagerduty-action",
        "pagerduty-summary",
    }


def test_the_documentation_lists_every_rule_with_its_answer_and_source() -> None:
    page = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text()
    listed = [line for line in page.splitlines() if line.startswith("| `") and line.count("|") == 4]
    for _, rules in [*((p.kind, p.rules) for p in PROVIDERS), (mail.KIND, mail.RULES)]:
        for rule in rules:
            code = f" `{rule.code}`" if rule.code else ""
            assert f"| `{rule.id}` | {rule.status}{code} | {rule.source} |" in listed


def test_the_documentation_tells_every_fault() -> None:
    page = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text()
    assert [name for name in FAULTS if f"`{name}`" not in page] == []
