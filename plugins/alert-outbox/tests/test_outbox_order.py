"""Two hosts that end, or bring back, deliveries of one dedup key at once leave none behind, on PostgreSQL."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from alert_core import Alert, Delivery, PermanentDeliveryError
from alert_core.queues import Dispatch, Outcome
from alert_outbox.store import Taken

# SQLite has one writer: nothing happens at once there.
pytestmark = [pytest.mark.needs("postgres"), pytest.mark.parametrize("database", ["postgresql"], indirect=True)]
FAILED = PermanentDeliveryError("refused")


@attrs.frozen
class Host:
    """A process whose worker does what the test tells it to."""

    dispatcher: Any

    @property
    def queue(self) -> Any:
        return self.dispatcher.queue

    def put(self, title: str) -> Callable[[Any], object]:
        """The work that stores an alert of the one key."""
        alert = Alert(title, "m", dedup_key="k")
        one = Dispatch(id=title, alert=alert, parts=self.queue.desk.parts(["a"]))
        return lambda connection: self.queue.state.put(connection, one, 0.0, self.queue.desk)

    def take(self) -> list[Taken]:
        """Lease what is due."""
        until: dict[str, Any] = {"now": 1.0, "until": 100.0, "most": 9, "mine": ()}
        taken: list[Taken] = self.queue.database.write(lambda c, _: self.queue.store.take(c, "a", **until))
        return taken

    def end(self, taken: Taken, outcome: Outcome = Outcome.DELIVERED) -> Callable[[Any], object]:
        """The work that ends a delivery."""
        error = None if outcome is Outcome.DELIVERED else FAILED
        result = Delivery(target="a", kind="", recipient=None, outcome=outcome, attempts=1, error=error)
        return lambda connection: self.queue.store.end(connection, taken, result, 2.0)

    def do(self, work: Callable[[Any], object]) -> None:
        self.queue.database.write(lambda connection, _: work(connection))

    def states(self) -> dict[str, str]:
        return {one.title: one.state for one in self.queue.inspection.deliveries()}


Hosts = tuple[Host, Host]


@pytest.fixture
def hosts(make: Any, target: Any) -> Hosts:
    first, second = (Host(make(target("a"), queue={"worker": False})) for _ in range(2))
    first.queue.make_tables()
    return first, second


@pytest.fixture
def under_way(hosts: Hosts, race: Any) -> tuple[Taken, Taken]:
    """Two deliveries of the key that were stored at once: neither saw the other, so neither waits for it."""
    one, other = hosts
    race(one.queue, one.put("first"), lambda: other.do(other.put("second")))
    first, second = one.take()
    return first, second


def test_two_that_end_at_once_do_not_leave_the_next_to_each_other(
    hosts: Hosts, race: Any, under_way: tuple[Taken, Taken]
) -> None:
    one, other = hosts
    one.do(one.put("third"))
    assert one.states() == {"first": "waiting", "second": "waiting", "third": "held"}
    race(one.queue, one.end(under_way[0]), lambda: other.do(other.end(under_way[1])))
    assert one.states() == {"first": "delivered", "second": "delivered", "third": "waiting"}


def test_a_dead_letter_that_is_brought_back_while_one_before_it_ends_is_tried_again(
    hosts: Hosts, race: Any, under_way: tuple[Taken, Taken]
) -> None:
    one, other = hosts
    first, second = under_way
    one.do(one.end(second, Outcome.PERMANENT))
    race(one.queue, one.end(first), lambda: other.queue.retry(second.row))
    assert one.states() == {"first": "delivered", "second": "waiting"}


def test_what_is_held_behind_nothing_is_let_go_within_a_minute(make: Any, target: Any, hosts: Hosts) -> None:
    one, _ = hosts
    one.do(one.put("left behind"))
    one.do(lambda connection: connection.execute("UPDATE alert_outbox_deliveries SET state = 'held'"))
    a = target("a")
    assert make(a).flush(60)
    assert a.taken == {"left behind": 1}
