"""What the three kinds share: whom they write to, how an alert becomes a text, and how their options are checked."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

import attrs

from alert_core import Alert, Receipt, Secret, option
from alert_core.http import HttpResponse, HttpTransport
from alert_sms import payload

_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SENDER: Final = re.compile(r"\+?[0-9]{3,15}|(?=.*[A-Za-z])[!-~](?:[ -~]{0,9}[!-~])?")
_CREDENTIAL: Final = re.compile(r"[\x21-\x7e]+")


def valid_numbers(_: object, __: object, value: Any) -> None:
    """Validate recipients: phone numbers in E.164, at least one, each once.

    Raises:
        ValueError: which number is wrong, by its place, and how; the number is not quoted.
    """
    if isinstance(value, str) or not value:
        raise ValueError("must be a list with at least one phone number, as +244923000000")
    numbers = list(value)
    for place, number in enumerate(numbers, 1):
        if not isinstance(number, str) or not _NUMBER.fullmatch(number):
            raise ValueError(f"number {place} is not in E.164, as +244923000000: {_what_is_wrong(number)}")
        if number in numbers[: place - 1]:
            raise ValueError(f"number {place} repeats number {numbers.index(number) + 1}: leave one of them out")


def _what_is_wrong(number: object) -> str:
    if not isinstance(number, str):
        return "it must be a text"
    if re.fullmatch(r"\+?[0-9][0-9 ().\-]*", number) and not number.lstrip("+").isdigit():
        return "leave out spaces, dots, dashes and brackets"
    if re.fullmatch(r"[0-9]+", number):
        return "write + and the country code before it, without leading zeros"
    if re.fullmatch(r"\+0[0-9]*", number):
        return "a country code does not begin with 0"
    if re.fullmatch(r"\+[0-9]+", number):
        return "it has + and 7 to 15 digits"
    return "it has + and digits, and nothing else"


def valid_sender(_: object, __: object, value: str) -> None:
    """Validate a sender: a phone number, a short code, or a name as 3GPP TS 23.040 section 9.1.2.5 has room for.

    Raises:
        ValueError: it is none of them.
    """
    if not _SENDER.fullmatch(value):
        raise ValueError("must be a number, or a name of at most 11 ASCII characters with a letter among them")


def valid_credential(_: object, __: object, value: Secret) -> None:
    """Validate a key or token: printable ASCII without white space.

    Raises:
        ValueError: it is not; its value is not quoted.
    """
    if not _CREDENTIAL.fullmatch(value.reveal()):
        raise ValueError("must be ASCII without white space; copy it whole, and nothing around it")


def valid_segments(_: object, __: object, value: int) -> None:
    """Validate `max_segments`.

    Raises:
        ValueError: it is below 1 or above 10.
    """
    if not 1 <= value <= payload.MAX_SEGMENTS:
        raise ValueError(f"must be 1 to {payload.MAX_SEGMENTS}")


class SmsTransport(HttpTransport):
    """A transport whose message is one line of text."""

    to: tuple[str, ...] = option(
        env="ALERT_SMS_TO",
        shared=True,
        validator=valid_numbers,
        help="the recipients' numbers in E.164 (+244923000000)",
    )
    max_segments: int = option(default=2, validator=valid_segments, help="segments that one text may take, 1 to 10")
    icons: bool = option(
        default=True, help="begin with the severity's emoji where there is room; it makes a text UCS-2"
    )
    transliterate: bool = option(default=False, help="write quotes, dashes and accents in GSM-7, and no emoji of ours")

    def text(self, alert: Alert) -> str:
        """What the recipients read."""
        return payload.text(alert, max_segments=self.max_segments, icons=self.icons, transliterate=self.transliterate)


class OneByOneTransport(SmsTransport):
    """Of a provider that takes one recipient a call: `build_request(alert, recipient)`."""

    recipients_option: ClassVar[str | None] = "to"

    def send(self, alert: Alert, recipient: str) -> Receipt:  # type: ignore[override]  # as recipients_option asks
        """One request to one recipient, one answer."""
        receipt = self.receive(self.exchange(self.request(alert, recipient)))
        return attrs.evolve(receipt, recipient=recipient)


def json_object(response: HttpResponse) -> dict[str, Any]:
    """The body where it is a JSON object, else an empty one: for an error's code, which an answer may lack."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
