"""Telegram's way in for a bot: sendMessage, which answers JSON and takes no for its markup or its chat's old number."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from alert_core import Alert, DeliveryError, Receipt, RetryableDeliveryError, Secret, Status, option
from alert_core.http import HttpRequest, HttpResponse, HttpTransport, error_for, secure_url
from alert_core.text import number
from alert_core.threads import Threads
from alert_telegram.payload import message, plain

_OK: Final = 200
_BAD_REQUEST: Final = 400
_ERRORS: Final = range(400, 600)
_MENDS: Final = 2  # an old chat_id and a refused entity: each once
_ENTITY: Final = re.compile("entit(y|ies)", re.IGNORECASE)
_ADVICE: Final = {
    "bot can't initiate conversation with a user": "let the user press Start in a chat with the bot",
    "bot is not a member of": "add the bot to the chat",
    "bot was blocked by the user": "let the user unblock the bot",
    "bot was kicked from": "add the bot to the chat again",
    "bots can't send messages to bots": "set chat_id to a person, a group or a channel",
    "can't parse entities": "",
    "chat not found": "check chat_id, and add the bot to the chat, or let its user press Start",
    "chat_id is empty": "set chat_id",
    "CHAT_RESTRICTED": "let the bot send messages there",
    "CHAT_WRITE_FORBIDDEN": "let the bot send messages there",
    "Conflict": "",
    "group chat was deactivated": "choose another chat_id",
    "group chat was upgraded to a supergroup chat": "set chat_id to the supergroup's",
    "have no rights to send a message": "let the bot send messages there",
    "message is too long": "",
    "message text is empty": "",
    "message thread not found": "check message_thread_id, and set none for the topic General",
    "need administrator rights in the channel chat": "make the bot an administrator of the channel",
    "Not Found": "check bot_token",
    "not enough rights": "let the bot send messages there",
    "PEER_ID_INVALID": "check chat_id, and add the bot to the chat, or let its user press Start",
    "the group chat was deleted": "choose another chat_id",
    "Too Many Requests": "",
    "TOPIC_CLOSED": "reopen the topic, or choose another message_thread_id",
    "TOPIC_DELETED": "choose another message_thread_id",
    "Unauthorized": "check bot_token",
    "user is deactivated": "choose another chat_id",
}
"""The phrases that Telegram's `description` begins with, after its status, and what to do about them."""


def _token(_: object, __: object, value: Secret) -> None:
    if not re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]+", value.reveal()):
        raise ValueError("must be a bot's token (123456:ABC-DEF…), as @BotFather gives it, without white space")


def _chat(_: object, __: object, value: int | str) -> None:
    if isinstance(value, bool) or not re.fullmatch(r"-?[1-9][0-9]{0,15}|@[A-Za-z][A-Za-z0-9_]{0,31}", str(value)):
        raise ValueError("must be a chat's number (-1001234567890 for a supergroup or channel), or a public @username")


def _thread(_: object, __: object, value: int) -> None:
    if isinstance(value, bool) or value < 1:
        raise ValueError("must be the number of a topic, from 1 up")


class TelegramTransport(HttpTransport):
    """Post alerts to a Telegram chat with a bot's token. An acknowledge or resolve replies to its firing.

    Which message told of a firing is remembered by dedup key while the process lives, the latest thousand of them; so
    is the new number of a group that became a supergroup.
    """

    kind = "telegram"
    provider_rate = "5/20s"
    bot_token: Secret = option(
        env="ALERT_TELEGRAM_BOT_TOKEN",
        validator=_token,
        help="the bot's token (123456:ABC-DEF…), as @BotFather gives it",
    )
    chat_id: int | str = option(
        env="ALERT_TELEGRAM_CHAT_ID", validator=_chat, help="the chat's number (-1001234567890) or public @username"
    )
    message_thread_id: int | None = option(
        default=None, env="ALERT_TELEGRAM_MESSAGE_THREAD_ID", validator=_thread, help="the topic of a forum to post in"
    )
    api_url: str = option(
        default="https://api.telegram.org",
        env="ALERT_TELEGRAM_API_URL",
        validator=secure_url,
        help="base URL of the Bot API",
    )

    def __attrs_post_init__(self) -> None:
        """Start with no message to reply to, and with the chat as it is configured."""
        super().__attrs_post_init__()
        self._threads = Threads()
        self._chat = self.chat_id if str(self.chat_id).startswith("@") else int(self.chat_id)
        self._migrated: int | None = None

    def build_request(self, alert: Alert) -> HttpRequest:
        """The message, as a reply where the alert follows one of the same dedup key."""
        body: dict[str, Any] = {"chat_id": self._migrated or self._chat, **message(alert)}
        if self.message_thread_id is not None:
            body["message_thread_id"] = self.message_thread_id
        thread = self._threads.get(alert.dedup_key)
        if thread and alert.status is not Status.FIRING:
            body["reply_parameters"] = {"message_id": int(thread), "allow_sending_without_reply": True}
        return HttpRequest.json(f"{self.api_url.rstrip('/')}/bot{self.bot_token.reveal()}/sendMessage", body)

    def send(self, alert: Alert) -> Receipt:
        """Post, and remember a firing's message, for what follows it to reply to."""
        receipt = super().send(alert)
        if alert.status is Status.FIRING and receipt.id:
            self._threads.remember(alert.dedup_key, receipt.id)
        elif alert.status is Status.RESOLVED:
            self._threads.forget(alert.dedup_key)
        return receipt

    def exchange(self, request: HttpRequest) -> HttpResponse:
        """Ask once; again, mended, only where Telegram refused the message for its entities or its chat's number."""
        response = super().exchange(request)
        for _ in range(_MENDS):
            body = self._mended(request, response) if response.status == _BAD_REQUEST else None
            if body is None:
                break
            request = HttpRequest.json(request.url, body)
            response = super().exchange(request)
        return response

    def _mended(self, request: HttpRequest, response: HttpResponse) -> dict[str, Any] | None:
        body: dict[str, Any] = json.loads(request.content)
        description, parameters = _said(response)
        if "entities" in body and _ENTITY.search(description):
            return plain(body)
        chat = parameters.get("migrate_to_chat_id")
        if type(chat) is not int or chat == body["chat_id"]:
            return None
        if chat != self._migrated:
            self._migrated, self._threads = chat, Threads()  # a supergroup counts its messages anew
        body.pop("reply_parameters", None)
        return {**body, "chat_id": chat}

    def read_response(self, response: HttpResponse) -> Receipt:
        """200 and `ok` with a message is the yes; the id is Telegram's `message_id`, one of the chat's own."""
        body = response.json()
        if body["ok"] is False:
            code = body.get("error_code")
            raise _refusal(response, code if code in _ERRORS else _BAD_REQUEST)
        posted = body["result"]
        if response.status != _OK or body["ok"] is not True or type(posted["message_id"]) is not int:
            raise ValueError("not Telegram's answer")
        detail = {"chat_id": posted.get("chat", {}).get("id", self._migrated or self._chat)}
        if self._migrated:
            detail["migrate_to_chat_id"] = self._migrated
        return Receipt(id=str(posted["message_id"]), detail=detail)

    def read_error(self, response: HttpResponse) -> DeliveryError:
        """The status decides; the description names the reason."""
        return _refusal(response)

    def _forget(self) -> None:
        super()._forget()
        self._threads.unlock()


def _refusal(response: HttpResponse, status: int | None = None) -> DeliveryError:
    """What an answer without a yes means: by its status, or where that is a 2xx by this one."""
    description, parameters = _said(response)
    told = (description, description.partition(": ")[2])  # with "Bad Request: " before it, and without
    code = next((phrase for phrase in _ADVICE if any(text.lower().startswith(phrase.lower()) for text in told)), None)
    by_status = error_for(HttpResponse(status or response.status, response.headers))
    text = "refused the message" if status else str(by_status)
    if code and code not in text:
        text += f": {code}"
    if advice := _ADVICE.get(code or ""):
        text += f"; {advice}"
    waits = [by_status.retry_after, number(str(parameters.get("retry_after")))]
    wait = max((wait for wait in waits if wait is not None), default=None)  # who comes back early waits longer
    return type(by_status)(
        text,
        status=response.status,
        code=code,
        retry_after=wait if isinstance(by_status, RetryableDeliveryError) else None,
    )


def _said(response: HttpResponse) -> tuple[str, dict[str, Any]]:
    """Telegram's `description` and `parameters`. The first is free text, which may be anything: never quoted whole."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    body = body if isinstance(body, dict) else {}
    description, parameters = body.get("description"), body.get("parameters")
    return description if isinstance(description, str) else "", parameters if isinstance(parameters, dict) else {}
