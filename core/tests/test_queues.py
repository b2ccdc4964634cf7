"""A durable queue of somebody else's: what the dispatcher asks of it, and what it does for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import pytest

from alert_core import Alert, ConfigError, Dispatcher, QueueError, Receipt, RetryableDeliveryError, hookimpl
from alert_core.queues import Desk, Dispatch, Outcome, Part, Stored
from alert_core.report import Delivery, DeliveryReport
from alert_core.testing import CANARY, VirtualClock, isolated_plugins


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

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.delivers_here = False
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


class Transactional(Fake):
    """Keeps all of several alerts, or none."""

    def __init__(self) -> None:
        super().__init__()
        self.stands: dict[str, Sequence[Delivery]] = {}

    def put_many(self, dispatches: Sequence[Dispatch]) -> list[Stored]:
        self.events.append(f"{len(dispatches)} at once")
        if any(dispatch.alert.title == "bad" for dispatch in dispatches):
            raise QueueError("one is bad")
        return [self.put(dispatch) for dispatch in dispatches]

    def deliveries(self, dispatch_id: str) -> Sequence[Delivery]:
        self.events.append("asked")
        if self.error:
            raise self.error
        return self.stands.get(dispatch_id, ())


def drop_dull(alert: Alert) -> Alert | None:
    return None if alert.title == "dull" else alert


def test_what_a_forgiving_queue_refuses_enqueue_delivers_from_memory_too() -> None:
    queue, target = Fake(QueueError("down")), Target("a")
    queue.memory_when_down = True  # type: ignore[attr-defined]  # what a queue may say besides
    with Dispatcher([target], queue=queue, plugins=isolated_plugins()) as d:
        report = d.enqueue(Alert("t", "m")).report(60)
        reports = [ticket.report(60) for ticket in d.enqueue_many([Alert("u", "m"), Alert("v", "m")])]
        assert (report.stored, report.sent) == (False, ("a",))
        assert [(one.stored, one.sent) for one in reports] == [(False, ("a",))] * 2
        queue.error = None
        assert d.enqueue_many([Alert("w", "m")])[0].stored
    assert target.taken == ["t", "u", "v"]
    with pytest.raises(QueueError, match="closed"):
        d.enqueue(Alert("x", "m"))


def test_a_queue_hears_of_what_goes_from_memory_since_it_refused_it() -> None:
    queue, heard = Fake(QueueError("down")), list[str]()
    queue.missed = lambda dispatch: heard.append(dispatch.alert.title)  # type: ignore[attr-defined]  # as above
    with Dispatcher([Target("a")], queue=queue, plugins=isolated_plugins()) as d:
        assert d.send(Alert("sent", "m")).ok
        with pytest.raises(QueueError):
            d.enqueue(Alert("refused", "m"))
        queue.error = None
        d.enqueue(Alert("kept", "m"))
    assert heard == ["sent"]


def test_a_queue_masks_what_it_reads_back_with_the_dispatchers_policy(d: Dispatcher, queue: Fake) -> None:
    assert queue.desk.redactor is d.redactor


def test_many_alerts_are_put_at_once_where_the_queue_has_transactions() -> None:
    queue = Transactional()
    alerts = [Alert(title, "m") for title in ("one", "dull", "two")]
    with Dispatcher([Target("a")], queue=queue, plugins=isolated_plugins(), processors=[drop_dull]) as d:
        tickets = d.enqueue_many(alerts)
        assert [ticket.alert_id for ticket in tickets] == [alert.id for alert in alerts]
        assert [ticket.dropped for ticket in tickets] == [None, "processor: drop_dull", None]
        assert [ticket.stored for ticket in tickets] == [True, False, True]
        assert [dispatch.alert.title for dispatch in queue.kept] == ["one", "two"]
        assert queue.events == ["2 at once"]
        assert d.enqueue_many([]) == []
        with pytest.raises(QueueError, match="one is bad"):
            d.enqueue_many([Alert("three", "m"), Alert("bad", "m")])
        assert len(queue.kept) == 2


def test_a_ticket_hears_of_what_another_process_has_done(watch: Watch) -> None:
    queue, clock = Transactional(), VirtualClock()
    with Dispatcher([Target("a"), Target("b")], queue=queue, plugins=isolated_plugins(watch), clock=clock) as d:
        ticket = d.enqueue(Alert("t", "m"))
        sent = Delivery(target="a", kind="", outcome=Outcome.DELIVERED, attempts=1, receipt=Receipt(id="r1"))
        waits = Delivery(target="b", kind="Target", outcome=Outcome.QUEUED, attempts=3)
        assert ticket.report(0).queued == ("a", "b")
        queue.stands = {queue.kept[0].id: (sent, waits)}
        report = ticket.report(0)
        assert (report.sent, report.queued, report.stored) == (("a",), ("b",), True)
        assert [(x.kind, x.attempts) for x in report.deliveries] == [("Target", 1), ("Target", 3)]
        assert not ticket.wait(86_400)
        assert queue.events.count("asked") < 100
        queue.error = QueueError("the database is away")
        assert ticket.report(0).queued == ("a", "b")  # what this process knows
        queue.error = None
        queue.stands = {queue.kept[0].id: (sent, attrs.evolve(waits, outcome=Outcome.DELIVERED))}
        assert ticket.wait()
        assert ticket.report().sent == ("a", "b")
        assert watch.told == []  # who ended it has told it
    clock.leave()


def test_the_worker_of_this_process_tells_a_ticket_of_another_ones_end() -> None:
    queue = Transactional()
    queue.delivers_here = True
    with Dispatcher([Target("a")], queue=queue, plugins=isolated_plugins()) as d:
        ticket = d.enqueue(Alert("t", "m"))
        (dispatch,) = queue.kept
        assert queue.desk.awaited == [dispatch.id]
        queue.desk.found(dispatch.id, [Delivery(target="a", kind="", outcome=Outcome.DELIVERED)])
        assert ticket.wait(60)
        assert (ticket.report().sent, queue.desk.awaited, queue.events) == (("a",), [], ["1 at once"])


class Gathering(Transactional):
    """Gathers the second delivery of each alert, and has attempted the first before `put_many()` returns."""

    def __init__(self) -> None:
        super().__init__()
        self.delivers_here, self.later = True, 2 * 86_400.0

    def put_many(self, dispatches: Sequence[Dispatch]) -> list[Stored]:
        super().put_many(dispatches)
        for dispatch in dispatches:
            self.desk.attempted(dispatch.id, Delivery(target="a", kind="", outcome=Outcome.DELIVERED))
        return [
            Stored(parts=dispatch.parts, gathered={1: self.desk.clock.time() + self.later}) for dispatch in dispatches
        ]


def test_what_a_queue_gathers_is_not_waited_for_although_the_rest_ended_early(watch: Watch) -> None:
    queue = Gathering()
    plugins = isolated_plugins(watch)
    with Dispatcher([Target("a"), Target("b")], queue=queue, plugins=plugins, deadline=86_400) as d:
        for report in (d.send(Alert("t", "m")), asyncio.run(_asend(d))):
            assert (report.sent, report.queued, report.ok) == (("a",), ("b",), True)
        ticket = d.enqueue(Alert("t", "m"))
        assert not ticket.wait(86_400)
        ended = [attrs.evolve(one, outcome=Outcome.DELIVERED) for one in ticket.report(0).deliveries]
        queue.desk.found(queue.kept[-1].id, ended)
        assert ticket.wait(0)
        assert ticket.report(0).sent == ("a", "b")


def test_what_a_queue_drops_is_not_stored(d: Dispatcher, queue: Fake, watch: Watch, monkeypatch: Any) -> None:
    monkeypatch.setattr(queue, "put", lambda _: Stored(parts=(), dropped="silenced: night"))
    report = d.send(Alert("t", "m"))
    assert (report.dropped, report.stored, report.ok) == ("silenced: night", False, True)
    assert watch.told == [("finished", False, True)]


def test_many_alerts_are_put_in_turn_where_it_has_none(d: Dispatcher, queue: Fake) -> None:
    tickets = d.enqueue_many([Alert("one", "m"), Alert("two", "m")], targets=["b"])
    assert [dispatch.alert.title for dispatch in queue.kept] == ["one", "two"]
    assert [ticket.report(0).queued for ticket in tickets] == [("b",), ("b",)]


def test_many_alerts_without_a_queue_go_to_the_lanes_in_turn() -> None:
    a = Target("a")
    with Dispatcher([a], plugins=isolated_plugins()) as d:
        tickets = d.enqueue_many(Alert(title, "m", dedup_key="k") for title in ("one", "two"))
        assert [ticket.report(60).sent for ticket in tickets] == [("a",), ("a",)]
        with pytest.raises(TypeError, match="send an Alert, not str"):
            d.enqueue_many([Alert("three", "m"), "four"])  # type: ignore[list-item]  # that is the point
    assert a.taken == ["one", "two"]
    with pytest.raises(QueueError, match="closed"):
        d.enqueue_many([Alert("late", "m")])


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
