"""UptimeRobot's webhook: JSON, a form, or a query of the same variables, as the user chose.

Variables are UptimeRobot's (`*monitorID*`, …). One that does not apply stays as it is, stars and all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from alert_core import Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import document, first
from alert_gateway.events import Parsed, UnknownShapeError, event, moment

NAME: Final = "uptimerobot"
_VARIABLE: Final = re.compile(r"\*\w+\*", re.ASCII)
_NAMES: Final = ("monitorID", "monitorFriendlyName", "monitorName", "monitorURL")
_UP, _EXPIRY = "2", "3"
"""Alert types; 1 is down."""
_DETAILS: Final = ("alertFriendlyDuration", "sslExpiryDate", "sslExpiryDaysLeft", "monitorGroup")


def parse(body: bytes, headers: Mapping[str, str], query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """What became of a monitor.

    Raises:
        UnknownShapeError: it names no monitor.
    """
    sent = document(body, headers) if body.strip() or not first(query, *_NAMES) else {}
    found = _said(query) | _said(sent)
    number, name = first(found, "monitorID"), first(found, "monitorFriendlyName", "monitorName")
    site = first(found, "monitorURL")
    if not (title := name or site or (number and f"Monitor {number}")):
        raise UnknownShapeError
    kind, word = first(found, "alertType"), first(found, "alertTypeFriendlyName")
    up = kind == _UP or (kind is None and (word or "").lower() == "up")
    duration = first(found, "alertFriendlyDuration")
    return Parsed(
        [
            event(
                NAME,
                settings,
                title=title,
                message=first(found, "alertDetails") or word or ("Up" if up else "Down"),
                severity=first(found, "severity"),
                status=Status.RESOLVED if up else Status.FIRING,
                # A certificate that expires is another event than a site that is down: no `up` resolves it.
                key=f"{number or name or site}{':ssl' if kind == _EXPIRY else ''}",
                url=site,
                at=moment(first(found, "alertDateTime")),
                metadata={"state": word, "duration": duration, **{name: first(found, name) for name in _DETAILS[1:]}},
            )
        ]
    )


def _said(found: Any) -> dict[str, Any]:
    """The fields without those that are a variable that UptimeRobot did not fill in."""
    if not isinstance(found, Mapping):
        raise UnknownShapeError
    return {name: said for name, said in found.items() if not (isinstance(said, str) and _VARIABLE.fullmatch(said))}
