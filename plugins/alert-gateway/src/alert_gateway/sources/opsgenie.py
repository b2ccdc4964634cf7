"""Opsgenie's outgoing webhook, and Jira Service Management's: what people and rules do to an alert there.

Fields are Opsgenie's (support.atlassian.com/opsgenie/docs/opsgenie-edge-connector-alert-action-data).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alert_core import Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import document, first, value
from alert_gateway.events import Parsed, UnknownShapeError, event, moment

NAME: Final = "opsgenie"
_STATES: Final = {
    "create": Status.FIRING,
    "updatepriority": Status.FIRING,
    "unacknowledge": Status.FIRING,
    "acknowledge": Status.ACKNOWLEDGED,
    "close": Status.RESOLVED,
    "delete": Status.RESOLVED,
}
"""Of an alert, by the action. Any other (AddNote, AddTags, Escalate, the customer's own) changes neither of these."""


def parse(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """The alert, where the action changes its state; any other action is ignored.

    Raises:
        UnknownShapeError: there is no alert in it.
    """
    found = document(body, headers)
    theirs, action = value(found, "alert"), first(found, "action") or "Create"
    if not first(theirs, "message", "alias", "alertId"):
        raise UnknownShapeError
    if (status := _STATES.get(action.lower())) is None:
        return Parsed(ignored=1)
    priority, tags, details = first(theirs, "priority"), value(theirs, "tags"), value(theirs, "details")
    created = action.lower() == "create"
    alert = event(
        NAME,
        settings,
        title=first(theirs, "message") or f"Opsgenie alert {first(theirs, 'tinyId', 'alias', 'alertId')}",
        message=first(theirs, "description"),
        severity=f"P{priority}" if priority and priority.isdigit() else priority,
        status=status,
        key=first(theirs, "alias", "alertId"),
        url=first(details, "url", "link", "runbook", "runbook_url"),
        at=moment(value(theirs, "createdAt") if created else value(theirs, "updatedAt", "createdAt")),
        tags=[tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else [],
        metadata={
            "action": None if created else action,
            "username": first(theirs, "username"),
            "note": first(theirs, "note"),
            "opsgenie_id": first(theirs, "tinyId"),
            "integration": first(found, "integrationName"),
            **(details if isinstance(details, dict) else {}),
        },
        service=first(theirs, "entity"),
    )
    return Parsed([alert])
