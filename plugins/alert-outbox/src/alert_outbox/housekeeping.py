"""What a worker does once a minute: it mends, tells what nobody has told, and deletes what is old."""

from __future__ import annotations

import uuid
from typing import Final

import attrs

from alert_core import Alert, PermanentDeliveryError, Route
from alert_core.queues import Desk, Dispatch
from alert_outbox.claims import MARGIN, Claims, Rules
from alert_outbox.database import Database
from alert_outbox.state import State, next_time
from alert_outbox.statements import Connection
from alert_outbox.store import Store, Taken

EVERY: Final = 60.0
"""Seconds between two rounds; the end of a silence is another reason."""
AT_ONCE: Final = 1_000
"""Rows that one round deletes, or gives up, at most."""


@attrs.frozen
class _Found:
    dead: list[Taken]
    woken: set[str]
    silence_ends: float | None


class Housekeeping:
    """One round a minute, in one transaction."""

    def __init__(
        self, database: Database, store: Store, state: State, desk: Desk, rules: Rules, claims: Claims
    ) -> None:
        self._database = database
        self._store = store
        self._state = state
        self._desk = desk
        self._rules = rules
        self._claims = claims
        self._routes = {str(route.name): route for route in desk.routes}
        self._done = 0.0
        self.silence_ends: float | None = None
        """When the next silence ends, as of the last round."""

    def run(self, now: float) -> set[str]:
        """Do it, where it is time; the targets that have something to do because of it.

        Raises:
            QueueError: the database refused.
        """
        if 0 <= now - self._done < EVERY and (self.silence_ends is None or now < self.silence_ends):
            return set()
        found = self._database.write(lambda connection, _: self._round(connection, now))
        self._done = now
        self.silence_ends = found.silence_ends
        for taken in found.dead:
            self._claims.bury(taken)
        return found.woken

    def _round(self, connection: Connection, now: float) -> _Found:
        self._store.sql.heal.run(connection, now=now, horizon=now + self._longest())
        self._store.sql.free_heads.run(connection, target_=None)
        self._store.purge(connection, now - self._rules.keep, AT_ONCE)
        self._state.sql.forget.run(connection, before=now - self._rules.keep)
        self._store.sql.forget_buckets.run(connection, before=now - self._rules.keep)
        self._open_digests(connection, now)
        self._give_up(connection, now)
        dead = self._store.untold(connection, now)
        return _Found(dead, self._wake(connection, now), self._state.silences.next_end(connection, now))

    def _longest(self) -> float:
        """Seconds by which a delivery may be put off: what is put off further, a clock that went back has."""
        settings = self._desk.targets
        pauses = [max(self._desk.retry(name).maximum, settings[name].timeout + MARGIN) for name in settings]
        return max([self._rules.longest_backoff, *pauses])

    def _give_up(self, connection: Connection, now: float) -> None:
        """What waits for a target that nobody has configured any more ends as a dead letter, in its time."""
        for target, _count in self._store.sql.targets.rows(connection):
            if target in self._desk.targets:
                continue
            error = PermanentDeliveryError("no target of this name is configured any more")
            before = now - self._rules.give_up_after
            for taken in self._store.abandon(connection, target, error, now, before, AT_ONCE):
                notice = self._claims.notice(taken, error, taken.attempts)
                if notice is not None:
                    self._claims.put_notice(connection, notice, now)

    def _wake(self, connection: Connection, now: float) -> set[str]:
        """Put what was silenced and fires still, each alert once for all of its routes; the targets that get it."""
        alerts: dict[str, tuple[Alert, list[Route]]] = {}
        for route, alert in self._state.woken(connection, now, self._routes):
            alerts.setdefault(alert.id, (alert, []))[1].append(route)
        targets = set()
        for alert, routes in alerts.values():
            heard = tuple(route for route in self._desk.routes if route in routes)  # the first decides
            names = dict.fromkeys(name for route in heard for name in route.targets)
            parts = self._desk.parts(name for name in names if alert.severity >= self._desk.targets[name].min_severity)
            dispatch = Dispatch(id=uuid.uuid4().hex, alert=alert, parts=parts, routes=heard)
            plan = self._state.put(connection, dispatch, now, self._desk)
            targets |= {part.target for part, _ in plan.placed}
        return targets

    def _open_digests(self, connection: Connection, now: float) -> None:
        """Where empty digests are sent too, each waits for its time from the start."""
        for name, route in self._routes.items() if self._rules.empty_digests else ():
            if route.digest is not None:
                due = next_time(route.digest, now)
                self._store.open_bucket(connection, f"digest:{name}", "digest", name, name, due, now)
