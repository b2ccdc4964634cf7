"""What the outbox tells of itself: moments are aware, in UTC, and durations seconds; `to_dict()` gives JSON types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, overload

import attrs

from alert_core import Severity, Status


@attrs.frozen
class Record:
    """Something that the outbox knows, as it stood when it was asked."""

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON types; moments in ISO 8601, UTC."""
        return attrs.asdict(self, value_serializer=lambda _, __, value: _plain(value))


def _plain(value: Any) -> Any:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value


@overload
def moment(seconds: float) -> datetime: ...
@overload
def moment(seconds: None) -> None: ...
def moment(seconds: float | None) -> datetime | None:
    """Seconds since 1970, as the database has them, as an aware datetime."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


@attrs.frozen(kw_only=True)
class TargetOverview(Record):
    """The deliveries of one target.

    Attributes:
        target: its name.
        waiting: to be tried when they are due.
        under_way: how many of those waiting a worker has now.
        held: behind an earlier one of their dedup key.
        gathered: for a group, a digest or a rate's summary.
        delivered: in the history, which `keep` limits.
        dead: given up; in the history.
        oldest_open: when the oldest that has not ended was enqueued, or None.
        most_attempts: of one that has not ended.
    """

    target: str
    waiting: int = 0
    under_way: int = 0
    held: int = 0
    gathered: int = 0
    delivered: int = 0
    dead: int = 0
    oldest_open: datetime | None = None
    most_attempts: int = 0

    @property
    def open(self) -> int:
        """How many have not ended."""
        return self.waiting + self.held + self.gathered


@attrs.frozen(kw_only=True)
class Overview(Record):
    """All deliveries, counted.

    Attributes:
        at: when.
        targets: by name; those that have deliveries, configured or not.
    """

    at: datetime
    targets: tuple[TargetOverview, ...] = ()

    @property
    def open(self) -> int:
        """The depth of the queue: deliveries that have not ended."""
        return sum(target.open for target in self.targets)

    @property
    def delivered(self) -> int:
        """Deliveries in the history that ended well."""
        return sum(target.delivered for target in self.targets)

    @property
    def dead(self) -> int:
        """Dead letters in the history."""
        return sum(target.dead for target in self.targets)

    @property
    def oldest_open_age(self) -> float | None:
        """Seconds since the oldest delivery that has not ended was enqueued, or None."""
        oldest = min((one.oldest_open for one in self.targets if one.oldest_open is not None), default=None)
        return None if oldest is None else max((self.at - oldest).total_seconds(), 0.0)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON types, and the sums."""
        names = ("open", "delivered", "dead", "oldest_open_age")
        return super().to_dict() | {name: getattr(self, name) for name in names}


@attrs.frozen(kw_only=True)
class StoredDelivery(Record):
    """One alert for one target, and one recipient where the provider takes one a call.

    Attributes:
        id: its number; later ones are greater.
        alert_id: of the alert.
        dispatch: of the call that enqueued it: an alert that was enqueued twice has two.
        title: of the alert, as the next four.
        severity: info, warning, error or critical.
        source: or None.
        status: firing, acknowledged or resolved.
        dedup_key: what a resolve has in common with its firing.
        target: the target's name.
        recipient: or None.
        state: one of STATES.
        under_way: a worker has it now.
        attempts: made so far.
        due: when it is tried, told with others, or taken from a worker that is gone; None once it has ended.
        stored: when it was enqueued.
        ended: when it was delivered or given up, or None.
        outcome: of the last attempt: delivered, retryable, permanent or uncertain; None before the first.
        receipt: the provider's id of what it took, or None.
        summarised: the id of the alert that told of it together with others, or None.
        error: of the last attempt that failed, as "RetryableDeliveryError: no answer"; masked.
    """

    id: int
    alert_id: str
    dispatch: str
    title: str
    severity: Severity
    source: str | None
    status: Status
    dedup_key: str
    target: str
    recipient: str | None
    state: str
    under_way: bool
    attempts: int
    due: datetime | None
    stored: datetime
    ended: datetime | None
    outcome: str | None
    receipt: str | None
    summarised: str | None
    error: str | None


@attrs.frozen(kw_only=True)
class StoredAlert(Record):
    """One alert with its deliveries.

    Attributes:
        alert: as `Alert.to_dict()`, masked.
        deliveries: in the order in which they were enqueued; of every time that the alert was.
    """

    alert: Mapping[str, Any]
    deliveries: tuple[StoredDelivery, ...]


@attrs.frozen(kw_only=True)
class Firing(Record):
    """What fires now: the last that was heard under its dedup key is no resolve.

    Attributes:
        dedup_key: what its alerts have in common.
        alert: the last of them, as `Alert.to_dict()`, masked.
        routes: that remember it: because they have `repeat_every`, or because it is silenced. Empty: none does, and
            the counts are those of the history.
        count: how often it was heard, repeats that nobody was told of among them.
        first_seen: since it fires; where no route remembers it, when it was first heard in the history looked at.
        last_seen: when it was last heard.
        silenced: by a silence, when it was last heard.
    """

    dedup_key: str
    alert: Mapping[str, Any]
    routes: tuple[str, ...]
    count: int
    first_seen: datetime
    last_seen: datetime
    silenced: bool = False


@attrs.frozen(kw_only=True)
class Hour(Record):
    """The alerts that were enqueued within an hour, by severity; what was not told, as a repeat, is not counted.

    Attributes:
        start: of the hour.
        info: how many; so the next three.
    """

    start: datetime
    info: int = 0
    warning: int = 0
    error: int = 0
    critical: int = 0


@attrs.frozen(kw_only=True)
class Latency(Record):
    """How long a target's deliveries took from `enqueue()` to the provider's yes, pauses between attempts included.

    Attributes:
        target: its name.
        count: deliveries that were delivered in this time by themselves, not in a summary.
        p50: seconds: half of them took at most so long.
        p95: seconds: so did 95 of a hundred.
    """

    target: str
    count: int
    p50: float
    p95: float
