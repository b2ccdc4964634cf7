"""CastBrick: POST /v1/sms/send."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Any, Final

from alert_sandbox.exchange import Answer, Broken, Provider, Request, Rule, Seen, is_wrong, parse_time
from alert_sandbox.faults import Fault
from alert_sandbox.sms import E164, sms_view

_DOCS: Final = "docs.castbrick.co"
_STATUS: Final = {"insufficient_credits": 402, "validation_error": 422, "unauthorized": 401}


class CastBrick(Provider):
    """POST /v1/sms/send."""

    kind = "castbrick"
    prefix = "/castbrick/v1"
    rules = (
        _NOT_FOUND := Rule("castbrick-url", f"{_DOCS}, SMS, Send: POST /v1/sms/send", 404, "Not Found"),
        _AUTH := Rule("castbrick-auth", f"{_DOCS}/authentication", 401, "Unauthorized"),
        _JSON := Rule("castbrick-body", f"{_DOCS}, SMS, Send: JSON", 422, "Validation failed"),
        _TO := Rule("castbrick-recipients", f"{_DOCS}, SMS, Send: recipients, E.164", 422, "Validation failed"),
        _CONTENT := Rule("castbrick-content", f"{_DOCS}, SMS, Send: content is required", 422, "Validation failed"),
        _SCHEDULE := Rule("castbrick-scheduled-at", f"{_DOCS}, SMS, Send: scheduledAt", 422, "Validation failed"),
    )
    malformed = _JSON

    def take(self, request: Request) -> Answer:
        """Queue it; one id for all its recipients."""
        key = request.bearer()
        if not key.startswith("cb_") or is_wrong(key):
            raise self._AUTH.refusal("Invalid or missing API key.")
        if request.path.rstrip("/") != "/sms/send" or request.method != "POST":
            raise self._NOT_FOUND.refusal("No such endpoint.")
        body = self._body(request)
        content = body.get("content")
        if not isinstance(content, str) or not content.strip():
            raise self._CONTENT.refusal("content is required.")
        to = body.get("recipients")
        if not body.get("contactListId") and not (isinstance(to, list) and to):
            raise self._TO.refusal("recipients or contactListId is required.")
        for number in to or []:
            if not E164.fullmatch(str(number)):
                raise self._TO.refusal("recipients must be E.164 numbers.")
        at = body.get("scheduledAt")
        if at is not None and parse_time(at) is None:
            raise self._SCHEDULE.refusal("scheduledAt must be ISO 8601.")
        return Answer.json(200, self._yes(len(to or []), scheduled=at is not None))

    def refuse(self, request: Request, broken: Sequence[Broken]) -> Answer:  # noqa: ARG002 - the same for each
        """A word, a sentence, the status."""
        return _no(broken[0].rule.status, broken[0].code, broken[0].message)

    def show(self, request: Request) -> Seen:
        """The message on a phone."""
        body = self._body(request)
        content, to = str(body.get("content") or ""), [str(number) for number in body.get("recipients") or []]
        view = {"from": str(body.get("senderId") or "CastBrick"), "to": to, **sms_view(content)}
        return Seen(title=content.strip().partition("\n")[0], text=content, to=tuple(to), view=view)

    def fail(self, fault: Fault) -> Answer:
        """The 200 that says no has its reason in `error`; `error:insufficient_credits` is a 402."""
        if fault.name == "error" and fault.argument not in _STATUS:
            return Answer.json(200, {**self._yes(1), "status": "Failed", "error": fault.argument or "Gateway error"})
        status = _STATUS[fault.argument] if fault.name == "error" else int(fault.name)
        name = {429: "Too many requests", 500: "Internal server error", 503: "Service unavailable"}.get(
            status, fault.argument.replace("_", " ").capitalize()
        )
        return _no(status, name, f"{name}.")

    def _body(self, request: Request) -> dict[str, Any]:
        try:
            body = request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise self._JSON.refusal("The body must be a JSON object.")
        return body

    def _yes(self, count: int, *, scheduled: bool = False) -> dict[str, Any]:
        sent, now = str(uuid.uuid4()), self.clock().isoformat(timespec="milliseconds")
        now = re.sub(r"\+00:00$", "Z", now)
        return {
            "id": sent,
            "messageId": sent,
            "status": "Scheduled" if scheduled else "Queued",
            "recipientCount": count,
            "costAoa": 10.0 * count,
            "error": None,
            "timestamp": now,
            "createdAt": now,
        }


def _no(status: int, error: str, message: str) -> Answer:
    return Answer.json(status, {"error": error, "message": message, "status": status})
