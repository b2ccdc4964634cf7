"""Telegram's Bot API: sendMessage, and getMe, which clients call first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from alert_core.text import utf16_length
from alert_sandbox.exchange import (
    Answer,
    Broken,
    Clock,
    Provider,
    Request,
    Rule,
    Seen,
    is_wrong,
    parse_json,
    seconds,
    utc_now,
)
from alert_sandbox.faults import Fault
from alert_sandbox.providers.telegram_markup import Entity, MarkupError, parse

_API: Final = "core.telegram.org/bots/api"
_SEND: Final = f"{_API}#sendmessage"

MAX_TEXT: Final = 4096
"""Counted in UTF-16 units, after the markup is read."""
_PATH: Final = re.compile(r"/bot(?P<token>[^/]+)/(?P<method>\w+)")
_TOKEN: Final = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{30,50}")
_USERNAME: Final = re.compile(r"@[A-Za-z]\w{4,31}", re.ASCII)
_MAX_CHAT: Final = 1 << 52
_MODES: Final = ("", "html", "markdownv2", "markdown")
_ENTITIES: Final = frozenset(
    "mention hashtag cashtag bot_command url email phone_number bold italic underline strikethrough spoiler"
    " blockquote expandable_blockquote code pre text_link text_mention custom_emoji".split()
)

Fields = Mapping[str, Any]


class Telegram(Provider):
    """POST or GET /bot<token>/sendMessage, by JSON, form or query."""

    kind = "telegram"
    prefix = "/telegram"
    rules = (
        _NOT_FOUND := Rule("telegram-url", f"{_API}#making-requests", 404, "Not Found"),
        _UNAUTHORIZED := Rule("telegram-token", f"{_API}#authorizing-your-bot", 401, "Unauthorized"),
        _JSON := Rule("telegram-body", f"{_API}#making-requests", 400, "Bad Request: can't parse JSON object"),
        _NO_CHAT := Rule("telegram-chat-id", f"{_SEND}: chat_id is required", 400, "Bad Request: chat_id is empty"),
        _CHAT := Rule("telegram-chat", f"{_SEND}: chat_id", 400, "Bad Request: chat not found"),
        _THREAD := Rule("telegram-thread", f"{_SEND}: message_thread_id", 400, "Bad Request: message thread not found"),
        _EMPTY := Rule("telegram-text", f"{_SEND}: text is required", 400, "Bad Request: message text is empty"),
        _LONG := Rule("telegram-length", f"{_SEND}: text, 1-4096 characters", 400, "Bad Request: message is too long"),
        _MODE := Rule("telegram-parse-mode", f"{_API}#formatting-options", 400, "Bad Request: unsupported parse_mode"),
        _MARKUP := Rule("telegram-markup", f"{_API}#formatting-options", 400, "Bad Request: can't parse entities"),
        _BAD_ENTITIES := Rule("telegram-entities", f"{_API}#messageentity", 400, "Bad Request: can't parse entities"),
    )
    malformed = _JSON

    def __init__(self, clock: Clock = utc_now) -> None:
        """Start with no message."""
        super().__init__(clock)
        self._last = 0

    def take(self, request: Request) -> Answer:
        """Send the message; its id is `message_id` in its chat."""
        found = _PATH.fullmatch(request.path)
        if found is None or not _TOKEN.fullmatch(found["token"]):
            raise self._NOT_FOUND.refusal()
        if is_wrong(found["token"]):
            raise self._UNAUTHORIZED.refusal()
        bot = {"id": int(found["token"].partition(":")[0]), "is_bot": True, "first_name": "Alerts"}
        bot["username"] = "sandbox_alerts_bot"
        method = found["method"].lower()
        if method == "getme":
            return attrs.evolve(_yes({**bot, "can_join_groups": True}), is_message=False)
        if method != "sendmessage":
            raise self._NOT_FOUND.refusal("method not found", code="Not Found: method not found")
        fields = self._fields(request)
        chat = self._chat(fields)
        text, entities = self._text(fields)
        self._last += 1
        sent: dict[str, Any] = {"message_id": self._last, "from": bot, "chat": chat, "text": text}
        sent["date"] = int(self.clock().timestamp())
        if entities:
            sent["entities"] = entities
        return _yes(sent)

    def refuse(self, request: Request, broken: Sequence[Broken]) -> Answer:  # noqa: ARG002 - the same for each
        """The status again, and a sentence."""
        return _no(broken[0].rule.status, broken[0].code)

    def show(self, request: Request) -> Seen:
        """The bubble: plain text and its entities; the text as it was sent where its markup does not parse."""
        fields = self._fields(request)
        text = str(fields.get("text", ""))
        given = _list(fields.get("entities"))
        try:
            plain, entities = parse(text, str(fields.get("parse_mode") or "").lower())
        except MarkupError:
            plain, entities = text, []
        chat = str(fields.get("chat_id", ""))
        view = {
            "chat": chat,
            "text": plain,
            "entities": entities or given,
            "silent": str(fields.get("disable_notification", "")).lower() == "true",
            "thread": fields.get("message_thread_id"),
        }
        return Seen(title=plain.strip().partition("\n")[0], text=plain, to=(chat,) if chat else (), view=view)

    def fail(self, fault: Fault) -> Answer:
        """429 tells the seconds twice; 5xx in JSON; a 200 with `ok` false."""
        if fault.name == "429":
            wait = seconds(fault)
            text = f"Too Many Requests: retry after {wait}"
            return _no(429, text, {"retry_after": int(wait)}, {"Retry-After": wait})
        if fault.name == "error":
            return Answer.json(200, {"ok": False, "error_code": 400, "description": fault.argument or "Bad Request"})
        return _no(int(fault.name), {"500": "Internal Server Error"}.get(fault.name, "Service Unavailable"))

    def credentials(self, request: Request) -> tuple[str, ...]:
        """The token in the path."""
        found = re.match(r"/bot([^/]+)", request.path)
        return (found[1],) if found else ()

    def _fields(self, request: Request) -> Fields:
        if request.content_type != "application/json":
            return request.form()
        try:
            body = request.json()
        except ValueError:
            raise self._JSON.refusal() from None
        if not isinstance(body, dict):
            raise self._JSON.refusal()
        return {**request.form(), **body}

    def _chat(self, fields: Fields) -> dict[str, Any]:
        given = str(fields.get("chat_id", "")).strip()
        if not given:
            raise self._NO_CHAT.refusal()
        thread = fields.get("message_thread_id")
        if thread is not None and not re.fullmatch(r"[1-9]\d*", str(thread)):
            raise self._THREAD.refusal()
        if _USERNAME.fullmatch(given) and not is_wrong(given):
            return {"id": -1001000000000, "title": given[1:], "username": given[1:], "type": "channel"}
        if not re.fullmatch(r"-?[1-9]\d{0,18}", given) or abs(int(given)) >= _MAX_CHAT:
            raise self._CHAT.refusal()
        number = int(given)
        if number > 0:
            return {"id": number, "first_name": "Reader", "type": "private"}
        return {"id": number, "title": "Operations", "type": "supergroup"}

    def _text(self, fields: Fields) -> tuple[str, list[Entity]]:
        mode = str(fields.get("parse_mode") or "").lower()
        if mode not in _MODES:
            raise self._MODE.refusal()
        text = str(fields.get("text") or "")
        try:
            plain, entities = parse(text, mode)
        except MarkupError as error:
            raise self._MARKUP.refusal(str(error), code=f"Bad Request: can't parse entities: {error}") from None
        plain = plain.rstrip()
        if not plain.strip():
            raise self._EMPTY.refusal()
        if utf16_length(plain) > MAX_TEXT:
            raise self._LONG.refusal(f"{utf16_length(plain)} UTF-16 units after the markup is read")
        return plain, entities or self._given(fields, plain)

    def _given(self, fields: Fields, plain: str) -> list[Entity]:
        if fields.get("parse_mode") or not fields.get("entities"):
            return []
        entities = _list(fields["entities"])
        if not all(_fits(entity, utf16_length(plain)) for entity in entities):
            raise self._BAD_ENTITIES.refusal(code="Bad Request: can't parse MessageEntity")
        return entities


def _fits(entity: Any, size: int) -> bool:
    if not isinstance(entity, dict) or entity.get("type") not in _ENTITIES:
        return False
    offset, length = entity.get("offset"), entity.get("length")
    if not isinstance(offset, int) or not isinstance(length, int):
        return False
    return offset >= 0 and length > 0 and offset + length <= size


def _list(value: Any) -> list[Any]:
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except ValueError:
            return [value]
    return value if isinstance(value, list) else []


def _yes(result: Any) -> Answer:
    return Answer.json(200, {"ok": True, "result": result})


def _no(
    status: int, text: str, parameters: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    told: dict[str, Any] = {"ok": False, "error_code": status, "description": text}
    if parameters:
        told["parameters"] = parameters
    return Answer.json(status, told, headers)
