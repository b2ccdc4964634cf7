"""An alert as an e-mail. Pure: the same alert, addresses and target give the same bytes, also on a retry.

The message is put together here, since one made by `email.message` takes some ten times as long.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime, formataddr
from typing import TYPE_CHECKING, Final, Self

import attrs

from alert_core import Severity, Status
from alert_core.text import escape_html, one_line, printable, truncate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alert_core import Alert

SUBJECT_LIMIT: Final = 200
"""Characters. RFC 5322 sets no limit once folded; what is longer nobody reads in a list of mails."""
TITLE_LIMIT: Final = 1_000
"""Characters of the title in the body, where the subject cuts it shorter."""
MESSAGE_LIMIT: Final = 100_000
"""Characters; so that no alert comes near the 10 MB that common servers accept."""
FACT_LIMIT: Final = 2_000
"""Characters of one tag list or metadata value."""
MAX_FACTS: Final = 200
"""Entries of metadata; the rest is counted."""

Facts = list[tuple[str, str]]

_COLOURS: Final = {
    Severity.INFO: "#2563eb",
    Severity.WARNING: "#b45309",
    Severity.ERROR: "#dc2626",
    Severity.CRITICAL: "#7f1d1d",
}
_RESOLVED_COLOUR: Final = "#15803d"
_LOCAL_PART_LIMIT, _DOMAIN_LIMIT = 64, 255  # octets: RFC 5321 section 4.5.3.1
_WORD = r"[^\x00-\x20\x7f-\xa0\ud800-\udfff()<>\[\]:;,@\\\"\s]+"
_ADDRESS = rf"(?P<local>{_WORD})@(?P<domain>{_WORD}|\[[0-9A-Za-z.:]+\])"
_BARE = re.compile(_ADDRESS)
_NAMED = re.compile(rf"(?P<name>[^<>\x00-\x1f\x7f-\x9f\ud800-\udfff]*)<{_ADDRESS}>")


@attrs.frozen
class Mailbox:
    """An e-mail address and the name shown with it. The domain is ASCII (IDNA); the local part may not be."""

    address: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ops@example.com` or `Ops <ops@example.com>`.

        Raises:
            ValueError: it is neither.
        """
        found = _BARE.fullmatch(text.strip()) or _NAMED.fullmatch(text.strip())
        if found is None:
            raise ValueError("must be an e-mail address, as ops@example.com or Ops <ops@example.com>")
        local, domain = found["local"], found["domain"]
        try:
            domain = domain if domain.isascii() else domain.encode("idna").decode()
        except UnicodeError:
            raise ValueError("the domain of the e-mail address cannot be written in ASCII (IDNA)") from None
        if len(local.encode()) > _LOCAL_PART_LIMIT or len(domain) > _DOMAIN_LIMIT:
            raise ValueError("the e-mail address is too long: 64 octets before the @, 255 after it")
        name = found["name"].strip().strip('"') if "name" in found.groupdict() else ""
        return cls(f"{local}@{domain}", truncate(name, 70))

    @property
    def domain(self) -> str:
        """What follows the @."""
        return self.address.rpartition("@")[2]

    @property
    def header(self) -> str:
        """As it stands in From and To. A name beside an address that is not ASCII is left out."""
        if not self.address.isascii():
            return self.address
        if self.name.isascii():
            return formataddr((self.name, self.address))
        name = Header(self.name, "utf-8").encode(linesep="\r\n")
        return f"{name}\r\n <{self.address}>"


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
        target: the target's name; with the alert's id it makes the Message-ID.
        sender: for From.
        recipients: for To. Without `smtputf8` those whose address is not ASCII are left out of it.
        smtputf8: headers may be UTF-8 (RFC 6531), for a server that said so.
    """
    to = [recipient.header for recipient in recipients if smtputf8 or recipient.address.isascii()]
    token = _digest(alert.id, target)
    message_id = f"<{token}@{sender.domain}>"
    boundary = f"=_{token}"  # quoted-printable never has "=_"
    facts = _facts(alert)
    lines = [
        f"From: {sender.header}",
        "To: " + ",\r\n ".join(to or ["undisclosed-recipients:;"]),
        f"Subject: {_subject(alert)}",
        f"Date: {format_datetime(_utc(alert))}",
        f"Message-ID: {message_id}",
        f"References: <{_digest(alert.dedup_key)}.thread@{sender.domain}>",
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
        "",
        *_part(boundary, "plain", _text(alert, facts)),
        *_part(boundary, "html", _html(alert, facts)),
        f"--{boundary}--",
        "",
    ]
    return Message(message_id, "\r\n".join(lines).encode(), smtputf8)


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _utc(alert: Alert) -> datetime:
    try:
        return alert.created_at.astimezone(UTC)
    except OverflowError:  # within a day of the first or the last moment that a datetime has
        return alert.created_at.replace(tzinfo=UTC)


def _label(alert: Alert) -> str:
    return (alert.severity if alert.status is Status.FIRING else alert.status).upper()


def _subject(alert: Alert) -> str:
    subject = one_line(f"[{_label(alert)}] {_encodable(alert.title)}")
    subject = truncate(subject, SUBJECT_LIMIT)
    plain = subject.isascii() and "=?" not in subject  # else it would be read as an encoded word (RFC 2047)
    charset = "us-ascii" if plain else "utf-8"
    return Header(subject, charset, header_name="Subject").encode(linesep="\r\n")


def _facts(alert: Alert) -> Facts:
    """What is told below the message, as label and value."""
    fields = alert.to_dict()
    facts = [
        ("Severity", fields["severity"]),
        ("Status", fields["status"]),
        ("Source", fields["source"] or ""),
        ("Tags", ", ".join(fields["tags"])),
        ("Link", fields["url"] or ""),
        ("Time", f"{_utc(alert):%Y-%m-%d %H:%M:%S} UTC"),
        ("Request", fields["request_id"] or ""),
    ]
    metadata = list(fields["metadata"].items())
    facts += [(key, _shown(value)) for key, value in metadata[:MAX_FACTS]]
    if len(metadata) > MAX_FACTS:
        facts.append(("…", f"and {len(metadata) - MAX_FACTS} more"))
    return [
        (one_line(truncate(label, FACT_LIMIT)), truncate(printable(value), FACT_LIMIT))
        for label, value in facts
        if value
    ]


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _text(alert: Alert, facts: Facts) -> str:
    told = "\n".join(f"{label}: {value}" for label, value in facts)
    return f"{_title(alert)}\n\n{_message(alert)}\n\n{told}\n"


def _html(alert: Alert, facts: Facts) -> str:
    colour = _RESOLVED_COLOUR if alert.status is Status.RESOLVED else _COLOURS[alert.severity]
    rows = "\n".join(
        f'<tr><td style="padding:2px 12px 2px 0;color:#666;vertical-align:top">{_escaped(label)}</td>'
        f"<td>{_linked(value) if label == 'Link' and value == alert.url else _escaped(value)}</td></tr>"
        for label, value in facts
    )
    return f"""<!DOCTYPE html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"></head>
<body style="margin:0;padding:8px;font:15px/1.4 sans-serif;color:#222">
<div style="border-left:6px solid {colour};padding:4px 12px">
<div style="color:{colour};font-weight:bold">{_label(alert)}</div>
<h1 style="font-size:18px;margin:4px 0 12px">{_escaped(_title(alert))}</h1>
<div style="white-space:pre-wrap">{_escaped(_message(alert))}</div>
<table style="font-size:13px;margin-top:16px">
{rows}
</table>
</div>
</body></html>
"""


def _title(alert: Alert) -> str:
    return truncate(one_line(alert.title), TITLE_LIMIT)


def _message(alert: Alert) -> str:
    return truncate(printable(alert.message), MESSAGE_LIMIT)


def _escaped(text: str) -> str:
    return escape_html(text).replace("\n", "<br>")


def _linked(url: str) -> str:
    return f'<a href="{_escaped(url)}">{_escaped(url)}</a>'


def _part(boundary: str, subtype: str, text: str) -> list[str]:
    body = _encodable(text).replace("\n", "\r\n").encode()
    return [
        f"--{boundary}",
        f'Content-Type: text/{subtype}; charset="utf-8"',
        "Content-Transfer-Encoding: quoted-printable",
        "",
        binascii.b2a_qp(body, istext=True).decode("ascii").removesuffix("\r\n"),
    ]


def _encodable(text: str) -> str:
    """Without lone surrogates, which UTF-8 cannot hold."""
    return text.encode("utf-8", "ignore").decode()
