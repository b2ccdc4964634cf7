"""The kind `twilio`: one call a recipient; Twilio queues each message behind its sender's others."""

from __future__ import annotations

import base64
import re
from typing import Final

from alert_core import Alert, DeliveryError, PermanentDeliveryError, Receipt, Secret, UncertainDeliveryError, option
from alert_core.errors import Fault
from alert_core.http import HttpRequest, HttpResponse, error_for, secure_url
from alert_sms.transport import OneByOneTransport, json_object, valid_credential, valid_sender

_ACCOUNT: Final = re.compile(r"AC[0-9a-fA-F]{32}")
_SERVICE: Final = re.compile(r"MG[0-9a-fA-F]{32}")
_SHORT_CODE: Final = 8
_MAX_VALIDITY: Final = 36_000
_UNAVAILABLE: Final = 503
_CODES: Final = 1_000_000  # Twilio's have five digits
_QUEUE_FULL: Final = "21611"
_FAILED: Final = frozenset({"failed", "undelivered", "canceled"})
_ADVICE: Final = {
    "20003": "check account_sid and auth_token",
    "20404": "check account_sid",
    "20429": "too many requests at once: lower concurrency",
    "21211": "the recipient's number is not valid",
    "21408": "allow the recipient's country in the account's geographic permissions",
    "21602": "the text was empty",
    "21605": "the text was too long: lower max_segments",
    "21606": "the sender cannot send SMS to this recipient; choose another of the account's numbers",
    "21610": "the recipient has replied STOP, and must reply START",
    _QUEUE_FULL: "the sender's queue holds all that it can send in ten hours; use another target until it empties",
    "21612": "the sender cannot send SMS to this recipient; choose another of the account's numbers",
    "21614": "the recipient's number is not a mobile number",
    "21617": "the text was too long: lower max_segments",
    "21619": "the text was empty",
    "21658": "the text was too long: lower max_segments",
}


def _valid_account(_: object, __: object, value: str) -> None:
    if not _ACCOUNT.fullmatch(value):
        raise ValueError("must be AC and 32 digits of hexadecimal, as the console shows it")


def _valid_service(_: object, __: object, value: str) -> None:
    if not _SERVICE.fullmatch(value):
        raise ValueError("must be MG and 32 digits of hexadecimal, as the console shows it")


def _valid_sender(transport: object, attribute: object, value: str) -> None:
    valid_sender(transport, attribute, value)
    if value.isdigit() and len(value) > _SHORT_CODE:
        raise ValueError(
            "must be in E.164, as +15550001111, where it is a phone number; short codes have 8 digits at most"
        )


def _valid_validity(_: object, __: object, value: int) -> None:
    if not 1 <= value <= _MAX_VALIDITY:
        raise ValueError(f"must be 1 to {_MAX_VALIDITY} seconds")


class TwilioTransport(OneByOneTransport):
    """Send alerts as SMS through Twilio."""

    kind = "twilio"
    account_sid: str = option(env="TWILIO_ACCOUNT_SID", validator=_valid_account, help="the account's SID (AC…)")
    auth_token: Secret = option(env="TWILIO_AUTH_TOKEN", validator=valid_credential, help="the account's auth token")
    sender: str | None = option(
        default=None,
        env="ALERT_SMS_SENDER",
        shared=True,
        validator=_valid_sender,
        help="the number, short code or name that the text comes from; or:",
    )
    messaging_service_sid: str | None = option(
        default=None,
        env="TWILIO_MESSAGING_SERVICE_SID",
        validator=_valid_service,
        help="the Messaging Service (MG…) that chooses the sender",
    )
    validity_period: int | None = option(
        default=None,
        validator=_valid_validity,
        help="seconds that a text may wait in Twilio's queue, 1 to 36000; default: Twilio's, ten hours",
    )
    api_url: str = option(
        default="https://api.twilio.com", env="ALERT_TWILIO_API_URL", validator=secure_url, help="base URL of the API"
    )

    def check(self) -> list[Fault]:
        """See that there is one sender."""
        faults = super().check()
        if bool(self.sender) == bool(self.messaging_service_sid):
            which = "not both" if self.sender else "one of them is required"
            faults.append(Fault("sender", f"set sender or messaging_service_sid, {which}"))
        return faults

    def build_request(self, alert: Alert, recipient: str) -> HttpRequest:  # type: ignore[override]  # as send() asks
        """The message for one recipient."""
        fields = {
            "To": recipient,
            "From": self.sender,
            "MessagingServiceSid": self.messaging_service_sid,
            "Body": self.text(alert),
            "ValidityPeriod": None if self.validity_period is None else str(self.validity_period),
        }
        login = base64.b64encode(f"{self.account_sid}:{self.auth_token.reveal()}".encode()).decode()
        return HttpRequest.form(
            f"{self.api_url.rstrip('/')}/2010-04-01/Accounts/{self.account_sid}/Messages.json",
            {name: value for name, value in fields.items() if value is not None},
            headers={"Authorization": f"Basic {login}", "Accept": "application/json"},
        )

    def read_response(self, response: HttpResponse) -> Receipt:
        """The message's `sid`, unless Twilio made it only to fail it at once."""
        body = response.json()
        sid, status, code = body["sid"], body["status"], _code(body.get("error_code"))
        if body.get("error_code") is not None or status in _FAILED:
            text = _advised(f"refused the message: {code}" if code else "refused the message", code)
            raise PermanentDeliveryError(text, status=response.status, code=code)
        if not isinstance(sid, str) or not isinstance(status, str):
            raise ValueError("not Twilio's answer")  # noqa: TRY004 - of any type, an answer not understood
        told = {name: body.get(name) for name in ("status", "num_segments")}
        return Receipt(id=sid, detail={name: value for name, value in told.items() if isinstance(value, str)})

    def read_error(self, response: HttpResponse) -> DeliveryError:
        """The status decides, but for two of Twilio's own: a full queue stays full, and a 503 may have been taken."""
        code = _code(json_object(response).get("code"))
        error = error_for(response, code)
        kind, wait = type(error), error.retry_after
        if code == _QUEUE_FULL:
            kind, wait = PermanentDeliveryError, None
        elif code and response.status == _UNAVAILABLE:
            kind, wait = UncertainDeliveryError, None
        return kind(_advised(str(error), code), status=response.status, code=code, retry_after=wait)


def _advised(text: str, code: str | None) -> str:
    """The text with what to do about Twilio's code."""
    return f"{text}; {_ADVICE[code]}" if code in _ADVICE else text


def _code(value: object) -> str | None:
    """Twilio's number of an error, as text; nothing else of the answer is quoted."""
    return str(value) if type(value) is int and 0 < value < _CODES else None
