"""The kind `smtp` keeps the contract of every transport."""

import html
from collections.abc import Sequence
from typing import Any, ClassVar

from alert_core import Alert
from alert_core.testing import CANARY, ProviderReplies, Received, Reply, SmtpStandIn, TransportContract
from alert_core.testing.smtpserver import parsed, part


class TestSmtp(TransportContract):
    kind = "smtp"
    options: ClassVar[dict[str, Any]] = {
        "host": "mail.example.com",
        "username": "alerts",
        "password": CANARY,
        "security": "none",
        "from_email": "Alerts <alerts@example.com>",
        "to_emails": ["ops@example.com"],
    }
    replies = ProviderReplies(
        ok=Reply(250, text="2.0.0 Ok: queued as BAAFC284967"),
        bad_request=Reply(554, text="5.6.0 malformed message"),
        unauthorized=Reply(535, text="5.7.8 authentication failed"),
        forbidden=Reply(550, text="5.7.1 relay not permitted"),
        not_found=Reply(550, text="5.1.1 no such user"),
        too_large=Reply(552, text="5.3.4 message too big"),
        rate_limited=Reply(450, text="4.7.1 greylisted, come back later"),
        unavailable=Reply(421, text="4.3.2 shutting down"),
        others={
            "local error": Reply(451, text="4.3.0 local error", outcome="retryable"),
            "full": Reply(452, text="4.2.2 mailbox full", outcome="retryable"),
            "no enhanced code": Reply(554, text="refused", outcome="permanent"),
            "no yes": Reply(354, text="go on", outcome="uncertain"),
        },
    )
    stand_in = SmtpStandIn
    markup = ("<b>", "<script>", "<img src=x>", '"><a href="https://evil.example">')
    supports_resolve = True

    def endpoint(self, host: str, port: int, ca_bundle: str | None) -> dict[str, Any]:
        if ca_bundle is None:
            return {"host": host, "port": port, "security": "none"}
        return {"host": host, "port": port, "security": "tls", "ca_bundle": ca_bundle}

    def strings(self, request: Received) -> Sequence[str]:
        return [part(request.body, "html").partition("<body")[2]]

    def shown(self, request: Received) -> str:
        page = html.unescape(part(request.body, "html").replace("<br>", "\n"))
        return "\n".join([request.headers["subject"], part(request.body, "plain"), page])

    def check_request(self, request: Received, alert: Alert) -> None:
        message = parsed(request.body)
        assert [str(defect) for found in message.walk() for defect in found.defects] == []
        assert max(map(len, request.body.split(b"\r\n"))) <= 998
        assert message["To"].addresses[0].addr_spec == "ops@example.com"
        assert request.body.count(b"\n") == request.body.count(b"\r\n")
