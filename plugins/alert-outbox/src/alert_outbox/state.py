"""What the outbox remembers between alerts: what fires, what is silenced, and so who is told of an alert."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs
import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from alert_core import Alert, Route, Severity, Status
from alert_core.queues import DailyTime, Desk, Dispatch, Outcome, Part
from alert_outbox.schema import EVENTS
from alert_outbox.silences import Silences
from alert_outbox.statements import Connection, Statements, insert_once, param
from alert_outbox.store import Placed, Store, order_key

GROUP_WAIT: Final = 30.0
"""Seconds that a new group gathers for, where its route does not say; a critical alert does not wait."""
GROUP_INTERVAL: Final = 300.0
"""Seconds between two messages of a group, where its route does not say."""
SKEW: Final = 5.0
"""Seconds by which the clock of the host that told it last may be ahead."""
_E: Final = EVENTS.c
GAVE_WAY: Final = {"40P01", "55P03"}
"""PostgreSQL's SQLSTATEs: two transactions waited for each other, and this one had to end; it waited for too long."""
_log = logging.getLogger(__name__)


def _here() -> Any:
    return sa.and_(_E.route == param("route_"), _E.dedup_key == param("key"))


_SET: Final = ("rank", "count", "last_seen", "notified", "parts", "silenced", "body")
_CLAUSES: Final[Mapping[str, Any]] = {
    "event": lambda: sa.select(*(_E[name] for name in (*_SET, "first_seen"))).where(_here()).with_for_update(),
    "events_of": lambda: sa.select(_E.route, _E.parts).where(_E.dedup_key == param("key")).with_for_update(),
    "insert_event": lambda: insert_once(
        EVENTS,
        route=param("route_", sa.Text),
        dedup_key=param("key", sa.Text),
        first_seen=param("last_seen_", sa.Double),
        **{name: param(f"{name}_", _E[name].type) for name in _SET},
    ),
    "update_event": lambda: (
        sa.update(EVENTS).values(**{name: param(f"{name}_", _E[name].type) for name in _SET}).where(_here())
    ),
    "delete_event": lambda: sa.delete(EVENTS).where(_here()),
    "forget": lambda: sa.delete(EVENTS).where(_E.last_seen < param("before")),
    "silenced": lambda: sa.select(_E.route, _E.dedup_key, _E.body).where(_E.silenced == sa.literal_column("1")),
}


@attrs.define
class _Event:
    """What fires, as a route remembers it: the columns of _SET, and since when."""

    rank: int = -1
    count: int = 0
    last_seen: float = 0.0
    notified: float | None = None
    parts: str = "[]"
    silenced: int = 0
    body: str = ""
    first_seen: float = 0.0

    def values(self) -> dict[str, Any]:
        return {f"{name}_": value for name, value in attrs.asdict(self).items()}


@attrs.define
class Plan:
    """What is done with an alert: its deliveries, and why others are not made."""

    placed: list[Placed] = attrs.field(factory=list)
    dropped: list[tuple[str, str]] = attrs.field(factory=list)
    buckets: dict[str, float] = attrs.field(factory=dict)
    """Where deliveries are gathered, and when each of these is told."""

    @property
    def due(self) -> float | None:
        """When the first of its buckets is told."""
        return min(self.buckets.values(), default=None)

    @property
    def gathered(self) -> dict[int, float]:
        """The places of the deliveries that are gathered, and when each is told."""
        return {place: self.buckets[bucket] for place, (_, bucket) in enumerate(self.placed) if bucket is not None}


class State:
    """Decides, in the transaction that stores the alert."""

    def __init__(self, dialect: Dialect, store: Store, silences: Silences) -> None:
        self.sql = Statements(dialect, _CLAUSES)
        self._store = store
        self.silences = silences

    def plan(
        self, connection: Connection, dispatch: Dispatch, now: float, known: Mapping[str, Any], routes: Sequence[Route]
    ) -> Plan:
        """Who gets it. What cannot be read fails open: then all of its deliveries are made."""
        alert = dispatch.alert
        if not dispatch.routes and alert.status is not Status.RESOLVED:
            return Plan([(part, None) for part in dispatch.parts])
        connection.execute("SAVEPOINT alert_outbox_state")
        try:
            plan = self._planned(connection, dispatch, now, known, routes)
        except Exception as error:
            if getattr(error, "sqlstate", None) in GAVE_WAY:
                raise  # each alert of this transaction gets one of its own
            # A duplicate is better than silence.
            connection.execute("ROLLBACK TO SAVEPOINT alert_outbox_state")
            _log.warning("what the outbox remembers cannot be read (%s): an alert is told anyway", type(error).__name__)
            return Plan([(part, None) for part in dispatch.parts])
        connection.execute("RELEASE SAVEPOINT alert_outbox_state")
        return plan

    def put(
        self, connection: Connection, dispatch: Dispatch, now: float, desk: Desk, *, stored: float | None = None
    ) -> Plan:
        """Decide who gets it, and write that; `stored`: when it was enqueued, if that was not now."""
        plan = self.plan(connection, dispatch, now, desk.targets, desk.routes)
        if plan.placed:
            self._store.put(connection, dispatch, plan.placed, now if stored is None else stored)
        return plan

    def catch_up(self, connection: Connection, dispatch: Dispatch, now: float) -> None:
        """Remember what went past this database: what fires, and who was told, or that it has ended.

        What fires is told once more when it is heard next: whether it arrived is not known here.
        """
        alert = dispatch.alert
        if alert.status is Status.RESOLVED:
            for name, _ in self.sql.events_of.rows(connection, key=alert.dedup_key):
                self.sql.delete_event.run(connection, route_=name, key=alert.dedup_key)
            return
        for route in dispatch.routes:
            parts = [part for part in dispatch.parts if part.target in route.targets]
            if parts and _is_deduplicated(route, alert):
                self._count(connection, route, alert, parts, now, is_missed=True)

    def woken(self, connection: Connection, now: float, routes: Mapping[str, Route]) -> list[tuple[Route, Alert]]:
        """What fires still and is silenced no more, on these routes: to be put once more."""
        found = []
        for name, key, body in self.sql.silenced.rows(connection):
            try:
                alert = Alert.from_dict(json.loads(body))
            except (ValueError, TypeError, KeyError):
                _log.error("what fires on route %s cannot be read; it is told when it is heard next", name)
                self.sql.delete_event.run(connection, route_=name, key=key)
                continue
            event = self._event(connection, name, key)
            if event is None or not event.silenced or event.body != body:
                continue  # another process was quicker, or it was heard since: the next round looks again
            if self.silences.holding(connection, alert, now) is not None:
                continue
            route = routes.get(name)
            if route is not None and route.repeat_every is None:
                self.sql.delete_event.run(connection, route_=name, key=key)  # it remembers what is silenced alone
            else:
                event.count, event.silenced = event.count - 1, 0
                self.sql.update_event.run(connection, route_=name, key=key, **event.values())
            if route is not None:
                found.append((route, alert))
        return found

    def _planned(
        self, connection: Connection, dispatch: Dispatch, now: float, known: Mapping[str, Any], routes: Sequence[Route]
    ) -> Plan:
        plan, alert, left = Plan(), dispatch.alert, list(dispatch.parts)
        silence = self.silences.holding(connection, alert, now) if dispatch.routes else None
        resolved = alert.status is Status.RESOLVED
        told = self._resolve(connection, dispatch, plan, now, known, routes) if resolved else set()
        for route in dispatch.routes:
            # A digest has an entry of its own; else the first route that names a target decides.
            pool = dispatch.parts if route.digest is not None else left
            parts = [part for part in pool if part.target in route.targets]
            if route.digest is None:
                left = [part for part in left if part not in parts]
            name = str(route.name)
            if not parts:
                continue
            if resolved and (route.repeat_every is not None or name in told):
                if name not in told:
                    plan.dropped.append(("not_firing", name))
            elif silence is not None and not resolved:  # a resolve of what was silenced is among the told
                plan.dropped.append(("silenced", f"silence {silence}"))
                self._count(connection, route, alert, [], now, is_silenced=True)
            elif not _is_deduplicated(route, alert) or self._count(connection, route, alert, parts, now):
                if route.repeat_every is None and not resolved:
                    self.sql.delete_event.run(connection, route_=name, key=alert.dedup_key)  # no longer kept quiet
                self._place(connection, plan, route, parts, alert, now)
            else:
                plan.dropped.append(("deduplicated", name))
        routed = {name for route in dispatch.routes for name in route.targets}
        named = [part for part in left if part.target not in routed]  # by the caller
        self._place(connection, plan, None, named, alert, now)
        return plan

    def _resolve(
        self,
        connection: Connection,
        dispatch: Dispatch,
        plan: Plan,
        now: float,
        known: Mapping[str, Any],
        routes: Sequence[Route],
    ) -> set[str]:
        """Close what fires under its key, and tell exactly those who were told; the routes where something fired."""
        by_name = {str(route.name): route for route in routes}
        alert, told = dispatch.alert, set()
        for name, stored in self.sql.events_of.rows(connection, key=alert.dedup_key):
            self.sql.delete_event.run(connection, route_=name, key=alert.dedup_key)
            parts = [Part(target, recipient) for target, recipient in json.loads(stored) if target in known]
            route = by_name.get(name)
            if route is not None and route.repeat_every is None and self._was_told(connection, route, dispatch):
                continue  # before the silence: as if nothing was remembered
            told.add(name)
            self._place(connection, plan, route, parts, alert, now)
            if not parts:
                plan.dropped.append(("silenced", name))
        plan.placed = list(dict.fromkeys(plan.placed))
        return told

    def _was_told(self, connection: Connection, route: Route, dispatch: Dispatch) -> bool:
        """Whether the last that somebody there got of this key is no resolve."""
        keys = _order_keys(route, dispatch.parts, dispatch.alert.dedup_key)
        found = [self._store.sql.last.one(connection, order_key_=key) for key in keys]
        return any(last is not None and last[3] != Status.RESOLVED.value for last in found)

    def _count(
        self,
        connection: Connection,
        route: Route,
        alert: Alert,
        parts: Sequence[Part],
        now: float,
        *,
        is_silenced: bool = False,
        is_missed: bool = False,
    ) -> bool:
        """Note that it fires; whether it is to be told. What was missed was told past this database."""
        name, rank = str(route.name), alert.severity.rank
        here = {"route_": name, "key": alert.dedup_key}
        while (event := self._event(connection, name, alert.dedup_key)) is None:  # again, where a resolve came between
            self.sql.insert_event.run(connection, **here, **_Event(last_seen=now).values())
        is_due = (
            event.notified is None
            or rank > event.rank
            or not -SKEW <= now - event.notified < (route.repeat_every or 0.0)
            or self._reached_nobody(connection, route, event, alert.dedup_key)
        )
        tells = is_due and not is_silenced
        if tells or is_missed:
            told = [tuple(one) for one in json.loads(event.parts)]
            told += [(part.target, part.recipient) for part in parts]
            event.parts = json.dumps(list(dict.fromkeys(told)))
            event.rank, event.notified = max(rank, event.rank), None if is_missed else now
        event.count, event.last_seen, event.silenced = event.count + 1, now, int(is_silenced)
        event.body = json.dumps(alert.to_dict())
        self.sql.update_event.run(connection, **here, **event.values())
        return tells

    def _reached_nobody(self, connection: Connection, route: Route, event: _Event, key: str) -> bool:
        """Whether all that was told of it are dead letters."""
        parts = [Part(target, recipient) for target, recipient in json.loads(event.parts)]
        values = {"since": event.first_seen, "uncertain": f'%"{Outcome.UNCERTAIN.value}"%'}
        return all(
            (self._store.sql.all_dead.one(connection, order_key_=one, **values) or (None,))[0]
            for one in _order_keys(route, parts, key)
        )

    def _event(self, connection: Connection, route: str, key: str) -> _Event | None:
        row = self.sql.event.one(connection, route_=route, key=key)
        return None if row is None else _Event(*row)

    def _place(
        self, connection: Connection, plan: Plan, route: Route | None, parts: Sequence[Part], alert: Alert, now: float
    ) -> None:
        """Add deliveries: at once, or to the route's digest, or to the alert's group."""
        name, bucket = "" if route is None else str(route.name), None
        digest = None if route is None else route.digest
        if alert.status is Status.RESOLVED and digest is None:
            parts = [part for part in parts if not self._joins(connection, plan, part, alert)]
        if parts and digest is not None:
            bucket, due = f"digest:{name}", next_time(digest, now)
            plan.buckets[bucket] = self._store.open_bucket(connection, bucket, "digest", name, name, due, now)
        elif parts and route is not None and route.group_by:
            values = {field: _value(alert, field) for field in route.group_by}
            hashed = hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=16).hexdigest()
            label = ", ".join(f"{field}={value}" for field, value in values.items())
            bucket = f"group:{name}:{hashed}"
            due = self._group_due(connection, bucket, route, alert, now)
            plan.buckets[bucket] = self._store.open_bucket(connection, bucket, "group", name, label, due, now)
        plan.placed += [(part, bucket) for part in parts]

    def _joins(self, connection: Connection, plan: Plan, part: Part, alert: Alert) -> bool:
        """Add a resolve to what is gathered with its firing, which it would overtake else; whether there is that."""
        found = self._store.gathering(connection, order_key(part, alert.dedup_key))
        if found is None:
            return False
        bucket, due = found
        plan.buckets[bucket] = due
        plan.placed.append((part, bucket))
        return True

    def _group_due(self, connection: Connection, bucket: str, route: Route, alert: Alert, now: float) -> float:
        wait = GROUP_WAIT if route.group_wait is None else route.group_wait
        interval = GROUP_INTERVAL if route.group_interval is None else route.group_interval
        soonest = now + (0.0 if alert.severity is Severity.CRITICAL else wait)
        told = (self._store.sql.bucket.one(connection, id_=bucket) or (None, None))[1]
        return soonest if told is None or told > now + SKEW else max(soonest, told + interval)


def _order_keys(route: Route, parts: Sequence[Part], dedup_key: str) -> list[str]:
    bucket = None if route.digest is None else f"digest:{route.name}"
    return [order_key(part, dedup_key, bucket) for part in parts]


def _is_deduplicated(route: Route, alert: Alert) -> bool:
    return alert.status is Status.FIRING and route.repeat_every is not None


def next_time(daily: DailyTime, now: float) -> float:
    """When that time of day comes next, seconds since 1970.

    A time that a clock change leaves out is the next minute that exists; of one that it repeats, the first.
    """
    day = datetime.fromtimestamp(now, daily.tz).date()
    while True:
        naive = datetime.combine(day, daily.at)
        while True:
            moment = naive.replace(tzinfo=daily.tz)
            if moment.astimezone(UTC).astimezone(daily.tz).replace(tzinfo=None) == naive:
                break
            naive += timedelta(minutes=1)
        if moment.timestamp() > now:
            return moment.timestamp()
        day += timedelta(days=1)


def _value(alert: Alert, field: str) -> str:
    if field.startswith("metadata."):
        return str(alert.metadata.get(field.removeprefix("metadata.")))
    value = getattr(alert, field, None)
    return ",".join(sorted(value)) if isinstance(value, tuple) else str(value)
