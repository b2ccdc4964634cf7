"""The kind `vonage`: one call a recipient. HTTP 200 says nothing; each segment's `status` does."""

from __future__ import annotations

import re
from typing import Any, Final

from alert_core import (
    Alert,
    DeliveryError,
    PermanentDeliveryError,
    Receipt,
    RetryableDeliveryError,
    Secret,
    UncertainDeliveryError,
    option,
)
from alert_core.http import HttpRequest, HttpResponse, secure_url
from alert_core.text import one_line, truncate
from alert_sms.segments import is_gsm_7
from alert_sms.transport import OneByOneTransport, valid_credential, valid_sender

_CLIENT_REF: Final = 40
_TTL: Final = (20_000, 604_800_000)
_OK: Final = "0"
_STATUS: Final = re.compile(r"[0-9]{1,3}")
_RETRYABLE: Final = frozenset({"1", "5", "10"})
_REASONS: Final = {
    "1": "sent faster than the account's limit; set rate",
    "2": "a parameter was missing",
    "3": "a parameter was not valid; check sender and to",
    "4": "wrong api_key or api_secret",
    "5": "an internal error of Vonage",
    "6": "the recipient's number was not recognised",
    "7": "the recipient's number is barred",
    "8": "the account is suspended",
    "9": "the account has not enough credit: top it up",
    "10": "too many connections at once; lower concurrency",
    "11": "the account is not enabled for this API",
    "12": "the text was too long; lower max_segments",
    "14": "a signature is wrong",
    "15": "the account may not use this sender; in North America it must be one of its numbers",
    "22": "the network code was not recognised",
    "23": "the callback URL was not valid",
    "29": "a demo account sends to the numbers of its list alone; top it up",
    "32": "a signed request may not have an api_secret",
    "33": "the recipient's number is not in use any more",
}


def _valid_ttl(_: object, __: object, value: int) -> None:
    low, high = _TTL
    if not low <= value <= high:
        raise ValueError(f"must be {low} to {high} milliseconds")


class VonageTransport(OneByOneTransport):
    """Send alerts as SMS through Vonage's SMS API."""

    kind = "vonage"
    provider_rate = "30/s"
    api_key: Secret = option(env="VONAGE_API_KEY", validator=valid_credential, help="the account's API key")
    api_secret: Secret = option(env="VONAGE_API_SECRET", validator=valid_credential, help="the account's API secret")
    sender: str = option(
        env="ALERT_SMS_SENDER", shared=True, validator=valid_sender, help="the number or name that the text comes from"
    )
    ttl: int | None = option(
        default=None,
        validator=_valid_ttl,
        help="milliseconds that delivery is tried, 20000 to 604800000; default: Vonage's, 72 hours",
    )
    api_url: str = option(
        default="https://rest.nexmo.com", env="ALERT_VONAGE_API_URL", validator=secure_url, help="base URL of the API"
    )

    def build_request(self, alert: Alert, recipient: str) -> HttpRequest:  # type: ignore[override]  # as send() asks
        """The message for one recipient, whose number Vonage takes without its +."""
        text = self.text(alert)
        fields = {
            "api_key": self.api_key.reveal(),
            "api_secret": self.api_secret.reveal(),
            "from": self.sender.removeprefix("+"),
            "to": recipient.removeprefix("+"),
            "text": text,
            "type": "text" if is_gsm_7(text) else "unicode",
            "ttl": "" if self.ttl is None else str(self.ttl),
            "client-ref": truncate(one_line(alert.id), _CLIENT_REF, ellipsis=""),
        }
        given = {name: value for name, value in fields.items() if value}
        return HttpRequest.form(f"{self.api_url.rstrip('/')}/sms/json", given, headers={"Accept": "application/json"})

    def read_response(self, response: HttpResponse) -> Receipt:
        """Every segment's status decides; the id is the first one's."""
        messages: list[dict[str, Any]] = response.json()["messages"]
        statuses = [str(message["status"]) for message in messages]
        if not statuses or not all(map(_STATUS.fullmatch, statuses)):
            raise ValueError("not Vonage's answer")
        if refused := [status for status in statuses if status != _OK]:
            raise _refusal(refused, of=len(statuses), status=response.status)
        ids = [str(message["message-id"]) for message in messages if message.get("message-id")]
        return Receipt(id=ids[0] if ids else None, detail={"message_ids": ids})


def _refusal(refused: list[str], *, of: int, status: int) -> DeliveryError:
    """What it means that so many segments were refused, by these statuses, of so many."""
    final = [code for code in refused if code not in _RETRYABLE]
    code = (final or refused)[0]
    kind: type[DeliveryError] = PermanentDeliveryError if final else RetryableDeliveryError
    text = "refused the message"
    if len(refused) < of:
        kind, text = UncertainDeliveryError, f"sent {of - len(refused)} of {of} segments, and refused the others"
    reason = _REASONS.get(code)
    return kind(f"{text}: status {code}{f', {reason}' if reason else ''}", status=status, code=code)
