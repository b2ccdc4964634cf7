"""What the status page asks for: alert-outbox's inspection answers it, or else what this process remembers itself."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import attrs

from alert_core import Alert, Delivery, Dispatcher, Severity, Status, Ticket
from alert_core.queues import Clock, Outcome

ALERTS: Final = 2000
"""Alerts that the journal remembers, at most."""
BYTES: Final = 16 * 1024 * 1024
"""Characters of their texts, at most."""
DROPS: Final = 500
HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
_PARTS: Final = 100_000
"""An alert has fewer deliveries than that: so a delivery's number is its alert's, and its place among them."""


class Record(Protocol):
    """Something that is known."""

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON types; moments in ISO 8601, UTC."""
        ...


class History(Protocol):
    """What alerts there were, as `alert_outbox.Outbox.inspection` tells of them: its names, arguments and fields."""

    def overview(self) -> Record:
        """The deliveries of each target, counted by state."""
        ...

    def deliveries(  # noqa: PLR0913 - the filters
        self,
        *,
        state: str | None = None,
        target: str | None = None,
        severity: Severity | str | None = None,
        source: str | None = None,
        text: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[Record]:
        """Deliveries, the latest first; those to which every given filter applies."""
        ...

    def alert(self, alert_id: str) -> Record | None:
        """An alert with all its deliveries, or None."""
        ...

    def firing(self) -> Sequence[Record]:
        """What fires now, the latest first."""
        ...

    def hours(self) -> Sequence[Record]:
        """The alerts of the last 24 hours by severity, the earliest hour first."""
        ...

    def latencies(self) -> Sequence[Record]:
        """How long the deliveries of the last 24 hours took, by target."""
        ...


class Told(dict[str, Any]):
    """A record that is its own fields."""

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON types."""
        return dict(self)


@attrs.define(eq=False)
class _Entry:
    """One alert, and what it became: a ticket for the time that it came, and one for each retry."""

    number: int
    alert: Alert
    size: int
    tickets: list[tuple[float, Ticket]]
    open_state: str

    @property
    def at(self) -> float:
        return self.tickets[0][0]

    def rows(self) -> list[Told]:
        """Its deliveries; of a target that was tried again, the latest."""
        found: dict[str, list[tuple[float, Delivery]]] = {}
        for began, ticket in tuple(self.tickets):
            again: dict[str, list[tuple[float, Delivery]]] = {}
            for delivery in ticket.report(0).deliveries:
                again.setdefault(delivery.target, []).append((began, delivery))
            found |= again
        flat = [one for group in found.values() for one in group]
        return [self._row(index, began, delivery) for index, (began, delivery) in enumerate(flat)]

    def _row(self, index: int, began: float, delivery: Delivery) -> Told:
        alert, error, outcome = self.alert, delivery.error, delivery.outcome
        is_open = outcome is Outcome.QUEUED
        return Told(
            id=self.number * _PARTS + index,
            alert_id=alert.id,
            dispatch=str(self.number),
            title=alert.title,
            severity=alert.severity.value,
            source=alert.source,
            status=alert.status.value,
            dedup_key=alert.dedup_key,
            target=delivery.target,
            recipient=delivery.recipient,
            state=self.open_state if is_open else "delivered" if outcome is Outcome.DELIVERED else "dead",
            under_way=False,
            attempts=delivery.attempts,
            due=None,
            stored=_iso(self.at),
            ended=None if is_open else _iso(began + delivery.elapsed),
            outcome=None if is_open else outcome.value,
            receipt=delivery.receipt.id if delivery.receipt else None,
            summarised=None,
            error=f"{type(error).__name__}: {error}" if error else None,
        )


class Journal:
    """What this process took in: bounded, and gone with it. With alert-outbox, which keeps it, only what it dropped.

    Of deliveries that another queue has, as alert-celery's, it knows no more than that: they are `handed`.

    Args:
        dispatcher: where the alerts went.
        clock: the gateway's.
    """

    def __init__(self, dispatcher: Dispatcher, clock: Clock) -> None:
        self._dispatcher = dispatcher
        self._clock = clock
        self._keeps = outbox_of(dispatcher) is None
        self._open_state = "waiting" if dispatcher.queue is None else "handed"
        self._lock = threading.Lock()
        self._entries: deque[_Entry] = deque()
        self._size = 0
        self._number = 0
        self._hours: Counter[tuple[int, Severity]] = Counter()
        self._drops: deque[Told] = deque(maxlen=DROPS)
        self.dropped = 0
        """How many alerts were sent to nobody."""
        self.since = datetime.fromtimestamp(clock.time(), UTC)

    def accept(self, alert: Alert, ticket: Ticket) -> None:
        """Note an alert that the dispatcher took, or dropped."""
        if ticket.dropped is None and not self._keeps:
            return
        told = self._dispatcher.with_defaults(alert).masked(self._dispatcher.redactor)
        now = self._clock.time()
        with self._lock:
            if ticket.dropped is None:
                self._keep(told, ticket, now)
            else:
                self._drop(told, ticket.dropped, now)

    def drops(self) -> list[Told]:
        """The latest alerts that were sent to nobody, and why; the latest first."""
        with self._lock:
            return list(self._drops)

    def retry(self, number: int | None = None, *, target: str | None = None) -> int:
        """Send failed deliveries once more, each to all the recipients of its target; how many.

        Args:
            number: of one delivery; None: all that failed.
            target: of this target alone.

        Raises:
            QueueError: the dispatcher takes none.
        """
        wanted: dict[tuple[int, str], _Entry] = {}
        for entry in self._known():
            for row in entry.rows():
                if row["state"] == "dead" and number in (None, row["id"]) and target in (None, row["target"]):
                    wanted[entry.number, row["target"]] = entry
        for (_, name), entry in wanted.items():
            ticket = self._dispatcher.enqueue(entry.alert, targets=[name])
            entry.tickets.append((self._clock.time(), ticket))
        return len(wanted)

    def overview(self) -> Told:
        """The deliveries of each target, counted by state."""
        counts: dict[str, Counter[str]] = {}
        for row in self._rows():
            counts.setdefault(row["target"], Counter())[row["state"]] += 1
        states = ("waiting", "handed", "delivered", "dead")
        return Told(targets=[{"target": name, **{s: found[s] for s in states}} for name, found in counts.items()])

    def deliveries(  # noqa: PLR0913 - the filters
        self,
        *,
        state: str | None = None,
        target: str | None = None,
        severity: Severity | str | None = None,
        source: str | None = None,
        text: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Told]:
        """Deliveries, the latest first; those to which every given filter applies."""
        equal = {"state": state, "target": target, "severity": severity and Severity(severity).value, "source": source}
        found = []
        for row in self._rows(since, until):
            fits = all(wanted is None or row[name] == wanted for name, wanted in equal.items())
            if fits and (before is None or row["id"] < before) and (text or "").lower() in row["title"].lower():
                found.append(row)
                if len(found) == limit:
                    break
        return found

    def alert(self, alert_id: str) -> Told | None:
        """An alert with all its deliveries, or None."""
        entries = [entry for entry in self._known() if entry.alert.id == alert_id]
        rows = [row for entry in reversed(entries) for row in entry.rows()]
        return Told(alert=entries[0].alert.to_dict(), deliveries=rows) if entries else None

    def firing(self) -> list[Told]:
        """What fires now, the latest first: of each dedup key, the last alert is no resolve."""
        by_key: dict[str, list[_Entry]] = {}
        for entry in self._known():
            by_key.setdefault(entry.alert.dedup_key, []).append(entry)
        return [
            Told(
                dedup_key=key,
                alert=entries[0].alert.to_dict(),
                routes=[],
                count=len(entries),
                first_seen=_iso(entries[-1].at),
                last_seen=_iso(entries[0].at),
                silenced=False,
            )
            for key, entries in by_key.items()
            if entries[0].alert.status is not Status.RESOLVED
        ]

    def hours(self) -> list[Told]:
        """The alerts of the last 24 hours by severity, the earliest hour first."""
        now = int(self._clock.time() // HOUR)
        with self._lock:
            return [
                Told(start=_iso(hour * HOUR), **{severity.value: self._hours[hour, severity] for severity in Severity})
                for hour in range(now - 23, now + 1)
            ]

    def latencies(self) -> list[Told]:
        """How long the deliveries of the last 24 hours took, by target."""
        took: dict[str, list[float]] = {}
        for row in self._rows(since=datetime.fromtimestamp(self._clock.time() - DAY, UTC)):
            if row["state"] == "delivered":
                seconds = datetime.fromisoformat(row["ended"]) - datetime.fromisoformat(row["stored"])
                took.setdefault(row["target"], []).append(seconds.total_seconds())
        return [
            Told(
                target=target, count=len(times), **{f"p{percent}": _percentile(times, percent) for percent in (50, 95)}
            )
            for target, times in took.items()
        ]

    def _keep(self, alert: Alert, ticket: Ticket, now: float) -> None:
        self._number += 1
        size = len(alert.title) + len(alert.message) + len(repr(alert.metadata))
        self._entries.appendleft(_Entry(self._number, alert, size, [(now, ticket)], self._open_state))
        self._size += size
        while len(self._entries) > ALERTS or (self._size > BYTES and len(self._entries) > 1):
            self._size -= self._entries.pop().size
        hour = int(now // HOUR)
        self._hours[hour, alert.severity] += 1
        for old in [one for one in self._hours if one[0] < hour - 24]:
            del self._hours[old]

    def _drop(self, alert: Alert, dropped: str, now: float) -> None:
        self.dropped += 1
        reason, _, by = dropped.partition(": ")
        fields: Mapping[str, Any] = {"title": alert.title, "source": alert.source}
        words = {"severity": alert.severity.value, "status": alert.status.value}
        self._drops.appendleft(Told(id=self.dropped, at=_iso(now), reason=reason, by=by, **fields, **words))

    def _known(self) -> list[_Entry]:
        with self._lock:
            return list(self._entries)

    def _rows(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[Told]:
        first = since.timestamp() if since else 0.0
        end = until.timestamp() if until else float("inf")
        for entry in self._known():
            if first <= entry.at < end:
                yield from reversed(entry.rows())


def outbox_of(dispatcher: Dispatcher) -> Any | None:
    """The dispatcher's queue, where it can be looked into, silenced and told to try again, as alert-outbox can."""
    return dispatcher.queue if hasattr(dispatcher.queue, "inspection") else None


def _percentile(times: list[float], percent: int) -> float:
    """The smallest of them that so many of a hundred do not exceed."""
    return sorted(times)[-(-len(times) * percent // 100) - 1]


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
