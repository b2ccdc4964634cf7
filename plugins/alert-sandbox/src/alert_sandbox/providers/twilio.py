"""Twilio: POST /2010-04-01/Accounts/<sid>/Messages.json."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from email.utils import format_datetime
from typing import Final

from alert_core.text import utf16_length
from alert_sandbox.exchange import Answer, Broken, Provider, Request, Rule, Seen, is_wrong
from alert_sandbox.faults import Fault
from alert_sandbox.segments import segments
from alert_sandbox.sms import ALPHANUMERIC, E164, sms_view

_DOCS: Final = "www.twilio.com/docs"
_MESSAGES: Final = f"{_DOCS}/messaging/api/message-resource#create-a-message-resource"
_MAGIC: Final = f"{_DOCS}/iam/test-credentials#test-sms-messages"

MAX_BODY: Final = 1600
MAX_VALIDITY: Final = 36_000
_PATH: Final = re.compile(r"/Accounts/(?P<sid>[^/]+)/Messages\.json")
_SID: Final = re.compile(r"AC[0-9a-fA-F]{32}")
_SERVICE: Final = re.compile(r"MG[0-9a-fA-F]{32}")
_SHORT_CODE: Final = re.compile(r"\d{5,6}")

_MAGIC_TO: Final[Mapping[str, tuple[str, str]]] = {
    "+15005550001": ("21211", "The 'To' number +15005550001 is not a valid phone number."),
    "+15005550002": ("21612", "The 'To' phone number +15005550002 is not currently reachable via SMS."),
    "+15005550003": ("21408", "Permission to send an SMS has not been enabled for the region of the 'To' number."),
    "+15005550004": ("21610", "Attempt to send to unsubscribed recipient"),
    "+15005550009": ("21614", "'To' number is not a valid mobile number"),
}
_MAGIC_FROM: Final[Mapping[str, tuple[str, str]]] = {
    "+15005550001": ("21212", "The 'From' number +15005550001 is not a valid phone number."),
    "+15005550007": ("21606", "The 'From' phone number is not a valid, SMS-capable Twilio phone number."),
    "+15005550008": ("21611", "This 'From' number has exceeded the maximum number of queued messages"),
}


def _error(code: str) -> str:
    return f"{_DOCS}/api/errors/{code}"


class Twilio(Provider):
    """POST /2010-04-01/Accounts/<sid>/Messages.json, a form. Twilio's magic test numbers work as documented."""

    kind = "twilio"
    prefix = "/twilio/2010-04-01"
    rules = (
        _NOT_FOUND := Rule("twilio-url", _error("20404"), 404, "20404"),
        _METHOD := Rule("twilio-method", _error("20004"), 405, "20004"),
        _AUTH := Rule("twilio-auth", _error("20003"), 401, "20003"),
        _NO_TO := Rule("twilio-to-missing", _error("21604"), 400, "21604"),
        _TO := Rule("twilio-to", _error("21211"), 400, "21211"),
        _NO_FROM := Rule("twilio-from-missing", _error("21603"), 400, "21603"),
        _FROM := Rule("twilio-from", _error("21212"), 400, "21212"),
        _SENDER := Rule("twilio-service", _error("21701"), 400, "21701"),
        _NO_BODY := Rule("twilio-body-missing", _error("21602"), 400, "21602"),
        _LONG := Rule("twilio-body-length", _error("21617"), 400, "21617"),
        _VALIDITY := Rule("twilio-validity", f"{_MESSAGES}: ValidityPeriod, 1 to 36000", 400, "20001"),
        _MAGIC_NUMBER := Rule("twilio-magic", _MAGIC, 400),
    )
    malformed = _NO_TO

    def take(self, request: Request) -> Answer:
        """Queue it."""
        found = _PATH.fullmatch(request.path)
        if found is None or not _SID.fullmatch(found["sid"]):
            raise self._NOT_FOUND.refusal(f"The requested resource /2010-04-01{request.path[:80]} was not found")
        if request.method != "POST":
            raise self._METHOD.refusal("Method not allowed")
        user, password = request.basic()
        if not password or is_wrong(password) or (user != found["sid"] and not user.startswith("SK")):
            raise self._AUTH.refusal("Authenticate")
        form = request.form()
        self._numbers(form)
        self._text(form)
        return Answer.json(201, self._yes(found["sid"], form))

    def refuse(self, request: Request, broken: Sequence[Broken]) -> Answer:  # noqa: ARG002 - the same for each
        """A number, a sentence, a link, the status."""
        code = broken[0].code
        return _no(429 if code == "21611" else broken[0].rule.status, code, broken[0].message)

    def show(self, request: Request) -> Seen:
        """The message on a phone."""
        form = request.form()
        text, to = form.get("Body", ""), form.get("To", "")
        view = {"from": form.get("From") or form.get("MessagingServiceSid", ""), "to": [to], **sms_view(text)}
        return Seen(title=text.strip().partition("\n")[0], text=text, to=(to,) if to else (), view=view)

    def fail(self, fault: Fault) -> Answer:
        """20429 without a Retry-After, as documented; `error:30001` with a number of your own."""
        if fault.name == "429":
            return _no(429, "20429", "Too Many Requests")
        if fault.name == "error":
            return _no(
                200, fault.argument if re.fullmatch(r"\d{1,9}", fault.argument) else "20500", "Asked for by a fault"
            )
        return _no(int(fault.name), "20500" if fault.name == "500" else "20503", "Internal Server Error")

    def credentials(self, request: Request) -> tuple[str, ...]:
        """The Authorization header's value."""
        return tuple(filter(None, (request.headers.get("authorization", "").partition(" ")[2], request.basic()[1])))

    def _numbers(self, form: Mapping[str, str]) -> None:
        to, sender, service = form.get("To", ""), form.get("From", ""), form.get("MessagingServiceSid", "")
        if not to:
            raise self._NO_TO.refusal("A 'To' phone number is required.")
        if not E164.fullmatch(to):
            raise self._TO.refusal(f"The 'To' number {to[:40]} is not a valid phone number.")
        if not sender and not service:
            raise self._NO_FROM.refusal("A 'From' phone number is required.")
        if service and not _SERVICE.fullmatch(service):
            raise self._SENDER.refusal("The Messaging Service does not exist.")
        if sender and not any(p.fullmatch(sender) for p in (E164, ALPHANUMERIC, _SHORT_CODE)):
            raise self._FROM.refusal(
                f"The 'From' number {sender[:40]} is not a valid phone number, shortcode, or name."
            )
        if magic := _MAGIC_TO.get(to) or _MAGIC_FROM.get(sender):
            raise self._MAGIC_NUMBER.refusal(magic[1], code=magic[0])

    def _text(self, form: Mapping[str, str]) -> None:
        if not any(form.get(name) for name in ("Body", "MediaUrl", "ContentSid")):
            raise self._NO_BODY.refusal("Message body is required.")
        if utf16_length(form.get("Body", "")) > MAX_BODY:
            raise self._LONG.refusal(f"The concatenated message body exceeds the {MAX_BODY} character limit")
        validity = form.get("ValidityPeriod", "1")
        if not (validity.isdecimal() and 1 <= int(validity) <= MAX_VALIDITY):
            raise self._VALIDITY.refusal("ValidityPeriod is 1 to 36000 seconds")

    def _yes(self, account: str, form: Mapping[str, str]) -> dict[str, object]:
        sid, now = f"SM{uuid.uuid4().hex}", format_datetime(self.clock())
        uri = f"/2010-04-01/Accounts/{account}/Messages/{sid}"
        return {
            "account_sid": account,
            "api_version": "2010-04-01",
            "body": form.get("Body", ""),
            "date_created": now,
            "date_sent": None,
            "date_updated": now,
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": form.get("From") or None,
            "messaging_service_sid": form.get("MessagingServiceSid") or None,
            "num_media": "0",
            "num_segments": str(len(segments(form.get("Body", "")).parts)),
            "price": None,
            "price_unit": "USD",
            "sid": sid,
            "status": "accepted" if form.get("MessagingServiceSid") else "queued",
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": form["To"],
            "uri": f"{uri}.json",
        }


def _no(status: int, code: str, message: str) -> Answer:
    told = {"code": int(code), "message": message, "more_info": f"https://{_DOCS}/errors/{code}", "status": status}
    return Answer.json(status, told)
