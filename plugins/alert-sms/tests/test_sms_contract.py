"""The three kinds pass the contract that every transport passes."""

import json
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import smsutil  # type: ignore[import-untyped]

from alert_core import Alert
from alert_core.testing import CANARY, ProviderReplies, Received, Reply, TransportContract

NUMBER = "+244923000000"
ACCOUNT = "AC" + "0" * 32
SID = "SM" + "0" * 32


def check_text(text: str, segments: int) -> None:
    """One line that a network carries in so many segments."""
    assert text.strip()
    assert "\n" not in text
    assert "\r" not in text
    assert len(smsutil.split(text).parts) <= segments


def form(request: Received) -> dict[str, str]:
    """The fields of a form."""
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    fields = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    assert len(dict(fields)) == len(fields)
    return dict(fields)


def twilio_error(status: int, code: int) -> Reply:
    """Twilio's no."""
    return Reply(status, json={"code": code, "message": "…", "more_info": "https://…", "status": status})


def vonage_answer(*statuses: str, outcome: str | None = None) -> Reply:
    """Vonage's answer, of as many segments."""
    parts = [
        {"to": "244923000000", "message-id": f"0A000000012{place}ABCD1", "status": status}
        if status == "0"
        else {"status": status, "error-text": "…"}
        for place, status in enumerate(statuses)
    ]
    return Reply(json={"message-count": str(len(parts)), "messages": parts}, outcome=outcome)


class TestCastBrick(TransportContract):
    """CastBrick."""

    kind = "castbrick"
    options: ClassVar[dict[str, Any]] = {"api_key": f"cb_live_{CANARY}", "to": [NUMBER], "sender_id": "Alerts"}
    replies = ProviderReplies(
        ok=Reply(
            json={
                "messageId": "a0000000-0000-0000-0000-000000000001",
                "status": "Queued",
                "recipientCount": 1,
                "costAoa": 10.0,
                "error": None,
                "timestamp": "2026-09-09T20:00:00.000Z",
            }
        ),
        rejected=Reply(json={"messageId": "a0", "status": "Queued", "recipientCount": 1, "error": "sender_not_found"}),
        unauthorized=Reply(
            401, json={"error": "Unauthorized", "message": "Invalid or missing API key.", "status": 401}
        ),
        others={
            "no credits": Reply(402, json={"error": "PaymentRequired", "message": "…"}, outcome="permanent"),
            "not valid": Reply(422, json={"error": "UnprocessableEntity", "message": "…"}, outcome="permanent"),
        },
    )
    max_text = 160
    supports_resolve = True

    def check_request(self, request: Received, alert: Alert) -> None:
        """As CastBrick's specification has it."""
        assert (request.method, request.path) == ("POST", "/v1/sms/send")
        assert request.headers["authorization"] == f"Bearer cb_live_{CANARY}"
        body = json.loads(request.body.decode("utf-8"))
        assert body.keys() == {"recipients", "content", "senderId"}
        check_text(body["content"], 1)


class TestTwilio(TransportContract):
    """Twilio."""

    kind = "twilio"
    options: ClassVar[dict[str, Any]] = {
        "account_sid": ACCOUNT,
        "auth_token": CANARY,
        "sender": "+15550001111",
        "to": [NUMBER],
    }
    replies = ProviderReplies(
        ok=Reply(201, json={"sid": SID, "status": "queued", "num_segments": "1", "error_code": None}),
        rejected=Reply(201, json={"sid": SID, "status": "failed", "error_code": 30007}),
        bad_request=twilio_error(400, 21211),
        unauthorized=twilio_error(401, 20003),
        not_found=twilio_error(404, 20404),
        rate_limited=twilio_error(429, 20429),
        others={
            "queue full": Reply(429, json={"code": 21611, "message": "…", "status": 429}, outcome="permanent"),
            "20503": Reply(503, json={"code": 20503, "message": "…", "status": 503}, outcome="uncertain"),
        },
    )
    max_text = 1600
    supports_resolve = True

    def check_request(self, request: Received, alert: Alert) -> None:
        """As Twilio's specification has it."""
        assert (request.method, request.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
        fields = form(request)
        assert fields.keys() == {"To", "From", "Body"}
        assert (fields["To"], fields["From"]) == (NUMBER, "+15550001111")
        check_text(fields["Body"], 2)


class TestVonage(TransportContract):
    """Vonage's SMS API."""

    kind = "vonage"
    options: ClassVar[dict[str, Any]] = {"api_key": CANARY, "api_secret": CANARY, "sender": "Alerts", "to": [NUMBER]}
    replies = ProviderReplies(
        ok=vonage_answer("0"),
        rejected=vonage_answer("9"),
        others={
            "throttled": vonage_answer("1", outcome="retryable"),
            "no credentials": vonage_answer("4", outcome="permanent"),
            "a part": vonage_answer("0", "1", outcome="uncertain"),
        },
    )
    canary_on_wire = ("body:api_key", "body:api_secret")
    max_text = 306
    supports_resolve = True

    def check_request(self, request: Received, alert: Alert) -> None:
        """As Vonage's specification has it."""
        assert (request.method, request.path) == ("POST", "/sms/json")
        fields = form(request)
        assert fields.keys() == {"api_key", "api_secret", "from", "to", "text", "type", "client-ref"}
        assert (fields["to"], fields["from"]) == ("244923000000", "Alerts")
        assert fields["type"] == ("text" if smsutil.is_valid_gsm(fields["text"]) else "unicode")
        assert len(fields["client-ref"]) <= 40
        check_text(fields["text"], 2)
