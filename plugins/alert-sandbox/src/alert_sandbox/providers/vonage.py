"""Vonage's SMS API: POST /sms/json, which says no with status 200."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from alert_core.text import utf16_length
from alert_sandbox.exchange import Answer, Broken, Provider, Request, Rule, Seen, is_wrong
from alert_sandbox.faults import Fault
from alert_sandbox.segments import is_gsm, segments
from alert_sandbox.sms import ALPHANUMERIC, sms_view

_SEND: Final = "developer.vonage.com/en/api/sms, Send an SMS"
_ERRORS: Final = "developer.vonage.com/en/messaging/sms/guides/troubleshooting-sms, status"

MAX_TEXT: Final = 3200
MAX_REFERENCE: Final = 40
_TTL: Final = range(20_000, 604_800_001)
_NUMBER: Final = re.compile(r"\d{7,15}")
_TYPES: Final = ("text", "unicode", "binary")
_STATUS: Final = {
    "1": "Throttled",
    "5": "Internal Error",
    "6": "Invalid Message",
    "7": "Number Barred",
    "9": "Partner Quota Violation",
    "29": "Non-Whitelisted Destination",
}


class Vonage(Provider):
    """POST /sms/json, a form or JSON."""

    kind = "vonage"
    prefix = "/vonage"
    credential_in_body = True
    rules = (
        _NOT_FOUND := Rule("vonage-url", f"{_SEND}: POST /sms/json", 404),
        _MISSING := Rule("vonage-missing", f"{_ERRORS} 2", 200, "2"),
        _INVALID := Rule("vonage-to", f"{_SEND}: to, 7 to 15 digits; {_ERRORS} 3", 200, "3"),
        _TYPE := Rule("vonage-type", f"{_SEND}: type; {_ERRORS} 3", 200, "3"),
        _TTL_RANGE := Rule("vonage-ttl", f"{_SEND}: ttl; {_ERRORS} 3", 200, "3"),
        _REFERENCE := Rule("vonage-client-ref", f"{_SEND}: client-ref, 40 characters; {_ERRORS} 3", 200, "3"),
        _AUTH := Rule("vonage-auth", f"{_ERRORS} 4", 200, "4"),
        _LONG := Rule("vonage-length", f"{_ERRORS} 12", 200, "12"),
        _FROM := Rule("vonage-from", f"{_SEND}: from; {_ERRORS} 15", 200, "15"),
        _BOTH := Rule("vonage-signature", f"{_ERRORS} 32", 200, "32"),
    )
    malformed = _MISSING

    def take(self, request: Request) -> Answer:
        """Send it; an entry for each segment."""
        if request.path.rstrip("/") != "/sms/json" or request.method != "POST":
            raise self._NOT_FOUND.refusal()
        fields = self._fields(request)
        self._authorize(request, fields)
        for name in ("to", "from", "text"):
            if not fields.get(name):
                raise self._MISSING.refusal(f"Missing {name} param")
        if not _NUMBER.fullmatch(fields["to"]):
            raise self._INVALID.refusal("Invalid value for param: to")
        if not _NUMBER.fullmatch(fields["from"]) and not ALPHANUMERIC.fullmatch(fields["from"]):
            raise self._FROM.refusal("Illegal Sender Address - rejected")
        self._extras(fields)
        sent = [_entry("0", fields) for _ in segments(_shown(fields)).parts]
        return Answer.json(200, {"message-count": str(len(sent)), "messages": sent})

    def refuse(self, request: Request, broken: Sequence[Broken]) -> Answer:  # noqa: ARG002 - the same for each
        """Status 200 (but for a wrong path), and the reason in the first entry."""
        if broken[0].rule is self._NOT_FOUND:
            return Answer.text(404, "Not Found")
        return _no(broken[0].code, broken[0].message)

    def show(self, request: Request) -> Seen:
        """The message on a phone: without `type=unicode`, what GSM 7-bit lacks becomes a question mark."""
        fields = self._fields(request)
        text, to = _shown(fields), fields.get("to", "")
        view = {"from": fields.get("from", ""), "to": [to], **sms_view(text)}
        view["lost"] = text != fields.get("text", "")
        return Seen(title=text.strip().partition("\n")[0], text=text, to=(to,) if to else (), view=view)

    def fail(self, fault: Fault) -> Answer:
        """429 and 5xx from the edge; the 200 that says no has a status of its own: `error:9`."""
        if fault.name == "error":
            code = fault.argument or "5"
            return _no(code, _STATUS.get(code, "Asked for by a fault"))
        text = {"429": "Too Many Requests", "500": "Internal Server Error"}.get(fault.name, "Service Unavailable")
        return Answer.text(int(fault.name), text)

    def credentials(self, request: Request) -> tuple[str, ...]:
        """The secret in the form, or in the header."""
        given = self._fields(request).get("api_secret", "")
        return tuple(filter(None, (given, request.headers.get("authorization", "").partition(" ")[2])))

    def _fields(self, request: Request) -> dict[str, str]:
        if request.content_type != "application/json":
            return request.form()
        try:
            body = request.json()
        except ValueError:
            return {}
        return {k: str(v) for k, v in body.items()} if isinstance(body, dict) else {}

    def _authorize(self, request: Request, fields: Mapping[str, str]) -> None:
        basic = request.basic()
        key, secret = fields.get("api_key") or basic[0], fields.get("api_secret") or basic[1]
        signed = fields.get("sig")
        if not key:
            raise self._MISSING.refusal("Missing api_key")
        if signed and secret:
            raise self._BOTH.refusal("Signature And API Secret Disallowed")
        if not signed and not secret:
            raise self._MISSING.refusal("Missing api_secret")
        if is_wrong(key) or is_wrong(secret):
            raise self._AUTH.refusal("Bad Credentials")

    def _extras(self, fields: Mapping[str, str]) -> None:
        if utf16_length(fields["text"]) > MAX_TEXT:
            raise self._LONG.refusal("Message Too Long")
        if fields.get("type", "text") not in _TYPES:
            raise self._TYPE.refusal("Invalid value for param: type")
        ttl = fields.get("ttl", "20000")
        if not ttl.isdecimal() or int(ttl) not in _TTL:
            raise self._TTL_RANGE.refusal("Invalid value for param: ttl")
        if len(fields.get("client-ref", "")) > MAX_REFERENCE:
            raise self._REFERENCE.refusal("Invalid value for param: client-ref")


def _shown(fields: Mapping[str, str]) -> str:
    text = fields.get("text", "")
    if fields.get("type", "text") == "unicode":
        return text
    return "".join(char if is_gsm(char) else "?" for char in text)


def _entry(status: str, fields: Mapping[str, str]) -> dict[str, Any]:
    sent = {
        "to": fields["to"],
        "message-id": uuid.uuid4().hex[:16].upper(),
        "status": status,
        "remaining-balance": "15.50000000",
        "message-price": "0.03000000",
        "network": "63102",
    }
    return {**sent, "client-ref": fields["client-ref"]} if "client-ref" in fields else sent


def _no(status: str, text: str) -> Answer:
    return Answer.json(200, {"message-count": "1", "messages": [{"status": status, "error-text": text}]})
