"""The pipeline: defaults, processors, masking, routes, lanes, report."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import threading
import time
import uuid
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Self, TypeVar, cast

from alert_core.alert import Alert, Severity
from alert_core.clock import Clock
from alert_core.config import DEFAULTS, Config, FailoverConfig, failover_faults, load, raise_faults
from alert_core.environment import from_environment
from alert_core.errors import ConfigError, Fault, QueueError, QueueFull
from alert_core.failover import Failover
from alert_core.lanes import Job, Lane
from alert_core.plugins import Observers, Plugins, installed_plugins
from alert_core.queues import Desk, Dispatch, Queue, queue_faults
from alert_core.redaction import Redactor
from alert_core.report import DeliveryReport, Ticket
from alert_core.retry import RetryPolicy
from alert_core.routing import Route, named_routes, route_faults, select, unknown_name
from alert_core.settings import Settings
from alert_core.specs import ProcessorSpec

_T = TypeVar("_T")
_PLAIN_FIELDS: Final = ("source", "tags", "url", "request_id")
CLOSING: Final = 1.0  # seconds that close() waits for a transport's own
_log = logging.getLogger(__name__)
_live: weakref.WeakSet[Dispatcher] = weakref.WeakSet()


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
        named, settings, faults = _named(targets)
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
        self.routes = named_routes(routes)
        self.deadline = deadline
        self.defaults = dict(defaults or {})
        self.redactor = (redactor or Redactor()).extended(plugins.redactors)
        self._processors = sorted((*map(_processor, processors), *plugins.processors), key=lambda spec: spec.order)
        self._retry = retry or RetryPolicy()
        self._allow_unmasked = allow_unmasked
        self._clock = clock or Clock()
        self._observers = Observers(plugins)
        self._drops: Counter[str] = Counter()
        self._lanes: dict[str, Lane] = {}
        for name, target in named.items():
            self._lanes[name] = self._lane(name, target, settings.get(name))
        children = {c for t in named.values() if isinstance(t, FailoverConfig) for c in t.targets}
        self._everyone = tuple(name for name in named if name not in children)
        self._closed = False
        self.queue = queue
        self._desk = self._opened(queue) if queue is not None else None
        _live.add(self)

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
        return cls(
            config.targets,
            routes=config.routes,
            defaults=config.defaults,
            redactor=config.redactor,
            retry=config.retry,
            deadline=config.deadline,
            queue=config.queue,
            plugins=plugins,
        )

    @property
    def targets(self) -> Mapping[str, Any]:
        """The transports by the names of their targets."""
        return {name: lane.transport for name, lane in self._lanes.items()}

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
            ticket, _ = await _aside(loop, lambda: self._dispatch(alert, targets, ends))
        ticket.on_finish(wake)
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
        ticket, refusals = self._dispatch(alert, targets, None)
        if refusals and all(refusals):
            if "closed" in refusals:
                raise QueueError("the dispatcher is closed; the alert was not accepted")
            if set(refusals) == {"queue_full"}:
                raise QueueFull("every lane is full; the alert was not accepted")
        return ticket

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until every lane is empty and its observers are done, at most `timeout` seconds; whether all are.

        Of a durable queue whose worker runs here, what is due is waited for, and not what is to be tried again later.
        """
        ends = None if timeout is None else self._clock.monotonic() + timeout
        queue = self.queue is None or self.queue.flush(ends)
        flushed = [lane.flush(ends) for lane in self._lanes.values()]
        return queue and all(flushed)

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
        for lane in self._lanes.values():
            lane.drop("closed", close=True)
        for thread in [_started(lane) for lane in self._lanes.values()]:
            if thread is not None:
                thread.join(CLOSING)

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
            retry=self._retry,
            routes=self.routes,
            clock=self._clock,
        )
        queue.open(desk)
        return desk

    def _is_waited_for(self, ticket: Ticket) -> bool:
        """Whether something in this process can end what the ticket stands for."""
        return not ticket.stored or self.queue is None or self.queue.delivers_here

    def _lane(self, name: str, target: Any, settings: Settings | None = None) -> Lane:
        attempt = None
        if isinstance(target, FailoverConfig):
            target = Failover(
                name,
                target.targets,
                self._lanes,
                deadline=self.deadline,
                min_severity=target.min_severity,
                retry=target.retry,
                clock=self._clock,
            )
            attempt = target.attempt
        return Lane(
            name,
            target,
            settings=settings or cast("Settings", Settings.of(target)[0]),
            redactor=self.redactor,
            observers=self._observers,
            on_drop=self._drop,
            clock=self._clock,
            attempt=attempt,
        )

    def _dispatch(
        self, alert: Alert, targets: Iterable[str] | None, ends: float | None
    ) -> tuple[Ticket, list[str | None]]:
        if not isinstance(alert, Alert):
            raise TypeError(f"send an Alert, not {type(alert).__name__}")
        explicit = None if targets is None else self._checked(targets)
        prepared, dropped = self._prepared(alert)
        told = prepared.masked(self.redactor)
        names: Sequence[str] = ()
        is_kept = self._desk is not None and self._desk.hears_of(prepared)
        if dropped is None and explicit is None and is_kept:
            names = self.route(prepared)[1]
        elif dropped is None and explicit is None:
            names, dropped = self._routed(prepared)
        elif dropped is None:
            names = explicit or ()
            if not names:
                dropped = "no_target"
                self._drop(told, dropped, "")
        if self._desk is not None and dropped is None and (names or is_kept):
            with self._refused(raises=ends is None):
                return self._put(self._desk, told, names, explicit), []
            if not names:
                names, dropped = self._routed(prepared)
        ticket = Ticket(
            alert.id,
            clock=self._clock,
            on_finished=lambda report: self._observers.tell("alert_dispatch_finished", alert=told, report=report),
            dropped=dropped,
        )
        jobs = self._jobs(prepared, told, names, ticket, ends)
        ticket.open(jobs)
        refusals = [job.lane.put(job) for job in jobs]
        if _exiting:
            ticket.wait(self.deadline)
        return ticket, refusals

    def _put(self, desk: Desk, told: Alert, names: Sequence[str], explicit: Sequence[str] | None) -> Ticket:
        if self._closed:
            raise QueueError("the dispatcher is closed; the alert was not accepted")
        routes = () if explicit is not None else tuple(self.route(told)[0])
        return desk.put(Dispatch(id=uuid.uuid4().hex, alert=told, parts=desk.parts(names), routes=routes))

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

    def _jobs(self, alert: Alert, told: Alert, names: Iterable[str], ticket: Ticket, ends: float | None) -> list[Job]:
        jobs: list[Job] = []
        now = self._clock.monotonic()
        for name in names:
            lane = self._lanes[name]
            for recipient in lane.settings.recipients:
                jobs.append(
                    Job(
                        alert=alert,
                        told=told,
                        lane=lane,
                        ticket=ticket,
                        index=len(jobs),
                        recipient=recipient,
                        began=now,
                        deadline=ends,
                        retry=lane.settings.retry or self._retry,
                    )
                )
        return jobs

    def _prepared(self, alert: Alert) -> tuple[Alert, str | None]:
        """The alert with defaults, processed and masked; or as far as it came, and why it was dropped."""
        current = self.with_defaults(alert)
        for spec in self._processors:
            try:
                result = spec.process(current)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a processor's fault does not cost the alert
                _log.warning("processor %s raised %s and is skipped", spec.name, type(error).__name__)
                continue
            if result is None:
                dropped = self._masked(current)
                self._drop(dropped, "processor", spec.name)
                return dropped, f"processor: {spec.name}"
            if isinstance(result, Alert):
                current = result
            else:
                _log.warning("processor %s gave no Alert and is skipped", spec.name)
        return self._masked(current), None

    def _masked(self, alert: Alert) -> Alert:
        return alert if self._allow_unmasked and not alert.is_masked else alert.masked(self.redactor)

    def with_defaults(self, alert: Alert) -> Alert:
        """The alert, with the dispatcher's defaults for what it has none of."""
        missing = {n: self.defaults[n] for n in _PLAIN_FIELDS if self.defaults.get(n) and not getattr(alert, n)}
        metadata = self.defaults.get("metadata") or {}
        if any(key not in alert.metadata for key in metadata):
            missing["metadata"] = {**metadata, **alert.metadata}
        return alert.evolve(**missing) if missing else alert

    def route(self, alert: Alert) -> tuple[list[Route], list[str]]:
        """The routes that an alert as it is takes now, and the targets that it would go to. Nothing is sent."""
        routes = select(self.routes, alert, datetime.now(UTC))
        wanted: Iterable[str] = dict.fromkeys(name for route in routes for name in route.targets)
        if not self.routes:
            wanted = self._everyone
        return routes, [name for name in wanted if alert.severity >= self._threshold(name)]

    def _routed(self, alert: Alert) -> tuple[Sequence[str], str | None]:
        """The targets of an alert, or why it has none."""
        routes, names = self.route(alert)
        if names:
            return names, None
        by = ", ".join(filter(None, (route.name for route in routes)))
        meant = any(route.targets for route in routes) if self.routes else bool(self._everyone)
        reason = "min_severity" if meant else "silenced" if self.routes else "no_target"
        self._drop(alert, reason, by)
        return (), f"{reason}: {by}" if by else reason

    def _threshold(self, name: str) -> Severity:
        return self._lanes[name].settings.min_severity

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
            for lane in self._lanes.values():
                lane.drop("exit", close=False)

    def _forget(self) -> None:
        if self.queue is not None:
            self.queue.forget()
        for lane in self._lanes.values():
            lane.forget()


_exiting = False


@atexit.register
def _at_exit() -> None:
    global _exiting  # noqa: PLW0603 - the process has one end
    _exiting = True
    began = time.monotonic()  # all of them flush at the same time
    for dispatcher in list(_live):
        dispatcher._exit(began)  # noqa: SLF001 - its own module


def _after_fork() -> None:
    for dispatcher in list(_live):
        dispatcher._forget()  # noqa: SLF001 - its own module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _named(targets: Mapping[str, Any] | Iterable[Any]) -> tuple[dict[str, Any], dict[str, Settings], list[Fault]]:
    """The targets by name, what each of them has set, and what is wrong with them."""
    faults: list[Fault] = []
    named: dict[str, Any] = {}
    settings: dict[str, Settings] = {}
    mapped = isinstance(targets, Mapping)
    pairs: Iterable[tuple[Any, Any]]
    pairs = targets.items() if isinstance(targets, Mapping) else ((getattr(t, "name", None), t) for t in targets)
    for name, target in pairs:
        if isinstance(target, type):
            faults.append(Fault("targets", f"{target.__name__} is a class; give an instance of it"))
        elif not isinstance(name, str) or not name:
            faults.append(Fault("targets", f"a {type(target).__name__} has no name; give it one"))
        elif name in named:
            faults.append(Fault(f"targets.{name}", "two targets have this name; give one of them another"))
        elif isinstance(target, FailoverConfig):
            named[name] = target
        elif not callable(getattr(target, "send", None)):
            faults.append(Fault(f"targets.{name}", f"a {type(target).__name__} has no send(alert)"))
        else:
            named[name] = target
            if mapped and getattr(target, "name", name) == getattr(target, "kind", None) != name:
                target.name = name  # it was given none, and knows itself by its kind
            found, wrong = Settings.of(target)
            faults += [fault.under(f"targets.{name}") for fault in wrong]
            if found is not None:
                settings[name] = found
    return named, settings, faults


async def _aside(loop: asyncio.AbstractEventLoop, work: Callable[[], _T]) -> _T:
    """What `work` returns or raises, done in a thread of its own; where none can start, it is done here."""
    future: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast("_T", result))

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - it is raised where it is awaited
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    try:
        threading.Thread(target=run, name="alert-core-enqueue", daemon=True).start()
    except RuntimeError:
        return work()
    return await future


def _started(lane: Lane) -> threading.Thread | None:
    """A thread that closes the lane's transport; where none can start, it is closed here."""
    thread = threading.Thread(target=lane.close, args=(CLOSING,), name=f"alert-core-{lane.name}-close", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        lane.close(CLOSING)
        return None
    return thread


def _processor(given: Callable[[Alert], Alert | None] | ProcessorSpec) -> ProcessorSpec:
    if isinstance(given, ProcessorSpec):
        return given
    return ProcessorSpec(getattr(given, "__name__", type(given).__name__), given)
