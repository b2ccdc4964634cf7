"""What Resend is asked to send: an alert in, the body of POST /emails out. Pure: the same alert, the same body."""

from __future__ import annotations

import re
from email.utils import quote
from typing import TYPE_CHECKING, Any, Final

from alert_core.mail import digest, headers, mail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alert_core import Alert
    from alert_core.mail import Mailbox

RECIPIENTS: Final = 50
"""Resend's limit of `to` (its OpenAPI document)."""

_TAG_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_SPECIALS: Final = re.compile(r'[()<>\[\]:;@\\,."]')  # RFC 5322 section 3.2.3: a name with one of them is quoted


def message(alert: Alert, *, sender: Mailbox, recipients: Iterable[Mailbox]) -> dict[str, Any]:
    """One mail to all recipients. Its tag `alert_id` comes back in Resend's webhooks, where the id can be a tag."""
    content = mail(alert)
    body: dict[str, Any] = {
        "from": address(sender),
        "to": [address(recipient) for recipient in recipients],
        "subject": content.subject,
        "text": content.text,
        "html": content.html,
        "headers": headers(alert, sender.domain),
    }
    if _TAG_VALUE.fullmatch(alert.id):
        body["tags"] = [{"name": "alert_id", "value": alert.id}]
    return body


def idempotency_key(alert: Alert, target: str) -> str:
    """What all attempts for one alert and one target share, and no others.

    What says something else under the same id, as `evolve()` makes it, has another: under the first Resend refuses it.
    """
    content = mail(alert)
    return digest(alert.id, target, content.subject, content.text)


def address(mailbox: Mailbox) -> str:
    """`Ops <ops@example.com>`, a name in any script: Resend encodes it, and refuses one that is encoded already."""
    if not mailbox.name:
        return mailbox.address
    name = f'"{quote(mailbox.name)}"' if _SPECIALS.search(mailbox.name) else mailbox.name
    return f"{name} <{mailbox.address}>"
