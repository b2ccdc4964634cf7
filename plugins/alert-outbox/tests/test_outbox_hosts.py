"""What two hosts do at once on PostgreSQL, statement by statement: nothing is lost, told twice, or left behind."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from alert_core import Alert, Delivery, PermanentDeliveryError, Route
from alert_core.queues import Dispatch, Outcome
from alert_outbox.housekeeping import Housekeeping
from alert_outbox.worker import Worker

pytestmark = [pytest.mark.needs("postgres"), pytest.mark.parametrize("database", ["postgresql"], indirect=True)]
REPEATED = [Route(["a"], name="r", repeat_every="4h")]
LEASE, LATER = 100.0, 3_600.0
After = Callable[..., None]


def alert(title: str, **more: Any) -> Alert:
    return Alert(title, "m", dedup_key="k", **more)


def states(d: Any) -> dict[str, str]:
    return {one.title: one.state for one in d.queue.inspection.deliveries()}


def housekeeping(d: Any) -> Housekeeping:
    q = d.queue
    return Worker(q.database, q.store, q.state, q.intake, q.desk, q._rules)._housekeeping


def take(d: Any, target: str = "a", now: float = 1.0, most: int = 9) -> Any:
    """Lease what is due, within the target's rate."""
    q, limit = d.queue, d.queue.desk.targets[target].limit
    given: dict[str, Any] = {"now": now, "until": now + LEASE, "most": most, "mine": (), "limit": limit}
    return q.database.write(lambda connection, _: q.store.take(connection, target, **given))


def end(d: Any, taken: Any) -> Callable[[Any], Any]:
    """The work that ends a delivery: it has arrived."""
    done = Delivery(target=taken.part.target, kind="", recipient=None, outcome=Outcome.DELIVERED, attempts=1)
    return lambda connection: d.queue.store.end(connection, taken, done, time.time())


@pytest.fixture
def hosts(make: Any, target: Any) -> Callable[..., Any]:
    """Makes dispatchers on one database, whose workers do what the test tells them to."""

    def made(count: int, *targets: str, routes: Any = (), rate: str | None = None, **queue: Any) -> Any:
        options = {} if rate is None else {"rate": rate}
        each = [
            make(*(target(name, **options) for name in targets), routes=routes, queue={"worker": False, **queue})
            for _ in range(count)
        ]
        each[0].queue.make_tables()
        return each

    return made


@pytest.fixture
def after(monkeypatch: pytest.MonkeyPatch) -> After:
    """`after(statements, name, then)`: once, `then()` happens when that statement has been run."""

    def hook(statements: Any, name: str, then: Callable[[], object], method: str = "run") -> None:
        statement, left = getattr(statements, name), [then]
        real = getattr(statement, method)

        def hooked(*arguments: Any, **values: Any) -> Any:
            result = real(*arguments, **values)
            if left:
                left.pop()()
            return result

        monkeypatch.setattr(statement, method, hooked)

    return hook


def test_a_firing_that_is_resolved_while_another_host_notes_it_is_remembered(hosts: Any, after: After) -> None:
    one, other = hosts(2, "a", routes=REPEATED)
    # The other sees no event; then there is one, so it inserts none; then that is gone.
    after(other.queue.state.sql, "event", lambda: one.enqueue(alert("first")), "one")
    after(other.queue.state.sql, "insert_event", lambda: one.enqueue(alert("ok", status="resolved")))
    assert other.enqueue(alert("second")).dropped is None
    assert one.enqueue(alert("ok again", status="resolved")).dropped is None


def test_what_was_resolved_while_its_silence_ended_is_not_woken(hosts: Any, after: After) -> None:
    one, other = hosts(2, "a", routes=REPEATED)
    silence = one.queue.silences.add({"severity": ">=info"}, author="me", reason="test")
    one.enqueue(alert("bad", severity="critical"))
    one.queue.silences.expire(silence.id)

    def meanwhile() -> None:
        one.enqueue(alert("good", status="resolved"))
        one.enqueue(alert("less bad", severity="warning"))

    after(other.queue.state.sql, "silenced", meanwhile, "rows")
    other.queue.database.write(lambda connection, _: housekeeping(other)._round(connection, time.time() + 1))
    assert states(other) == {"less bad": "waiting"}


def test_what_is_tried_again_while_another_host_purges_is_not_deleted(
    make: Any, target: Any, hosts: Any, race: Any
) -> None:
    def refuse(_: Alert) -> None:
        raise PermanentDeliveryError("no")

    d = make(target("a", refuse))
    d.enqueue(alert("t"))
    assert d.flush(60)
    d.close(10)
    one, other = hosts(2, "a")
    retried: list[int] = []
    store = one.queue.store
    race(
        one.queue,
        lambda connection: retried.append(store.revive(connection, time.time(), None, "a")),
        lambda: other.queue.purge(0),
    )
    assert (retried, states(one)) == ([1], {"t": "waiting"})


def test_two_hosts_that_give_up_at_once_tell_it_once(hosts: Any, race: Any) -> None:
    (gone,) = hosts(1, "gone", "n")
    gone.enqueue(alert("t"), ["gone"])
    one, other = hosts(2, "n", dead_letter_target="n", give_up_after=1)
    dead: list[Any] = []

    def gives_up(d: Any) -> Callable[[Any], None]:
        return lambda connection: dead.extend(housekeeping(d)._round(connection, time.time() + LATER).dead)

    work = gives_up(other)
    race(one.queue, gives_up(one), lambda: other.queue.database.write(lambda connection, _: work(connection)))
    notices = [row.title for row in one.queue.inspection.deliveries(target="n")]
    assert (notices, len(dead)) == (["Not delivered to gone: t"], 1)


def test_what_ends_while_another_host_gives_it_up_is_left_alone(hosts: Any, race: Any) -> None:
    (gone,) = hosts(1, "gone")
    gone.enqueue(alert("t"), ["gone"])
    (taken,) = take(gone, "gone", now=time.time() + 1)
    (one,) = hosts(1, "n", dead_letter_target="n", give_up_after=1)
    now = time.time() + 2 * LATER  # the lease has run out, too
    race(
        gone.queue,
        end(gone, taken),
        lambda: one.queue.database.write(lambda connection, _: housekeeping(one)._round(connection, now)),
    )
    assert states(one) == {"t": "delivered"}


def test_what_another_host_has_under_way_is_not_given_up(hosts: Any) -> None:
    (gone,) = hosts(1, "gone")
    gone.enqueue(alert("t"), ["gone"])
    now = time.time() + 10
    (taken,) = take(gone, "gone", now=now)
    (one,) = hosts(1, "n", give_up_after=1)
    one.queue.database.write(lambda connection, _: housekeeping(one)._round(connection, now))
    gone.queue.database.write(lambda connection, _: end(gone, taken)(connection))
    assert states(one) == {"t": "delivered"}


def test_who_gives_way_in_a_deadlock_is_tried_again_while_there_is_time(hosts: Any) -> None:
    import psycopg

    (one,) = hosts(1, "a")
    errors = [psycopg.errors.DeadlockDetected("deadlock detected") for _ in range(3)]

    def work(_connection: Any, _again: bool) -> str:
        if errors:
            raise errors.pop()
        return "written"

    assert one.queue.database.write(work) == "written"


def test_two_hosts_over_a_rate_do_not_wait_for_each_other(hosts: Any, after: After, held_up: Any) -> None:
    one, other = hosts(2, "a", rate="1/60s")
    for number in range(6):
        one.enqueue(Alert(f"n{number}", "m"))
    now, again = time.time() + 1, list[bool]()

    def counting(queue: Any) -> Callable[[Any], Any]:
        write = queue.database.write

        def counted(work: Any) -> Any:
            def attempt(connection: Any, repeated: bool) -> Any:
                again.append(repeated)
                return work(connection, repeated)

            return write(attempt)

        return counted

    for d in (one, other):
        d.queue.database.write = counting(d.queue)
    with ThreadPoolExecutor() as pool:
        beside: list[Future[Any]] = []

        def start() -> None:  # before what is over the rate is gathered
            beside.append(pool.submit(take, other, "a", now, 2))
            while not (beside[0].done() or held_up(one.queue)):
                pass

        after(one.queue.store.sql, "spend", start)
        take(one, "a", now, 2)
        beside[0].result(60)
    assert again == [False, False]


def test_what_is_told_alone_while_two_before_it_end_one_after_the_other_is_not_left_held(
    hosts: Any, race: Any, after: After
) -> None:
    one, other, third = hosts(3, "a")

    def put(title: str, bucket: str | None = None) -> None:
        dispatch = Dispatch(id=title, alert=alert(title), parts=one.queue.desk.parts(["a"]))
        placed = [(part, bucket) for part in dispatch.parts]
        one.queue.database.write(lambda connection, _: one.queue.store.put(connection, dispatch, placed, 0.0))

    for title, bucket in (("first", None), ("second", None), ("gathered", "group:g")):
        put(title, bucket)
    (first,) = take(one)
    racing: list[Future[Any]] = []

    def tell(connection: Any) -> None:
        (gathered,) = other.queue.store.gathered(connection, "group:g")
        other.queue.store.tell_alone(connection, gathered, 2.0)

    told, written = threading.Event(), threading.Event()

    def second_ends() -> None:
        """The end of the first has let it go: it is taken, and ends, though that is not committed yet."""
        (second,) = take(third)
        work = end(third, second)

        def ends(connection: Any) -> None:
            work(connection)
            written.set()

        racing.append(pool.submit(race, third.queue, ends, lambda: told.wait(60)))
        assert written.wait(60)

    with ThreadPoolExecutor() as pool:
        after(other.queue.store.sql, "lock_key", second_ends, "rows")
        race(one.queue, end(one, first), lambda: other.queue.database.write(lambda connection, _: tell(connection)))
        told.set()
        racing[0].result(60)
    assert states(one) == {"first": "delivered", "second": "delivered", "gathered": "waiting"}
