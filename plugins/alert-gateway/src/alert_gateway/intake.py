"""From alerts to the dispatcher, and to what the sender is told of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs

from alert_core import Alert, DeliveryReport, Dispatcher, Ticket, redact
from alert_gateway.events import MOST
from alert_gateway.metrics import Counts
from alert_gateway.overflow import Overflow

ACCEPTED: Final = "accepted"
DUPLICATE: Final = "duplicate"
UNROUTED: Final = "unrouted"


@attrs.frozen
class Taken:
    """An alert that was accepted for good; without a ticket, for a summary."""

    alert: Alert
    ticket: Ticket | None

    @property
    def status(self) -> str:
        """`accepted`, `duplicate` (of one that fires already), or `unrouted`: it goes to no target."""
        if self.ticket is None or self.ticket.dropped is None:
            return ACCEPTED
        return DUPLICATE if "deduplicated" in self.ticket.dropped else UNROUTED

    def to_dict(self) -> dict[str, str]:
        """As the answer has it."""
        return {"id": self.alert.id, "dedup_key": self.alert.dedup_key, "status": self.status}


class Intake:
    """Hands alerts over.

    Args:
        dispatcher: takes them.
        overflow: takes what is too much.
        tell: the journal's and the depth's: told of every alert and its ticket.
    """

    def __init__(
        self, dispatcher: Dispatcher, overflow: Overflow, tell: Sequence[Callable[[Alert, Ticket], None]]
    ) -> None:
        self._dispatcher = dispatcher
        self._overflow = overflow
        self._tell = tell
        self.accepted = Counts("alert_gateway_accepted_total", "Alerts that were accepted.", "source", "status")
        self.summarised = Counts("alert_gateway_summarised_total", "Alerts told in a summary, for a rate.", "source")

    def take(self, source: str, given: Sequence[Alert]) -> list[Taken]:
        """Accept alerts, all of them or none; in the order given.

        Raises:
            QueueError: none was accepted.
        """
        alerts = [self._dispatcher.with_defaults(alert) for alert in given]
        told, gathered = self._overflow.sift(source, alerts[:MOST])
        gathered += alerts[MOST:]
        self._overflow.keep(source, gathered)
        tickets: Mapping[int, Ticket] = {}
        if told:
            found = self._dispatcher.enqueue_many(told)
            tickets = {id(alert): ticket for alert, ticket in zip(told, found, strict=True)}
        taken = [Taken(alert, tickets.get(id(alert))) for alert in alerts]
        for one in taken:
            self.accepted.add(source, one.status)
            if one.ticket is not None:
                self._noted(one.alert, one.ticket)
        if gathered:
            self.summarised.add(source, count=len(gathered))
        return taken

    def report(self, taken: Taken, seconds: float) -> DeliveryReport | None:
        """What became of it, after at most so many seconds; what is gathered for longer is not waited for."""
        return None if taken.ticket is None else taken.ticket.report(seconds)

    def enqueue(self, alert: Alert, targets: Sequence[str] | None = None) -> Ticket:
        """Accept an alert of the gateway's own.

        Raises:
            QueueError: it was not accepted.
        """
        ticket = self._dispatcher.enqueue(alert, targets)
        self._noted(alert, ticket)
        return ticket

    def _noted(self, alert: Alert, ticket: Ticket) -> None:
        for tell in self._tell:
            tell(alert, ticket)


def waited(report: DeliveryReport | None, *, is_tutorials: bool) -> dict[str, Any]:
    """The answer of `?wait=`: the report; for the tutorial's body its words too."""
    if report is None:
        gathered = {"sent": False, "reason": "over the rate: it is told together with others"}
        return {"ok": True, "report": None} | (gathered if is_tutorials else {})
    answer: dict[str, Any] = {"ok": report.ok, "report": report.to_dict()}
    if not is_tutorials:
        return answer
    delivered = [one for one in report.deliveries if one.outcome == "delivered"]
    answer["sent"] = bool(delivered)
    ids = [one.receipt.id for one in delivered if one.receipt is not None and one.receipt.id]
    if ids:
        answer["message_id"] = str(redact(ids[0]))
    if not delivered:
        answer["reason"] = _reason(report)
    return answer


def _reason(report: DeliveryReport) -> str:
    """Why nobody got it, in a few words."""
    if report.dropped is not None:
        word, _, by = report.dropped.partition(": ")
        silent = word in ("silenced", "no_target", "min_severity") and not by.startswith("silence ")
        return "no recipients for this level" if silent else report.dropped
    if report.failed:
        return str(next(iter(report.failed.values()))) or "the delivery failed"
    return "still under way"
