"""The virtual clock, with real threads."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 20.0  # real seconds: only a failing test waits so long


class Threads:
    """Threads that take part in a clock, and are joined at the end of a test."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.started: list[threading.Thread] = []

    def start(self, target: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=target, daemon=True)
        self.started.append(thread)
        self.clock.start(thread)
        return thread

    def join(self) -> None:
        self.clock.leave()
        for thread in self.started:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a thread never ended"


def sleep(clock: VirtualClock, seconds: float, then: threading.Event | None = None) -> None:
    condition = threading.Condition()
    ends = clock.monotonic() + seconds
    with condition:
        while (left := ends - clock.monotonic()) > 0:
            clock.wait(condition, left)
    if then is not None:
        then.set()


def test_it_starts_where_it_is_told_and_stands_still() -> None:
    clock = VirtualClock(100.0)
    assert clock.monotonic() == clock.monotonic() == 100.0


def test_a_lonely_wait_jumps_to_its_deadline_without_sleeping() -> None:
    clock, began = VirtualClock(), time.monotonic()
    sleep(clock, 86_400)
    assert clock.monotonic() == pytest.approx(86_400)
    assert time.monotonic() - began < PATIENCE


def test_threads_wake_in_the_order_of_their_deadlines() -> None:
    clock = VirtualClock()
    threads, woken, gate = Threads(clock), [], threading.Event()

    def waiter(seconds: float) -> Callable[[], None]:
        def run() -> None:
            gate.wait(PATIENCE)
            sleep(clock, seconds)
            woken.append((clock.monotonic(), seconds))

        return run

    for seconds in (30.0, 10.0, 20.0):
        threads.start(waiter(seconds))
    gate.set()
    threads.join()
    assert woken == [(10.0, 10.0), (20.0, 20.0), (30.0, 30.0)]


def test_time_stands_still_while_a_started_thread_works() -> None:
    clock = VirtualClock()
    threads, seen, waiting, go_on = Threads(clock), [], threading.Event(), threading.Event()

    def worker() -> None:
        waiting.set()
        go_on.wait(PATIENCE)
        seen.append(clock.monotonic())

    def sleeper() -> None:
        sleep(clock, 5)

    threads.start(worker)
    threads.start(sleeper)
    waiting.wait(PATIENCE)
    assert not clock.settle(patience=0.2)
    assert clock.monotonic() == 0.0
    go_on.set()
    threads.join()
    assert seen == [0.0]
    assert clock.monotonic() == 5.0


def test_time_stands_still_until_a_notified_thread_has_gone_on() -> None:
    clock = VirtualClock()
    threads, condition, seen = Threads(clock), threading.Condition(), []

    def consumer() -> None:
        with condition:
            clock.wait(condition, None)
        seen.append(clock.monotonic())

    def producer() -> None:
        sleep(clock, 1)
        with condition:
            clock.notify(condition)
        sleep(clock, 1000)

    threads.start(consumer)
    threads.start(producer)
    threads.join()
    assert seen == [1.0]


def test_a_thread_that_ends_holds_nobody_up() -> None:
    clock = VirtualClock()
    threads, gate = Threads(clock), threading.Event()
    threads.start(lambda: gate.wait(PATIENCE))
    threads.start(lambda: sleep(clock, 7))
    gate.set()
    threads.join()
    assert clock.monotonic() == 7.0


def test_a_thread_takes_part_from_its_first_look_at_the_clock_until_it_leaves() -> None:
    clock = VirtualClock(1.0)
    clock.monotonic()  # this thread takes part now, and works on
    threads, woken = Threads(clock), threading.Event()
    threads.start(lambda: sleep(clock, 1, woken))
    assert clock.settle(PATIENCE)
    assert not woken.wait(0.2)
    assert clock.monotonic() == 1.0
    clock.leave()
    assert woken.wait(PATIENCE)
    threads.join()
    assert clock.monotonic() == 2.0


def test_a_thread_with_an_event_loop_takes_no_part() -> None:
    clock = VirtualClock()
    threads, woken = Threads(clock), threading.Event()

    async def read() -> float:
        return clock.monotonic()

    asyncio.run(read())
    threads.start(lambda: sleep(clock, 5, woken))
    assert woken.wait(PATIENCE)
    threads.join()


def test_notify_wakes_as_many_as_asked_in_the_order_they_came() -> None:
    clock = VirtualClock(autojump=False)
    threads, condition, woken = Threads(clock), threading.Condition(), []

    def waiter(number: int) -> Callable[[], None]:
        def run() -> None:
            with condition:
                clock.wait(condition, None)
                woken.append(number)

        return run

    for number in range(3):
        threads.start(waiter(number))
        assert clock.settle(PATIENCE)
    with condition:
        clock.notify(condition, 2)
    assert clock.settle(PATIENCE)
    assert sorted(woken) == [0, 1]
    with condition:
        clock.notify(condition)
    threads.join()
    assert woken[2:] == [2]


def test_two_conditions_of_one_lock_are_told_apart() -> None:
    clock = VirtualClock(autojump=False)
    threads, lock, woken = Threads(clock), threading.Lock(), []
    first, second = threading.Condition(lock), threading.Condition(lock)

    def waiter(condition: threading.Condition, name: str) -> Callable[[], None]:
        def run() -> None:
            with condition:
                clock.wait(condition, None)
                woken.append(name)

        return run

    threads.start(waiter(first, "first"))
    threads.start(waiter(second, "second"))
    assert clock.settle(PATIENCE)
    with lock:
        clock.notify(second, 10)
    assert clock.settle(PATIENCE)
    assert woken == ["second"]
    with lock:
        clock.notify(first)
    threads.join()


def test_a_wait_returns_with_its_lock_held() -> None:
    clock, lock = VirtualClock(), threading.Lock()
    condition = threading.Condition(lock)
    with condition:
        clock.wait(condition, 1)
        assert lock.locked()
        clock.wait(condition, 0)
        assert lock.locked()
    assert not lock.locked()


def test_a_wait_of_no_time_returns_at_once_though_others_work() -> None:
    clock, condition = VirtualClock(), threading.Condition()
    threads, gate = Threads(clock), threading.Event()
    threads.start(lambda: gate.wait(PATIENCE))
    with condition:
        clock.wait(condition, 0)
        clock.wait(condition, -1)
    assert clock.monotonic() == 0.0
    gate.set()
    threads.join()


def test_it_moves_by_hand_alone_where_autojump_is_off() -> None:
    clock = VirtualClock(autojump=False)
    threads, woken = Threads(clock), threading.Event()
    threads.start(lambda: sleep(clock, 10, woken))
    assert clock.settle(PATIENCE)
    clock.advance(9)
    assert clock.settle(PATIENCE)
    assert (clock.monotonic(), woken.is_set()) == (9.0, False)
    clock.advance(1)
    threads.join()
    assert (clock.monotonic(), woken.is_set()) == (10.0, True)


def test_advancing_past_a_deadline_wakes_its_waiter() -> None:
    clock = VirtualClock(autojump=False)
    threads = Threads(clock)
    threads.start(lambda: sleep(clock, 1))
    assert clock.settle(PATIENCE)
    clock.advance(100)
    threads.join()
    assert clock.monotonic() == 100.0


def test_a_thread_that_cannot_start_does_not_take_part() -> None:
    clock = VirtualClock()
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    with pytest.raises(RuntimeError, match="once"):
        clock.start(thread)
    sleep(clock, 3)
    assert clock.monotonic() == 3.0


def test_a_test_that_would_hang_is_told_which_thread_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alert_core.testing.virtualclock._PATIENCE", 0.2)
    clock, gate, condition = VirtualClock(), threading.Event(), threading.Condition()
    thread = threading.Thread(target=gate.wait, args=(PATIENCE,), name="busy", daemon=True)
    clock.start(thread)
    with condition, pytest.raises(RuntimeError, match="neither wait on the VirtualClock nor end: busy"):
        clock.wait(condition, 1)
    gate.set()
    thread.join(PATIENCE)


@given(st.floats(0, 1e9), st.floats(1e-12, 1e6))
def test_a_loop_that_waits_for_the_rest_always_gets_there(start: float, seconds: float) -> None:
    clock = VirtualClock(start)
    sleep(clock, seconds)
    assert clock.monotonic() >= start + seconds


def test_a_queue_between_many_threads_loses_and_repeats_nothing() -> None:
    clock, condition = VirtualClock(), threading.Condition()
    threads = Threads(clock)
    items: list[tuple[int, int]] = []
    taken: list[tuple[int, int]] = []

    def producer(name: int) -> Callable[[], None]:
        def run() -> None:
            for number in range(50):
                sleep(clock, 0.1 * (name + 1))
                with condition:
                    items.append((name, number))
                    clock.notify(condition)

        return run

    def consumer() -> None:
        with condition:
            while len(taken) < 200:
                while not items and len(taken) < 200:
                    clock.wait(condition, 3)
                if items:
                    taken.append(items.pop(0))
            clock.notify(condition, 10)

    for name in range(4):
        threads.start(producer(name))
    for _ in range(3):
        threads.start(consumer)
    threads.join()
    assert sorted(taken) == [(name, number) for name in range(4) for number in range(50)]
    assert clock.monotonic() >= 0.4 * 50 - 0.001
