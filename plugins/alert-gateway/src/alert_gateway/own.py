"""Our own JSON: an alert's fields by their names, or by the tutorial's (`level`, `service`, `description`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alert_core import Alert, Severity, Status, redact
from alert_core.text import one_line, truncate
from alert_gateway.events import LINK, MOST, first_line, hashed, moment
from alert_gateway.messages import RefusedError
from alert_gateway.severity import fold

MAX_TITLE: Final = 120
"""Characters of a title that is made of a service and the first line of a description."""
_TEXTS: Final = (
    "title",
    "message",
    "description",
    "source",
    "service",
    "dedup_key",
    "id",
    "correlation_id",
    "request_id",
)
_TUTORIALS: Final = {"level", "service", "description"}
_FIELDS: Final = {*_TEXTS, "severity", "level", "status", "tags", "metadata", "url", "created_at"}


def is_tutorials(found: object) -> bool:
    """Whether it is the tutorial's body: a description, and no title or message."""
    return isinstance(found, Mapping) and "description" in found and not {"title", "message"} & found.keys()


def own_alerts(found: object, severity: Severity) -> list[Alert]:
    """The alerts in a body: one object, or a list of them.

    Raises:
        RefusedError: it has too many, or one of them is none; of a list it says which.
    """
    if not isinstance(found, list):
        return [own_alert(found, severity)]
    if len(found) > MOST:
        raise RefusedError(422, f"at most {MOST} alerts in one body")
    alerts = []
    for place, one in enumerate(found):
        try:
            alerts.append(own_alert(one, severity))
        except RefusedError as error:
            raise RefusedError(error.status, f"alert {place}: {error}") from None
    return alerts


def own_alert(found: object, severity: Severity = Severity.ERROR) -> Alert:
    """The alert in one JSON object.

    What no alert needs never costs it: an unknown severity is a warning, a url or time that is none goes into the
    metadata, as do keys of no field.

    Args:
        found: the object.
        severity: of an alert that has neither severity nor level; the tutorial's is then an info.

    Raises:
        RefusedError: it has no text, or a field of a wrong type.
    """
    if not isinstance(found, Mapping):
        raise RefusedError(422, 'an alert is a JSON object, as {"title": …, "severity": …}')
    texts = {name: _text(name, found.get(name)) for name in _TEXTS}
    message = texts["message"] or texts["description"]
    source = texts["source"] or texts["service"]
    title = texts["title"] or first_line(texts["message"])
    if not title and message:
        source = source or "unknown"
        title = _title(source, first_line(message))
    if not title:
        needs = "description" if found.keys() <= _TUTORIALS else "a title, a message or a description"
        raise RefusedError(422, f"{needs} is required")
    metadata = _metadata(found)
    word = next((found[name] for name in ("severity", "level") if found.get(name) not in (None, "")), None)
    if word is None:
        folded = Severity.INFO if is_tutorials(found) else severity
    else:
        folded = fold(word)
        if not isinstance(word, str) or word.strip().lower() not in tuple(Severity):
            metadata["severity_raw"] = word
    url = found.get("url")
    if url is not None and not (isinstance(url, str) and LINK.fullmatch(url.strip())):
        metadata["url"], url = url, None
    at = moment(found.get("created_at"))
    if at is None and found.get("created_at") is not None:
        metadata["created_at"] = found["created_at"]
    return Alert(
        title,
        message or title,
        severity=folded,
        source=source or None,
        tags=_tags(found.get("tags")),
        metadata=metadata,
        status=_status(found.get("status")),
        dedup_key=_key(texts["dedup_key"]),
        url=url,
        created_at=at,
        id=texts["id"] or None,
        correlation_id=texts["correlation_id"] or None,
        request_id=texts["request_id"] or None,
    )


def _text(name: str, given: object) -> str:
    if given is None:
        return ""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise RefusedError(422, f"{name} must be a text")
    return str(given).strip()


def _title(source: str, line: str) -> str:
    """The tutorial's `service: description`; `[vault-secret] down` where that would be masked as a secret is."""
    title = truncate(one_line(f"{source}: {line}"), MAX_TITLE)
    if redact(title) == title or redact(source) != source:
        return title
    return truncate(one_line(f"[{source}] {line}"), MAX_TITLE)


def _key(given: str) -> str | None:
    """Masked, different keys would be one."""
    return hashed(given) if redact(given) != given else given or None


def _metadata(found: Mapping[str, Any]) -> dict[str, Any]:
    given = found.get("metadata")
    if given is not None and not isinstance(given, Mapping):
        raise RefusedError(422, "metadata must be an object")
    return {**{name: value for name, value in found.items() if name not in _FIELDS}, **(given or {})}


def _tags(given: object) -> list[str]:
    if given is None:
        return []
    tags = [given] if isinstance(given, str) else given
    if not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise RefusedError(422, "tags must be a list of texts")
    return list(dict.fromkeys(filter(None, (tag.strip() for tag in tags))))


def _status(given: object) -> Status:
    if given is None:
        return Status.FIRING
    if isinstance(given, str) and given.strip().lower() in tuple(Status):
        return Status(given)
    raise RefusedError(422, f"status must be one of {', '.join(Status)}")
