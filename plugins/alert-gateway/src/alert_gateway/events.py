"""From what a sender says to an Alert: what all sources do alike."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from alert_core import Alert, Severity, Status, redact
from alert_gateway.config import SourceTable
from alert_gateway.severity import fold

MOST: Final = 500
"""Alerts that are told of one body: they go into one transaction."""
LINK: Final = re.compile(r"https?://[^\s/?#]\S*", re.IGNORECASE)
"""What an alert takes as its url."""
_GO_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) ([+-]\d{4})(?: .*)?", re.ASCII)
"""As Go prints a time in a template: `2023-06-12 08:24:38.326 +0000 UTC m=+0.000012`."""
_NUMBER: Final = re.compile(r"\d{9,20}(?:\.\d+)?", re.ASCII)
_YEARS: Final = range(1970, 9999)
_SECONDS: Final = 10**11
"""More seconds since 1970 than these, in the year 5138, are ms, more ms are µs, more µs are ns."""


class Parsed(list[Alert]):
    """The alerts of a request, and how many of its messages are none: `Parsed(alerts, ignored=1)`."""

    def __init__(self, alerts: Iterable[Alert] = (), *, ignored: int = 0) -> None:
        super().__init__(alerts)
        self.ignored = ignored


class UnknownShapeError(ValueError):
    """A body that can be read, but is not what this source sends: told as "Unrecognised payload from NAME"."""


class TryLaterError(Exception):
    """What a source needs to read or to prove a request cannot be had now: told as a 503, so that it comes again."""


def moment(raw: object) -> datetime | None:
    """A time as senders write it: ISO 8601 (Go's nanoseconds too), or seconds, ms, µs or ns since 1970; else None.

    Numbers may be texts. Without a zone it is UTC. Go's zero time, 0001-01-01, is none, as is all before 1970.
    """
    text = str(raw).strip() if isinstance(raw, str | float) or (isinstance(raw, int) and raw < 10**20) else ""
    try:
        if _NUMBER.fullmatch(text):
            since = float(text)
            while since > _SECONDS:
                since /= 1000
            return datetime.fromtimestamp(since, UTC)
        found = datetime.fromisoformat(_GO_TIME.sub(r"\1\2", text))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)) if found.year in _YEARS else None
    except (ValueError, OverflowError, OSError):
        return None


def event(  # noqa: PLR0913 - the fields of an alert
    source: str,
    settings: SourceTable,
    *,
    title: str | None,
    message: str | None = None,
    severity: object = None,
    default: Severity = Severity.WARNING,
    status: Status = Status.FIRING,
    key: str | None = None,
    url: str | None = None,
    at: datetime | None = None,
    tags: Iterable[str] = (),
    metadata: Mapping[str, Any] | None = None,
    service: str | None = None,
) -> Alert:
    """An alert of what a sender says; nothing that a sender may say is refused.

    Args:
        source: the source's name: the dedup key begins with it, and it is the alert's `source` without a `service`.
        settings: its table.
        title: None or blank: the message's first line, else `Alert from SOURCE`.
        message: None or blank: the title.
        severity: the sender's own word, folded; it is kept in `metadata["severity_raw"]` where it is not one of ours.
        default: the severity where the word is unknown or missing, unless the table has a `default_severity`.
        status: where the event stands.
        key: the sender's own name of the event, the same in firing and resolve; None: of source, title, tags.
        url: a link; kept in `metadata["url"]` where it is not http(s).
        at: when.
        tags: words for routes.
        metadata: whatever else helps who is woken; None and empty values are left out.
        service: what is in trouble, where the sender names it; `metadata["via"]` is then the source's name.
    """
    message, link = (message or "").strip(), (url or "").strip()
    title = (title or "").strip() or first_line(message) or f"Alert from {source}"
    word = str(severity).strip() if isinstance(severity, str | int | float) else ""
    more = dict(metadata or {})
    if word and word.lower() not in tuple(Severity):
        more["severity_raw"] = word
    if service and service != source:
        more["via"] = source
    if link and not LINK.fullmatch(link):
        more["url"], link = link, ""
    return Alert(
        title,
        message or title,
        severity=fold(word, settings.default_severity or default),
        source=service or source,
        tags=dict.fromkeys(filter(None, (tag.strip() for tag in tags))),
        metadata={name: item for name, item in more.items() if item is not None and item not in ("", [], {})},
        status=status,
        dedup_key=named_key(source, key) if key else None,
        url=link or None,
        created_at=at,
    )


def named_key(source: str, key: str) -> str:
    """A sender's own key behind the source's name; what masking would cut out of it is told by its SHA-256.

    Masked, different events would be one: in `vault-secret:17` all that follows looks like a secret.
    """
    digest = hashed(key)
    forms = f"{source}:{key}", f"{source}:{digest}", f"{source}/{digest}"
    return next((form for form in forms if redact(form) == form), digest)


def hashed(key: str) -> str:
    """The SHA-256 of a sender's key, which masking leaves as it is."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def foremost(listed: list[Any]) -> tuple[list[Any], list[Any]]:
    """Those of a body's alerts that are told one by one, and the others; where there are any, the most severe first.

    It looks at `labels.severity` or `severity` alone: reading all that the others say is what a flood would have us do.
    """
    if len(listed) <= MOST:
        return listed, []
    ordered = sorted(listed, key=_rank, reverse=True)
    return ordered[: MOST - 1], ordered[MOST - 1 :]


def left_out(source: str, settings: SourceTable, others: list[Any]) -> Alert:
    """The alert that tells how many more there were, as severe as the worst of them."""
    return event(
        source,
        settings,
        title=f"{len(others)} more alerts from {source} in one body",
        message=f"Of one body at most {MOST} alerts are told, the most severe first. Let {source} send smaller groups.",
        severity=tuple(Severity)[_rank(others[0])].value,
        metadata={"left_out": len(others)},
    )


def _rank(found: object) -> int:
    said = found if isinstance(found, Mapping) else {}
    labels = said.get("labels")
    return fold((labels if isinstance(labels, Mapping) else said).get("severity")).rank


def first_line(message: str) -> str:
    """Masked before it is cut: a rule may need the lines below to see what is secret in it."""
    return str(redact(message)).strip().partition("\n")[0].strip() if message else ""
