"""An alert as an e-mail: its subject, its text, its HTML, its headers, and the addresses it goes between. Pure.

What is the same whoever carries the mail; the message itself is each transport's own.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Self

import attrs

from alert_core.alert import Severity, Status
from alert_core.presentation import body_text, details, facts, label, link, link_label, utc
from alert_core.text import escape_html, one_line, truncate

if TYPE_CHECKING:
    from alert_core.alert import Alert

SUBJECT_LIMIT: Final = 200
"""Characters. RFC 5322 sets no limit once folded; what is longer nobody reads in a list of mails."""
TITLE_LIMIT: Final = 1_000
"""Characters of the title in the body, where the subject cuts it shorter."""
MESSAGE_LIMIT: Final = 100_000
"""Characters; so that no alert comes near the 10 MB that common servers accept."""
LINK_LIMIT: Final = 8_000
"""Characters that every browser and server takes (RFC 9110 section 4.1). A longer url is cut, and is no link."""
FACT_LIMIT: Final = 2_000
"""Characters of one tag list or metadata value."""
MAX_FACTS: Final = 200
"""Entries of metadata; the rest is counted."""

_PREVIEW_LIMIT: Final = 140  # about what lists of mails show beside the subject
_NAME_LIMIT: Final = 70
_COLOURS: Final = {
    Severity.INFO: "#2563eb",
    Severity.WARNING: "#b45309",
    Severity.ERROR: "#dc2626",
    Severity.CRITICAL: "#7f1d1d",
}
_RESOLVED_COLOUR: Final = "#15803d"
_BADGE: Final = "display:inline-block;padding:0 8px;border-radius:4px;font-size:13px;font-weight:bold;color:#fff"
_LINK: Final = "display:inline-block;padding:8px 16px;border:1px solid;border-radius:6px"
_NO_LIST: Final = "must be a list with at least one e-mail address"
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
    def parse(cls, text: str, *, smtputf8: bool = True) -> Self:
        """Read `ops@example.com` or `Ops <ops@example.com>`.

        Args:
            text: either form.
            smtputf8: whether the part before the @ may be other than ASCII, as few servers take it (RFC 6531).

        Raises:
            ValueError: it is neither.
        """
        found = _BARE.fullmatch(text.strip()) or _NAMED.fullmatch(text.strip())
        if found is None:
            raise ValueError("must be an e-mail address, as ops@example.com or Ops <ops@example.com>")
        local, domain = found["local"], found["domain"]
        if not smtputf8 and not local.isascii():
            raise ValueError("the e-mail address is not ASCII before the @, which only the kind smtp can send to")
        try:
            domain = domain if domain.isascii() else domain.encode("idna").decode()
        except UnicodeError:
            raise ValueError("the domain of the e-mail address cannot be written in ASCII (IDNA)") from None
        if len(local.encode()) > _LOCAL_PART_LIMIT or len(domain) > _DOMAIN_LIMIT:
            raise ValueError("the e-mail address is too long: 64 octets before the @, 255 after it")
        name = one_line(found["name"]).strip('"') if "name" in found.groupdict() else ""
        return cls(f"{local}@{domain}", truncate(name, _NAME_LIMIT))

    @property
    def domain(self) -> str:
        """What follows the @."""
        return self.address.rpartition("@")[2]


def mailboxes(texts: Iterable[str], *, most: int | None = None, smtputf8: bool = True) -> tuple[Mailbox, ...]:
    """Read a list of recipients. An address that is there twice, in whatever case, is taken once.

    Args:
        texts: each as `Mailbox.parse` takes it.
        most: how many the provider takes in one mail.
        smtputf8: as of `Mailbox.parse`.

    Raises:
        ValueError: it is no list or an empty one, names more than `most`, or has something that is no address.
    """
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise ValueError(_NO_LIST)  # noqa: TRY004 - of an option's value
    found: dict[str, Mailbox] = {}
    for place, text in enumerate(texts, 1):
        try:
            mailbox = Mailbox.parse(text, smtputf8=smtputf8)
        except ValueError as error:
            raise ValueError(f"address {place}: {error}") from None
        found.setdefault(mailbox.address.casefold(), mailbox)
    if not found:
        raise ValueError(_NO_LIST)
    if most is not None and len(found) > most:
        raise ValueError(f"names {len(found)} addresses, and one mail goes to {most} at most: make two targets of them")
    return tuple(found.values())


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
    message = truncate(body_text(alert), MESSAGE_LIMIT)
    url = link(alert)
    rows = _rows(alert)
    told = "\n".join(f"{name}: {value}" for name, value in rows)
    text = "\n\n".join(filter(None, (title, message, truncate(url, LINK_LIMIT), told)))
    return Mail(subject, f"{text}\n", _html(alert, title, message, url, rows))


def headers(alert: Alert, domain: str) -> dict[str, str]:
    """The header fields that say whose thread it is (RFC 5322), and that no machine may answer (RFC 3834, Exchange)."""
    return {
        "References": thread_id(alert, domain),
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }


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
        ("Time", f"{utc(alert):%Y-%m-%d %H:%M:%S} UTC"),
        ("Request", one_line(alert.request_id or "")),
    ]
    entries = list(details(alert))
    shown = [row for row in own + entries[:MAX_FACTS] if row[1]]
    rows = [(truncate(name, FACT_LIMIT), truncate(value, FACT_LIMIT)) for name, value in shown]
    return rows if len(entries) <= MAX_FACTS else [*rows, ("…", f"and {len(entries) - MAX_FACTS} more")]


def _html(alert: Alert, title: str, message: str, url: str, rows: list[tuple[str, str]]) -> str:
    """One column, for a phone. It sets no colour of text or page, so that readers in dark mode get theirs."""
    colour = _RESOLVED_COLOUR if alert.status is Status.RESOLVED else _COLOURS[alert.severity]
    told = "\n".join(
        f'<div style="margin:4px 0"><span style="opacity:.7">{_escaped(name)}:</span> '
        f'<span dir="auto">{_escaped(value)}</span></div>'
        for name, value in rows
    )
    return f"""<!DOCTYPE html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">
<style>:root{{color-scheme:light dark}}</style></head>
<body style="margin:0;padding:12px;font:16px/1.5 sans-serif;overflow-wrap:anywhere">
<div style="display:none;max-height:0;overflow:hidden">{_escaped(truncate(one_line(message), _PREVIEW_LIMIT))}</div>
<div style="max-width:640px;border-left:6px solid {colour};padding-left:14px">
<span style="{_BADGE};background:{colour}">{label(alert)}</span>
<h1 dir="auto" style="font-size:20px;line-height:1.3;margin:8px 0 12px">{_escaped(title)}</h1>
<div dir="auto" style="white-space:pre-wrap">{_escaped(message)}</div>
{_button(url)}<div style="font-size:14px;margin-top:16px">
{told}
</div>
</div>
</body></html>
"""


def _button(url: str) -> str:
    """The url where a thumb finds it; as text where it is too long to be followed."""
    if not url:
        return ""
    shown = f'<a href="{_escaped(url)}" style="{_LINK}">{_escaped(link_label(url))}</a>'
    if len(url) > LINK_LIMIT:
        shown = _escaped(truncate(url, LINK_LIMIT))
    return f'<div style="margin-top:16px">{shown}</div>\n'


def _escaped(text: str) -> str:
    return escape_html(text).replace("\n", "<br>")
