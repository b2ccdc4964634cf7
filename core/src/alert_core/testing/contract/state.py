"""The contract: instances over time, in threads and in forks."""

from __future__ import annotations

import os
import threading
import warnings
from typing import Any, Final

import attrs
import pytest

from alert_core.errors import RetryableDeliveryError
from alert_core.report import Outcome
from alert_core.retry import RetryPolicy
from alert_core.testing.contract.base import GRACE, SHORT, Attempt, ContractBase, an_alert, call, dispatcher_of, visible
from alert_core.testing.replies import CANARY, Fault, Reply
from alert_core.transport import Secret

_THREADS: Final = 8


class State(ContractBase):
    """What an instance keeps, and what it must not."""

    def test_one_attempt_is_one_request(self) -> None:
        """Retries are the dispatcher's: it knows the deadline, the rate and whether the alert may have arrived."""
        self.need_network()
        statuses = (500, 503, 429, 400) if self.speaks_http else ()
        named = (self.replies.server_error, self.replies.unavailable, self.replies.rate_limited)
        faults = (Fault.RESET, Fault.TRUNCATE, Fault.HANG, Fault.RESET_BEFORE)
        given = [
            self.replies.ok,
            *(reply for reply in (*named, *self.replies.others.values()) if reply),
            *map(Reply, statuses),
            *(attrs.evolve(self.replies.ok, fault=fault) for fault in faults),
        ]
        for reply in given:
            server = self.serve(reply)
            self.try_once(self.connect(server, **({"timeout": SHORT} if reply.fault else {})))
            count = max(len(server.received), server.connections if reply.fault else 0)
            if count > reply.requests:
                what = f"status {reply.status}" if reply.fault is None else f"provider told to {reply.fault.value}"
                self.fail(
                    f"{what}: one send() made {count} requests: leave retries to the dispatcher. Where the first was "
                    "surely refused and a second is meant, say so: Reply(…, requests=2) in replies.others"
                )

    def test_a_retry_repeats_the_first_request(self) -> None:
        """Byte for byte, the idempotency key included, so that the provider can tell."""
        server = self.serve(self._refusal(), self.replies.ok)
        transport, alert = self.connect(server), an_alert()
        self.attempt(transport, alert)
        self.deliver(transport, alert)
        first, second = server.received[0], server.received[-1]
        if not self.same_message(first, second):
            parts = [
                part for part in ("method", "path", "headers", "body") if getattr(first, part) != getattr(second, part)
            ]
            self.fail(
                f"two attempts of one alert differ in {' and '.join(parts)}: make keys and times out of the alert "
                "(alert.id, alert.created_at), never anew"
            )

    def test_close_may_be_called_twice(self) -> None:
        """Before the first send, after it, and again."""
        transport = self._used()
        for _ in range(2):
            transport.close()
        fresh = self.make()
        fresh.close()
        fresh.close()

    def test_a_send_after_close_connects_again(self) -> None:
        """A dispatcher closes a target that it may use again."""
        transport = self._used()
        transport.close()
        self.deliver(transport)

    def test_a_kept_connection_that_the_provider_closed_is_no_trouble(self) -> None:
        """It is noticed before the request goes out, or reported as retryable or uncertain."""
        server = self.serve()
        transport = self.connect(server)
        self.deliver(transport)
        server.drop_connections()
        done = self.attempt(transport)
        if done.outcome is Outcome.PERMANENT:
            self.fail(
                f"a kept connection had been closed meanwhile: {done}; connect again, or say that it may be retried"
            )

    def test_two_instances_share_nothing(self) -> None:
        """Each uses its own address and its own credential."""
        first, second = self.serve(), self.serve()
        other = CANARY[::-1]
        one = self.connect(first)
        two = self.connect(second, **{n: _replaced(v, other) for n, v in self._credentials(second).items()})
        for transport in (one, two, one):
            self.deliver(transport)
        if len(first.received) != 2 or len(second.received) != 1:  # noqa: PLR2004 - as sent above
            self.fail("an alert went to the other instance's address: keep what belongs to an instance on self")
        if any(other in repr(attrs.astuple(request)) for request in first.received):
            self.fail("an instance used the other one's credential: keep what belongs to an instance on self")

    def test_eight_threads_at_once_each_deliver_their_own_alert(self) -> None:
        """An instance is called by several threads at once."""
        server = self.serve()
        transport = self.connect(server, concurrency=_THREADS)
        start = threading.Barrier(_THREADS)
        ended: list[Attempt] = []
        titles = [f"Disk {n} of {_THREADS} full" for n in range(_THREADS)]

        def deliver(title: str) -> None:
            start.wait(10)
            ended.extend(call(transport, an_alert(title)) for _ in range(3))

        threads = [threading.Thread(target=deliver, args=(title,), daemon=True) for title in titles]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(transport.timeout * 3 + GRACE)
        self._all_arrived(ended, titles, [visible(self.shown(request)) for request in server.received])

    def test_it_works_after_a_fork(self) -> None:
        """The child makes its own connection; the parent's goes on."""
        if not hasattr(os, "fork"):
            pytest.skip("no fork() on this system")
        server = self.serve()
        with dispatcher_of(self.connect(server)) as dispatcher:
            before = dispatcher.send(an_alert())
            status = in_child(lambda: dispatcher.send(an_alert()).ok)
            after = dispatcher.send(an_alert())
        if not before.ok or not after.ok:
            self.fail("the parent of a fork could not deliver: the child must not touch what it inherited")
        if status != 0:
            self.fail("the child of a fork could not deliver: drop inherited connections and locks in _forget()")
        if server.received[1].connection in (server.received[0].connection, server.received[2].connection):
            self.fail("the child of a fork used its parent's connection: drop it in _forget(), without closing it")

    def test_the_alert_is_left_as_it_was(self) -> None:
        """Every target shares it."""
        alert = an_alert()
        before = alert.to_dict()
        self.deliver(self.connect(self.serve()), alert)
        if alert.to_dict() != before:
            self.fail("send() changed the alert, which every other target shares: copy what you change")

    def test_the_dispatcher_retries_what_is_retryable(self) -> None:
        """The transport, its lane and the report together."""
        server = self.serve(self._refusal(), self.replies.ok)
        with dispatcher_of(self.connect(server), RetryPolicy(initial=0.01)) as dispatcher:
            report = dispatcher.send(an_alert())
        ended = [(delivery.outcome, delivery.attempts) for delivery in report.deliveries]
        wanted = [(Outcome.DELIVERED, 1)] * (len(ended) - 1) + [(Outcome.DELIVERED, 2)]  # whose turn is first, is open
        if sorted(ended) != wanted:
            gave = ", ".join(f"{outcome} after {attempts} attempt(s)" for outcome, attempts in ended)
            self.fail(
                f"a refusal for now and then a yes gave {gave}; one delivery has to take 2 attempts: raise "
                f"{RetryableDeliveryError.__name__} for the refusal"
            )

    def _refusal(self) -> Reply:
        """A no for now."""
        refusal = self.replies.unavailable or self.replies.rate_limited
        if refusal is None and not self.speaks_http:
            pytest.skip("neither replies.unavailable nor replies.rate_limited is given")
        return refusal or Reply(503)

    def _used(self) -> Any:
        transport = self.connect(self.serve())
        self.deliver(transport)
        return transport

    def _credentials(self, server: Any) -> dict[str, Any]:
        moved = {**self.options, **self.endpoint(server.host, server.port, None)}
        return {name: value for name, value in moved.items() if CANARY in _revealed(value)}

    def _all_arrived(self, ended: list[Attempt], titles: list[str], shown: list[str]) -> None:
        failed = [done for done in ended if done.error is not None]
        if failed or len(ended) != 3 * _THREADS:
            self.fail(f"with {_THREADS} threads at once {failed[0] if failed else 'a call never returned'}")
        for title in titles:
            if sum(visible(title) in text for text in shown) != 3:  # noqa: PLR2004 - as sent above
                self.fail(
                    f"with {_THREADS} threads at once, {title!r} did not arrive as often as it was sent: keep what "
                    "belongs to one call in local variables, and guard what is shared by a lock"
                )


def _revealed(value: object) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value)


def _replaced(value: Any, other: str) -> Any:
    return _revealed(value).replace(CANARY, other)


def in_child(work: Any) -> int:
    """Fork, work in the child, and return its exit status: 0 where the work gave true; it is killed where it hangs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of threads, and they are the point
        child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    timer = threading.Timer(30, os.kill, (child, 9))
    timer.start()
    try:
        return os.waitpid(child, 0)[1]
    finally:
        timer.cancel()
        timer.join()
