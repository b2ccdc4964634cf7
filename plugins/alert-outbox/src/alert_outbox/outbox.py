"""The queue itself: what `[queue] type = "outbox"` stands for."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

import attrs
import sqlalchemy as sa

from alert_core import ConfigError, QueueError, Secret
from alert_core.queues import Desk, Dispatch, Stored, parse_duration
from alert_outbox.database import Database, PostgreSQL, SQLite
from alert_outbox.state import Plan, State
from alert_outbox.statements import Connection
from alert_outbox.store import Store
from alert_outbox.worker import Rules, Worker

_idle: ContextVar[bool] = ContextVar("alert_outbox_idle", default=False)
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


def _switch(value: object) -> bool:
    word = _WORDS.get(str(value).strip().lower())
    if word is None:
        raise ConfigError("worker and empty_digests must be true or false")
    return word


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

    path: str | None = attrs.field(default=None, converter=attrs.converters.optional(str))
    url: Secret | None = attrs.field(default=None, converter=_secret)
    worker: bool = attrs.field(default=True, converter=_switch)
    poll: float | str = 1.0
    give_up_after: float | str = "24h"
    longest_backoff: float | str = "5m"
    keep: float | str = "30d"
    empty_digests: bool = attrs.field(default=False, converter=_switch)
    dead_letter_target: str | None = attrs.field(default=None, converter=attrs.converters.optional(str))

    keeps_state = True

    def __attrs_post_init__(self) -> None:
        """Check the options taken together; nothing is opened yet."""
        rules = {
            name: _seconds(name, getattr(self, name)) for name in ("poll", "give_up_after", "longest_backoff", "keep")
        }
        self._rules = Rules(**rules, empty_digests=self.empty_digests, dead_letter_target=self.dead_letter_target)
        if (self.path is None) == (self.url is None):
            raise ConfigError([("path", "give either a path (SQLite) or a url (PostgreSQL)")])
        self.database = self._database()
        self.store = Store(self.database.dialect, uuid.uuid4().hex)
        self.state = State(self.database.dialect, self.store)
        self._starting = threading.Lock()
        self._desk: Desk | None = None
        self._worker: Worker | None = None

    def __repr__(self) -> str:
        return f"Outbox(path={self.path!r})" if self.path else "Outbox(url=Secret(…))"

    @property
    def delivers_here(self) -> bool:
        """Whether a worker runs in this process."""
        return self._worker is not None and self._worker.is_running

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
            raise ConfigError([("queue.dead_letter_target", "no target has this name")])
        self._desk = desk
        if self.worker and not _idle.get():
            self.start()

    def start(self) -> None:
        """Start the worker in this process, whatever `worker` says."""
        with self._starting:
            if self._worker is None and self._desk is not None:
                self._worker = Worker(self.database, self.store, self.state, self._desk, self._rules)
        if self._worker is not None:
            self._worker.start()

    def put(self, dispatch: Dispatch) -> Stored:
        """Commit an alert and its deliveries.

        Raises:
            QueueError: the database refused; nothing was accepted.
        """
        desk = self.desk
        if self._worker is None and self.worker and not _idle.get():
            self.start()  # in the child of a fork
        now = desk.clock.time()

        def work(connection: Connection, again: bool) -> Plan:
            if again and self.store.sql.alert_exists.rows(connection, id_=dispatch.id):
                return Plan([(part, None) for part in dispatch.parts])  # committed, but the answer was lost
            plan = self.state.plan(connection, dispatch, now, desk.targets, desk.routes)
            if plan.placed:
                self.store.put(connection, dispatch, plan.placed, now)
            return plan

        plan = self.database.write(work)
        if not (plan.placed or plan.dropped):
            plan.dropped.append(("not_firing", ", ".join(str(route.name) for route in dispatch.routes)))
        for reason, by in plan.dropped:
            desk.drop(dispatch.alert, reason, by)
        if self._worker is not None:
            self._worker.notify({part.target for part, bucket in plan.placed if bucket is None}, plan.due)
        reasons = ", ".join(dict.fromkeys(f"{reason}: {by}" for reason, by in plan.dropped))
        return Stored(parts=tuple(part for part, _ in plan.placed), dropped=None if plan.placed else reasons)

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
        self._starting = threading.Lock()
        self._worker = None

    def _database(self) -> Database:
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


@contextlib.contextmanager
def without_worker() -> Iterator[None]:
    """Inside, a dispatcher that is made delivers nothing from its outbox: for commands that look after it."""
    token = _idle.set(True)
    try:
        yield
    finally:
        _idle.reset(token)
