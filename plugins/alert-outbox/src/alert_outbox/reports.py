"""Rows of the database as the records that reports are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from alert_core import (
    Alert,
    Delivery,
    DeliveryError,
    DeliveryReport,
    PermanentDeliveryError,
    Receipt,
    RetryableDeliveryError,
    UncertainDeliveryError,
)
from alert_core.queues import Outcome
from alert_outbox.schema import DEAD, DELIVERED
from alert_outbox.statements import Row

_KINDS: Final[Mapping[str, type[DeliveryError]]] = {
    kind.__name__: kind for kind in (PermanentDeliveryError, RetryableDeliveryError, UncertainDeliveryError)
}


def report_of(alert: Alert, rows: Iterable[Row]) -> DeliveryReport:
    """The report of a dispatch that has ended, of what `Store.sql.report` selects."""
    return DeliveryReport(alert_id=alert.id, deliveries=tuple(map(delivery_of, rows)), stored=True)


def delivery_of(row: Row) -> Delivery:
    """A delivery, of what `Store.sql.report` selects."""
    target, recipient, state, attempts, stored, ended, result = row
    last = json.loads(result or "{}")
    outcome = {DELIVERED: Outcome.DELIVERED, DEAD: Outcome(last.get("outcome", Outcome.PERMANENT))}
    return Delivery(
        target=target,
        kind=last.get("kind", ""),
        recipient=recipient,
        outcome=outcome.get(state, Outcome.QUEUED),
        attempts=attempts,
        receipt=Receipt(**last["receipt"]) if last.get("receipt") else None,
        error=_error_of(last.get("error")),
        elapsed=max((ended or stored) - stored, 0.0),
    )


def _error_of(told: Mapping[str, Any] | None) -> DeliveryError | None:
    """An error of what `Delivery.to_dict()` wrote of it; of a plugin's own class the nearest of the core's."""
    if not told:
        return None
    kind = _KINDS.get(told["type"], DeliveryError)
    return kind(told["message"], status=told["status"], code=told["code"], retry_after=told["retry_after"])
