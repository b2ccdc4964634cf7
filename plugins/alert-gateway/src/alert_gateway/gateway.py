"""The gateway itself: one function from a request to a response, for any framework."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

import attrs

from alert_core import Alert, ConfigError, Dispatcher, QueueError, Severity, redact
from alert_core.queues import Clock, TransactionalQueue
from alert_core.text import one_line, printable, truncate
from alert_gateway import pageapi
from alert_gateway.access import Keys, stranger, unproved
from alert_gateway.bodies import unpacked
from alert_gateway.config import GatewayTable, HeartbeatTable, Rate, SourceTable
from alert_gateway.depth import Depth
from alert_gateway.documents import BodyError, document
from alert_gateway.events import MOST, TryLaterError
from alert_gateway.faults import raise_faults
from alert_gateway.heartbeats import Heartbeats
from alert_gateway.history import Journal
from alert_gateway.housekeeping import Housekeeping
from alert_gateway.intake import Intake, Taken, waited
from alert_gateway.messages import RefusedError, Request, Response, as_json, problem
from alert_gateway.metrics import DELIVERED, DROPPED, FAILED, RETRIED, TEXT, Counts, Gauge, Labels, exposition
from alert_gateway.openapi import openapi
from alert_gateway.overflow import Overflow
from alert_gateway.own import is_tutorials, own_alerts
from alert_gateway.registry import Source, sources_of
from alert_gateway.replays import Replays
from alert_gateway.router import Handler, Router
from alert_gateway.state import MEMORY, State

_T = TypeVar("_T")
OWN: Final = "alerts"
"""What our own JSON is called among the sources: in metrics, rates and summaries."""
MAX_WAIT: Final = 30.0
READER: Final = 5.0
"""Seconds that the status page and Prometheus, which waits for 10, have for an answer."""
MAX_WAITERS: Final = 16
"""Requests that wait for a report at the same time; the next is told at once how it stands, and threads are left."""
RETRY_AFTER: Final = {"retry-after": "5"}
_READ: Final = 2000
"""Characters of a path that are looked at for a log line."""
NO_TARGET: Final = "no target is configured: alerts go to nobody; write an alerts.toml, or name it in ALERT_CONFIG"
_SHOWN: Final = 1000
"""Characters of an unknown body that are told."""
_log = logging.getLogger(__name__)


class Gateway:
    """Takes requests, and hands what they tell to a dispatcher. Safe to use from several threads.

    Args:
        dispatcher: its `tables` have `[gateway]`, `[sources.NAME]` and `[heartbeats.NAME]`, its `plugins` the sources.
        clock: for tests: an `alert_core.testing.VirtualClock`.

    Raises:
        ConfigError: what is wrong in those tables.
    """

    def __init__(self, dispatcher: Dispatcher, *, clock: Clock | None = None) -> None:
        self.dispatcher = dispatcher
        self.clock = clock or Clock()
        self.settings: GatewayTable = dispatcher.tables.get("gateway") or GatewayTable()
        tables: Mapping[str, SourceTable] = dispatcher.tables.get("sources") or {}
        heartbeats: Mapping[str, HeartbeatTable] = dispatcher.tables.get("heartbeats") or {}
        raise_faults(dispatcher)
        self.sources = sources_of(dispatcher)
        self.keys = Keys(self.settings.token)
        self._page_keys = Keys(self.settings.page_token)
        self._keys = {name: Keys(table.token) for name, table in tables.items()}
        self.state = State(dispatcher.queue, self.settings.state if heartbeats else MEMORY)
        self.depth = Depth(dispatcher, self.clock)
        self._rates = {name: table.rate for name, table in tables.items() if table.rate}
        is_limited = bool(self._rates or self.settings.rate)
        self.overflow = Overflow(
            self._rate,
            self.state,
            lambda alert: dispatcher.route(alert)[1],
            self._summarised,
            self.clock,
            is_limited=is_limited,
        )
        self.journal = Journal(dispatcher, self.clock)
        self.intake = Intake(dispatcher, self.overflow, [self.journal.accept, self.depth.note])
        self.heartbeats = Heartbeats(heartbeats, self.state, self._enqueue, self.clock)
        self.replays = Replays(self.state, self.clock)
        self.requests = Counts("alert_gateway_requests_total", "Requests, by the status of the answer.", "status")
        self.ignored = Counts("alert_gateway_ignored_total", "Messages of senders that are no alerts.", "source")
        self._has_transactions = isinstance(dispatcher.queue, TransactionalQueue)
        self._waiters = threading.BoundedSemaphore(MAX_WAITERS)
        self._housekeeping = Housekeeping([self.heartbeats.check, self.overflow.flush], self.clock)
        self.router = Router()
        self._add_routes()
        pageapi.add_routes(self)

    def start(self) -> None:
        """Look after heartbeats and summaries from now on, in a thread; fronts call it in the process that serves."""
        if self._housekeeping.start() and not self.dispatcher.targets:
            _log.warning(NO_TARGET)

    def close(self, timeout: float = 5.0) -> None:
        """Tell what is gathered, and end the thread; the dispatcher stays open."""
        self._housekeeping.close(timeout)
        try:
            self.overflow.flush(at_once=True)
        except QueueError as error:
            _log.warning("what was gathered could not be told (%s)", type(error).__name__)
        self.state.close()

    def handle(self, request: Request) -> Response:
        """Answer a request. Nothing is raised: what goes wrong is a 4xx that says so, or a 503."""
        return self._counted(request, self._guarded(lambda: self.router.answer(_unpacked(request))))

    def shares(self, request: Request) -> bool:
        """Whether `handle_many()` takes it: alerts of our own JSON, whose sender waits for nothing but the commit."""
        is_own = request.method == "POST" and request.path == "/alerts" and "wait" not in request.query
        return is_own and self._has_transactions

    def handle_many(self, requests: Sequence[Request]) -> list[Response]:
        """As `handle()` for each, with one commit for all their alerts; where that fails, each is told a 503."""
        read = [self._guarded(lambda one: self._read(_unpacked(one)), request) for request in requests]
        alerts = [alert for one in read if isinstance(one, list) for alert in one]
        if len(alerts) > MOST:
            return [self.handle(request) for request in requests]
        taken = self._guarded(self._take, OWN, alerts)
        if isinstance(taken, Response):
            answers = [one if isinstance(one, Response) else taken for one in read]
        else:
            left = iter(taken)
            answers = [one if isinstance(one, Response) else _answer([*islice(left, len(one))]) for one in read]
        return [self._counted(request, answer) for request, answer in zip(requests, answers, strict=True)]

    def _counted(self, request: Request, response: Response) -> Response:
        self.requests.add(str(response.status))
        if response.status >= 400:  # noqa: PLR2004 - the sender's fault, or ours
            path = truncate(str(redact(one_line(request.path[:_READ]))), 200)
            _log.warning("%s %s %d", one_line(request.method)[:20], path, response.status)
        return response

    @staticmethod
    def is_instant(request: Request) -> bool:
        """Whether it waits for nothing: a front answers it without a thread, which may all wait for a database."""
        return request.path == "/healthz"

    def patience(self, request: Request) -> float:
        """Seconds within which who asks is to be answered."""
        if not request.path.startswith(("/alerts", "/heartbeat/", "/readyz")):
            return max(self.settings.answer_within, READER)
        try:
            return self.settings.answer_within + (_wait(request) or 0.0)
        except RefusedError:
            return self.settings.answer_within

    def _guarded(self, work: Callable[..., _T], *arguments: Any) -> _T | Response:
        """What it returns; of what it raises, the answer."""
        try:
            return work(*arguments)
        except (RefusedError, BodyError) as error:
            return problem(getattr(error, "status", 400), str(error))
        except (QueueError, TryLaterError) as error:
            return overloaded(str(redact(str(error))))
        except Exception as error:  # noqa: BLE001 - whatever it is: the sender keeps its alert, and comes again
            _log.error("a request failed (%s)", type(error).__name__)
            return overloaded(f"the request could not be handled ({type(error).__name__})")

    def _add_routes(self) -> None:
        add = self.router.add
        add("POST", "/alerts", self._own)
        add("POST", "/alerts/{source}", self._source)
        add("POST", "/alerts/{source}/{rest:path}", self._source)
        add("POST", "/heartbeat/{name}", self._heartbeat)
        add("GET", "/healthz", lambda _request, _parts: as_json({"ok": True}))
        add("GET", "/readyz", self._ready)
        add("GET", "/metrics", self._shown(self._metrics))
        add("GET", "/openapi.json", self._shown(self._openapi))

    def _own(self, request: Request, _parts: Mapping[str, str]) -> Response:
        read = self._read(request)
        if isinstance(read, Response):
            return read
        wait = _wait(request)
        taken = self._take(OWN, read)
        if wait is None:
            return _answer(taken)
        found = document(request.body, request.headers)
        if not self._waiters.acquire(blocking=False):
            return as_json(self._waited(found, taken, 0.0))
        with contextlib.ExitStack() as leave:
            leave.callback(self._waiters.release)
            return as_json(self._waited(found, taken, wait))

    def _read(self, request: Request) -> list[Alert] | Response:
        """The alerts of our own JSON, or the answer to who may not ask."""
        if (refused := self._refused(request, self.keys)) is not None:
            return refused
        severity = Severity(self.dispatcher.defaults.get("severity") or Severity.ERROR)
        return own_alerts(document(request.body, request.headers), severity)

    def _waited(self, found: object, taken: list[Taken], seconds: float) -> dict[str, Any]:
        """The answer once it is known what became of them, after at most so many seconds."""
        ends = self.clock.monotonic() + seconds
        bodies = found if isinstance(found, list) else [found]
        reports = [
            waited(self.intake.report(one, max(ends - self.clock.monotonic(), 0.0)), is_tutorials=is_tutorials(body))
            for one, body in zip(taken, bodies, strict=True)
        ]
        told = {"ok": all(one["ok"] for one in reports), "reports": reports}
        return accepted(taken) | (told if isinstance(found, list) else reports[0])

    def _source(self, request: Request, parts: Mapping[str, str]) -> Response:
        name = parts["source"]
        source = self.sources.get(name)
        if source is None:
            if (refused := self._refused(request, self.keys)) is not None:
                return refused
            known = sorted(self.sources)
            return problem(404, f"no such source; there are {', '.join(known)}", sources=known)
        if "rest" in parts and parts["rest"] not in source.paths():
            return problem(404, f"no such path; {name} is at /alerts/{name}")
        if (refused := self._unproved(source, request)) is not None:
            return refused
        request_id = source.delivery_id(request.body, request.headers)
        with self.replays.once(name, request_id) as is_new:
            if not is_new:
                return as_json({"ok": True, "accepted": [], "ignored": 1, "duplicate": True}, 202)
            alerts, ignored = self._parsed(source, request)
            taken = self._take(name, alerts)
        if ignored:
            self.ignored.add(name, count=ignored)
        return as_json(source.answer(request.body, request.headers) | accepted(taken, ignored), 202)

    def _parsed(self, source: Source, request: Request) -> tuple[list[Alert], int]:
        """The alerts of a request, and how many of its messages are none. What no source's code knows is told too."""
        try:
            return source.parse(request.body, request.headers, request.query)
        except (BodyError, TryLaterError):
            raise
        except Exception as error:  # noqa: BLE001 - a 4xx would lose the alert for good
            _log.warning("%s: a body of unknown shape (%s)", source.name, type(error).__name__)
            return [self._unrecognised(source, request)], 0

    def _unrecognised(self, source: Source, request: Request) -> Alert:
        try:
            found = self.dispatcher.redactor.redact(document(request.body, request.headers))
            said = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
        except BodyError:
            said = ""
        return Alert(
            f"Unrecognised payload from {source.name}",
            truncate(str(redact(printable(said[: 8 * _SHOWN]))).strip(), _SHOWN) or "The body is empty.",
            severity=source.settings.default_severity or Severity.WARNING,
            source=source.name,
        )

    def _heartbeat(self, request: Request, parts: Mapping[str, str]) -> Response:
        if (refused := self._refused(request, self.keys)) is not None:
            return refused
        name, known = parts["name"], sorted(self.heartbeats.tables)
        if name not in self.heartbeats.tables:
            there = f"there are {', '.join(known)}" if known else "there is none"
            return problem(404, f"no such heartbeat; {there}; write a table [heartbeats.NAME]", heartbeats=known)
        due = self.heartbeats.beat(name)
        self._housekeeping.wake()
        return as_json({"ok": True, "heartbeat": name, "late_in": round(due - self.clock.time(), 3)}, 202)

    def _ready(self, _request: Request, _parts: Mapping[str, str]) -> Response:
        if not self.dispatcher.targets:
            return problem(503, NO_TARGET)
        self.state.check()
        return as_json({"ok": True})

    def _metrics(self, _request: Request, _parts: Mapping[str, str]) -> Response:
        depth: dict[Labels, float] = {}
        oldest: dict[Labels, float] = {}
        beats: dict[Labels, float] = {}
        is_up = False
        with contextlib.suppress(QueueError):  # the counters are told all the same
            self.state.check()
            depth, oldest = self.depth.read()
            beats = {(name,): beat for name, (beat, _) in self.heartbeats.snapshot().items()}
            is_up = True
        counters = [
            self.requests,
            self.intake.accepted,
            self.intake.summarised,
            self.ignored,
            DELIVERED,
            FAILED,
            RETRIED,
            DROPPED,
        ]
        gauges: list[Gauge] = [
            ("alert_gateway_store_up", "Whether alerts can be accepted for good.", (), {(): float(is_up)}),
            ("alert_gateway_queue_depth", "Deliveries that have not ended, by state.", ("target", "state"), depth),
            ("alert_gateway_queue_oldest_seconds", "Age of the oldest of them.", ("target",), oldest),
            ("alert_gateway_heartbeat_timestamp_seconds", "When it was last heard.", ("name",), beats),
        ]
        text = exposition(counters, gauges)
        return Response(headers={"content-type": TEXT}, body=text.encode())

    def _openapi(self, _request: Request, _parts: Mapping[str, str]) -> Response:
        return as_json(openapi(sorted(self.sources), sorted(self.heartbeats.tables)))

    def _shown(self, handler: Handler) -> Handler:
        """What names targets and sources is for senders, and for who may see the page."""

        def shown(request: Request, parts: Mapping[str, str]) -> Response:
            refused = None if self._page_keys.admit(request) else self._refused(request, self.keys)
            return handler(request, parts) if refused is None else refused

        return shown

    def _refused(self, request: Request, keys: Keys) -> Response | None:
        """The answer to who may not ask; None: who asks may."""
        if keys:
            return None if keys.admit(request) else unproved(request)
        reason = stranger(request)
        return None if reason is None else problem(403, reason)

    def _unproved(self, source: Source, request: Request) -> Response | None:
        """The answer to a request that the source's own rules do not prove; None: it is proved.

        The source's own token and secret replace the gateway's token. With a secret, the signature alone counts.
        """
        settings = source.settings
        own = self._keys.get(source.name)
        keys = own or self.keys
        asked = source if own else attrs.evolve(source, settings=attrs.evolve(settings, token=self.settings.token))
        proved = asked.authenticate(request.body, request.headers, request.query)
        if source.is_signed() and not proved:
            return problem(403, f"the signature of {source.name} is missing or wrong")
        if settings.secret is not None or (proved and keys):
            return None
        return self._refused(request, keys)

    def _take(self, source: str, alerts: list[Alert]) -> list[Taken]:
        taken = self.intake.take(source, alerts)
        if any(one.ticket is None for one in taken):
            self._housekeeping.wake()  # its window may end before anything else is to be done
        return taken

    def _rate(self, source: str) -> Rate | None:
        return self._rates.get(source, self.settings.rate)

    def _enqueue(self, alert: Alert, targets: Any = None) -> Any:
        return self.intake.enqueue(alert, targets)

    def _summarised(self, alert: Alert, targets: Sequence[str] | None) -> None:
        try:
            self._enqueue(alert, targets)
        except ConfigError:  # a target that there was when it was gathered
            self._enqueue(alert)


def accepted(taken: list[Taken], ignored: int = 0) -> dict[str, Any]:
    """The answer to what was accepted."""
    return {"ok": True, "accepted": [one.to_dict() for one in taken], "ignored": ignored}


def _answer(taken: list[Taken]) -> Response:
    return as_json(accepted(taken), 202)


def overloaded(text: str) -> Response:
    """A 503: of all the 5xx and 429, what Alertmanager, Datadog and the others send again."""
    return problem(503, text, RETRY_AFTER)


def _unpacked(request: Request) -> Request:
    return attrs.evolve(request, body=unpacked(request.body, request.headers))


def _wait(request: Request) -> float | None:
    """The seconds of `?wait=`, at most 30.

    Raises:
        RefusedError: it is no such number.
    """
    given = request.query.get("wait")
    if given is None or request.path != "/alerts":
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise RefusedError(400, f"wait is a number of seconds, at most {MAX_WAIT:g}")
    return min(seconds, MAX_WAIT)
