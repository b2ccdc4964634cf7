"""The queue itself: what `[queue] type = "outbox"` stands for."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import attrs
import sqlalchemy as sa

from alert_core import ConfigError, Delivery, QueueError, Secret
from alert_core.queues import Desk, Dispatch, Part, Stored, parse_duration
from alert_outbox.claims import Rules
from alert_outbox.database import Database
from alert_outbox.inspection import Inspection
from alert_outbox.intake import Intake, Planned, tell, tell_drops
from alert_outbox.postgresql import PostgreSQL
from alert_outbox.reports import delivery_of
from alert_outbox.silences import Silences
from alert_outbox.sqlite import SQLite
from alert_outbox.state import Plan, State
from alert_outbox.statements import Connection
from alert_outbox.store import Store
from alert_outbox.worker import Worker

MISSED: Final = 1_000
"""Alerts that went from memory, while the database refused, of which a process remembers that; the latest."""
_WORDS: Final = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


def _seconds(name: str, value: float | str) -> float:
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise ConfigError([(name, str(error))]) from None
    if not seconds:
        raise ConfigError([(name, "must be more than 0")])
    return seconds


def _switch(name: str, value: object) -> bool:
    word = _WORDS.get(str(value).strip().lower())
    if word is None:
        raise ConfigError([(name, "must be true or false")])
    return word


def _worker(value: object) -> bool:
    return _switch("worker", value)


def _empty_digests(value: object) -> bool:
    return _switch("empty_digests", value)


def _path(value: object) -> str | None:
    if value is not None and (not isinstance(value, str | os.PathLike) or not os.fspath(value)):
        raise ConfigError([("path", "must be the path of a file")])
    return None if value is None else str(os.fspath(value))


def _secret(value: object) -> Secret | None:
    if value is None or isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ConfigError([("url", "must be a text")])
    return Secret(value)


@attrs.define(kw_only=True, eq=False, repr=False, slots=False)
class Outbox:
    """Keeps alerts and their deliveries in a database until each is delivered, or a dead letter.

    Args:
        path: of a SQLite database on a local disk; made where it is missing, in a folder that exists.
        url: instead, of a PostgreSQL database that several hosts share: `postgresql://user:password@host/name`.
        worker: deliver from this process too; false where `alertctl outbox run` alone is to do it.
        poll: how often to look for what other processes have enqueued, seconds or as `"1s"`.
        give_up_after: from when on a failed delivery is a dead letter, as `"24h"`, counted from `enqueue()`.
        longest_backoff: between two attempts; also the most that a provider's Retry-After may ask for.
        keep: how long what has ended is kept for `alertctl outbox list`.
        empty_digests: send a digest although nothing happened.
        dead_letter_target: the name of a target that gets a notice of each dead letter.

    Raises:
        ConfigError: every option that is wrong.
    """

    path: str | None = attrs.field(default=None, converter=_path)
    url: Secret | None = attrs.field(default=None, converter=_secret)
    worker: bool = attrs.field(default=True, converter=_worker)
    poll: float | str = 1.0
    give_up_after: float | str = "24h"
    longest_backoff: float | str = "5m"
    keep: float | str = "30d"
    empty_digests: bool = attrs.field(default=False, converter=_empty_digests)
    dead_letter_target: str | None = attrs.field(default=None, converter=attrs.converters.optional(str))

    keeps_state = True
    enlists = False
    """Whether alerts may come with transactions of the application's, through `intake`."""

    def __attrs_post_init__(self) -> None:
        """Check the options taken together; nothing is opened yet."""
        rules = {
            name: _seconds(name, getattr(self, name)) for name in ("poll", "give_up_after", "longest_backoff", "keep")
        }
        self._rules = Rules(**rules, empty_digests=self.empty_digests, dead_letter_target=self.dead_letter_target)
        self._desk: Desk | None = None
        self.database = self.make_database()
        self.store = Store(self.database.dialect, uuid.uuid4().hex)
        self.silences = Silences(self.database, self._now)
        self.inspection = Inspection(self.database, self._now)
        self.state = State(self.database.dialect, self.store, self.silences)
        self.intake = Intake(self.database.dialect, self.state)
        self._missed: deque[Dispatch] = deque(maxlen=MISSED)
        self._starting = threading.Lock()
        self._worker: Worker | None = None

    def __repr__(self) -> str:
        return f"Outbox(path={self.path!r})" if self.path else "Outbox(url=Secret(…))"

    @property
    def where(self) -> str:
        """The place of its database, for people; not a server's, which is a credential."""
        return self.path or ("PostgreSQL" if self.url else "")

    @property
    def delivers_here(self) -> bool:
        """Whether a worker runs in this process."""
        return self._worker is not None and self._worker.is_running

    @property
    def counts(self) -> Mapping[str, int]:
        """What came of the attempts of this process: how many were `delivered`, `retried`, or given up: `dead`."""
        return {} if self._worker is None else self._worker.counts

    @property
    def desk(self) -> Desk:
        """The dispatcher's side of it.

        Raises:
            QueueError: no dispatcher has opened it.
        """
        if self._desk is None:
            raise QueueError("the outbox is not open: give it to a Dispatcher")
        return self._desk

    def open(self, desk: Desk) -> None:
        """Start the worker, so that what an earlier process has left is delivered."""
        if self._desk is not None:
            raise ConfigError([("queue", "this Outbox belongs to another Dispatcher; make one for each")])
        if self.dead_letter_target is not None and self.dead_letter_target not in desk.targets:
            names = ", ".join(sorted(desk.targets))
            raise ConfigError([("queue.dead_letter_target", f"no target has this name; the targets are: {names}")])
        self._desk = desk
        # Then `send()` has time left to deliver from memory.
        self.database.patience = min(self.database.patience, desk.deadline / 2)
        if self.worker and desk.may_work:
            self.start()

    def start(self) -> None:
        """Start the worker in this process, whatever `worker` says."""
        with self._starting:
            if self._worker is None and self._desk is not None:
                self._worker = Worker(self.database, self.store, self.state, self.intake, self._desk, self._rules)
        if self._worker is not None:
            self._worker.start()

    def put(self, dispatch: Dispatch) -> Stored:
        """Commit an alert and its deliveries.

        Raises:
            QueueError: the database refused; nothing was accepted.
        """
        return self.put_many([dispatch])[0]

    def put_many(self, dispatches: Sequence[Dispatch]) -> list[Stored]:
        """Commit alerts and their deliveries, in one transaction.

        Raises:
            QueueError: the database refused; nothing was accepted.
        """
        desk = self.desk
        self._start_in_child()
        now, missed = desk.clock.time(), [*self._missed]

        def work(connection: Connection, again: bool) -> tuple[list[Planned], list[Plan]]:
            for one in missed:
                self.state.catch_up(connection, one, now)
            before = self.intake.plan(connection, desk) if self.enlists else []
            return before, [self._planned(connection, dispatch, now, again=again) for dispatch in dispatches]

        before, plans = self.database.write(work)
        for one in missed:
            with contextlib.suppress(ValueError):  # another thread was quicker
                self._missed.remove(one)
        tell(desk, before)
        told = [tell_drops(desk, dispatch, plan) for dispatch, plan in zip(dispatches, plans, strict=True)]
        self._notify([*(plan for _, plan in before), *plans])
        return [
            Stored(parts=tuple(part for part, _ in plan.placed), dropped=dropped, gathered=plan.gathered)
            for plan, dropped in zip(plans, told, strict=True)
        ]

    def missed(self, dispatch: Dispatch) -> None:
        """What was refused goes from memory: the next transaction remembers it, unless this process ends before."""
        self._missed.append(dispatch)

    def plan_intake(self) -> None:
        """Plan what has come with transactions that have committed, as every worker does each `poll`.

        Raises:
            QueueError: the database refused; a worker does it later.
        """
        self._start_in_child()
        planned = self.database.write(lambda connection, _: self.intake.plan(connection, self.desk))
        tell(self.desk, planned)
        self._notify([plan for _, plan in planned])

    def _start_in_child(self) -> None:
        if self._worker is None and self.worker and self.desk.may_work:
            self.start()  # in the child of a fork

    def _notify(self, plans: Sequence[Plan]) -> None:
        due = min((plan.due for plan in plans if plan.due is not None), default=None)
        self.notify({part.target for plan in plans for part, bucket in plan.placed if bucket is None}, due)

    def notify(self, targets: Collection[str], due: float | None = None) -> None:
        """Tell the worker of this process, if there is one, that something was committed.

        Args:
            targets: for whom there is a delivery now.
            due: when what was gathered is to be told, seconds since 1970.
        """
        if self._worker is not None:
            self._worker.notify(targets, due)

    def _planned(self, connection: Connection, dispatch: Dispatch, now: float, *, again: bool) -> Plan:
        """Decide who gets it, and write that."""
        if again and (there := self.store.sql.report.rows(connection, id_=dispatch.id)):
            return Plan([(Part(row[0], row[1]), None) for row in there])  # committed, but the answer was lost
        return self.state.put(connection, dispatch, now, self.desk)

    def conclude(self, dispatch_id: str) -> bool:
        """Note that the end of a dispatch is told; whether it was not yet. Told twice beats never."""
        now = self.desk.clock.time()
        try:
            return bool(
                self.database.write(
                    lambda connection, _: self.store.sql.finish.run(connection, id_=dispatch_id, now=now)
                )
            )
        except QueueError:
            return True

    def make_tables(self) -> None:
        """Make the database's tables, or bring them to this version, where that is not done yet.

        Raises:
            QueueError: the database refused.
        """
        self.database.write(lambda *_: None)

    def deliveries(self, dispatch_id: str) -> list[Delivery]:
        """How the deliveries of a dispatch stand, whichever process has them; none where its history is gone.

        Raises:
            QueueError: the database refused.
        """
        rows = self.database.read(lambda connection: self.store.sql.report.rows(connection, id_=dispatch_id))
        return [delivery_of(row) for row in rows]

    def retry(self, number: int | None = None, *, target: str | None = None) -> int:
        """Let dead letters be tried again, as if they were enqueued now; how many.

        Args:
            number: of one delivery; default: all.
            target: those of one target; default: of every target.

        Raises:
            QueueError: the database refused.
        """
        now = self._now()
        count = self.database.write(lambda connection, _: self.store.revive(connection, now, number, target))
        if count and self._desk is not None:
            self.notify([*self._desk.targets])
        return count

    def purge(self, older_than: float | None = None) -> int:
        """Delete the history of alerts whose last delivery has ended, dead letters among them; how many alerts.

        Args:
            older_than: ended so many seconds ago, or earlier; default: what `keep` says.

        Raises:
            QueueError: the database refused.
        """
        before = self._now() - (self._rules.keep if older_than is None else older_than)
        total = 0
        while count := self.database.write(lambda connection, _: self.store.purge(connection, before, 1_000)):
            total += count
        return total

    def flush(self, ends: float | None) -> bool:
        """Wait until nothing that is due is left, where a worker runs here."""
        return self._worker is None or not self._worker.is_running or self._worker.flush(ends)

    def drain(self, ends: float) -> bool:
        """Take nothing out any more, let what runs end until then, give back what has not begun; whether all ended."""
        try:
            return self._worker is None or self._worker.stop(ends)
        except QueueError:
            return False

    def close(self, ends: float) -> None:
        """Drain, and close the database."""
        self.drain(ends)
        self.database.close()

    def forget(self) -> None:
        """In the child of a fork: no connection, no worker until the first alert, and another name for leases."""
        self.database.forget()
        self.store.token = uuid.uuid4().hex
        self._missed = deque(maxlen=MISSED)
        self._starting = threading.Lock()
        self._worker = None

    def _now(self) -> float:
        return time.time() if self._desk is None else self._desk.clock.time()

    def make_database(self) -> Database:
        """The database that the options name; nothing is opened. A subclass may have another.

        Raises:
            ConfigError: they name none, or two.
        """
        if (self.path is None) == (self.url is None):
            raise ConfigError([("path", "give either a path (SQLite) or a url (PostgreSQL)")])
        if self.path is not None:
            return SQLite(self.path)
        url = self.url.reveal() if self.url is not None else ""
        try:
            parsed = sa.make_url(url)
        except (sa.exc.ArgumentError, ValueError):
            parsed = None
        if parsed is None or parsed.get_backend_name() not in {"postgresql", "postgres"}:
            raise ConfigError([("url", "must be as postgresql://user:password@host/name; for SQLite give a path")])
        try:
            import psycopg  # noqa: F401 - told now, rather than with the first alert
        except ImportError:
            raise ConfigError([("url", "needs a driver: pip install alert-outbox[postgresql]")]) from None
        return PostgreSQL(parsed)
