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
from alert_core.queues import DailyTime, Dispatch, Part
from alert_outbox.schema import EVENTS, SILENCES
from alert_outbox.statements import Connection, Statements
from alert_outbox.store import RANKS, Placed, Store

GROUP_WAIT: Final = 30.0
"""Seconds that a new group gathers for, where its route does not say; a critical alert does not wait."""
GROUP_INTERVAL: Final = 300.0
"""Seconds between two messages of a group, where its route does not say."""
_E: Final = EVENTS.c
_S: Final = SILENCES.c
_log = logging.getLogger(__name__)


def _param(name: str, kind: Any = None) -> Any:
    return sa.bindparam(name, type_=kind)


def _here() -> Any:
    return sa.and_(_E.route == _param("route_"), _E.dedup_key == _param("key"))


_SET: Final = ("rank", "count", "last_seen", "notified", "parts", "body")
_CLAUSES: Final[Mapping[str, Any]] = {
    "event": lambda: sa.select(_E.rank, _E.count, _E.notified, _E.parts).where(_here()).with_for_update(),
    "events_of": lambda: sa.select(_E.route, _E.parts).where(_E.dedup_key == _param("key")).with_for_update(),
    "insert_event": lambda: sa.insert(EVENTS).values(
        route=_param("route_", sa.Text),
        dedup_key=_param("key", sa.Text),
        first_seen=_param("last_seen_", sa.Double),
        **{name: _param(f"{name}_", _E[name].type) for name in _SET},
    ),
    "update_event": lambda: (
        sa.update(EVENTS).values(**{name: _param(f"{name}_", _E[name].type) for name in _SET}).where(_here())
    ),
    "delete_event": lambda: sa.delete(EVENTS).where(_here()),
    "forget": lambda: sa.delete(EVENTS).where(_E.last_seen < _param("before")),
    "silenced": lambda: sa.select(_E.route, _E.dedup_key, _E.body).where(_E.body.is_not(None)),
    "active": lambda: (
        sa.select(_S.id, _S.match).where(_S.starts <= _param("now"), _S.ends > _param("now")).order_by(_S.id)
    ),
    "next_end": lambda: sa.select(sa.func.min(_S.ends)).where(_S.ends > _param("now")),
    "silences": lambda: (
        sa.select(_S.id, _S.match, _S.starts, _S.ends, _S.author, _S.reason)
        .where(_S.ends > _param("after"))
        .order_by(_S.id)
    ),
    "add_silence": lambda: (
        sa.insert(SILENCES)
        .values(
            **{
                name: _param(f"{name}_", _S[name].type)
                for name in ("match", "starts", "ends", "author", "reason", "made")
            }
        )
        .returning(_S.id)
    ),
    "expire_silence": lambda: (
        sa.update(SILENCES).values(ends=_param("now")).where(_S.id == _param("id_"), _S.ends > _param("now"))
    ),
}


@attrs.define
class Plan:
    """What is done with an alert: its deliveries, and why others are not made."""

    placed: list[Placed] = attrs.field(factory=list)
    dropped: list[tuple[str, str]] = attrs.field(factory=list)
    due: float | None = None
    """When the first of its buckets is told."""


class State:
    """Decides, in the transaction that stores the alert."""

    def __init__(self, dialect: Dialect, store: Store) -> None:
        self.sql = Statements(dialect, _CLAUSES)
        self._store = store

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
        except Exception as error:  # noqa: BLE001 - a duplicate is better than silence
            connection.execute("ROLLBACK TO SAVEPOINT alert_outbox_state")
            _log.warning("what the outbox remembers cannot be read (%s): an alert is told anyway", type(error).__name__)
            return Plan([(part, None) for part in dispatch.parts])
        connection.execute("RELEASE SAVEPOINT alert_outbox_state")
        return plan

    def woken(self, connection: Connection, now: float) -> list[tuple[str, Alert]]:
        """What fires still and is silenced no more: the route's name and the alert, to be put once more."""
        found = []
        for route, key, body in self.sql.silenced.rows(connection):
            alert = Alert.from_dict(json.loads(body))
            if self._silence(connection, alert, now) is None:
                rank, count, notified, parts = self.sql.event.one(connection, route_=route, key=key) or (0, 0, None, "")
                self._write(connection, route, key, rank, count - 1, now, notified, parts or "[]", None)
                found.append((route, alert))
        return found

    def _planned(
        self, connection: Connection, dispatch: Dispatch, now: float, known: Mapping[str, Any], routes: Sequence[Route]
    ) -> Plan:
        plan, alert, left = Plan(), dispatch.alert, list(dispatch.parts)
        silence = self._silence(connection, alert, now) if dispatch.routes else None
        resolved = alert.status is Status.RESOLVED
        told = self._resolve(connection, alert, plan, now, known, routes) if resolved else set()
        for route in dispatch.routes:
            parts = [part for part in left if part.target in route.targets]
            left = [part for part in left if part not in parts]
            name = str(route.name)
            if resolved and (route.repeat_every is not None or name in told):
                if name not in told:
                    plan.dropped.append(("not_firing", name))
            elif silence is not None:
                plan.dropped.append(("silenced", f"silence {silence}"))
                if not resolved:
                    self._count(connection, route, alert, [], now, is_silenced=True)
            elif not _is_deduplicated(route, alert) or self._count(connection, route, alert, parts, now):
                self._place(connection, plan, route, parts, alert, now)
            else:
                plan.dropped.append(("deduplicated", name))
        if not dispatch.routes:
            plan.placed += [(part, None) for part in left]
        return plan

    def _resolve(
        self,
        connection: Connection,
        alert: Alert,
        plan: Plan,
        now: float,
        known: Mapping[str, Any],
        routes: Sequence[Route],
    ) -> set[str]:
        """Close what fires under its key, and tell exactly those who were told; the routes where something fired."""
        by_name = {str(route.name): route for route in routes}
        told = set()
        for name, stored in self.sql.events_of.rows(connection, key=alert.dedup_key):
            told.add(name)
            self.sql.delete_event.run(connection, route_=name, key=alert.dedup_key)
            parts = [Part(target, recipient) for target, recipient in json.loads(stored) if target in known]
            if name in by_name:
                self._place(connection, plan, by_name[name], parts, alert, now)
            else:
                plan.placed += [(part, None) for part in parts]
            if not parts:
                plan.dropped.append(("silenced", name))
        plan.placed = list(dict.fromkeys(plan.placed))
        return told

    def _count(
        self,
        connection: Connection,
        route: Route,
        alert: Alert,
        parts: Sequence[Part],
        now: float,
        *,
        is_silenced: bool = False,
    ) -> bool:
        """Note that it fires; whether it is to be told."""
        name, rank = str(route.name), RANKS[alert.severity]
        found = self.sql.event.one(connection, route_=name, key=alert.dedup_key)
        highest, count, notified, stored = found or (-1, 0, None, "[]")
        told = [tuple(one) for one in json.loads(stored)]
        every = route.repeat_every or 0.0
        is_due = notified is None or rank > highest or not 0 <= now - notified < every
        tells = is_due and not is_silenced
        if tells:
            told = list(dict.fromkeys([*told, *((part.target, part.recipient) for part in parts)]))
            highest, notified = max(rank, highest), now
        body = json.dumps(alert.to_dict()) if is_silenced else None
        if found is None:
            self.sql.insert_event.run(
                connection,
                route_=name,
                key=alert.dedup_key,
                rank_=highest,
                count_=1,
                last_seen_=now,
                notified_=notified,
                parts_=json.dumps(told),
                body_=body,
            )
        else:
            self._write(connection, name, alert.dedup_key, highest, count + 1, now, notified, json.dumps(told), body)
        return tells

    def _write(  # noqa: PLR0913, PLR0917 - the columns of an event
        self,
        connection: Connection,
        route: str,
        key: str,
        rank: int,
        count: int,
        now: float,
        notified: float | None,
        parts: str,
        body: str | None,
    ) -> None:
        self.sql.update_event.run(
            connection,
            route_=route,
            key=key,
            rank_=rank,
            count_=count,
            last_seen_=now,
            notified_=notified,
            parts_=parts,
            body_=body,
        )

    def _silence(self, connection: Connection, alert: Alert, now: float) -> int | None:
        """The first silence that holds for the alert."""
        for number, match in self.sql.active.rows(connection, now=now):
            if Route(targets=[], match=json.loads(match)).matches(alert):
                return int(number)
        return None

    def _place(
        self, connection: Connection, plan: Plan, route: Route, parts: Sequence[Part], alert: Alert, now: float
    ) -> None:
        """Add deliveries: at once, or to the route's digest, or to the alert's group."""
        name, bucket = str(route.name), None
        if parts and route.digest is not None:
            bucket, due = f"digest:{name}", next_time(route.digest, now)
            due = self._store.open_bucket(connection, bucket, "digest", name, name, due, now)
            plan.due = min(plan.due or due, due)
        elif parts and route.group_by:
            values = {field: _value(alert, field) for field in route.group_by}
            digest = hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=16).hexdigest()
            label = ", ".join(f"{field}={value}" for field, value in values.items())
            bucket = f"group:{name}:{digest}"
            due = self._group_due(connection, bucket, route, alert, now)
            due = self._store.open_bucket(connection, bucket, "group", name, label, due, now)
            plan.due = min(plan.due or due, due)
        plan.placed += [(part, bucket) for part in parts]

    def _group_due(self, connection: Connection, bucket: str, route: Route, alert: Alert, now: float) -> float:
        wait = GROUP_WAIT if route.group_wait is None else route.group_wait
        interval = GROUP_INTERVAL if route.group_interval is None else route.group_interval
        soonest = now + (0.0 if alert.severity is Severity.CRITICAL else wait)
        told = (self._store.sql.bucket.one(connection, id_=bucket) or (None, None))[1]
        return soonest if told is None or told > now else max(soonest, told + interval)


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
