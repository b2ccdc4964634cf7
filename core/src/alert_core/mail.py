"""An alert as an e-mail: its subject, its text, its HTML, and the addresses it goes between. Pure.

What is the same whoever carries the mail; the message itself is each transport's own.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Final, Self

import attrs

from alert_core.alert import Severity, Status
from alert_core.presentation import details, facts, label, utc
from alert_core.text import escape_html, one_line, printable, truncate

if TYPE_CHECKING:
    from alert_core.alert import Alert

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


@attrs.frozen
class Mail:
    """What an e-mail says.

    Attributes:
        subject: one line, at most SUBJECT_LIMIT characters.
        text: the plain text part.
        html: the HTML part; all of the alert in it is escaped.
    """

    subject: str
    text: str
    html: str


def mail(alert: Alert) -> Mail:
    """The alert as an e-mail; the same alert, the same mail."""
    subject = truncate(one_line(f"[{label(alert)}] {alert.title}"), SUBJECT_LIMIT)
    title = truncate(one_line(alert.title), TITLE_LIMIT)
    message = truncate(printable(alert.message), MESSAGE_LIMIT)
    rows = _rows(alert)
    told = "\n".join(f"{name}: {value}" for name, value in rows)
    return Mail(subject, f"{title}\n\n{message}\n\n{told}\n", _html(alert, title, message, rows))


def thread_id(alert: Alert, domain: str) -> str:
    """A Message-ID that all mails of one dedup key refer to, so that readers' programs show them as one thread."""
    return f"<{digest(alert.dedup_key)}.thread@{domain}>"


def digest(*parts: str) -> str:
    """128 bits of hexadecimal that stand for these parts and no others."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _rows(alert: Alert) -> list[tuple[str, str]]:
    """What is told below the message, as label and value."""
    own = [
        *facts(alert),
        ("Link", printable(alert.url or "")),
        ("Time", f"{utc(alert):%Y-%m-%d %H:%M:%S} UTC"),
        ("Request", one_line(alert.request_id or "")),
    ]
    entries = list(details(alert))
    shown = [row for row in own + entries[:MAX_FACTS] if row[1]]
    rows = [(truncate(name, FACT_LIMIT), truncate(value, FACT_LIMIT)) for name, value in shown]
    return rows if len(entries) <= MAX_FACTS else [*rows, ("…", f"and {len(entries) - MAX_FACTS} more")]


def _html(alert: Alert, title: str, message: str, rows: list[tuple[str, str]]) -> str:
    colour = _RESOLVED_COLOUR if alert.status is Status.RESOLVED else _COLOURS[alert.severity]
    cells = "\n".join(
        f'<tr><td style="padding:2px 12px 2px 0;color:#666;vertical-align:top">{_escaped(name)}</td>'
        f"<td>{_linked(value) if name == 'Link' and value == alert.url else _escaped(value)}</td></tr>"
        for name, value in rows
    )
    return f"""<!DOCTYPE html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"></head>
<body style="margin:0;padding:8px;font:15px/1.4 sans-serif;color:#222">
<div style="border-left:6px solid {colour};padding:4px 12px">
<div style="color:{colour};font-weight:bold">{label(alert)}</div>
<h1 style="font-size:18px;margin:4px 0 12px">{_escaped(title)}</h1>
<div style="white-space:pre-wrap">{_escaped(message)}</div>
<table style="font-size:13px;margin-top:16px">
{cells}
</table>
</div>
</body></html>
"""


def _escaped(text: str) -> str:
    return escape_html(text).replace("\n", "<br>")


def _linked(url: str) -> str:
    return f'<a href="{_escaped(url)}">{_escaped(url)}</a>'
