"""The kind passes the contract that every transport passes."""

import html
import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from alert_core import Alert
from alert_core.testing import CANARY, ProviderReplies, Received, Reply, TransportContract


def refusal(status: int, message: str, field: str | None = None) -> Reply:
    """SendGrid's no."""
    return Reply(status, json={"errors": [{"message": message, "field": field, "help": None}]})


class TestSendGrid(TransportContract):
    """POST /mail/send."""

    kind = "sendgrid"
    options: ClassVar[dict[str, Any]] = {
        "api_key": f"SG.{CANARY}",
        "from_email": "Alerts <alerts@example.com>",
        "to_emails": ["ops@example.com", "Security <security@example.com>"],
    }
    replies = ProviderReplies(
        ok=Reply(202, headers={"X-Message-Id": "14c5d75ce93.dfd.64b469"}),
        bad_request=refusal(400, "Does not contain a valid address.", "personalizations.0.to.0.email"),
        unauthorized=refusal(401, "The provided authorization grant is invalid, expired, or revoked"),
        forbidden=refusal(403, "The from address does not match a verified Sender Identity.", "from"),
        not_found=refusal(404, "not found"),
        too_large=refusal(413, "content too large"),
        rate_limited=refusal(429, "too many requests"),
        server_error=refusal(500, "internal server error"),
        others={
            "only checked": Reply(200, outcome="uncertain"),
            "a page with status 202": Reply(202, text="<html>captive portal</html>", outcome="uncertain"),
            "method": Reply(405, outcome="permanent"),
            "media type": Reply(415, outcome="permanent"),
        },
    )
    markup = ("<b>", "<script>", "<img src=x>", '"><a href="https://evil.example">')
    supports_resolve = True

    def strings(self, request: Received) -> Sequence[str]:
        """The part where markup would be live."""
        return [json.loads(request.body)["content"][1]["value"]]

    def shown(self, request: Received) -> str:
        """Subject, text and page."""
        body = json.loads(request.body)
        text, page = (part["value"] for part in body["content"])
        return "\n".join([body["subject"], text, html.unescape(page.replace("<br>", "\n"))])

    def check_request(self, request: Received, alert: Alert) -> None:
        """As SendGrid would."""
        assert (request.method, request.path) == ("POST", "/v3/mail/send")
        assert request.headers["authorization"] == f"Bearer SG.{CANARY}"
        body = json.loads(request.body.decode("utf-8"))
        assert body["from"] == {"email": "alerts@example.com", "name": "Alerts"}
        assert [sent["to"] for sent in body["personalizations"]] == [
            [{"email": "ops@example.com"}],
            [{"email": "security@example.com", "name": "Security"}],
        ]
        assert re.fullmatch(r"[^\x00-\x1f\x7f]+", body["subject"])
        assert [part["type"] for part in body["content"]] == ["text/plain", "text/html"]
        assert all(part["value"] for part in body["content"])
