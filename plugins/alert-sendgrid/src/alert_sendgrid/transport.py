"""The kind `sendgrid`: one call of POST /mail/send an alert, a mail of its own for each recipient."""

from __future__ import annotations

import re
import time
from typing import Final

from alert_core import Alert, DeliveryError, Receipt, Secret, UncertainDeliveryError, option
from alert_core.http import HttpRequest, HttpResponse, HttpTransport, error_for, secure_url
from alert_core.mail import Mailbox, mailboxes
from alert_core.text import number
from alert_sendgrid.payload import RECIPIENTS, message

_ACCEPTED: Final = 202
_TOO_MANY_REQUESTS: Final = 429
_FIELD: Final = re.compile(
    r"(?:personalizations|from|subject|content|headers|categories|custom_args|tracking_settings)"
    r"(?:\.(?:\d{1,4}|to|email|name|type|value|custom_args))*"
)
_ADVICE: Final = {
    401: "check api_key; SendGrid says the same where the account's credits are used up",
    403: "verify from_email as a sender at SendGrid, and give the API key the permission Mail Send",
    404: "check api_url: it ends in /v3",
}


def _api_key(_: object, __: object, value: Secret) -> None:
    if not re.fullmatch(r"[\x21-\x7e]+", value.reveal()):
        raise ValueError("must be an API key (SG.…), without white space")


def _from_email(_: object, __: object, value: str) -> None:
    Mailbox.parse(value, smtputf8=False)


def _to_emails(_: object, __: object, value: tuple[str, ...]) -> None:
    mailboxes(value, most=RECIPIENTS, smtputf8=False)


class SendGridTransport(HttpTransport):
    """Send alerts by e-mail through SendGrid: one call an alert, a mail of its own for each recipient."""

    kind = "sendgrid"
    api_key: Secret = option(
        env="ALERT_SENDGRID_API_KEY", validator=_api_key, help="the API key (SG.…), with the permission Mail Send"
    )
    from_email: str = option(
        env="ALERT_FROM_EMAIL",
        shared=True,
        validator=_from_email,
        help="the sender, verified at SendGrid; a name may stand before the address",
    )
    to_emails: tuple[str, ...] = option(
        env="ALERT_TO_EMAILS", shared=True, validator=_to_emails, help="the recipients, 1,000 at most"
    )
    api_url: str = option(
        default="https://api.sendgrid.com/v3",
        env="ALERT_SENDGRID_API_URL",
        validator=secure_url,
        help="base URL of the API with its version, /v3; /mail/send is added",
    )

    def __attrs_post_init__(self) -> None:
        """Check the options; connect at the first attempt."""
        super().__attrs_post_init__()
        self._sender = Mailbox.parse(self.from_email)
        self._recipients = mailboxes(self.to_emails)

    def build_request(self, alert: Alert) -> HttpRequest:
        """One call for all recipients."""
        body = message(alert, sender=self._sender, recipients=self._recipients)
        headers = {"Authorization": f"Bearer {self.api_key.reveal()}", "Accept": "application/json"}  # without it: 406
        return HttpRequest.json(f"{self.api_url.rstrip('/')}/mail/send", body, headers=headers)

    def read_response(self, response: HttpResponse) -> Receipt:
        """Take 202 for a yes, with SendGrid's id or without a body. 200 is for a mail that was only checked."""
        found = response.headers.get("x-message-id")
        if response.status == _ACCEPTED and (found or not response.content):
            return Receipt(id=found or None)
        raise UncertainDeliveryError(f"answered HTTP {response.status} without SendGrid's yes", status=response.status)

    def read_error(self, response: HttpResponse) -> DeliveryError:
        """The status decides; of the body, the field that is wrong is told."""
        by_status = error_for(response, _field(response))
        advice = _ADVICE.get(response.status)
        text = f"{by_status}; {advice}" if advice else str(by_status)
        wait = by_status.retry_after
        if wait is None and response.status == _TOO_MANY_REQUESTS:
            wait = _until_reset(response)
        return type(by_status)(text, status=response.status, retry_after=wait)


def _field(response: HttpResponse) -> str | None:
    """The field that SendGrid finds wrong. What is no field of a mail is not quoted: it may echo the request."""
    try:
        field = response.json()["errors"][0]["field"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return field if isinstance(field, str) and _FIELD.fullmatch(field) else None


def _until_reset(response: HttpResponse) -> float | None:
    """Seconds until the rate limit's window ends, which SendGrid gives as a Unix time."""
    ends = number(response.headers.get("x-ratelimit-reset", ""))
    return None if ends is None else max(ends - time.time(), 0.0)
