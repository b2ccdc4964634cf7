"""The dispatcher: from an alert to its lanes, or a durable queue, and to the report."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import attrs

from alert_core import process
from alert_core.alert import Alert
from alert_core.background import aside
from alert_core.clock import Clock
from alert_core.config import DEFAULTS, Config, FailoverConfig, failover_faults, load, raise_faults
from alert_core.environment import from_environment
from alert_core.errors import ConfigError, Fault, QueueError
from alert_core.memory import CLOSING, Memory, Refusals, accepted
from alert_core.pipeline import Pipeline, Ready, processor
from alert_core.plugins import Observers, Plugins, installed_plugins
from alert_core.queues import Desk, Dispatch, Queue, queue_faults
from alert_core.redaction import Redactor
from alert_core.report import DeliveryReport, Ticket
from alert_core.retry import RetryPolicy
from alert_core.routing import Route, named_routes, route_faults, unknown_name
from alert_core.specs import ProcessorSpec
from alert_core.targets import named_targets

_log = logging.getLogger(__name__)


class Dispatcher:
    """Deliver alerts to targets, each in a lane of its own. Safe to use from several threads, and after a fork.

    Args:
        targets: a mapping of name to transport, or an iterable of objects with `name` and `send(alert)`.
        routes: which alerts go where; the last one matches everything. None: every target gets every alert.
        defaults: source, tags, url, request_id and metadata for alerts that have none of their own; severity for those
            that `alert_core.send()` makes.
        processors: callables `Alert -> Alert | None`, or ProcessorSpecs; None drops the alert.
        redactor: the masking policy; the plugins' rules are added to it.
        retry: for targets that set none of their own.
        deadline: seconds that `send()` and `asend()` take at most.
        plugins: default: the installed ones, loaded once and shared.
        queue: where deliveries wait: an `alert_core.queues.Queue`, as alert-outbox has; None is in memory.
        allow_unmasked: let an alert made with `redact=False` through as it is.
        clock: for tests: an `alert_core.testing.VirtualClock`.

    Raises:
        ConfigError: with every fault of the targets and routes.
    """

    def __init__(  # noqa: PLR0913 - the pipeline's parts
        self,
        targets: Mapping[str, Any] | Iterable[Any],
        *,
        routes: Iterable[Route] = (),
        defaults: Mapping[str, Any] | None = None,
        processors: Iterable[Callable[[Alert], Alert | None] | ProcessorSpec] = (),
        redactor: Redactor | None = None,
        retry: RetryPolicy | None = None,
        deadline: float = 10.0,
        plugins: Plugins | None = None,
        queue: Queue | None = None,
        allow_unmasked: bool = False,
        clock: Clock | None = None,
    ) -> None:
        plugins = installed_plugins() if plugins is None else plugins
        named, settings, faults = named_targets(targets)
        routes = tuple(routes)
        if queue is not None:
            faults += [Fault("queue", fault) for fault in queue_faults(queue)]
        if not 0 < deadline < float("inf"):
            faults.append(Fault("deadline", "must be seconds: more than 0, and finite"))
        faults += [
            Fault(f"defaults.{name}", f"is no field that has a default; those are {', '.join(DEFAULTS)}")
            for name in defaults or {}
            if name not in DEFAULTS
        ]
        faults += failover_faults(named)
        faults += route_faults(routes, tuple(named), keeps_state=bool(getattr(queue, "keeps_state", False)))
        raise_faults(faults)
        self.deadline = deadline
        self.tables: Mapping[str, Any] = {}
        """Of each table of the configuration that a plugin owns, what was read, by the table's name."""
        self.plugins = plugins
        self.redactor = (redactor or Redactor()).extended(plugins.redactors)
        self._retry = retry or RetryPolicy()
        self._clock = clock or Clock()
        self._observers = Observers(plugins)
        self._drops: Counter[str] = Counter()
        self._memory = Memory(
            named,
            settings,
            deadline=deadline,
            retry=self._retry,
            redactor=self.redactor,
            observers=self._observers,
            drop=self._drop,
            clock=self._clock,
        )
        self._lanes = self._memory.lanes
        children = {c for t in named.values() if isinstance(t, FailoverConfig) for c in t.targets}
        self._pipeline = Pipeline(
            redactor=self.redactor,
            defaults=dict(defaults or {}),
            processors=sorted((*map(processor, processors), *plugins.processors), key=lambda spec: spec.order),
            routes=named_routes(routes),
            everyone=tuple(name for name in named if name not in children),
            lanes=self._lanes,
            allow_unmasked=allow_unmasked,
            drop=self._drop,
        )
        self._closed = False
        self.queue = queue
        self._desk = self._opened(queue) if queue is not None else None
        process.watch(self, Dispatcher._exit, Dispatcher._forget)

    @classmethod
    def from_config(
        cls, path_or_mapping: str | os.PathLike[str] | Mapping[str, Any], plugins: Plugins | None = None
    ) -> Self:
        """Build one from alerts.toml, or from a mapping of the same form.

        Raises:
            ConfigError: with every fault, each with its path.
        """
        plugins = installed_plugins() if plugins is None else plugins
        config, faults = load(path_or_mapping, plugins, os.environ)
        del path_or_mapping  # what is raised from here on shows no value of it, not even among the frames' locals
        return cls._built(config, faults, plugins)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, plugins: Plugins | None = None) -> Self:
        """Build one of every installed transport whose options are set in the environment; of a family, the best.

        Where none is, it has no target, and drops every alert with the reason `no_target`.

        Raises:
            ConfigError: a transport has some, but not all of its required variables.
        """
        plugins = installed_plugins() if plugins is None else plugins
        config, faults = from_environment(environ, plugins)
        del environ
        return cls._built(config, faults, plugins)

    @classmethod
    def _built(cls, config: Config, faults: Sequence[Fault], plugins: Plugins) -> Self:
        raise_faults(faults)
        dispatcher = cls(
            config.targets,
            routes=config.routes,
            defaults=config.defaults,
            redactor=config.redactor,
            retry=config.retry,
            deadline=config.deadline,
            queue=config.queue,
            plugins=plugins,
        )
        dispatcher.tables = config.tables
        return dispatcher

    @property
    def targets(self) -> Mapping[str, Any]:
        """The transports by the names of their targets."""
        return {name: lane.transport for name, lane in self._lanes.items()}

    @property
    def routes(self) -> Sequence[Route]:
        """Which alerts go where, in this order; each has a name."""
        return self._pipeline.routes

    @property
    def defaults(self) -> Mapping[str, Any]:
        """What alerts get that have none of their own."""
        return self._pipeline.defaults

    @property
    def drops(self) -> Mapping[str, int]:
        """How many alerts and deliveries were dropped so far, by reason."""
        return dict(self._drops)

    def send(self, alert: Alert, targets: Iterable[str] | None = None) -> DeliveryReport:
        """Deliver, and wait at most `deadline` seconds for it.

        Args:
            alert: what to tell.
            targets: names; they bypass the routes. Default: the routes decide.

        Returns:
            What happened at each target. No exception of a transport escapes.

        Raises:
            ConfigError: a name in `targets` does not exist.
        """
        ends = self._clock.monotonic() + self.deadline
        ticket, _ = self._dispatch(alert, targets, ends)
        if self._is_waited_for(ticket):
            ticket.wait(ends - self._clock.monotonic())
        return ticket.freeze()

    async def asend(self, alert: Alert, targets: Iterable[str] | None = None) -> DeliveryReport:
        """As `send()`, for coroutines: the event loop goes on while the lanes work."""
        loop = asyncio.get_running_loop()
        ends = self._clock.monotonic() + self.deadline
        finished = asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(finished.set)

        if self._desk is None:
            ticket, _ = self._dispatch(alert, targets, ends)
        else:  # a commit waits for a disk or a server
            ticket, _ = await aside(loop, lambda: self._dispatch(alert, targets, ends))
        ticket.on_finish(wake, ends)
        if self._is_waited_for(ticket):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(finished.wait(), ends - self._clock.monotonic())
        return ticket.freeze()

    def enqueue(self, alert: Alert, targets: Iterable[str] | None = None) -> Ticket:
        """Hand the alert over and return at once, or when a durable queue has it. Retries have no deadline.

        Raises:
            QueueFull: no lane had room for it.
            QueueError: the dispatcher is closed, or the durable queue did not accept the alert.
            ConfigError: a name in `targets` does not exist.
        """
        return accepted(*self._dispatch(alert, targets, None))

    def enqueue_many(self, alerts: Iterable[Alert], targets: Iterable[str] | None = None) -> list[Ticket]:
        """As `enqueue()` for each, in this order; a durable queue with transactions keeps all of them, or none.

        Without one, the first error ends it, and the alerts before that one are on their way.

        Raises:
            QueueFull: no lane had room for one of them.
            QueueError: the dispatcher is closed, or the durable queue did not accept the alerts.
            ConfigError: a name in `targets` does not exist.
        """
        explicit = None if targets is None else self._checked(targets)
        given = [_an_alert(alert) for alert in alerts]
        ready = [self._pipeline.ready(alert, explicit, self._desk) for alert in given]
        if self._is_forgiven:
            return [accepted(*self._sent_on(one, None)) for one in ready]
        kept = [one for one in ready if self._is_kept(one)]
        tickets = dict(zip(kept, self._put([*map(self._stored_as, kept)]), strict=True)) if kept else {}
        return [tickets.get(one) or accepted(*self._from_memory(one, None)) for one in ready]

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until every lane is empty and its observers are done, at most `timeout` seconds; whether all are.

        Of a durable queue whose worker runs here, what is due is waited for, and not what is to be tried again later.
        """
        ends = None if timeout is None else self._clock.monotonic() + timeout
        queue = self.queue is None or self.queue.flush(ends)
        return self._memory.flush(ends) and queue

    def close(self, timeout: float | None = None) -> None:
        """Flush for `timeout` seconds (default: the deadline), then drop what is left, with the reason `closed`.

        The transports are closed then, all at once; one that takes longer than a second goes on by itself.
        """
        timeout = self.deadline if timeout is None else timeout
        if not self._closed:
            ends = self._clock.monotonic() + timeout
            self.flush(timeout)
            self._closed = True
            if self.queue is not None:
                self.queue.close(ends)
        self._memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self, queue: Queue) -> Desk:
        desk = Desk(
            queue,
            self._lanes,
            observers=self._observers,
            drop=self._drop,
            redactor=self.redactor,
            retry=self._retry,
            routes=tuple(self.routes) or self._pipeline.unrouted,
            deadline=self.deadline,
            clock=self._clock,
        )
        queue.open(desk)
        return desk

    def _is_waited_for(self, ticket: Ticket) -> bool:
        """Whether something in this process can end what the ticket stands for."""
        return not ticket.stored or self.queue is None or self.queue.delivers_here

    def _dispatch(self, alert: Alert, targets: Iterable[str] | None, ends: float | None) -> tuple[Ticket, Refusals]:
        explicit = None if targets is None else self._checked(targets)
        return self._sent_on(self._pipeline.ready(_an_alert(alert), explicit, self._desk), ends)

    def _sent_on(self, ready: Ready, ends: float | None) -> tuple[Ticket, Refusals]:
        """Into the durable queue, or from memory; and for each delivery why its lane refused it, if it did."""
        if self._is_kept(ready):
            dispatch = self._stored_as(ready)
            with self._refused(raises=ends is None and not self._is_forgiven):
                return self._put([dispatch])[0], []
            getattr(self.queue, "missed", lambda _: None)(dispatch)
            if not ready.names:
                names, dropped = self._pipeline.routed(ready.alert)
                ready = attrs.evolve(ready, names=names, dropped=dropped)
        return self._from_memory(ready, ends)

    def _from_memory(self, ready: Ready, ends: float | None) -> tuple[Ticket, Refusals]:
        ticket, refusals = self._memory.put(ready, ends)
        if process.is_exiting():
            ticket.wait(self.deadline)
        return ticket, refusals

    @property
    def _is_forgiven(self) -> bool:
        """Whether `enqueue()` delivers from memory what the queue refuses."""
        return bool(getattr(self.queue, "memory_when_down", False))

    def _is_kept(self, ready: Ready) -> bool:
        """Whether the durable queue gets it; one that keeps state also gets resolves that are routed nowhere."""
        return self._desk is not None and ready.dropped is None

    def _stored_as(self, ready: Ready) -> Dispatch:
        """What the durable queue gets of it."""
        return Dispatch(
            id=uuid.uuid4().hex,
            alert=ready.told,
            parts=self._desk.parts(ready.names) if self._desk else (),
            routes=() if ready.explicit else self._pipeline.taken(ready.told),
        )

    def _put(self, many: Sequence[Dispatch]) -> list[Ticket]:
        if self._desk is None or self._closed:
            raise QueueError("the dispatcher is closed; the alert was not accepted")
        return self._desk.put(many)

    @staticmethod
    @contextlib.contextmanager
    def _refused(*, raises: bool) -> Iterator[None]:
        """What the queue refuses is told to who enqueued it; `send()` goes on, and delivers from memory."""
        try:
            yield
        except QueueError as error:
            if raises:
                raise
            _log.warning("the queue refused an alert, which is delivered from memory: %s", error)

    def with_defaults(self, alert: Alert) -> Alert:
        """The alert, with the dispatcher's defaults for what it has none of."""
        return self._pipeline.with_defaults(alert)

    def route(self, alert: Alert) -> tuple[list[Route], list[str]]:
        """The routes that an alert as it is takes now, and the targets that it would go to. Nothing is sent."""
        return self._pipeline.route(alert)

    def _checked(self, targets: Iterable[str]) -> list[str]:
        names = [targets] if isinstance(targets, str) else list(dict.fromkeys(targets))
        if faults := [Fault("targets", unknown_name(name, self._lanes)) for name in names if name not in self._lanes]:
            raise ConfigError(faults)
        return names

    def _drop(self, alert: Alert, reason: str, dropped_by: str) -> None:
        self._drops[reason] += 1
        told = alert.masked(self.redactor)
        self._observers.tell("alert_dropped", alert=told, reason=reason, dropped_by=dropped_by)

    def _exit(self, began: float) -> None:
        if not self._closed:
            self.flush(max(began + self.deadline - time.monotonic(), 0.0))
            if self.queue is not None:
                self.queue.close(self._clock.monotonic() + CLOSING)
            self._memory.drop("exit")

    def _forget(self) -> None:
        if self.queue is not None:
            self.queue.forget()
        self._memory.forget()


def _an_alert(given: object) -> Alert:
    if not isinstance(given, Alert):
        raise TypeError(f"send an Alert, not {type(given).__name__}")
    return given
