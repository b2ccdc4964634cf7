"""What SendGrid is asked to send: an alert in, the body of POST /mail/send out. Pure: the same alert, the same body.

Limits are SendGrid's (its OpenAPI document, and docs.sendgrid.com/api-reference/mail-send/limitations).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from alert_core.mail import headers, mail
from alert_core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alert_core import Alert
    from alert_core.mail import Mailbox

RECIPIENTS: Final = 1000
"""SendGrid's limit of recipients in one call."""
CATEGORIES: Final = 10
"""SendGrid's limit of categories, which are US-ASCII of 255 characters at most."""

_CATEGORY: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
_ARGUMENT: Final = re.compile(r"[\x21-\x7e]{1,255}")
_OFF: Final = {"enable": False}
_TRACKING: Final = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": _OFF,
    "subscription_tracking": _OFF,
}
"""An account may turn these on for every mail: links would lead through SendGrid, and one click would unsubscribe."""


def message(alert: Alert, *, sender: Mailbox, recipients: Iterable[Mailbox]) -> dict[str, Any]:
    """A mail of its own for each recipient, who sees no other."""
    content = mail(alert)
    arguments = {"custom_args": {"alert_id": alert.id}} if _ARGUMENT.fullmatch(alert.id) else {}
    body: dict[str, Any] = {
        "personalizations": [{"to": [_to(recipient)], **arguments} for recipient in recipients],
        "from": _from(sender),
        "subject": content.subject,
        "content": [{"type": "text/plain", "value": content.text}, {"type": "text/html", "value": content.html}],
        "headers": headers(alert, sender.domain),
        "tracking_settings": _TRACKING,
    }
    if found := categories(alert.tags):
        body["categories"] = found
    return body


def categories(tags: Iterable[str]) -> list[str]:
    """The tags that can be categories, each once, whatever its case."""
    found: dict[str, str] = {}
    for tag in tags:
        if _CATEGORY.fullmatch(tag):
            found.setdefault(tag.lower(), tag)
    return list(found.values())[:CATEGORIES]


def _to(mailbox: Mailbox) -> dict[str, str]:
    name = one_line(re.sub("[;,]", " ", mailbox.name))  # which SendGrid refuses in the name of a recipient
    return {"email": mailbox.address, **({"name": name} if name else {})}


def _from(mailbox: Mailbox) -> dict[str, str]:
    name = mailbox.name if mailbox.name.isascii() else ""  # as SendGrid asks of the sender
    return {"email": mailbox.address, **({"name": name} if name else {})}
