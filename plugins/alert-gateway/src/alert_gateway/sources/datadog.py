"""Datadog's webhooks integration, with the payload that docs/sources.md has, or one of the user's own.

Variables are Datadog's (docs.datadoghq.com/integrations/webhooks). One that does not apply stays as `$NAME`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from alert_core import Severity, Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import document, first, value
from alert_gateway.events import Parsed, UnknownShapeError, event, moment

NAME: Final = "datadog"
_VARIABLE: Final = re.compile(r"\$[A-Z][A-Z0-9_]*(?:\[[^\]]*\])?")
_MARKDOWN: Final = re.compile(r"^%%%[ \t]*$\n?", re.MULTILINE)
"""What Datadog puts around $EVENT_MSG where it is Markdown."""
_UNEXPANDED: Final = "Datadog left every variable of the webhook's payload as it is. Compare the payload with the docs."
_TEXT: Final = ("text_only_msg", "message", "body", "text", "event_msg", "description", "alert_status")
_DETAILS: Final = ("hostname", "metric", "scope", "query", "org_name", "snapshot", "alert_id")


def parse(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """The alert of a notification.

    Raises:
        UnknownShapeError: it has neither a title nor a text.
    """
    sent = document(body, headers)
    found = _expanded(sent)
    title, message = first(found, "title", "event_title", "alert_title", "name"), first(found, *_TEXT)
    if not (title or message):
        if found == sent:
            raise UnknownShapeError
        message = _UNEXPANDED
    kind = (first(found, "alert_type") or "").lower()
    transition = (first(found, "transition", "alert_transition") or kind).lower()
    status = Status.RESOLVED if transition in {"recovered", "success"} else Status.FIRING
    alert = event(
        NAME,
        settings,
        title=title,
        message=_MARKDOWN.sub("", message or ""),
        severity=first(found, "priority", "alert_priority", "severity") or (None if kind == "success" else kind),
        # Its recovery says only `success`: it goes the way of the error that it ends.
        default=Severity.ERROR if kind == "success" and status is Status.RESOLVED else Severity.WARNING,
        status=status,
        key=_key(found),
        url=first(found, "link", "url"),
        at=moment(first(found, "date", "last_updated")),
        tags=_tags(value(found, "tags")),
        metadata={
            **{name: first(found, name, f"alert_{name}") for name in _DETAILS},
            "scope": first(found, "scope", "alert_scope", "scopes"),
            "org_name": first(found, "org_name", "org.name"),
            "transition": transition if transition not in {"triggered", "recovered", kind} else None,
        },
    )
    return Parsed([alert])


def delivery_id(body: bytes, headers: Mapping[str, str]) -> str | None:
    """Of our payload, the event's id, the same when Datadog tries again; a field `id` may be the monitor's."""
    found = _expanded(document(body, headers))
    event_id = first(found, "event_id")
    return f"{event_id}:{first(found, 'transition')}" if event_id else None


def _expanded(found: Any) -> Any:
    """The fields without those that are a variable that Datadog did not fill in."""
    if isinstance(found, Mapping):
        return {name: _expanded(said) for name, said in found.items() if not _is_variable(said)}
    return found


def _is_variable(found: object) -> bool:
    return isinstance(found, str) and _VARIABLE.fullmatch(found.strip()) is not None


def _key(found: Any) -> str | None:
    """From trigger to recovery one cycle; without it the monitor and what it was triggered for."""
    if cycle := first(found, "alert_cycle_key", "cycle_key"):
        return cycle
    parts = (first(found, "alert_id", "monitor_id"), first(found, "aggreg_key", "scope", "alert_scope", "scopes"))
    return ":".join(filter(None, parts)) or None


def _tags(found: Any) -> list[str]:
    if isinstance(found, str):
        return found.split(",")
    return [tag for tag in found if isinstance(tag, str)] if isinstance(found, list) else []
