"""Sentry's webhooks: of an integration (issues, issue alerts, metric alerts), and of the legacy plugin.

Fields are Sentry's (docs.sentry.io/integrations/integration-platform/webhooks). Of an event, with its cookies and
headers, only what is named here is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alert_core import Severity, Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import document, first, items, value
from alert_gateway.events import Parsed, UnknownShapeError, event, moment
from alert_gateway.proof import is_signed

NAME: Final = "sentry"
_STATES: Final = {
    "resolved": Status.RESOLVED,
    "assigned": Status.ACKNOWLEDGED,
    "ignored": Status.ACKNOWLEDGED,
    "archived": Status.ACKNOWLEDGED,
}
_NO_ALERTS: Final = frozenset({"installation", "comment"})
"""What an integration is told of, too."""
_DETAILS: Final = ("environment", "release", "server_name", "transaction", "platform", "logger", "short_id")


def authenticate(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> bool:
    """Whether the signature is that of the body under the integration's client secret."""
    return is_signed(settings.secret, body, headers.get("sentry-hook-signature", ""))


def delivery_id(_body: bytes, headers: Mapping[str, str]) -> str | None:
    """Sentry's own id of the request."""
    return headers.get("request-id")


def parse(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """The alert of an issue, an event or a metric; a comment and an installation are none.

    Raises:
        UnknownShapeError: it is none of these.
    """
    found = document(body, headers)
    if headers.get("sentry-hook-resource") in _NO_ALERTS or first(found, "data.installation.uuid", "data.comment_id"):
        return Parsed(ignored=1)
    if isinstance(metric := value(found, "data.metric_alert"), Mapping):
        return Parsed([_metric(settings, found, metric)])
    for path in ("data.issue", "data.event", "data.error", "event"):
        if isinstance(thing := value(found, path), Mapping):
            return Parsed([_issue(settings, found, thing, is_event=path != "data.issue")])
    raise UnknownShapeError


def _issue(settings: SourceTable, found: Any, thing: Mapping[str, Any], *, is_event: bool) -> Any:
    """Of an issue, or of an event in it, in which the legacy plugin has the issue's own fields around the event."""
    text = first(thing, "message", "logentry.formatted", "logentry.message", "metadata.value") or first(
        found, "message"
    )
    title = first(thing, "title", "metadata.title") or text
    culprit = first(thing, "culprit", "location") or first(found, "culprit")
    issue = first(thing, "issue_id", "groupID", "issue.id") or first(found, "id") if is_event else first(thing, "id")
    action = (first(found, "action") or "").lower()
    tags = _tags(value(thing, "tags"))
    return event(
        NAME,
        settings,
        title=title or culprit,
        message="\n".join(filter(None, (culprit, text if text and text not in (title or "") else None))),
        severity=first(thing, "level") or first(found, "level") or tags.get("level"),
        status=_STATES.get(action, Status.FIRING),
        key=issue,
        url=first(thing, "web_url", "permalink") or first(found, "url", "data.web_url") or first(thing, "issue_url"),
        at=moment(first(thing, "datetime", "timestamp", "lastSeen")),
        metadata={
            **{name: first(thing, name) or tags.get(name) for name in _DETAILS},
            "rule": first(found, "data.triggered_rule"),
            "action": action if action in _STATES else None,
            "actor": first(found, "actor.name") if action in _STATES else None,
        },
        service=first(thing, "project.slug", "project_slug", "project_name")
        or first(found, "project_slug", "project_name"),
    )


def _metric(settings: SourceTable, found: Any, metric: Mapping[str, Any]) -> Any:
    action = (first(found, "action") or "").lower()
    title = first(found, "data.description_title") or first(metric, "title", "alert_rule.name")
    number = first(metric, "id", "identifier")
    resolved = action == "resolved"
    return event(
        NAME,
        settings,
        title=title,
        message=first(found, "data.description_text"),
        severity=None if resolved else action,
        # What is resolved may have been critical: it goes the same way.
        default=Severity.CRITICAL if resolved else Severity.WARNING,
        status=Status.RESOLVED if resolved else Status.FIRING,
        key=f"metric:{number}" if number else None,
        url=first(found, "data.web_url"),
        at=moment(first(metric, "date_closed" if resolved else "date_started", "date_created")),
        metadata={"rule": first(metric, "alert_rule.name"), "environment": first(metric, "alert_rule.environment")},
        service=first(metric, "projects.0"),
    )


def _tags(found: Any) -> dict[str, str | None]:
    """Of pairs, or of mappings with `key` and `value`."""
    pairs = [pair for pair in found if isinstance(pair, list) and len(pair) == 2] if isinstance(found, list) else []  # noqa: PLR2004 - a pair
    told = {first(pair, "0"): first(pair, "1") for pair in pairs}
    told |= {first(tag, "key"): first(tag, "value") for tag in items(found, "")}
    return {name: said for name, said in told.items() if name}
