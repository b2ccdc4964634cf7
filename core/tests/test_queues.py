"""A durable queue of somebody else's: what the dispatcher asks of it, and what it does for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from alert_core import Alert, ConfigError, Dispatcher, QueueError, Receipt, RetryableDeliveryError, hookimpl
from alert_core.queues import Desk, Dispatch, Outcome, Part, Stored
from alert_core.report import Delivery, DeliveryReport
from alert_core.testing import CANARY, isolated_plugins


class Claim:
    """One delivery that the fake queue has taken out."""

    def __init__(self, queue: Fake, dispatch: Dispatch, part: Part, *, mine: bool = True) -> None:
        self.queue, self.dispatch, self.part, self.mine = queue, dispatch, part, mine
        self.recorded: list[Delivery] = []
        self.settled: list[Delivery] = []

    def begin(self) -> bool:
        return self.mine

    def record(self, delivery: Delivery, arrived: frozenset[tuple[str, str | None]]) -> bool:
        self.recorded.append(delivery)
        self.queue.events.append("recorded")
        return delivery.outcome is not Outcome.DELIVERED

    def settle(self, index: int, delivery: Delivery) -> None:
        self.settled.append(delivery)
        self.queue.events.append("settled")
        self.queue.desk.attempted(self.dispatch.id, delivery)


class Fake:
    """Keeps what it is given in a list, and delivers when it is told to."""

    keeps_state = False
    delivers_here = False

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.kept: list[Dispatch] = []
        self.events: list[str] = []
        self.concluded: list[str] = []

    def open(self, desk: Desk) -> None:
        self.desk = desk

    def put(self, dispatch: Dispatch) -> Stored:
        if self.error:
            raise self.error
        self.kept.append(dispatch)
        return Stored(parts=dispatch.parts)

    def conclude(self, dispatch_id: str) -> bool:
        self.concluded.append(dispatch_id)
        return True

    def flush(self, ends: float | None) -> bool:
        self.events.append("flushed")
        return True

    def close(self, ends: float) -> None:
        self.events.append("closed")

    def forget(self) -> None: ...

    def deliver(self, attempts: int = 0, *, mine: bool = True) -> Claim:
        dispatch = self.kept[-1]
        claim = Claim(self, dispatch, dispatch.parts[0], mine=mine)
        self.desk.start(claim, dispatch, dispatch.parts[0], attempts=attempts)
        assert self.desk._lanes[dispatch.parts[0].target].flush(None)
        return claim


class Target:
    def __init__(self, name: str, *errors: Exception) -> None:
        self.name, self.errors, self.taken = name, list(errors), [""][:0]

    def send(self, alert: Alert) -> Receipt:
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(alert.title)
        return Receipt(id="r1")


class Watch:
    def __init__(self) -> None:
        self.told: list[Any] = []
        self.fake: Fake | None = None

    @hookimpl
    def alert_delivery_failed(self, attempt: int, will_retry: bool) -> None:
        self.told.append(("failed", attempt, will_retry))

    @hookimpl
    def alert_delivery_succeeded(self, attempt: int) -> None:
        self.told.append(("succeeded", attempt))
        if self.fake is not None:
            self.fake.events.append("told")

    @hookimpl
    def alert_dispatch_finished(self, report: DeliveryReport) -> None:
        self.told.append(("finished", report.stored, report.ok))


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def queue() -> Fake:
    return Fake()


@pytest.fixture
def d(queue: Fake, watch: Watch) -> Iterator[Dispatcher]:
    watch.fake = queue
    with Dispatcher([Target("a"), Target("b")], queue=queue, plugins=isolated_plugins(watch), deadline=5) as made:
        yield made


def test_what_is_no_queue_is_a_fault_that_names_what_it_lacks() -> None:
    with pytest.raises(ConfigError, match=r"queue: a list has no open\(\)"):
        Dispatcher([Target("a")], queue=[], plugins=isolated_plugins())  # type: ignore[arg-type]  # that is the point


def test_an_alert_is_put_masked_with_a_part_for_each_delivery(d: Dispatcher, queue: Fake) -> None:
    d.enqueue(Alert("t", f"password={CANARY}", redact=False))
    (dispatch,) = queue.kept
    assert dispatch.parts == (Part("a"), Part("b"))
    assert CANARY not in str(dispatch.alert.to_dict())


def test_send_returns_at_once_where_nobody_here_delivers(d: Dispatcher, queue: Fake, watch: Watch) -> None:
    report = d.send(Alert("t", "m"))
    assert (report.stored, report.queued, report.ok) == (True, ("a", "b"), True)
    assert watch.told == [("finished", True, True)]
    assert queue.concluded == [queue.kept[0].id]


async def _asend(d: Dispatcher) -> DeliveryReport:
    return await d.asend(Alert("t", "m"))


def test_asend_does_alike_and_raises_what_put_raises(d: Dispatcher, queue: Fake) -> None:
    import asyncio

    assert asyncio.run(_asend(d)).queued == ("a", "b")
    queue.error = QueueError("full")
    report = asyncio.run(_asend(d))
    assert (report.stored, report.sent) == (False, ("a", "b"))


@pytest.mark.parametrize("error", [QueueError("the broker is down"), RuntimeError(CANARY)])
def test_what_a_queue_refuses_enqueue_raises_and_send_delivers_from_memory(error: Exception) -> None:
    a = Target("a")
    with Dispatcher([a], queue=Fake(error), plugins=isolated_plugins()) as d:
        with pytest.raises(QueueError) as raised:
            d.enqueue(Alert("enqueued", "m"))
        assert CANARY not in str(raised.value)
        report = d.send(Alert("sent", "m"))
    assert (report.stored, report.sent, a.taken) == (False, ("a",), ["sent"])


def test_one_attempt_is_recorded_before_the_observers_hear_of_it_and_settled_after(
    d: Dispatcher, queue: Fake, watch: Watch
) -> None:
    ticket = d.enqueue(Alert("t", "m"), targets=["a"])
    claim = queue.deliver()
    assert queue.events == ["recorded", "told", "settled"]
    assert claim.settled == claim.recorded
    (delivery,) = ticket.report(0).deliveries
    assert (delivery.outcome, delivery.attempts, delivery.receipt) == (Outcome.DELIVERED, 1, Receipt(id="r1"))
    assert watch.told == [("succeeded", 1)]


def test_a_failed_attempt_is_the_queues_to_repeat_and_counts_on(queue: Fake, watch: Watch) -> None:
    a = Target("a", RetryableDeliveryError("busy"))
    with Dispatcher([a], queue=queue, plugins=isolated_plugins(watch)) as d:
        d.enqueue(Alert("t", "m"))
        assert [x.outcome for x in queue.deliver(attempts=6).recorded] == [Outcome.RETRYABLE]
        assert [x.attempts for x in queue.deliver(attempts=7).recorded] == [8]
    assert watch.told == [("failed", 7, True), ("succeeded", 8)]
    assert d.drops == {}


def test_a_delivery_that_is_no_longer_the_workers_is_not_attempted(d: Dispatcher, queue: Fake, watch: Watch) -> None:
    d.enqueue(Alert("t", "m"), targets=["a"])
    claim = queue.deliver(mine=False)
    assert claim.recorded == []
    assert [(x.outcome, x.attempts) for x in claim.settled] == [(Outcome.QUEUED, 0)]
    assert watch.told == []


def test_the_queue_says_when_a_dispatch_has_ended(d: Dispatcher, queue: Fake, watch: Watch) -> None:
    ticket = d.enqueue(Alert("t", "m"), targets=["a"])
    report = DeliveryReport(alert_id=ticket.alert_id, stored=True)
    queue.desk.finish(queue.kept[0].id, queue.kept[0].alert, report)
    assert ticket.wait(5)
    assert ticket.report() is report
    assert watch.told == [("finished", True, True)]
    assert queue.concluded == []


def test_flush_and_close_reach_the_queue(d: Dispatcher, queue: Fake) -> None:
    assert d.flush(1)
    d.close(1)
    assert queue.events == ["flushed", "flushed", "closed"]
    with pytest.raises(QueueError, match="closed"):
        d.enqueue(Alert("t", "m"))
