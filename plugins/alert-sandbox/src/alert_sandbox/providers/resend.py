"""Resend: POST /emails, with its idempotency keys."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from alert_core.mail import Mailbox
from alert_sandbox.exchange import (
    Answer,
    Broken,
    Clock,
    Provider,
    Request,
    Rule,
    Seen,
    is_wrong,
    parse_time,
    seconds,
    utc_now,
)
from alert_sandbox.faults import Fault

_SEND: Final = "resend.com/docs/api-reference/emails/send-email"
_ERRORS: Final = "resend.com/docs/api-reference/errors"
_KEYS: Final = "resend.com/docs/dashboard/emails/idempotency-keys"

MAX_TO: Final = 50
MAX_KEY: Final = 256
MAX_TAG: Final = 256
KEPT: Final = timedelta(hours=24)
_REMEMBERED: Final = 1000
_STATUS: Final = {
    "validation_error": 400,
    "invalid_idempotency_key": 400,
    "missing_api_key": 401,
    "restricted_api_key": 401,
    "invalid_api_key": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "concurrent_idempotent_requests": 409,
    "invalid_idempotent_request": 409,
    "resource_locked": 409,
    "rate_limit_exceeded": 429,
    "daily_quota_exceeded": 429,
    "monthly_quota_exceeded": 429,
    "application_error": 500,
    "internal_server_error": 500,
    "service_unavailable": 503,
}
_LIMITS: Final = {"ratelimit-limit": "5", "ratelimit-remaining": "4", "ratelimit-reset": "1"}


class Resend(Provider):
    """POST /emails."""

    kind = "resend"
    prefix = "/resend"
    rules = (
        _NOT_FOUND := Rule("resend-url", f"{_ERRORS}: not_found", 404, "not_found"),
        _METHOD := Rule("resend-method", f"{_ERRORS}: method_not_allowed", 405, "method_not_allowed"),
        _NO_KEY := Rule("resend-auth", f"{_ERRORS}: missing_api_key", 401, "missing_api_key"),
        _KEY := Rule("resend-key", f"{_ERRORS}: invalid_api_key", 403, "invalid_api_key"),
        _AGENT := Rule("resend-user-agent", "resend.com/docs/api-reference/introduction, User-Agent", 403, "forbidden"),
        _BODY := Rule("resend-body", f"{_ERRORS}: validation_error", 400, "validation_error"),
        _MISSING := Rule("resend-missing", f"{_ERRORS}: missing_required_field", 422, "missing_required_field"),
        _FROM := Rule("resend-from", f"{_SEND}: from", 400, "validation_error"),
        _DOMAIN := Rule("resend-domain", f"{_ERRORS}: validation_error, domain not verified", 403, "validation_error"),
        _TO := Rule("resend-to", f"{_SEND}: to, max 50", 400, "validation_error"),
        _SUBJECT := Rule("resend-subject", f"{_SEND}: subject", 400, "validation_error"),
        _TEMPLATE := Rule("resend-template", f"{_SEND}: template", 400, "validation_error"),
        _HEADERS := Rule("resend-headers", f"{_SEND}: headers", 400, "validation_error"),
        _TAGS := Rule("resend-tags", f"{_SEND}: tags", 400, "validation_error"),
        _SCHEDULE := Rule("resend-scheduled-at", f"{_SEND}: scheduled_at", 400, "validation_error"),
        _ATTACHMENT := Rule("resend-attachments", f"{_ERRORS}: invalid_attachment", 422, "invalid_attachment"),
        _ID_KEY := Rule("resend-idempotency-key", f"{_KEYS}: up to 256 characters", 400, "invalid_idempotency_key"),
        _ID_BODY := Rule("resend-idempotency", f"{_KEYS}: same key, other payload", 409, "invalid_idempotent_request"),
    )
    malformed = _BODY

    def __init__(self, clock: Clock = utc_now) -> None:
        """Start with no key."""
        super().__init__(clock)
        self._keys: OrderedDict[str, tuple[datetime, str, str]] = OrderedDict()

    def take(self, request: Request) -> Answer:
        """Send it, unless its key says that it was."""
        self._authorize(request)
        if request.path.rstrip("/") != "/emails":
            raise self._NOT_FOUND.refusal("The requested endpoint does not exist.")
        if request.method != "POST":
            raise self._METHOD.refusal("Method is not allowed for the requested path.")
        body = self._body(request)
        key = request.headers.get("idempotency-key")
        if key is not None and not 0 < len(key) <= MAX_KEY:
            raise self._ID_KEY.refusal(f"The key must be between 1-{MAX_KEY} chars.")
        digest = hashlib.sha256(request.body).hexdigest()
        if key is not None and (known := self._known(key)):
            if known[1] != digest:
                raise self._ID_BODY.refusal("Same idempotency key used with a different request payload.")
            return Answer.json(200, {"id": known[2]}, _LIMITS, note="the same Idempotency-Key: not sent again")
        self._check(body)
        sent = str(uuid.uuid4())
        if key is not None:
            self._keys[key] = (self.clock(), digest, sent)
            if len(self._keys) > _REMEMBERED:
                self._keys.popitem(last=False)
        return Answer.json(200, {"id": sent}, _LIMITS)

    def refuse(self, request: Request, broken: Sequence[Broken]) -> Answer:  # noqa: ARG002 - the same for each
        """The status again, a name, a sentence."""
        return _no(broken[0].rule.status, broken[0].code, broken[0].message)

    def show(self, request: Request) -> Seen:
        """The mail."""
        body = self._body(request)
        subject = str(body.get("subject", ""))
        view = {
            "from": str(body.get("from", "")),
            "to": _strings(body.get("to")),
            "cc": _strings(body.get("cc")),
            "bcc": _strings(body.get("bcc")),
            "subject": subject,
            "text": body.get("text") or "",
            "html": body.get("html") or "",
            "headers": body.get("headers") or {},
        }
        return Seen(
            title=subject,
            text=f"{subject}\n{view['text'] or view['html']}",
            to=tuple(_strings(body.get("to"))),
            view=view,
        )

    def fail(self, fault: Fault) -> Answer:
        """By name; `error:daily_quota_exceeded` has that error's own status."""
        if fault.name == "429":
            wait = {"retry-after": seconds(fault), **_LIMITS, "ratelimit-remaining": "0"}
            return _no(429, "rate_limit_exceeded", "Too many requests.", wait)
        if fault.name == "error":
            code = fault.argument or "application_error"
            return _no(_STATUS.get(code, 200) if fault.argument else 200, code, "Asked for by a fault.")
        return _no(int(fault.name), "internal_server_error" if fault.name == "500" else "service_unavailable", "")

    def _authorize(self, request: Request) -> None:
        if not request.headers.get("user-agent"):
            raise self._AGENT.refusal("The request has no User-Agent header.")
        key = request.bearer()
        if not key:
            raise self._NO_KEY.refusal("Missing API key in the authorization header.")
        if not key.startswith("re_") or is_wrong(key):
            raise self._KEY.refusal("API key is invalid.")

    def _known(self, key: str) -> tuple[datetime, str, str] | None:
        known = self._keys.get(key)
        return known if known and self.clock() - known[0] < KEPT else None

    def _body(self, request: Request) -> dict[str, Any]:
        try:
            body = request.json()
        except ValueError:
            raise self._BODY.refusal("The request body is not valid JSON.") from None
        if not isinstance(body, dict):
            raise self._BODY.refusal("The request body must be an object.")
        return body

    def _check(self, body: dict[str, Any]) -> None:
        for field in ("from", "to", "subject"):
            if not body.get(field):
                raise self._MISSING.refusal(f"Missing `{field}` field.")
        if not (body.get("html") or body.get("text") or body.get("template")):
            raise self._MISSING.refusal("Missing `html` or `text` field.")
        if body.get("template") and (body.get("html") or body.get("text")):
            raise self._TEMPLATE.refusal("`template` excludes `html` and `text`.")
        if not isinstance(body["from"], str) or not _mailbox(body["from"]):
            raise self._FROM.refusal(
                "Invalid `from` field. The email address needs to follow the `email@example.com` or"
                " `Name <email@example.com>` format."
            )
        if is_wrong(domain := Mailbox.parse(body["from"]).domain):
            raise self._DOMAIN.refusal(f"The {domain} domain is not verified.")
        for field in ("to", "cc", "bcc", "reply_to"):
            self._addresses(field, body.get(field))
        if not isinstance(body["subject"], str) or re.search(r"[\r\n]", body["subject"]):
            raise self._SUBJECT.refusal("The `subject` must be one line of text.")
        self._extras(body)

    def _addresses(self, field: str, value: Any) -> None:
        given = _strings(value)
        if not all(map(_mailbox, given)):
            raise self._TO.refusal(
                f"Invalid `{field}` field. The email address needs to follow the `email@example.com` format."
            )
        if field == "to" and not 0 < len(given) <= MAX_TO:
            raise self._TO.refusal(f"The `to` field takes 1 to {MAX_TO} addresses.")

    def _extras(self, body: dict[str, Any]) -> None:
        headers = body.get("headers") or {}
        if not isinstance(headers, dict) or any(re.search(r"[\r\n]", str(v)) for v in headers.values()):
            raise self._HEADERS.refusal("The `headers` must be an object of one-line strings.")
        for tag in body.get("tags") or []:
            names = [tag.get("name"), tag.get("value")] if isinstance(tag, dict) else [None]
            if not all(isinstance(n, str) and re.fullmatch(rf"[A-Za-z0-9_-]{{1,{MAX_TAG}}}", n) for n in names):
                raise self._TAGS.refusal("Tags should only contain ASCII letters, numbers, underscores, or dashes.")
        if "scheduled_at" in body and not re.match(r"(in|tomorrow|next)\b", str(body["scheduled_at"])):
            at = parse_time(body["scheduled_at"])
            if at is None or at - self.clock() > timedelta(days=30):
                raise self._SCHEDULE.refusal("`scheduled_at` must be a time within 30 days.")
        for item in body.get("attachments") or []:
            if not isinstance(item, dict) or not (item.get("content") or item.get("path")):
                raise self._ATTACHMENT.refusal("Attachment must have either a `content` or `path`.")


def _strings(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(map(str, value or []))


def _mailbox(text: str) -> bool:
    try:
        Mailbox.parse(text)
    except ValueError:
        return False
    return True


def _no(status: int, name: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer.json(status, {"statusCode": status, "name": name, "message": message}, headers or {})
