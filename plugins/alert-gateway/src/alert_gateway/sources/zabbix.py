"""Zabbix, by the media type in docs/sources/zabbix-media-type.yaml, or by another whose fields have such names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from alert_core import Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import document, first, items
from alert_gateway.events import Parsed, UnknownShapeError, event, moment

NAME: Final = "zabbix"
_SEVERITIES: Final = {
    "0": "Not classified",
    "1": "Information",
    "2": "Warning",
    "3": "Average",
    "4": "High",
    "5": "Disaster",
}
_RESOLVED: Final = re.compile(r"(?:0|ok|(?:resolved|recover(?:y|ed))\b.*)", re.IGNORECASE | re.DOTALL)
_MACRO: Final = re.compile(r"\{[A-Z0-9_.$#]+\}|\*UNKNOWN\*|\*UNDEFINED\*")
"""What Zabbix leaves in the place of a macro that has no value here, as all of them when a media type is tested."""
_MORE: Final = ("host_groups", "host_ip", "operational_data", "trigger_id", "image_url")


def parse(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """The problem; acknowledged by an update that says so, resolved by its recovery.

    Raises:
        UnknownShapeError: it has neither the name nor the id of an event.
    """
    sent = document(body, headers)
    found = _expanded(sent)
    title = first(found, "event_name", "trigger_name", "name", "title", "subject")
    key = first(found, "event_id", "alert_uid")
    if not (title or key):
        if found == sent:
            raise UnknownShapeError
        return Parsed([event(NAME, settings, title="Test of Zabbix's media type", severity="info")])
    said = first(found, "nseverity", "event_nseverity", "severity", "event_severity") or ""
    severity = _SEVERITIES.get(said, said)
    is_information = severity.lower() == "information"
    alert = event(
        NAME,
        settings,
        title=title or f"Zabbix event {key}",
        message=first(found, "message", "alert_message", "description"),
        severity="info" if is_information else severity,
        status=_status(found),
        key=key,
        url=first(found, "url", "event_url", "link_to_upstream_details"),
        at=moment(first(found, "timestamp", "event_timestamp")),
        tags=[
            ":".join(filter(None, (name, first(tag, "value"))))
            for tag in items(found, "tags")
            if (name := first(tag, "tag"))
        ],
        metadata={**{name: first(found, name) for name in _MORE}, "severity_raw": severity if is_information else None},
        service=first(found, "host", "host_name", "host_host"),
    )
    return Parsed([alert])


def _expanded(sent: Any) -> Any:
    """Without the values that are nothing but a macro's name."""
    if not isinstance(sent, Mapping):
        return sent
    return {name: said for name, said in sent.items() if not (isinstance(said, str) and _MACRO.fullmatch(said.strip()))}


def _status(found: object) -> Status:
    if _RESOLVED.fullmatch(first(found, "event_status", "status", "trigger_status", "state", "event_value") or ""):
        return Status.RESOLVED
    acknowledged = first(found, "update_status") == "1" and first(found, "ack_status") == "Yes"
    return Status.ACKNOWLEDGED if acknowledged else Status.FIRING
