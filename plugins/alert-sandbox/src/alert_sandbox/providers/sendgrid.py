"""SendGrid: POST /v3/mail/send."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final

from alert_core.mail import Mailbox
from alert_sandbox.exchange import Answer, Broken, Provider, Refusal, Request, Rule, Seen, is_wrong, seconds
from alert_sandbox.faults import Fault

_SEND: Final = "www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send"
_LIMITS: Final = "www.twilio.com/docs/sendgrid/api-reference/mail-send/limitations"
_ERRORS: Final = "www.twilio.com/docs/sendgrid/api-reference/mail-send/errors"
_AUTH: Final = "www.twilio.com/docs/sendgrid/for-developers/sending-email/authentication"

MAX_PERSONALIZATIONS: Final = 1000
MAX_RECIPIENTS: Final = 1000
MAX_CATEGORIES: Final = 10
MAX_CATEGORY: Final = 255
MAX_CUSTOM_ARGS: Final = 10_000
MAX_AHEAD: Final = 72 * 3600
_RESERVED: Final = frozenset(
    "x-sg-id x-sg-eid received dkim-signature content-type content-transfer-encoding"
    " to from subject reply-to cc bcc".split()
)
_ADDRESSED: Final = ("to", "cc", "bcc")


class SendGrid(Provider):
    """POST /v3/mail/send."""

    kind = "sendgrid"
    prefix = "/sendgrid/v3"
    rules = (
        _NOT_FOUND := Rule("sendgrid-url", f"{_ERRORS}: 404", 404),
        _METHOD := Rule("sendgrid-method", f"{_ERRORS}: 405", 405),
        _AUTH := Rule("sendgrid-auth", f"{_AUTH}: API key", 401),
        _TYPE := Rule("sendgrid-type", f"{_ERRORS}: 415", 415),
        _JSON := Rule("sendgrid-body", f"{_ERRORS}: 400", 400),
        _SENDER := Rule("sendgrid-sender", f"{_ERRORS}: from, verified sender identity", 403),
        _PERSONAL := Rule("sendgrid-personalizations", f"{_ERRORS}: personalizations", 400),
        _TO := Rule("sendgrid-to", f"{_ERRORS}: to", 400),
        _DUPLICATE := Rule("sendgrid-duplicate", f"{_ERRORS}: unique between to, cc and bcc", 400),
        _NAME := Rule("sendgrid-name", f"{_LIMITS}: names with ; or ,", 400),
        _COUNT := Rule("sendgrid-recipients", f"{_LIMITS}: 1,000 recipients", 400),
        _FROM := Rule("sendgrid-from", f"{_ERRORS}: from", 400),
        _UNICODE := Rule("sendgrid-from-unicode", f"{_LIMITS}: Unicode in from", 400),
        _SUBJECT := Rule("sendgrid-subject", f"{_ERRORS}: subject", 400),
        _CONTENT := Rule("sendgrid-content", f"{_ERRORS}: content", 400),
        _ORDER := Rule("sendgrid-content-order", f"{_ERRORS}: content, text/plain first", 400),
        _HEADERS := Rule("sendgrid-headers", f"{_ERRORS}: headers, reserved", 400),
        _CATEGORIES := Rule("sendgrid-categories", f"{_ERRORS}: categories", 400),
        _CUSTOM := Rule("sendgrid-custom-args", f"{_ERRORS}: custom_args", 400),
        _SEND_AT := Rule("sendgrid-send-at", f"{_ERRORS}: send_at, 72 hours", 400),
        _ATTACHMENTS := Rule("sendgrid-attachments", f"{_ERRORS}: attachments", 400),
    )
    malformed = _JSON

    def take(self, request: Request) -> Answer:
        """Accept it: 202 and an empty body; 200 in SendGrid's own sandbox mode."""
        key = request.bearer()
        if not key.startswith("SG.") or is_wrong(key):
            raise self._AUTH.refusal("The provided authorization grant is invalid, expired, or revoked")
        if request.path.rstrip("/") != "/mail/send":
            raise self._NOT_FOUND.refusal("Not Found")
        if request.method != "POST":
            raise self._METHOD.refusal("Method Not Allowed")
        if request.content_type != "application/json":
            raise self._TYPE.refusal("Content-Type should be application/json.")
        body = self._body(request)
        if broken := list(self._check(body)):
            raise Refusal(broken)
        sent = {"X-Message-Id": uuid.uuid4().hex[:22]}
        if ((body.get("mail_settings") or {}).get("sandbox_mode") or {}).get("enable"):
            return Answer(200, b"", sent, note="SendGrid's own sandbox mode: checked, not sent")
        return Answer(202, b"", sent)

    def refuse(self, request: Request, broken: Sequence[Broken]) -> Answer:  # noqa: ARG002 - the same for each
        """Every error, each with its field."""
        return _no(broken[0].rule.status, *((found.message, found.field or None) for found in broken))

    def show(self, request: Request) -> Seen:
        """The mail, as its first personalization has it."""
        body = self._body(request)
        people = [p for p in body.get("personalizations") or [] if isinstance(p, dict)]
        to, cc, bcc = ([_name(item) for p in people for item in p.get(field) or []] for field in _ADDRESSED)
        parts = {part["type"]: str(part["value"]) for part in body.get("content") or []}
        subject = str((people[0] if people else {}).get("subject") or body.get("subject") or "")
        view = {
            "from": _name(body.get("from") or {}),
            "to": to,
            "cc": cc,
            "bcc": bcc,
            "subject": subject,
            "text": parts.get("text/plain", ""),
            "html": parts.get("text/html", ""),
            "headers": body.get("headers") or {},
        }
        return Seen(title=subject, text=f"{subject}\n{view['text'] or view['html']}", to=tuple(to), view=view)

    def fail(self, fault: Fault) -> Answer:
        """429 with X-RateLimit-Reset, since SendGrid has no Retry-After."""
        if fault.name == "429":
            reset = str(int(self.clock().timestamp()) + int(seconds(fault)))
            limits = {"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
            return _no(429, ("too many requests", None), headers=limits)
        if fault.name == "error":
            return _no(200, (fault.argument or "Bad Request", None))
        return _no(int(fault.name), ("Internal Server Error" if fault.name == "500" else "Service Unavailable", None))

    def _body(self, request: Request) -> dict[str, Any]:
        try:
            body = request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise self._JSON.refusal("Bad Request")
        return body

    def _check(self, body: dict[str, Any]) -> Iterator[Broken]:
        people = body.get("personalizations")
        if not isinstance(people, list) or not 0 < len(people) <= MAX_PERSONALIZATIONS:
            yield self._PERSONAL.broken(
                "The personalizations field is required and must have at least one personalization.",
                field="personalizations",
            )
            people = []
        for number, person in enumerate(people):
            yield from self._person(person, f"personalizations.{number}")
        total = sum(len(p.get(f) or []) for p in people if isinstance(p, dict) for f in _ADDRESSED)
        if total > MAX_RECIPIENTS:
            yield self._COUNT.broken(f"The total number of recipients must be no more than {MAX_RECIPIENTS}.")
        yield from self._sender(body.get("from"))
        titled = people and all(isinstance(p, dict) and p.get("subject") for p in people)
        if not body.get("template_id"):
            if not titled and not (isinstance(body.get("subject"), str) and body["subject"]):
                yield self._SUBJECT.broken(
                    "The subject is required. You can get around this requirement if you use a template with a subject"
                    " defined or if every personalization has a subject defined.",
                    field="subject",
                )
            yield from self._content(body.get("content"))
        yield from self._extras(body)

    def _person(self, person: Any, at: str) -> Iterator[Broken]:
        if not isinstance(person, dict) or not isinstance(person.get("to"), list) or not person["to"]:
            yield self._TO.broken("The to array is required for all personalization objects.", field=f"{at}.to")
            return
        seen: set[str] = set()
        for field in _ADDRESSED:
            for number, item in enumerate(person.get(field) or []):
                place = f"{at}.{field}.{number}"
                address = item.get("email") if isinstance(item, dict) else None
                if not _is_address(address):
                    yield self._TO.broken("Does not contain a valid address.", field=f"{place}.email")
                    continue
                if str(address).lower() in seen:
                    yield self._DUPLICATE.broken(
                        "Each email address in the personalization block should be unique between to, cc, and bcc."
                        f" We found the first duplicate instance of [{address}] in the {at}.{field} field.",
                        field=at,
                    )
                seen.add(str(address).lower())
                if set(str(item.get("name") or "")) & set(";,"):
                    yield self._NAME.broken("The name may not contain ; or ,", field=f"{place}.name")

    def _sender(self, sender: Any) -> Iterator[Broken]:
        address = sender.get("email") if isinstance(sender, dict) else None
        if not _is_address(address):
            yield self._FROM.broken("The from email does not contain a valid address.", field="from.email")
        elif not str(address).isascii():
            yield self._UNICODE.broken("Unicode characters are not supported in the from field.", field="from.email")
        elif is_wrong(str(address)):
            yield self._SENDER.broken(
                "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is"
                " resolved.",
                field="from",
            )

    def _content(self, content: Any) -> Iterator[Broken]:
        if not isinstance(content, list) or not content:
            yield self._CONTENT.broken(
                "Unless a valid template_id is provided, the content parameter is required.", field="content"
            )
            return
        for number, part in enumerate(content):
            if not isinstance(part, dict) or not isinstance(part.get("type"), str) or not part["type"]:
                yield self._CONTENT.broken("The content type must be a string.", field=f"content.{number}.type")
            elif not isinstance(part.get("value"), str) or not part["value"]:
                yield self._CONTENT.broken(
                    "The content value must be a string at least one character in length.",
                    field=f"content.{number}.value",
                )
        types = [part.get("type") for part in content if isinstance(part, dict)]
        known = [kind for kind in types if kind in ("text/plain", "text/html")]
        if known != sorted(set(known), reverse=True) or types[: len(known)] != known:
            yield self._ORDER.broken(
                "If present, text/plain and text/html may only be provided once, text/plain first, then text/html.",
                field="content",
            )

    def _extras(self, body: dict[str, Any]) -> Iterator[Broken]:
        headers = body.get("headers") or {}
        if reserved := sorted(name for name in headers if str(name).lower() in _RESERVED):
            yield self._HEADERS.broken(f"The header {reserved[0]} is reserved.", field=f"headers.{reserved[0]}")
        names = body.get("categories") or []
        unique = isinstance(names, list) and len(names) == len(set(map(str, names)))
        if not unique or len(names) > MAX_CATEGORIES or any(len(str(name)) > MAX_CATEGORY for name in names):
            yield self._CATEGORIES.broken("At most 10 unique categories of 255 characters.", field="categories")
        if len(json.dumps(body.get("custom_args") or {}).encode()) >= MAX_CUSTOM_ARGS:
            yield self._CUSTOM.broken("The custom_args must be less than 10,000 bytes.", field="custom_args")
        at = body.get("send_at")
        if at is not None and (not isinstance(at, int) or at > self.clock().timestamp() + MAX_AHEAD):
            yield self._SEND_AT.broken("send_at is a Unix timestamp at most 72 hours ahead.", field="send_at")
        for number, item in enumerate(body.get("attachments") or []):
            if not isinstance(item, dict) or not item.get("content") or not item.get("filename"):
                yield self._ATTACHMENTS.broken(
                    "The attachment content and filename are required.", field=f"attachments.{number}"
                )


def _is_address(text: Any) -> bool:
    try:
        return isinstance(text, str) and not Mailbox.parse(text).name
    except ValueError:
        return False


def _name(item: Any) -> str:
    name, address = str(item.get("name") or ""), str(item.get("email") or "")
    return f"{name} <{address}>" if name else address


def _no(status: int, *errors: tuple[str, str | None], headers: dict[str, str] | None = None) -> Answer:
    told = [{"message": message, "field": field, "help": None} for message, field in errors]
    return Answer.json(status, {"errors": told}, headers or {})
