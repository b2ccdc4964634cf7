"""What comes with a transaction of the application's: noted there, planned once that has committed."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from alert_core import Alert, Route, Ticket
from alert_core.queues import Dispatch, Part

HOUR = [Route(["a"], name="r", repeat_every="1h")]


def note(dispatcher: Any, *alerts: Alert, then: Callable[[], object] = lambda: None) -> None:
    """Note alerts in a transaction of somebody else's, do something, and commit."""
    outbox = dispatcher.queue
    outbox.make_tables()
    connection = outbox.database._connect()
    try:
        with outbox.database.transaction(connection):
            many = [
                Dispatch(id=f"d{alert.id[:30]}", alert=alert, parts=(Part("a"),), routes=dispatcher.routes)
                for alert in alerts
            ]
            outbox.database.write_inside(connection, lambda c, _: outbox.intake.put(c, many, outbox.desk.clock.time()))
            then()
    finally:
        connection.close()


def test_what_a_process_that_ended_has_left_another_plans_and_delivers(make: Any, target: Any) -> None:
    note(make(target("a"), queue={"worker": False}), Alert("first", "m"), Alert("second", "m"))
    a = target("a")
    assert make(a).flush(60)
    assert a.taken == {"first": 1, "second": 1}


def test_it_is_planned_in_its_order_and_by_what_is_remembered_then(make: Any, target: Any, events: Any) -> None:
    a = target("a")
    d = make(a, routes=HOUR, queue={"worker": False})
    fires = Alert("fires", "m", dedup_key="k")
    note(d, fires, Alert("again", "m", dedup_key="k"), fires.evolve(id="1", title="ends", status="resolved"))
    told = make(a, routes=HOUR, events=events)
    assert told.flush(60)
    assert [alert.title for alert in a.alerts] == ["fires", "ends"]
    assert events.of("dropped") == [("dropped", "again", "deduplicated", "r")]
    assert events.of("finished") == [
        ("finished", "again", True),
        ("finished", "fires", True),
        ("finished", "ends", True),
    ]


def test_before_an_alert_of_a_queue_that_enlists_what_has_committed_is_planned(make: Any, target: Any) -> None:
    a = target("a")
    d = make(a, routes=HOUR, queue={"worker": False})
    d.queue.enlists = True
    note(d, Alert("fires", "m", dedup_key="k"))
    ended = d.enqueue(Alert("ends", "m", dedup_key="k", status="resolved"))
    assert ended.dropped is None
    assert d.enqueue(Alert("ends", "m", dedup_key="k", status="resolved")).dropped == "not_firing: r"
    assert make(a, routes=HOUR).flush(60)
    assert [alert.title for alert in a.alerts] == ["fires", "ends"]


def test_it_goes_to_targets_whose_route_is_not_configured_any_more(make: Any, target: Any) -> None:
    note(make(target("a"), routes=HOUR, queue={"worker": False}), Alert("t", "m"))
    a = target("a")
    assert make(a, routes=[Route(["a"], name="another", repeat_every="1h")]).flush(60)
    assert a.taken == {"t": 1}


def test_what_cannot_be_read_is_dropped_and_told_and_holds_up_no_other(make: Any, target: Any, events: Any) -> None:
    def damage(connection: Any, _: bool) -> None:
        connection.execute("UPDATE alert_outbox_intake SET body = '{' WHERE body LIKE '%first%'")

    d = make(target("a"), queue={"worker": False})
    note(d, Alert("first", "m"), Alert("second", "m"))
    d.queue.database.write(damage)
    a = target("a")
    assert make(a, events=events).flush(60)
    assert a.taken == {"second": 1}
    assert [event[2:] for event in events.of("dropped")] == [("unreadable", "intake")]


@pytest.mark.parametrize(
    "database", [pytest.param("postgresql", marks=pytest.mark.needs("postgres"))], indirect=True
)  # SQLite has one writer
def test_a_transaction_that_is_open_holds_up_no_other_of_its_dedup_key(make: Any, target: Any) -> None:
    a, tickets = target("a"), list[Ticket]()
    d = make(a, routes=HOUR)
    same = Alert("t", "m", dedup_key="k")

    def others() -> None:
        tickets.append(d.enqueue(same.evolve(id="2")))
        assert tickets[0].wait(60)

    note(d, same, then=others)
    assert tickets[0].report(0).sent == ("a",)
    d.queue.plan_intake()
    assert d.flush(60)
    assert a.taken == {"t": 1}


def test_many_that_plan_at_once_plan_each_alert_once(make: Any, target: Any) -> None:
    a = target("a")
    planners = [make(a, queue={"worker": False}) for _ in range(4)]
    note(planners[0], *(Alert(f"t{number}", "m") for number in range(20)))
    threads = [threading.Thread(target=one.queue.plan_intake) for one in planners]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert make(a).flush(60)
    assert a.taken == {f"t{number}": 1 for number in range(20)}
