"""Deadlines, hung targets, order, closing: what a lane promises when things go wrong."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from alert_core import Alert, Dispatcher, QueueError, Receipt, RetryableDeliveryError, RetryPolicy, hookimpl
from alert_core.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOTHING_INSTALLED = Plugins()
SLACK = 10.0  # what a busy machine may add to a bound, in seconds


class Fake:
    def __init__(self, name: str, answer: Callable[[Alert], object] = lambda _: None, **options: Any) -> None:
        self.name = name
        self.answer = answer
        self.alerts: list[Alert] = []
        vars(self).update(options)

    def send(self, alert: Alert) -> object:
        self.alerts.append(alert)
        return self.answer(alert)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Ends every hang at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def hung(release: threading.Event) -> Callable[..., Fake]:
    def make(name: str = "hung", **options: Any) -> Fake:
        return Fake(name, lambda _: release.wait(60), **options)

    return make


def dispatcher(*targets: object, **arguments: Any) -> Dispatcher:
    return Dispatcher(list(targets), **{"plugins": NOTHING_INSTALLED, **arguments})


def alert(title: str = "Disk full", **fields: Any) -> Alert:
    return Alert(title, "/var is at 98 %", **fields)


def outcomes(report: Any) -> dict[str, tuple[str, int]]:
    return {d.target: (str(d.outcome), d.attempts) for d in report.deliveries}


def test_a_hung_target_is_uncertain_at_the_deadline_and_the_others_are_delivered(hung: Callable[..., Fake]) -> None:
    healthy = [Fake(f"t{n}") for n in range(19)]
    d = dispatcher(hung(), *healthy, deadline=0.3)
    start = time.monotonic()
    report = d.send(alert())
    assert time.monotonic() - start < 0.3 + SLACK
    assert outcomes(report)["hung"] == ("uncertain", 1)
    assert report.sent == tuple(t.name for t in healthy)
    d.close(0)


def test_what_still_waits_in_its_lane_at_the_deadline_is_cancelled(hung: Callable[..., Fake]) -> None:
    target = hung(concurrency=1)
    d = dispatcher(target, deadline=0.1)
    d.enqueue(alert("first"))
    report = d.send(alert("second"))
    assert outcomes(report) == {"hung": ("retryable", 0)}
    assert d.drops == {"deadline": 1}
    d.close(0)


def test_a_cancelled_delivery_is_never_sent(release: threading.Event) -> None:
    target = Fake("a", lambda _: release.wait(60), concurrency=1)
    with dispatcher(target, deadline=0.1) as d:
        d.enqueue(alert("first"))
        d.send(alert("second"))
        release.set()
        assert d.flush(30)
    assert [x.title for x in target.alerts] == ["first"]


def test_between_two_attempts_the_last_outcome_counts() -> None:
    def busy(_: Alert) -> None:
        raise RetryableDeliveryError("busy", retry_after=0.2)

    with dispatcher(Fake("a", busy), deadline=0.3, retry=RetryPolicy(attempts=9)) as d:
        report = d.send(alert())
    assert outcomes(report)["a"][0] == "retryable"
    assert str(report.failed["a"]) == "busy"


def test_the_attempts_own_event_follows_a_frozen_report_and_it_is_not_retried(release: threading.Event) -> None:
    events: list[object] = []

    class Watch:
        @hookimpl
        def alert_delivery_failed(self, will_retry: bool) -> None:
            events.append(("failed", will_retry))

        @hookimpl
        def alert_dispatch_finished(self, report: Any) -> None:
            events.append(("finished", outcomes(report)))

    def hang(_: Alert) -> None:
        release.wait(60)
        raise RetryableDeliveryError("busy")

    with dispatcher(Fake("a", hang), deadline=0.1, plugins=Plugins([Watch()])) as d:
        report = d.send(alert())
        release.set()
        assert d.flush(30)
    assert outcomes(report) == {"a": ("uncertain", 1)}
    assert events == [("finished", {"a": ("uncertain", 1)}), ("failed", False)]


def test_deliveries_of_one_dedup_key_are_serial_and_in_order() -> None:
    seen: list[str] = []
    inside = threading.Semaphore()
    overlaps: list[str] = []

    def answer(given: Alert) -> None:
        if not inside.acquire(blocking=False):
            overlaps.append(given.title)
            return
        seen.append(given.title)
        if len(seen) == 1:
            inside.release()
            raise RetryableDeliveryError("busy", retry_after=0.05)
        inside.release()

    with dispatcher(Fake("a", answer), retry=RetryPolicy(attempts=3)) as d:
        for number in range(5):
            d.enqueue(alert(f"n{number}", dedup_key="k"))
        assert d.flush(30)
    assert (seen, overlaps) == (["n0", "n0", "n1", "n2", "n3", "n4"], [])


def test_other_keys_do_not_wait_for_a_retry() -> None:
    seen: list[str] = []

    def answer(given: Alert) -> None:
        seen.append(given.title)
        if given.title == "slow":
            raise RetryableDeliveryError("busy", retry_after=20)

    d = dispatcher(Fake("a", answer), retry=RetryPolicy(attempts=3))
    d.enqueue(alert("slow"))
    assert d.enqueue(alert("quick")).wait(10)
    assert sorted(seen) == ["quick", "slow"]
    d.close(0)


def test_while_all_workers_are_past_their_timeout_deliveries_fail_at_once(hung: Callable[..., Fake]) -> None:
    d = dispatcher(hung(concurrency=2, timeout=0.05), deadline=0.2)
    for name in ("one", "two"):
        d.send(alert(name))
    d.deadline = 30
    start = time.monotonic()
    report = d.send(alert("three"))
    assert time.monotonic() - start < 10
    assert outcomes(report) == {"hung": ("retryable", 0)}
    assert "target stalled" in str(report.failed["hung"])
    assert d.drops == {"stalled": 1}
    d.close(0)


def test_a_coroutine_send_is_awaited_and_cancelled_at_its_timeout() -> None:
    cancelled = threading.Event()

    class Async:
        name = "async"
        timeout = 0.1

        async def send(self, given: Alert) -> Receipt:
            if given.title == "hang":
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    cancelled.set()
                    raise
            return Receipt(id=given.title)

    with dispatcher(Async(), retry=RetryPolicy(attempts=1)) as d:
        report = d.send(alert("hello"))
        assert report.deliveries[0].receipt == Receipt(id="hello")
        assert outcomes(d.send(alert("hang"))) == {"async": ("uncertain", 1)}
        assert cancelled.wait(10)


def test_asend_leaves_the_event_loop_free(release: threading.Event) -> None:
    async def main() -> tuple[Any, int]:
        d = dispatcher(Fake("a", lambda _: release.wait(60)), deadline=30)
        ticks = 0
        task = asyncio.create_task(d.asend(alert()))
        while ticks < 5:
            await asyncio.sleep(0)
            ticks += 1
        release.set()
        return await task, ticks

    report, ticks = asyncio.run(main())
    assert report.sent == ("a",)
    assert ticks == 5


def test_asend_keeps_the_deadline(hung: Callable[..., Fake]) -> None:
    d = dispatcher(hung(), Fake("b"), deadline=0.2)
    report = asyncio.run(d.asend(alert()))
    assert outcomes(report) == {"hung": ("uncertain", 1), "b": ("delivered", 1)}
    d.close(0)


def test_close_delivers_what_waits_and_then_takes_nothing() -> None:
    target = Fake("a", lambda _: time.sleep(0.001), concurrency=1)
    d = dispatcher(target)
    for number in range(50):
        d.enqueue(alert(f"n{number}"))
    d.close(30)
    assert len(target.alerts) == 50
    with pytest.raises(QueueError, match="closed"):
        d.enqueue(alert("late"))
    assert outcomes(d.send(alert("late"))) == {"a": ("dropped", 0)}


def test_what_does_not_end_in_time_is_dropped_as_closed(hung: Callable[..., Fake]) -> None:
    d = dispatcher(hung(concurrency=1))
    running = d.enqueue(alert("running"))
    waiting = [d.enqueue(alert(f"n{number}")) for number in range(3)]
    d.close(0.05)
    assert d.drops == {"closed": 3}
    assert outcomes(running.report(0)) == {"hung": ("uncertain", 1)}
    assert [outcomes(t.report(0)) for t in waiting] == [{"hung": ("dropped", 0)}] * 3


def test_flush_waits_for_the_observers_too() -> None:
    told = []

    class Slow:
        @hookimpl
        def alert_dispatch_finished(self, report: Any) -> None:
            time.sleep(0.05)
            told.append(report.ok)

    with dispatcher(Fake("a"), plugins=Plugins([Slow()])) as d:
        d.enqueue(alert())
        assert d.flush(30)
        assert told == [True]


def test_a_rate_delays_and_drops_nothing() -> None:
    target = Fake("a", rate="2/1s", concurrency=8)
    with dispatcher(target) as d:
        start = time.monotonic()
        tickets = [d.enqueue(alert(f"n{number}")) for number in range(4)]
        assert all(ticket.wait(30) for ticket in tickets)
        assert time.monotonic() - start >= 0.9
    assert len(target.alerts) == 4
