"""PagerDuty's Events API v2, for every tool that has a PagerDuty notifier: alert events, change events, v1's names.

Fields are PagerDuty's (developer.pagerduty.com/docs/events-api-v2). Its clients read the answer too: `answer()`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from alert_core import Status
from alert_core.text import one_line, truncate
from alert_gateway.config import SourceTable
from alert_gateway.documents import document, first, items, value
from alert_gateway.events import Parsed, UnknownShapeError, event, moment
from alert_gateway.proof import knows_token

NAME: Final = "pagerduty"
PATHS: Final = ("v2/enqueue", "v2/change/enqueue", "generic/2010-04-15/create_event.json")
"""What clients append to the base URL that they are given; the last is v1's."""
_STATES: Final = {"acknowledge": Status.ACKNOWLEDGED, "resolve": Status.RESOLVED}
_TEXTS: Final = ("message", "description", "details", "body", "firing", "resolved")
"""What notifiers call the text in `custom_details`; `firing` and `resolved` are Alertmanager's."""
_SHOWN: Final = 60
"""Characters of a dedup key in the title of an event without a summary."""


def authenticate(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> bool:
    """Whether the event's routing key is one of the source's tokens."""
    return knows_token(settings, first(document(body, headers), "routing_key", "service_key"))


def parse(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """The alert of an event. A change event is an info: it has neither an action nor a severity.

    Raises:
        UnknownShapeError: it is no event.
    """
    found = document(body, headers)
    summary, action = first(found, "payload.summary", "description"), _action(found)
    key = _dedup_key(found)
    if not (summary or (action in _STATES and first(found, "dedup_key", "incident_key"))):
        raise UnknownShapeError
    change = not action and not first(found, "payload.severity")
    message, details = _details(value(found, "payload.custom_details", "details"))
    links = [href for link in items(found, "links", "contexts") if (href := first(link, "href"))]
    alert = event(
        NAME,
        settings,
        title=summary or f"Event {truncate(one_line(key), _SHOWN)}",
        message=message,
        severity="info" if change else first(found, "payload.severity"),
        status=_STATES.get(action, Status.FIRING),
        key=key,
        url=links[0] if links else first(found, "client_url"),
        at=moment(value(found, "payload.timestamp")),
        tags=["change"] if change else [],
        metadata={
            **{name: first(found, f"payload.{name}") for name in ("component", "group", "class")},
            "client": first(found, "client"),
            "links": links[1:],
            "images": [first(image, "src") for image in items(found, "images")],
            **details,
        },
        service=first(found, "payload.source"),
    )
    return Parsed([alert])


def answer(body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
    """What PagerDuty's clients look for in the answer, beside the status 202: how it went, and the event's key.

    Zabbix's takes no other `status` for a yes; PagerDuty's own return the key, for the resolve.
    """
    found = document(body, headers)
    name = "incident_key" if first(found, "service_key") else "dedup_key"
    return {"status": "success", "message": "Event processed", name: _dedup_key(found)}


def _action(found: object) -> str:
    return (first(found, "event_action", "event_type") or "").lower()


def _dedup_key(found: object) -> str:
    """The sender's own; else one of what it says happened where, so that an event that is sent again is the same.

    PagerDuty makes one up. A change event's is of all that it says: each is an event of its own.
    """
    if key := first(found, "dedup_key", "incident_key"):
        return key
    payload, said = value(found, "payload"), [first(found, "description")]
    if _action(found) or first(payload, "severity"):
        said += [first(payload, name) for name in ("summary", "source", "component", "group", "class")]
    else:
        said += [payload, value(found, "links")]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32]


def _details(found: Any) -> tuple[str | None, dict[str, Any]]:
    """The text in an event's details, and the rest of them; they may be nothing but a text."""
    if not isinstance(found, Mapping):
        return first({"details": found}, "details"), {}
    name = next((name for name in _TEXTS if first(found, name)), "")
    return first(found, name), {str(key): said for key, said in found.items() if str(key) != name}
