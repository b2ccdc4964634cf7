"""The kind `resend`: one call of POST /emails an alert, which may be repeated without a second mail."""

from __future__ import annotations

import re
from typing import Final

from alert_core import Alert, DeliveryError, PermanentDeliveryError, Receipt, RetryableDeliveryError, Secret, option
from alert_core.http import HttpRequest, HttpResponse, HttpTransport, error_for, retry_after, secure_url
from alert_core.mail import Mailbox, mailboxes
from alert_core.text import number
from alert_resend.payload import RECIPIENTS, idempotency_key, message

_OK: Final = 200
_TOO_MANY_REQUESTS: Final = 429
_NAME: Final = re.compile(r"[a-z_]{1,64}")
_BY_NAME: Final[dict[str | None, type[DeliveryError]]] = {
    "concurrent_idempotent_requests": RetryableDeliveryError,
    "resource_locked": RetryableDeliveryError,
    "daily_quota_exceeded": PermanentDeliveryError,
    "monthly_quota_exceeded": PermanentDeliveryError,
}
"""Where Resend's name says more than its status."""
_ADVICE: Final = {
    (401, "missing_api_key"): "check api_key",
    (403, "invalid_api_key"): "check api_key, or make a new one",
    (403, "invalid_permission"): "give the API key the permission to send",
    (403, "suspended_api_key"): "ask Resend why, or use another API key",
    (
        403,
        "validation_error",
    ): "verify the domain of from_email at Resend; until then it sends to your own address alone",
    (404, "not_found"): "check api_url",
    (409, "invalid_idempotent_request"): "an earlier attempt went out with another text or other recipients",
    (422, "invalid_from_address"): "check from_email",
    (429, "daily_quota_exceeded"): "the quota is free again within a day; until then use another target",
    (429, "monthly_quota_exceeded"): "upgrade the plan, or use another target",
}


def _api_key(_: object, __: object, value: Secret) -> None:
    if not re.fullmatch(r"[\x21-\x7e]+", value.reveal()):
        raise ValueError("must be an API key (re_…), without white space")


def _from_email(_: object, __: object, value: str) -> None:
    Mailbox.parse(value, smtputf8=False)


def _to_emails(_: object, __: object, value: tuple[str, ...]) -> None:
    mailboxes(value, most=RECIPIENTS, smtputf8=False)


class ResendTransport(HttpTransport):
    """Send alerts by e-mail through Resend: one mail an alert, its To naming every recipient."""

    kind = "resend"
    idempotency = "Idempotency-Key"
    provider_rate = "2/s"
    api_key: Secret = option(
        env="ALERT_RESEND_API_KEY", validator=_api_key, help="the API key (re_…), with the permission to send"
    )
    from_email: str = option(
        env="ALERT_FROM_EMAIL",
        shared=True,
        validator=_from_email,
        help="the sender, of a domain verified at Resend; a name may stand before the address",
    )
    to_emails: tuple[str, ...] = option(
        env="ALERT_TO_EMAILS", shared=True, validator=_to_emails, help="the recipients, 50 at most, who see each other"
    )
    api_url: str = option(
        default="https://api.resend.com",
        env="ALERT_RESEND_API_URL",
        validator=secure_url,
        help="base URL of the API; /emails is added",
    )

    def __attrs_post_init__(self) -> None:
        """Check the options; connect at the first attempt."""
        super().__attrs_post_init__()
        self._sender = Mailbox.parse(self.from_email)
        self._recipients = mailboxes(self.to_emails)

    def build_request(self, alert: Alert) -> HttpRequest:
        """One mail to all recipients, with the key that makes a repeated request no second mail."""
        headers = {
            "Authorization": f"Bearer {self.api_key.reveal()}",
            "Idempotency-Key": idempotency_key(alert, self.name),
        }
        body = message(alert, sender=self._sender, recipients=self._recipients)
        return HttpRequest.json(f"{self.api_url.rstrip('/')}/emails", body, headers=headers)

    def read_response(self, response: HttpResponse) -> Receipt:
        """Take 200 with an id for a yes, and nothing else."""
        found = response.json()["id"]
        if response.status != _OK or not isinstance(found, str) or not found:
            raise ValueError("not Resend's answer")
        return Receipt(id=found)

    def read_error(self, response: HttpResponse) -> DeliveryError:
        """Resend's name for the error decides where it is known to say more than the status."""
        name = _name(response)
        by_status = error_for(response, name)
        kind = _BY_NAME.get(name, type(by_status))
        advice = _ADVICE.get((response.status, name or ""))
        text = f"{by_status}; {advice}" if advice else str(by_status)
        wait = _wait(response) if kind is RetryableDeliveryError else None
        return kind(text, status=response.status, code=name, retry_after=wait)


def _name(response: HttpResponse) -> str | None:
    """Resend's name for the error. What does not look like one is not quoted: it may be an echo of the request."""
    try:
        name = response.json()["name"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return name if isinstance(name, str) and _NAME.fullmatch(name) else None


def _wait(response: HttpResponse) -> float | None:
    """Seconds by Retry-After; else, at a rate limit, until its window ends (IETF ratelimit-headers, draft 6)."""
    asked = retry_after(response.headers)
    if asked is None and response.status == _TOO_MANY_REQUESTS:
        asked = number(response.headers.get("ratelimit-reset", ""))
    return asked
