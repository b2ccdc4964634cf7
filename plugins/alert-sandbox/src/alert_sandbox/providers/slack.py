"""Slack: an incoming webhook, which answers `ok`, and chat.postMessage, which answers JSON."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from alert_core.text import utf16_length
from alert_sandbox.exchange import (
    Answer,
    Broken,
    Clock,
    Provider,
    Refusal,
    Request,
    Rule,
    Seen,
    is_wrong,
    objects,
    parse_json,
    seconds,
    utc_now,
)
from alert_sandbox.faults import Fault
from alert_sandbox.providers import slack_blocks

_WEBHOOKS: Final = "docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"
_POST: Final = "docs.slack.dev/reference/methods/chat.postMessage"
_BLOCKS: Final = "docs.slack.dev/reference/block-kit/blocks"
_API: Final = "docs.slack.dev/apis/web-api"

MAX_ATTACHMENTS: Final = 100
MAX_TEXT: Final = 40_000
MAX_MARKDOWN: Final = 12_000
_REMEMBERED: Final = 1000
_SERVICE: Final = re.compile(r"/T\w+/B\w+/\w[\w-]*")
_CHANNEL: Final = re.compile(r"[CDGU][A-Z0-9]{1,20}|#?[^\sA-Z#][^\sA-Z]{0,79}")
_TS: Final = re.compile(r"\d{10}\.\d{6}")
_PARAMETERS: Final = frozenset({"blocks", "attachments", "metadata"})

Body = dict[str, Any]


class SlackWebhook(Provider):
    """The webhook: POST /services/T…/B…/secret."""

    kind = "slack"
    prefix = "/slack/services"
    rules = (
        _METHOD := Rule("slack-method", f"{_WEBHOOKS}, Use your incoming webhook URL", 405, "method_not_allowed"),
        _NO_SERVICE := Rule("slack-url", f"{_WEBHOOKS}, Handling errors: no_service", 404, "no_service"),
        _TOKEN := Rule("slack-token", f"{_WEBHOOKS}, Handling errors: invalid_token", 403, "invalid_token"),
        _PAYLOAD := Rule("slack-payload", f"{_WEBHOOKS}, Handling errors: invalid_payload", 400, "invalid_payload"),
        _NO_TEXT := Rule("slack-text", f"{_WEBHOOKS}, Handling errors: no_text", 400, "no_text"),
        _BAD_BLOCKS := Rule("slack-blocks", f"{_BLOCKS}, each block's fields", 400, "invalid_blocks"),
        _BAD_ATTACHMENTS := Rule("slack-attachments", f"{_WEBHOOKS}, Handling errors", 400, "invalid_attachments"),
        _ATTACHMENTS := Rule("slack-attachments-count", f"{_POST}, Errors", 400, "too_many_attachments"),
    )
    malformed = _PAYLOAD

    def take(self, request: Request) -> Answer:
        """Say `ok`, and nothing else: a webhook gives no id."""
        if request.method != "POST":
            raise self._METHOD.refusal()
        if not _SERVICE.fullmatch(request.path):
            raise self._NO_SERVICE.refusal("the path is /services/T…/B…/… with three parts")
        if is_wrong(request.path):
            raise self._TOKEN.refusal()
        body = self._body(request)
        _content(body, self._NO_TEXT, self._BAD_BLOCKS, self._BAD_ATTACHMENTS, self._ATTACHMENTS)
        return Answer.text(200, "ok")

    def refuse(self, request: Request, broken: Sequence[Broken]) -> Answer:  # noqa: ARG002 - the same for each
        """The code, as text."""
        return Answer.text(broken[0].rule.status, broken[0].code)

    def show(self, request: Request) -> Seen:
        """The message, in the webhook's one channel."""
        return _seen(self._body(request), "the webhook's channel")

    def fail(self, fault: Fault) -> Answer:
        """429 is JSON, all else a word."""
        if fault.name == "429":
            return _limited(fault)
        return {"500": Answer.text(500, "rollup_error"), "503": Answer.text(503, "service_unavailable")}.get(
            fault.name, Answer.text(200, fault.argument or "invalid_token")
        )

    def credentials(self, request: Request) -> tuple[str, ...]:
        """The URL's path."""
        return (request.path,) if len(request.path) > 1 else ()

    def _body(self, request: Request) -> Body:
        form = request.content_type == "application/x-www-form-urlencoded" and not request.body.startswith(b"{")
        text = request.form().get("payload", "") if form else request.body
        try:
            body = parse_json(text)
        except ValueError:
            raise self._PAYLOAD.refusal("the body is no JSON") from None
        if not isinstance(body, dict):
            raise self._PAYLOAD.refusal("the body is no JSON object")
        return body


class SlackApi(Provider):
    """POST /api/chat.postMessage with a bot's token."""

    kind = "slack-bot"
    prefix = "/slack/api"
    credential_in_body = True
    rules = (
        _METHOD := Rule("slack-api-method", f"{_API}, Basics: the method's name", 200, "unknown_method"),
        _NOT_AUTHED := Rule("slack-api-auth", f"{_API}, Authentication: not_authed", 200, "not_authed"),
        _TOKEN := Rule("slack-api-token", f"{_API}, Authentication: invalid_auth", 200, "invalid_auth"),
        _TYPE := Rule("slack-api-type", f"{_API}, POST bodies", 200, "invalid_post_type"),
        _JSON := Rule("slack-api-json", f"{_API}, POST bodies: JSON", 200, "invalid_json"),
        _OBJECT := Rule("slack-api-object", f"{_API}, POST bodies: JSON", 200, "json_not_object"),
        _ARGUMENTS := Rule("slack-api-arguments", f"{_POST}, Required arguments", 200, "invalid_arguments"),
        _NO_CHANNEL := Rule("slack-api-channel", f"{_POST}, Errors: channel_not_found", 200, "channel_not_found"),
        _NO_TEXT := Rule("slack-api-text", f"{_POST}, Errors: no_text", 200, "no_text"),
        _BAD_BLOCKS := Rule("slack-api-blocks", f"{_BLOCKS}, each block's fields", 200, "invalid_blocks"),
        _BAD_ATTACHMENTS := Rule("slack-api-attachments", f"{_POST}, Errors", 200, "invalid_attachments"),
        _ATTACHMENTS := Rule("slack-api-attachments-count", f"{_POST}, Errors", 200, "too_many_attachments"),
        _CONFLICT := Rule("slack-api-markdown", f"{_POST}, markdown_text", 200, "markdown_text_conflict"),
        _LONG := Rule("slack-api-length", f"{_POST}, markdown_text: 12,000 characters", 200, "msg_too_long"),
        _THREAD := Rule("slack-api-thread", f"{_POST}, Errors: thread_not_found", 200, "thread_not_found"),
    )
    malformed = _ARGUMENTS

    def __init__(self, clock: Clock = utc_now) -> None:
        """Start with no message."""
        super().__init__(clock)
        self._last = 0
        self._messages: OrderedDict[tuple[str, str], None] = OrderedDict()

    def take(self, request: Request) -> Answer:
        """Post the message; its id is `ts` in its channel."""
        method = request.path.strip("/")
        if method not in ("chat.postMessage", "auth.test", "api.test"):
            raise self._METHOD.refusal(f"{method[:80]} is not one that the sandbox has")
        if method == "api.test":
            return _aside({"ok": True})
        body = self._body(request)
        self._authorize(request, body)
        if method == "auth.test":
            return _aside({"ok": True, "team": "Sandbox", "user": "alerts", "team_id": "T0", "bot_id": "B0"})
        channel = self._channel(body)
        self._markdown(body)
        if "markdown_text" not in body:
            _content(body, self._NO_TEXT, self._BAD_BLOCKS, self._BAD_ATTACHMENTS, self._ATTACHMENTS)
        return Answer.json(200, {**self._post(channel, body), **_warnings(request, body)})

    def refuse(self, request: Request, broken: Sequence[Broken]) -> Answer:  # noqa: ARG002 - the same for each
        """Status 200, `ok` false, and the code."""
        told: Body = {"ok": False, "error": broken[0].code}
        if messages := [f"[ERROR] {found.message}" for found in broken if found.message]:
            told["response_metadata"] = {"messages": messages}
        return Answer.json(200, told)

    def show(self, request: Request) -> Seen:
        """The message, in its channel."""
        body = self._body(request)
        return _seen(body, str(body.get("channel", "")))

    def fail(self, fault: Fault) -> Answer:
        """429 by status, all else by code."""
        if fault.name == "429":
            return _limited(fault)
        status, code = {"500": (500, "internal_error"), "503": (503, "service_unavailable")}.get(
            fault.name, (200, fault.argument or "fatal_error")
        )
        return Answer.json(status, {"ok": False, "error": code})

    def credentials(self, request: Request) -> tuple[str, ...]:
        """The token, in the header or among the arguments."""
        try:
            given = str(self._body(request).get("token", ""))
        except Refusal:
            given = ""
        return tuple(filter(None, (*super().credentials(request), given)))

    def _body(self, request: Request) -> Body:
        if request.content_type == "application/json":
            try:
                body = request.json()
            except ValueError:
                raise self._JSON.refusal() from None
            if not isinstance(body, dict):
                raise self._OBJECT.refusal()
            return body
        if request.content_type not in ("", "application/x-www-form-urlencoded"):
            raise self._TYPE.refusal()
        try:
            return {k: parse_json(v) if k in _PARAMETERS else v for k, v in request.form().items()}
        except ValueError:
            raise self._ARGUMENTS.refusal("blocks, attachments and metadata are JSON in a form") from None

    def _authorize(self, request: Request, body: Body) -> None:
        token = request.bearer() or str(body.get("token", ""))
        if not token:
            raise self._NOT_AUTHED.refusal()
        if not token.startswith("xox") or is_wrong(token):
            raise self._TOKEN.refusal()

    def _channel(self, body: Body) -> str:
        channel = body.get("channel")
        if not channel or not isinstance(channel, str):
            raise self._ARGUMENTS.refusal("missing required field: channel")
        if not _CHANNEL.fullmatch(channel) or is_wrong(channel):
            raise self._NO_CHANNEL.refusal()
        if re.fullmatch(r"[CDGU][A-Z0-9]+", channel):
            return channel
        return "C" + hashlib.sha256(channel.lstrip("#").encode()).hexdigest()[:10].upper()

    def _markdown(self, body: Body) -> None:
        if "markdown_text" not in body:
            return
        if body.get("text") or body.get("blocks"):
            raise self._CONFLICT.refusal()
        if utf16_length(str(body["markdown_text"])) > MAX_MARKDOWN:
            raise self._LONG.refusal()

    def _post(self, channel: str, body: Body) -> Body:
        thread = body.get("thread_ts")
        if thread is not None and (channel, str(thread)) not in self._messages:
            raise self._THREAD.refusal("the sandbox has no such message in this channel")
        self._last = max(self._last + 1, int(self.clock().timestamp() * 1_000_000))
        ts = f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"
        self._messages[channel, ts] = None
        if len(self._messages) > _REMEMBERED:
            self._messages.popitem(last=False)
        message = {"type": "message", "subtype": "bot_message", "ts": ts, "bot_id": "B0", "text": body.get("text", "")}
        if "blocks" in body:
            message["blocks"] = body["blocks"]
        if thread is not None:
            message["thread_ts"] = thread
        return {"ok": True, "channel": channel, "ts": ts, "message": message}


def _aside(told: Body) -> Answer:
    return attrs.evolve(Answer.json(200, told), is_message=False)


def _content(body: Body, no_text: Rule, bad_blocks: Rule, bad_attachments: Rule, too_many: Rule) -> None:
    """The rules that both ways in share."""
    blocks, attachments, text = body.get("blocks"), body.get("attachments"), body.get("text")
    if attachments is not None and objects(attachments) != attachments:
        raise bad_attachments.refusal()
    if attachments is not None and len(attachments) > MAX_ATTACHMENTS:
        raise too_many.refusal()
    if blocks is not None and (wrong := list(slack_blocks.faults(blocks))):
        raise Refusal([bad_blocks.broken(message) for message in wrong])
    if not (isinstance(text, str) and text.strip()) and not blocks and not attachments:
        raise no_text.refusal()


def _warnings(request: Request, body: Body) -> Body:
    warnings = []
    if request.content_type == "application/json" and "charset" not in request.headers.get("content-type", ""):
        warnings.append("missing_charset")
    if len(str(body.get("text", ""))) > MAX_TEXT:
        warnings.append("message_truncated")
    return {"warning": ",".join(warnings), "response_metadata": {"warnings": warnings}} if warnings else {}


def _limited(fault: Fault) -> Answer:
    wait = seconds(fault)
    told = {"retry_after": int(wait), "ok": False, "error": "rate_limited"}
    return Answer.json(429, told, {"Retry-After": wait})


def _seen(body: Body, channel: str) -> Seen:
    blocks = body.get("blocks") if isinstance(body.get("blocks"), list) else []
    fallback = str(body.get("text") or body.get("markdown_text") or "")[:MAX_TEXT]
    texts = [unescape(text) for text in _texts(blocks)] or [unescape(fallback)]
    view = {
        "channel": channel,
        "text": fallback,
        "blocks": blocks,
        "attachments": objects(body.get("attachments")),
        "thread_ts": body.get("thread_ts"),
    }
    title = (texts[0] or "").partition("\n")[0]
    return Seen(title=title, text="\n".join(texts), to=(channel,), view=view)


def _texts(node: Any) -> list[str]:
    """Every text of the blocks, in their order."""
    if isinstance(node, Mapping):
        own = [node["text"]] if isinstance(node.get("text"), str) else []
        return own + [text for key, value in node.items() for text in _texts(value) if not isinstance(value, str)]
    if isinstance(node, list):
        return [text for item in node for text in _texts(item)]
    return []


def unescape(text: str) -> str:
    """Undo Slack's escaping of `&`, `<` and `>`."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
