"""Time for tests of threads: it stands still while they work, and jumps while they all wait."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from typing import Final

import attrs

from alert_core.clock import Clock

_GLANCE: Final = 0.02  # real seconds after which a waiter looks whether a thread that it waits for has ended
_PATIENCE: Final = 30.0  # real seconds without an event, after which a test hangs


@attrs.define(eq=False)
class _Waiter:
    condition: threading.Condition
    deadline: float | None
    thread: threading.Thread
    woken: threading.Event = attrs.field(factory=threading.Event)


class VirtualClock(Clock):
    """A clock that moves by `advance()`, and, with `autojump`, by itself to the next deadline once all threads wait.

    A thread takes part from its first look at this clock (`monotonic()`, `wait()`), or from the moment that `start()`
    starts it, until it ends or calls `leave()`; one that runs an event loop does not. While one of them works, or was
    notified and has not yet gone on, time stands still: so nothing that happens in between depends on the machine. A
    thread that takes part must therefore not wait for anything else for long: let a fake hang on the clock
    (`FlakyTransport(plan=[60.0], clock=clock)`), and `leave()` before joining threads.

    A condition's lock must be held once, not re-entered, when it is waited for; notify it by `notify()` alone.

    Args:
        start: the first reading, in seconds.
        autojump: whether it moves by itself.
    """

    def __init__(self, start: float = 0.0, *, autojump: bool = True) -> None:
        self.autojump = autojump
        self._now = start
        self._epoch = time.time() - start
        self._changed = threading.Condition()  # taken after a waiter's condition, never before
        self._threads: set[threading.Thread] = set()
        self._waiters: list[_Waiter] = []
        self._events = 0

    def monotonic(self) -> float:
        """The reading, in seconds."""
        with self._changed:
            if not _runs_a_loop():  # its deadlines are the loop's
                self._threads.add(threading.current_thread())
            return self._now

    def time(self) -> float:
        """The time of day in seconds since 1970: at first the real one, and from then on it moves as this clock."""
        return self.monotonic() + self._epoch

    def set_time(self, seconds: float) -> None:
        """Let the time of day be this, as if somebody had set the system's clock; `monotonic()` stays."""
        with self._changed:
            self._epoch = seconds - self._now

    def start(self, thread: threading.Thread) -> None:
        """Start a thread, which takes part at once."""
        with self._changed:
            self._threads.add(thread)
        try:
            thread.start()
        except BaseException:
            with self._changed:
                self._threads.discard(thread)
            raise

    def leave(self) -> None:
        """Let the calling thread take no part until it looks at the clock again."""
        with self._changed:
            self._threads.discard(threading.current_thread())
            self._jump()

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        """Wait for `notify()`, or until `timeout` seconds have passed on this clock.

        Raises:
            RuntimeError: no thread that takes part has touched the clock for thirty real seconds; it says which works.
        """
        waiter = self._enter(condition, timeout)
        condition.release()
        try:
            self._sleep(waiter)
        finally:
            with self._changed:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
            condition.acquire()

    def notify(self, condition: threading.Condition, n: int = 1) -> None:
        """Wake the `n` threads that have waited longest for this condition, whose lock is held."""
        with self._changed:
            self._wake([waiter for waiter in self._waiters if waiter.condition is condition][:n])

    def advance(self, seconds: float) -> None:
        """Move on by so many seconds, at once, and wake whoever's time has come; `settle()` waits for them."""
        with self._changed:
            self._move(self._now + seconds)

    def settle(self, patience: float = 10.0) -> bool:
        """Wait until every other thread that takes part waits on this clock; whether they do, within real seconds."""
        ends = time.monotonic() + patience
        with self._changed:
            while self._working() - {threading.current_thread()}:
                if (left := ends - time.monotonic()) <= 0:
                    return False
                self._changed.wait(min(left, _GLANCE))
        return True

    def _enter(self, condition: threading.Condition, timeout: float | None) -> _Waiter:
        with self._changed:
            deadline = None
            if timeout is not None:
                # Rounding must not keep a loop that waits for the rest of a time from ever getting there.
                deadline = max(self._now + timeout, math.nextafter(self._now, math.inf))
            waiter = _Waiter(condition, deadline, threading.current_thread())
            if timeout is not None and timeout <= 0:
                waiter.woken.set()
                return waiter
            self._threads.add(waiter.thread)
            self._waiters.append(waiter)
            self._events += 1
            self._changed.notify_all()
            self._jump()
            return waiter

    def _sleep(self, waiter: _Waiter) -> None:
        seen, since = -1, time.monotonic()
        while not waiter.woken.wait(_GLANCE if waiter.deadline is not None else None):
            with self._changed:
                self._jump()
                if seen != self._events:
                    seen, since = self._events, time.monotonic()
                elif self.autojump and time.monotonic() - since > _PATIENCE:
                    names = ", ".join(sorted(thread.name for thread in self._working()))
                    raise RuntimeError(
                        f"time has stood still for {_PATIENCE:g} real seconds, because these threads neither wait on "
                        f"the VirtualClock nor end: {names}. Let what they wait for wait on the clock, or leave() it"
                    )

    def _working(self) -> set[threading.Thread]:
        """The threads that take part and do not wait. One that was woken works from then on."""
        self._threads = {thread for thread in self._threads if thread.ident is None or thread.is_alive()}
        return self._threads - {waiter.thread for waiter in self._waiters}

    def _jump(self) -> None:
        deadlines = [waiter.deadline for waiter in self._waiters if waiter.deadline is not None]
        if self.autojump and deadlines and not self._working():
            self._move(min(deadlines))

    def _move(self, to: float) -> None:
        self._now = max(self._now, to)
        self._wake([w for w in self._waiters if w.deadline is not None and w.deadline <= self._now])

    def _wake(self, waiters: list[_Waiter]) -> None:
        for waiter in waiters:
            self._waiters.remove(waiter)
            waiter.woken.set()
        self._events += 1


def _runs_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
