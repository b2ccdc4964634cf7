"""Any JSON or form: by the `fields` of the configuration, and by a guess for what they do not tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alert_core import Alert, Severity, Status, redact
from alert_gateway.config import SourceTable
from alert_gateway.documents import document, first, items, value
from alert_gateway.events import Parsed, UnknownShapeError, event, foremost, left_out, moment
from alert_gateway.labels import labelled
from alert_gateway.severity import fold

NAME: Final = "generic"
_TITLES: Final = ("title", "subject", "summary", "alertname", "alert_name", "event_name", "name", "headline", "event")
_TEXTS: Final = ("message", "description", "text", "body", "content", "details", "reason", "output")
_GUESSES: Final = {
    "title": _TITLES,
    "message": _TEXTS,
    "severity": ("severity", "level", "priority", "urgency"),
    "status": ("status", "state", "alert_status"),
    "dedup_key": ("dedup_key", "fingerprint", "incident_id", "incident_key", "alert_id", "alias"),
    "url": ("url", "link", "permalink", "href"),
    "created_at": ("created_at", "timestamp", "time", "date"),
    "source": ("service", "source", "application", "app", "hostname", "host"),
    "tags": ("tags",),
}
FIELDS: Final = (
    *_GUESSES,
    "alerts",
    *(f"severity.{severity}" for severity in Severity),
    *(f"status.{status}" for status in Status),
)
"""What `[sources.generic.fields]` may name, besides `metadata.NAME`."""
_AROUND: Final = ("alert", "incident", "event", "notification", "payload", "data")
"""What an alert may be wrapped in."""
_UNTOLD: Final = frozenset({"type", "version", *(name for names in _GUESSES.values() for name in names)})
_RESOLVED: Final = frozenset("resolved ok closed recovered recovery up success normal cleared inactive".split())
_ACKNOWLEDGED: Final = frozenset("acknowledged acked ack".split())


def parse(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """The alerts of a body: one, or those of the list at the path `alerts`, or those that the body is a list of.

    Raises:
        UnknownShapeError: there is neither a title nor a message in it.
    """
    found = document(body, headers)
    if not settings.fields and (parsed := labelled(NAME, settings, found)):
        return parsed
    path = settings.fields.get("alerts", "")
    listed = value(found, path) if path else found
    if not isinstance(listed, list):
        listed = [found]
    listed, others = foremost(listed)
    alerts = [alert for one in items(listed, "") if (alert := _alert(settings, one)) is not None]
    if not alerts and listed:
        raise UnknownShapeError
    more = [left_out(NAME, settings, others)] if others else []
    return Parsed([*alerts, *more], ignored=len(listed) - len(alerts) if listed else 1)


def _alert(settings: SourceTable, found: Mapping[str, Any]) -> Alert | None:
    fields = settings.fields
    inner = next((one for one in (found, *_wrapped(found)) if first(one, *_TITLES, *_TEXTS)), found)

    def said(name: str) -> str | None:
        names = _GUESSES[name]
        return _mapped(found, fields[name]) if name in fields else first(inner, *names) or first(found, *names)

    title, message, status = said("title"), said("message"), said("status")
    if not (title or message):
        return None
    severity, default = _severity(fields, said("severity"), first(inner, "type"))
    return event(
        NAME,
        settings,
        title=title,
        message=message,
        severity=severity,
        default=default,
        status=_status(fields, status),
        key=said("dedup_key"),
        url=said("url"),
        at=moment(said("created_at")),
        tags=_tags(value(found, fields["tags"]) if "tags" in fields else value(inner, "tags")),
        metadata=_metadata(fields, redact(found), redact(inner)),  # before the names go that tell what is secret
        service=said("source"),
    )


def _wrapped(found: Mapping[str, Any]) -> list[Any]:
    return [inner for name in _AROUND if isinstance(inner := value(found, name), Mapping)]


def _mapped(found: Any, paths: str) -> str | None:
    """The first that says something of paths with commas between them; those with a plus between them are joined."""
    for path in paths.split(","):
        if said := " ".join(filter(None, (first(found, part.strip()) for part in path.split("+")))):
            return said
    return None


def _severity(fields: Mapping[str, str], word: str | None, kind: str | None) -> tuple[str | None, Severity]:
    """The word and what an unknown one means: a `type` counts where it is a severity, as Apprise's."""
    for severity in Severity:
        if _is_one_of(fields, f"severity.{severity}", word):
            return severity, severity
    if word is None and kind and "severity" not in fields:
        if kind.lower() == "success":
            return None, Severity.INFO
        word = kind if fold(kind, Severity.INFO) is fold(kind, Severity.ERROR) else None
    return word, Severity.WARNING


def _status(fields: Mapping[str, str], word: str | None) -> Status:
    for status in Status:
        if _is_one_of(fields, f"status.{status}", word):
            return status
    said = (word or "").lower()
    return Status.RESOLVED if said in _RESOLVED else Status.ACKNOWLEDGED if said in _ACKNOWLEDGED else Status.FIRING


def _is_one_of(fields: Mapping[str, str], name: str, word: str | None) -> bool:
    words = [said.strip().lower() for said in fields.get(name, "").split(",")]
    return bool(word) and str(word).lower() in words


def _tags(found: Any) -> list[str]:
    listed = found.split(",") if isinstance(found, str) else found if isinstance(found, list) else []
    return [tag for tag in listed if isinstance(tag, str)]


def _metadata(fields: Mapping[str, str], found: Any, inner: Any) -> dict[str, Any]:
    """What is asked for by `metadata.NAME`; where nothing is, what else the alert says of itself."""
    wanted = {name.removeprefix("metadata."): path for name, path in fields.items() if name.startswith("metadata.")}
    if wanted:
        return {name: _mapped(found, path) for name, path in wanted.items()}
    return {str(name): text for name, said in inner.items() if name not in _UNTOLD and (text := first([said], "0"))}
