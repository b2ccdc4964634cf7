"""The kind passes the contract that every transport passes."""

import html
import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from alert_core import Alert
from alert_core.testing import CANARY, ProviderReplies, Received, Reply, TransportContract


def refusal(status: int, name: str, outcome: str | None = None) -> Reply:
    """Resend's no."""
    body = {"statusCode": status, "name": name, "message": f"about {CANARY}"}
    return Reply(status, json=body, outcome=outcome)


class TestResend(TransportContract):
    """POST /emails."""

    kind = "resend"
    options: ClassVar[dict[str, Any]] = {
        "api_key": f"re_{CANARY}",
        "from_email": "Alerts <alerts@example.com>",
        "to_emails": ["ops@example.com", "Security <security@example.com>"],
    }
    replies = ProviderReplies(
        ok=Reply(json={"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}),
        bad_request=refusal(400, "validation_error"),
        unauthorized=refusal(401, "missing_api_key"),
        forbidden=refusal(403, "invalid_api_key"),
        not_found=refusal(404, "not_found"),
        rate_limited=refusal(429, "rate_limit_exceeded"),
        server_error=refusal(500, "application_error"),
        unavailable=refusal(503, "service_unavailable"),
        others={
            "same key, still at work": refusal(409, "concurrent_idempotent_requests", "retryable"),
            "same key, other body": refusal(409, "invalid_idempotent_request", "permanent"),
            "locked": refusal(409, "resource_locked", "retryable"),
            "day's quota": refusal(429, "daily_quota_exceeded", "permanent"),
            "month's quota": refusal(429, "monthly_quota_exceeded", "permanent"),
            "no id": Reply(json={"object": "email"}, outcome="uncertain"),
        },
    )
    markup = ("<b>", "<script>", "<img src=x>", '"><a href="https://evil.example">')
    supports_resolve = True

    def strings(self, request: Received) -> Sequence[str]:
        """The part where markup would be live."""
        return [json.loads(request.body)["html"]]

    def shown(self, request: Received) -> str:
        """Subject, text and page."""
        body = json.loads(request.body)
        return "\n".join([body["subject"], body["text"], html.unescape(body["html"].replace("<br>", "\n"))])

    def check_request(self, request: Received, alert: Alert) -> None:
        """As Resend would."""
        assert (request.method, request.path) == ("POST", "/emails")
        assert request.headers["authorization"] == f"Bearer re_{CANARY}"
        assert request.headers["user-agent"].startswith("alert-core/")
        assert 1 <= len(request.headers["idempotency-key"]) <= 256
        body = json.loads(request.body.decode("utf-8"))
        assert body["from"] == "Alerts <alerts@example.com>"
        assert body["to"] == ["ops@example.com", "Security <security@example.com>"]
        assert re.fullmatch(r"[^\x00-\x1f\x7f]+", body["subject"])
        assert body["text"]
        assert body["html"]
