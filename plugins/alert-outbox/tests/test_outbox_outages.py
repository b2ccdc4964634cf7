"""A provider that is away for an hour, a host that is lost, a worker that stands still; on both databases."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from alert_core import Alert, RetryableDeliveryError
from alert_core.queues import Clock
from alert_core.testing import VirtualClock


class LaterClock(Clock):
    """The system's clock, an hour later: what others have leased has run out by then."""

    def time(self) -> float:
        return time.time() + 3600


def test_what_is_enqueued_while_a_provider_is_down_for_an_hour_is_delivered_when_it_is_back(
    make: Any, target: Any, events: Any
) -> None:
    clock = VirtualClock()
    began, delivered = clock.time(), []

    def answer(_: Alert) -> None:
        if clock.time() < began + 3600:
            raise RetryableDeliveryError("connection refused")
        delivered.append(clock.time() - began)

    before = make(target("a", answer), clock=clock, queue={"poll": "10d"})
    for number in range(3):
        before.enqueue(Alert(f"n{number}", "m"))
    before.flush(60)
    before.close(0)  # a restart meanwhile
    a = target("a", answer)
    d = make(a, events=events, clock=clock, queue={"poll": "10d"})
    tickets = [d.enqueue(Alert(f"n{number}", "m")) for number in range(3, 6)]
    assert all(ticket.wait(7200) for ticket in tickets)
    clock.advance(300)
    assert d.flush(60)
    assert a.taken == {f"n{number}": 1 for number in range(6)}
    assert all(3600 <= moment <= 3600 + 2 * 300 for moment in delivered)  # longest_backoff, and the step above
    assert events.of("dropped") == []
    clock.leave()


@pytest.fixture
def lost(make: Any, target: Any, events: Any) -> Iterator[Any]:
    """A host whose worker has a delivery under way and stands still, until it is let go on."""
    going_on, stands = threading.Event(), threading.Event()

    def answer(_: Alert) -> None:
        stands.set()
        assert going_on.wait(120)

    a = target("a", answer)
    d = make(a, events=events)
    ticket = d.enqueue(Alert("t", "m"))
    assert stands.wait(60)
    yield a, d, ticket, going_on
    going_on.set()
    assert d.flush(60)


def test_what_a_lost_host_had_under_way_another_delivers_once_its_lease_has_ended(
    make: Any, target: Any, lost: Any
) -> None:
    soon, later = target("a"), target("a")
    assert make(soon).flush(60)
    assert soon.tries == 0
    assert make(later, clock=LaterClock()).flush(60)
    assert later.taken == {"t": 1}


def test_a_worker_that_stood_still_past_its_lease_sends_a_duplicate_and_nothing_more(
    make: Any, target: Any, events: Any, lost: Any
) -> None:
    slow, d, ticket, going_on = lost
    other = target("a")
    assert make(other, clock=LaterClock()).flush(60)
    going_on.set()
    assert ticket.wait(60)
    assert d.flush(60)
    assert make(other, clock=LaterClock()).flush(60)
    assert (slow.taken, other.taken) == ({"t": 1}, {"t": 1})
    (delivery,) = d.queue.inspection.deliveries()
    assert (delivery.state, delivery.receipt) == ("delivered", "a-t")
    assert events.of("dropped") == []


@pytest.mark.parametrize(("ahead", "times"), [(4.9, 1), (5.1, 2)])
def test_a_clock_that_is_ahead_of_anothers_by_less_than_5_s_doubles_nothing(
    make: Any, target: Any, ahead: float, times: int
) -> None:
    stands, going_on = threading.Event(), threading.Event()

    def answer(_: Alert) -> None:
        stands.set()
        assert going_on.wait(120)

    clocks = [VirtualClock(autojump=False) for _ in range(2)]
    slow, other = target("a", answer, timeout=10.0), target("a", timeout=10.0)
    d = make(slow, clock=clocks[0])
    ticket = d.enqueue(Alert("t", "m"))
    assert stands.wait(60)
    clocks[1].set_time(clocks[0].time() + slow.timeout + ahead)  # at the last moment of the attempt
    make(other, clock=clocks[1])
    assert clocks[1].settle(60)
    going_on.set()
    assert ticket.wait(60) if times == 1 else clocks[0].settle(60)
    assert slow.taken + other.taken == {"t": times}
    for clock in clocks:
        clock.autojump = True
        clock.leave()
