"""An alert as an SMTP message. Pure: the same alert, addresses and target give the same bytes, also on a retry.

The message is put together here, since one made by `email.message` takes some ten times as long.
"""

from __future__ import annotations

import binascii
from email.header import Header
from email.utils import format_datetime, formataddr
from typing import TYPE_CHECKING

import attrs

from alert_core.mail import Mailbox, digest, headers, mail
from alert_core.presentation import utc

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alert_core import Alert


@attrs.frozen
class Message:
    """An e-mail, ready for `DATA` but for its dots: lines end in CRLF and have at most 998 octets."""

    id: str
    content: bytes
    smtputf8: bool


def build_message(
    alert: Alert, *, target: str, sender: Mailbox, recipients: Iterable[Mailbox], smtputf8: bool
) -> Message:
    """The alert as a message with a text and an HTML part.

    Args:
        alert: already masked.
        target: the target's name; with the alert's id and what the message says it makes the Message-ID.
        sender: for From.
        recipients: for To. Without `smtputf8` those whose address is not ASCII are left out of it.
        smtputf8: headers may be UTF-8 (RFC 6531), for a server that said so.
    """
    to = [address_header(recipient) for recipient in recipients if smtputf8 or recipient.address.isascii()]
    content = mail(alert)
    token = digest(alert.id, target, content.subject, content.text)  # evolve() keeps the id, and may say something else
    message_id = f"<{token}@{sender.domain}>"
    boundary = f"=_{token}"  # quoted-printable never has "=_"
    lines = [
        f"From: {address_header(sender)}",
        "To: " + ",\r\n ".join(to or ["undisclosed-recipients:;"]),
        f"Subject: {_subject(content.subject)}",
        f"Date: {format_datetime(utc(alert))}",
        f"Message-ID: {message_id}",
        *(f"{name}: {value}" for name, value in headers(alert, sender.domain).items()),
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
        "",
        *_part(boundary, "plain", content.text),
        *_part(boundary, "html", content.html),
        f"--{boundary}--",
        "",
    ]
    return Message(message_id, "\r\n".join(lines).encode(), smtputf8)


def address_header(mailbox: Mailbox) -> str:
    """As it stands in From and To. A name beside an address that is not ASCII is left out."""
    if not mailbox.address.isascii():
        return mailbox.address
    if mailbox.name.isascii():
        return formataddr((mailbox.name, mailbox.address))
    name = Header(mailbox.name, "utf-8").encode(linesep="\r\n")
    return f"{name}\r\n <{mailbox.address}>"


def _subject(subject: str) -> str:
    plain = subject.isascii() and "=?" not in subject  # else it would be read as an encoded word (RFC 2047)
    charset = "us-ascii" if plain else "utf-8"
    return Header(subject, charset, header_name="Subject").encode(linesep="\r\n")


def _part(boundary: str, subtype: str, text: str) -> list[str]:
    body = text.replace("\n", "\r\n").encode()
    return [
        f"--{boundary}",
        f'Content-Type: text/{subtype}; charset="utf-8"',
        "Content-Transfer-Encoding: quoted-printable",
        "",
        binascii.b2a_qp(body, istext=True).decode("ascii").removesuffix("\r\n"),
    ]
