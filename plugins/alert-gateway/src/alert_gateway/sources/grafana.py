"""Grafana's webhook contact point, and the notification channel of its legacy alerting (until version 10).

Fields are Grafana's (grafana.com/docs/grafana/latest/alerting, "Webhook notifier").
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from alert_core import Severity, Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import document, first, items, value
from alert_gateway.events import Parsed, UnknownShapeError, event
from alert_gateway.labels import RESOLVED, labelled, plain
from alert_gateway.proof import is_signed

NAME: Final = "grafana"
WINDOW: Final = 300
"""Seconds that a signed time may be off."""
_SIGNATURE: Final = "x-grafana-alerting-signature"
_SECONDS: Final = re.compile(r"\d{9,11}", re.ASCII)
_STATES: Final = {"no_data": Severity.WARNING, "pending": Severity.INFO, "paused": Severity.INFO}
"""How bad a legacy rule's state is; `alerting` is critical, and so is the `ok` that ends it: it goes the same way."""


def authenticate(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> bool:
    """Whether the signature is right: of the body, or of a time within `WINDOW`, a colon and the body.

    The header of the time is named by whoever configures the contact point, so any header that holds one may be it.
    """
    shown = headers.get(_SIGNATURE, "")
    if is_signed(settings.secret, body, shown):
        return True
    times = {said for said in headers.values() if _SECONDS.fullmatch(said) and abs(time.time() - int(said)) <= WINDOW}
    return any(is_signed(settings.secret, f"{said}:".encode() + body, shown) for said in times)


def parse(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """The alerts of a group, the state of a legacy rule, or a text.

    Raises:
        UnknownShapeError: it is none of these.
    """
    found = document(body, headers)
    alerts = labelled(NAME, settings, found)
    if alerts:
        return alerts
    if first(found, "ruleId", "ruleName") or isinstance(value(found, "evalMatches"), list):
        return Parsed([_legacy(settings, found)])
    if (text := plain(NAME, settings, found)) is not None:
        return text
    if alerts is None:
        raise UnknownShapeError
    return alerts


def _legacy(settings: SourceTable, found: Any) -> Any:
    rule, state = first(found, "ruleName"), (first(found, "state", "status") or "").lower()
    title, tags = first(found, "title"), value(found, "tags")
    key = first(found, "ruleId") or rule
    organisation = first(found, "orgId")
    matches = dict(_matches(found))
    return event(
        NAME,
        settings,
        title=title or rule,
        message=first(found, "message") or ", ".join(f"{metric} = {said}" for metric, said in matches.items()),
        severity=first(tags, "severity"),
        default=_STATES.get(state, Severity.CRITICAL),
        status=Status.RESOLVED if state in RESOLVED else Status.FIRING,
        key=":".join(filter(None, ("rule", organisation, key))) if key else None,
        url=first(found, "ruleUrl"),
        metadata={
            **({name: said for name, said in tags.items() if name != "severity"} if isinstance(tags, Mapping) else {}),
            "rule": rule if title else None,
            "state": state if state in _STATES else None,
            "values": matches,
            "image_url": first(found, "imageUrl"),
        },
    )


def _matches(found: Any) -> Iterator[tuple[str, str]]:
    for match in items(found, "evalMatches"):
        if (said := first(match, "value")) is not None:
            yield first(match, "metric") or "value", said
