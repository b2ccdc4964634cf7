"""New Relic: the webhooks of its workflows (an issue), and of the notification channels before them (an incident)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alert_core import Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import document, first, items, value
from alert_gateway.events import Parsed, UnknownShapeError, event, moment

NAME: Final = "newrelic"
_STATES: Final = {"acknowledged": Status.ACKNOWLEDGED, "closed": Status.RESOLVED}
"""Any other fires: an issue's CREATED and ACTIVATED, an incident's open, and a test."""


def parse(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """The alert of an issue or an incident.

    Raises:
        UnknownShapeError: it has neither a title, a condition nor an id.
    """
    found = document(body, headers)
    key = first(found, "id", "issueId", "incident_id")
    conditions, policies = _texts(found, "alertConditionNames"), _texts(found, "alertPolicyNames")
    entities = _texts(found, "impactedEntities") or [
        name for target in items(found, "targets") if (name := first(target, "name"))
    ]
    condition = first(found, "condition_name") or ", ".join(conditions)
    title = first(found, "title", "issueTitle", "title.0") or condition
    if not (title or key):
        raise UnknownShapeError
    policy = first(found, "policy_name") or ", ".join(policies)
    said = all(name in (title or "") for name in [condition, *entities])  # as New Relic's own titles do
    where = f"{condition} on {', '.join(entities)}" if condition and entities else condition
    alert = event(
        NAME,
        settings,
        title=title or f"New Relic issue {key}",
        message=first(found, "description", "details", "condition_description") or (None if said else where),
        severity=first(found, "priority", "severity"),
        status=_STATES.get((first(found, "state", "current_state") or "").lower(), Status.FIRING),
        key=key,
        url=first(found, "issueUrl", "issuePageUrl", "incident_url"),
        at=moment(value(found, "updatedAt", "timestamp", "createdAt")),
        metadata={
            "condition": None if condition == title else condition,
            "policy": policy,
            "entities": entities,
            "runbook_url": first(found, "runbook_url"),
            "owner": first(found, "owner"),
            "account": first(found, "account_name"),
            "workflow": first(found, "workflowName"),
        },
        service=entities[0] if len(entities) == 1 else None,
    )
    return Parsed([alert])


def _texts(found: object, path: str) -> list[str]:
    """The texts in a list, or the one that stands for it."""
    said = value(found, path)
    return [text for text in (said if isinstance(said, list) else [said]) if isinstance(text, str) and text.strip()]
