"""What the outbox's tests share: both databases, targets that count, and dispatchers that are closed."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from alert_core import Alert, Dispatcher, Receipt, Route, hookimpl
from alert_core.testing import VirtualClock, isolated_plugins
from alert_outbox import Outbox, postgresql

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
HOUR, DAY = 3_600.0, 86_400.0
PATIENT = {"poll": "10d"}
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgres"))]


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of an Outbox on an empty database, for each kind in its turn."""
    if request.param == "sqlite":
        return {"path": str(request.getfixturevalue("tmp_path") / "alerts.db")}
    return {"url": request.getfixturevalue("postgresql_schema").url}


@pytest.fixture(autouse=True)
def stalled(monkeypatch: pytest.MonkeyPatch) -> float:
    """As it is set; where a test holds a transaction open on a machine that stands still, nobody ends it for that."""
    seconds = postgresql.STALLED
    monkeypatch.setattr(postgresql, "STALLED", 60.0)
    return seconds


class Target:
    """Counts what it takes, by title; `answer` may raise, or take its time."""

    def __init__(self, name: str, answer: Callable[[Alert], object] = lambda _: None, **options: Any) -> None:
        self.name, self.answer = name, answer
        self.taken: Counter[str] = Counter()
        self.tries = 0
        self.lock = threading.Lock()
        self.alerts: list[Alert] = []
        vars(self).update(options)

    def send(self, alert: Alert, recipient: str | None = None) -> Receipt:
        with self.lock:
            self.tries += 1
        self.answer(alert)
        with self.lock:
            self.taken[alert.title if recipient is None else f"{alert.title} to {recipient}"] += 1
            self.alerts.append(alert)
        return Receipt(id=f"{self.name}-{alert.title}")


class Events:
    """What the observers were told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    @hookimpl
    def alert_delivery_started(self, alert: Alert, target: str, attempt: int) -> None:
        self.told.append(("started", alert.title, target, attempt))

    @hookimpl
    def alert_delivery_succeeded(self, alert: Alert, target: str, attempt: int) -> None:
        self.told.append(("succeeded", alert.title, target, attempt))

    @hookimpl
    def alert_delivery_failed(self, alert: Alert, target: str, attempt: int, will_retry: bool) -> None:
        self.told.append(("failed", alert.title, target, attempt, will_retry))

    @hookimpl
    def alert_dropped(self, alert: Alert, reason: str, dropped_by: str) -> None:
        self.told.append(("dropped", alert.title, reason, dropped_by))

    @hookimpl
    def alert_dispatch_finished(self, alert: Alert, report: Any) -> None:
        self.told.append(("finished", alert.title, report.ok))

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [event for event in self.told if event[0] == kind]


Make = Callable[..., Dispatcher]


@pytest.fixture
def make(database: dict[str, Any]) -> Iterator[Make]:
    """Makes dispatchers on the database, as so many processes would; each is closed at the end."""
    made: list[Dispatcher] = []

    def dispatcher(
        *targets: Any, events: Events | None = None, queue: dict[str, Any] | None = None, **more: Any
    ) -> Any:
        plugins = isolated_plugins(*([events] if events is not None else []))
        outbox = Outbox(**database, **(queue or {}))
        made.append(Dispatcher(targets, queue=outbox, plugins=plugins, **more))
        return made[-1]

    yield dispatcher
    for one in made:
        one.close(0)


Race = Callable[[Outbox, Callable[[Any], object], Callable[[], object]], None]


def is_held_up(queue: Outbox) -> bool:
    """Whether somebody on this PostgreSQL server waits for another one's transaction."""
    locks = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
    return bool(queue.database.read(lambda c: c.execute(locks).fetchone()[0]))


@pytest.fixture
def held_up() -> Callable[[Outbox], bool]:
    """`held_up(queue)`: the function above."""
    return is_held_up


@pytest.fixture
def race() -> Race:
    """`race(queue, work, other)`: `other()` runs while what `work(connection)` has written is not committed."""

    def run(queue: Outbox, work: Callable[[Any], object], other: Callable[[], object]) -> None:
        written, goes_on = threading.Event(), threading.Event()

        def slowly(connection: Any, _: bool) -> None:
            work(connection)
            written.set()
            assert goes_on.wait(60)

        with ThreadPoolExecutor() as pool:
            first = pool.submit(queue.database.write, slowly)
            assert written.wait(60)
            second = pool.submit(other)
            while not (second.done() or is_held_up(queue)):
                pass
            goes_on.set()
            first.result(60), second.result(60)

    return run


@pytest.fixture
def target() -> type[Target]:
    """The class: tests are no packages, and import nothing of each other."""
    return Target


@pytest.fixture
def events() -> Events:
    """Told of everything by the dispatchers that are made with it."""
    return Events()


class World:
    """A dispatcher on a clock of its own that stands still but where it is moved.

    At the end of each scenario a day passes, in which nothing but what is `still_to_come` may be sent.
    """

    still_to_come = 0

    def __init__(self, make: Any, target: Any, events: Any, routes: list[Route], **options: Any) -> None:
        self.clock = VirtualClock(autojump=False)
        self.clock.set_time(NOON)
        self.events = events
        self.a, self.b = target("a", **options.pop("a", {})), target("b")
        self.d = make(self.a, self.b, events=events, routes=routes, clock=self.clock, queue={**PATIENT, **options})

    @property
    def queue(self) -> Outbox:
        queue: Outbox = self.d.queue
        return queue

    def say(self, title: str = "Disk full", **fields: Any) -> Any:
        """Enqueue, and let everything that follows from it happen."""
        ticket = self.d.enqueue(Alert(title, "m", **fields))
        self.rest()
        return ticket.report(0)

    def rest(self) -> None:
        for _ in range(6):
            assert self.clock.settle(60)
            self.clock.advance(0.01)
        assert self.clock.settle(60)

    def wait(self, seconds: float, step: float = 30.0) -> None:
        ends = self.clock.time() + seconds
        while (left := ends - self.clock.time()) > 0:
            self.clock.advance(min(step, left))
            assert self.clock.settle(60)
        self.rest()

    def told(self, which: str = "a") -> list[str]:
        """The titles that a target got since it was last asked."""
        target = getattr(self, which)
        titles = [alert.title for alert in target.alerts]
        target.alerts.clear()
        return titles

    def silence(self, seconds: float, **match: Any) -> int:
        made = self.queue.silences.add(match, author="me", reason="test", lasts=seconds)
        self.wait(61)  # the worker looks for what another process has made, at least each minute that it works
        return int(made.id)


@pytest.fixture
def world(make: Any, target: Any, events: Any) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def build(*routes: Route, **options: Any) -> World:
        made.append(World(make, target, events, list(routes), **options))
        return made[-1]

    yield build
    for one in made:
        one.rest()
        sent = one.a.tries + one.b.tries
        one.wait(DAY, step=HOUR)
        assert one.a.tries + one.b.tries == sent + one.still_to_come, "an unexpected message"
        one.clock.autojump = True
        one.clock.leave()
