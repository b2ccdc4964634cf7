"""What every channel tells of an alert, in the same words, before its provider's own limits and markup. Pure."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from alert_core.alert import Severity, Status
from alert_core.text import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alert_core.alert import Alert

_ICONS: Final = {
    Severity.INFO: "ℹ️",  # noqa: RUF001 - the emoji, not the letter
    Severity.WARNING: "⚠️",
    Severity.ERROR: "🔴",
    Severity.CRITICAL: "🚨",
    Status.ACKNOWLEDGED: "👀",
    Status.RESOLVED: "✅",
}
_NOT_IN_A_LINK: Final = re.compile(r'[\x00-\x20"<>|\\\x7f-\x9f\ud800-\udfff]')
_SHOWN_WHOLE: Final = 100  # characters of a title that no channel cuts


def state(alert: Alert) -> Severity | Status:
    """How bad it is while it fires; what became of it once it does not."""
    return alert.severity if alert.status is Status.FIRING else alert.status


def label(alert: Alert) -> str:
    """The state as readers see it first: `CRITICAL`, `RESOLVED`."""
    return state(alert).upper()


def icon(alert: Alert) -> str:
    """The state's emoji: ℹ️ info, ⚠️ warning, 🔴 error, 🚨 critical, 👀 acknowledged, ✅ resolved."""  # noqa: RUF002
    return _ICONS[state(alert)]


def headline(alert: Alert) -> str:
    """`🚨 CRITICAL: title`, in one line."""
    return f"{icon(alert)} {label(alert)}: {one_line(alert.title)}"


def body_text(alert: Alert) -> str:
    """The message, printable; empty where it only says a title again, as `alertctl send` without `-m` does."""
    repeats = alert.message == alert.title and len(alert.title) <= _SHOWN_WHOLE
    return "" if repeats else printable(alert.message)


def facts(alert: Alert) -> Iterator[tuple[str, str]]:
    """Label and value of what the alert says of itself: severity, status, source, tags. Nothing empty, nothing cut."""
    yield "Severity", alert.severity
    yield "Status", alert.status
    yield from _told("Source", alert.source or "")
    yield from _told("Tags", ", ".join(filter(one_line, alert.tags)))


def details(alert: Alert) -> Iterator[tuple[str, str]]:
    """Key and value of each entry of the metadata, as text: keys in one line, values as JSON where they are no text."""
    metadata = alert.metadata if alert.is_masked else alert.to_dict()["metadata"]  # JSON types, in both
    for key, value in metadata.items():
        yield from _told(key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def link(alert: Alert) -> str:
    """The url, empty where there is none: what could end a link in some markup (`" < > |`) is percent-encoded.

    So is the backslash, by which browsers find another host than `link_label` tells.
    """
    return _NOT_IN_A_LINK.sub(lambda found: quote(found[0], errors="replace"), alert.url or "")


def link_label(url: str) -> str:
    """`Open grafana.example.org`: what a link says for itself, so that no reader is led elsewhere than it looks."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return f"Open {host or 'link'}"


def origin(alert: Alert, *, hidden: int = 0) -> str:
    """The small print, in one line: what had no room (`hidden` entries), when, and which alert of which request."""
    parts = [f"{utc(alert):%Y-%m-%d %H:%M:%S} UTC", f"alert {alert.id}"]
    if alert.request_id:
        parts.append(f"request {alert.request_id}")
    if hidden > 0:
        parts.insert(0, f"and {hidden} more")
    return one_line(" · ".join(parts))


def utc(alert: Alert) -> datetime:
    """When it was made, in UTC."""
    try:
        return alert.created_at.astimezone(UTC)
    except OverflowError:  # within a day of the first or the last moment that a datetime has
        return alert.created_at.replace(tzinfo=UTC)


def _told(name: str, value: str) -> Iterator[tuple[str, str]]:
    if shown := printable(value).strip():
        yield one_line(name), shown
