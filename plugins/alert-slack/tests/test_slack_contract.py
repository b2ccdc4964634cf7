"""Both kinds pass the contract that every transport passes."""

import json
from typing import ClassVar

from alert_core import Alert
from alert_core.testing import CANARY, ProviderReplies, Received, Reply, TransportContract

MARKUP = ("<!channel>", "<!here>", "<@U012AB3CD>", "<!subteam^S012AB3CD>", "<https://a.example|b>")


def refusal(code: str) -> Reply:
    """The Web API's no."""
    return Reply(json={"ok": False, "error": code})


def check_message(request: Received, *fields: str) -> None:
    """What Slack checks of a message, as far as its documentation says."""
    body = json.loads(request.body.decode("utf-8"))
    assert body.keys() == {"text", "blocks", "unfurl_links", "unfurl_media", *fields}
    assert 0 < len(body["text"]) <= 40_000
    assert 0 < len(body["blocks"]) <= 50
    for block in body["blocks"]:
        limit = 150 if block["type"] == "header" else 3000
        texts = [block["text"]] if "text" in block else []
        assert len(block.get("fields", [])) <= 10
        assert len(block.get("elements", [])) <= 10
        for part in [*texts, *block.get("fields", []), *block.get("elements", [])]:
            assert 0 < len(part["text"]) <= limit


class TestSlack(TransportContract):
    """An incoming webhook."""

    kind = "slack"
    options: ClassVar[dict[str, str]] = {"webhook_url": f"https://hooks.slack.com/services/T0123/B0123/{CANARY}"}
    replies = ProviderReplies(
        ok=Reply(text="ok"),
        bad_request=Reply(400, text="invalid_blocks"),
        unauthorized=Reply(403, text="invalid_token"),
        forbidden=Reply(403, text="action_prohibited"),
        not_found=Reply(404, text="no_service"),
        rate_limited=Reply(429, json={"retry_after": 1, "ok": False, "error": "rate_limited"}),
        server_error=Reply(500, text="rollup_error"),
        others={
            "archived": Reply(410, text="channel_is_archived", outcome="permanent"),
            "not Slack's ok": Reply(200, text="OK", outcome="uncertain"),
        },
    )
    max_text = 3000
    markup = MARKUP
    supports_resolve = True

    def check_request(self, request: Received, alert: Alert) -> None:
        """As a webhook would."""
        assert request.path == f"/services/T0123/B0123/{CANARY}"
        check_message(request)


class TestSlackBot(TransportContract):
    """chat.postMessage."""

    kind = "slack-bot"
    options: ClassVar[dict[str, str]] = {"token": f"xoxb-{CANARY}", "channel": "C0123456789"}
    replies = ProviderReplies(
        ok=Reply(json={"ok": True, "channel": "C0123456789", "ts": "1503435956.000247", "message": {}}),
        rejected=refusal("invalid_auth"),
        rate_limited=Reply(429, json={"ok": False, "error": "ratelimited"}),
        others={
            "ratelimited": Reply(json={"ok": False, "error": "ratelimited"}, outcome="retryable"),
            "fatal_error": Reply(json={"ok": False, "error": "fatal_error"}, outcome="uncertain"),
            "not_in_channel": Reply(json={"ok": False, "error": "not_in_channel"}, outcome="permanent"),
        },
    )
    max_text = 3000
    markup = MARKUP
    supports_resolve = True

    def check_request(self, request: Received, alert: Alert) -> None:
        """As chat.postMessage would."""
        assert request.path == "/api/chat.postMessage"
        assert request.headers["authorization"] == f"Bearer xoxb-{CANARY}"
        check_message(request, "channel")
