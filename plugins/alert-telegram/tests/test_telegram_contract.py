"""The kind passes the contract that every transport passes."""

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from alert_core import Alert
from alert_core.testing import CANARY, ProviderReplies, Received, Reply, TransportContract

TYPES = {"bold", "italic", "code", "text_link"}


def refusal(status: int, description: str, *, requests: int = 1, outcome: Any = None, **parameters: int) -> Reply:
    """Telegram's no."""
    body = {"ok": False, "error_code": status, "description": description}
    body |= {"parameters": parameters} if parameters else {}
    return Reply(status, json=body, requests=requests, outcome=outcome)


class TestTelegram(TransportContract):
    """sendMessage."""

    kind = "telegram"
    options: ClassVar[dict[str, Any]] = {"bot_token": f"123456:{CANARY}", "chat_id": -1001234567890}
    replies = ProviderReplies(
        ok=Reply(json={"ok": True, "result": {"message_id": 7, "date": 1, "chat": {"id": -1001234567890}}}),
        rejected=Reply(json={"ok": False, "error_code": 400, "description": "Bad Request: chat not found"}),
        bad_request=refusal(400, "Bad Request: message text is empty"),
        unauthorized=refusal(401, "Unauthorized"),
        forbidden=refusal(403, "Forbidden: bot was blocked by the user"),
        not_found=refusal(404, "Not Found"),
        rate_limited=refusal(429, "Too Many Requests: retry after 3", retry_after=3),
        server_error=refusal(500, "Internal Server Error"),
        unavailable=refusal(503, "Service Unavailable"),
        others={
            "can't parse entities": refusal(
                400, "Bad Request: can't parse entities: unsupported start tag", requests=2, outcome="permanent"
            ),
            "migrated, and refused again": refusal(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=-100999,
                requests=2,
                outcome="permanent",
            ),
            "a limit with status 200": Reply(
                json={"ok": False, "error_code": 429, "parameters": {"retry_after": 1}}, outcome="retryable"
            ),
            "ok without a message": Reply(json={"ok": True}, outcome="uncertain"),
        },
    )
    canary_on_wire = ("path",)
    max_text = 4096
    markup = ("@everyone", "/restart")
    supports_resolve = True

    def strings(self, request: Received) -> Sequence[str]:
        """Where Telegram makes mentions and commands of a text: all of it but what is `code`."""
        body = json.loads(request.body)
        pieces, units, start = [], body["text"].encode("utf-16-le"), 0
        for entity in body["entities"]:
            if entity["type"] == "code":
                pieces.append(units[start : 2 * entity["offset"]].decode("utf-16-le"))
                start = 2 * (entity["offset"] + entity["length"])
        return [*pieces, units[start:].decode("utf-16-le")]

    def shown(self, request: Received) -> str:
        """The whole text."""
        return str(json.loads(request.body)["text"])

    def check_request(self, request: Received, alert: Alert) -> None:
        """What Telegram checks of a message, as far as its documentation says."""
        assert request.path == f"/bot123456:{CANARY}/sendMessage"
        assert request.headers["content-type"] == "application/json; charset=utf-8"
        body = json.loads(request.body.decode("utf-8"))
        assert body.keys() == {"chat_id", "text", "entities", "link_preview_options"}
        length = len(body["text"].encode("utf-16-le")) // 2
        assert body["text"].strip()
        assert length <= 4096
        assert body["link_preview_options"] == {"is_disabled": True}
        assert 0 < len(body["entities"]) <= 100
        for entity in body["entities"]:
            assert entity["type"] in TYPES
            assert 0 <= entity["offset"] < entity["offset"] + entity["length"] <= length
            assert ("url" in entity) == (entity["type"] == "text_link")
