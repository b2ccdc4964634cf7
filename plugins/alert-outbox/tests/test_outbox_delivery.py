"""An alert in the outbox reaches every target, or ends as a dead letter; on both databases."""

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from alert_core import (
    Alert,
    ConfigError,
    Dispatcher,
    PermanentDeliveryError,
    QueueError,
    RetryableDeliveryError,
    RetryPolicy,
    Route,
    UncertainDeliveryError,
)
from alert_core.testing import CANARY, VirtualClock, isolated_plugins
from alert_outbox import Outbox

DAY = 86_400.0
PATIENT = {"poll": "10d"}  # looks when something is due, and not each second of a virtual day


def failing(*errors: Exception) -> Any:
    """Raises each of these once, then nothing."""
    left = list(errors)

    def answer(_: Alert) -> None:
        if left:
            raise left.pop(0)

    return answer


def always(error: Exception) -> Any:
    def answer(_: Alert) -> None:
        raise error

    return answer


def test_send_reports_what_was_stored_and_delivered(make: Any, target: Any, events: Any) -> None:
    a, b = target("a"), target("b")
    d = make(a, b, events=events)
    report = d.send(Alert("t", "m"))
    assert report.stored
    assert report.sent == ("a", "b")
    assert [x.receipt.id for x in report.deliveries] == ["a-t", "b-t"]
    assert a.taken == b.taken == {"t": 1}
    assert events.of("finished") == [("finished", "t", True)]


def test_an_enqueued_alert_is_delivered_and_its_ticket_knows(make: Any, target: Any, events: Any) -> None:
    a = target("a")
    d = make(a, events=events)
    ticket = d.enqueue(Alert("t", "m"))
    assert ticket.wait(30)
    report = ticket.report()
    assert (report.stored, report.sent, report.ok) == (True, ("a",), True)
    assert [e[0] for e in events.told] == ["started", "succeeded", "finished"]


def test_the_end_of_a_dispatch_is_told_once_although_nobody_kept_its_ticket(
    make: Any, target: Any, events: Any
) -> None:
    targets = [target("a"), target("b", always(PermanentDeliveryError("no")))]
    d = make(*targets, events=events)
    for number in range(20):
        d.enqueue(Alert(f"n{number}", "m"))
    assert d.flush(60)
    assert sorted(events.of("finished")) == sorted(("finished", f"n{n}", False) for n in range(20))
    assert sorted(events.of("dropped")) == sorted(("dropped", f"n{n}", "dead_letter", "b") for n in range(20))
    assert d.drops == {"dead_letter": 20}


def test_what_fails_is_tried_again_with_backoff_kept_in_the_database(make: Any, target: Any, events: Any) -> None:
    clock = VirtualClock()
    a = target("a", failing(*[RetryableDeliveryError("busy")] * 5))
    d = make(a, events=events, clock=clock, queue=PATIENT, retry=RetryPolicy(initial=10, maximum=3600))
    ticket = d.enqueue(Alert("t", "m"))
    assert ticket.wait(DAY)
    (delivery,) = ticket.report().deliveries
    assert (delivery.attempts, a.tries, str(delivery.outcome)) == (6, 6, "delivered")
    assert events.of("failed") == [("failed", "t", "a", n, True) for n in range(1, 6)]
    clock.leave()


def test_retry_after_is_kept(make: Any, target: Any) -> None:
    clock = VirtualClock()
    times: list[float] = []

    def answer(_: Alert) -> None:
        times.append(clock.time())
        if len(times) == 1:
            raise RetryableDeliveryError("slow down", retry_after=120)

    d = make(target("a", answer), clock=clock, queue=PATIENT)
    ticket = d.enqueue(Alert("t", "m"))
    assert ticket.wait(DAY)
    assert 120 <= times[1] - times[0] < 121
    clock.leave()


def test_a_retry_after_of_days_is_capped(make: Any, target: Any) -> None:
    clock = VirtualClock()
    times: list[float] = []

    def answer(_: Alert) -> None:
        times.append(clock.time())
        if len(times) == 1:
            raise RetryableDeliveryError("slow down", retry_after=5 * DAY)

    d = make(target("a", answer), clock=clock, queue={**PATIENT, "longest_backoff": "10m"})
    assert d.enqueue(Alert("t", "m")).wait(DAY)
    assert 600 <= times[1] - times[0] < 601
    clock.leave()


def test_what_cannot_be_delivered_for_a_day_is_a_dead_letter_that_is_told(make: Any, target: Any, events: Any) -> None:
    clock = VirtualClock()
    a = target("a", always(RetryableDeliveryError("down")))
    d = make(a, events=events, clock=clock, queue={**PATIENT, "longest_backoff": "2h"})
    began = clock.time()
    ticket = d.enqueue(Alert("t", "m"))
    assert ticket.wait(3 * DAY)
    assert DAY <= clock.time() - began < DAY + 7200 + 60
    (delivery,) = ticket.report().deliveries
    assert (str(delivery.outcome), delivery.attempts) == ("retryable", a.tries)
    assert events.of("dropped") == [("dropped", "t", "dead_letter", "a")]
    assert events.of("failed")[-1] == ("failed", "t", "a", a.tries, False)
    assert all(event[-1] for event in events.of("failed")[:-1])
    clock.leave()


def test_the_dead_letter_target_gets_a_notice_of_each_and_none_of_a_notice(make: Any, target: Any, events: Any) -> None:
    a, b = target("a", always(PermanentDeliveryError("no"))), target("b", always(PermanentDeliveryError("no, too")))
    d = make(a, b, events=events, queue={"dead_letter_target": "b"})
    d.enqueue(Alert("t", "m", severity="critical"), targets=["a"])
    assert d.flush(60)
    assert b.tries == 1
    assert events.of("dropped") == [
        ("dropped", "t", "dead_letter", "a"),
        ("dropped", "Not delivered to a: t", "dead_letter", "b"),
    ]


def test_a_target_that_forbids_it_is_not_retried_when_the_alert_may_have_arrived(make: Any, target: Any) -> None:
    a = target("a", always(UncertainDeliveryError("lost")), retry=RetryPolicy(retry_uncertain=False))
    d = make(a)
    report = d.send(Alert("t", "m"))
    assert report.uncertain == ("a",)
    assert a.tries == 1


def test_each_recipient_is_a_delivery_and_who_has_it_gets_it_once(make: Any, target: Any) -> None:
    refused: list[str] = []

    class Sms(target):  # type: ignore[misc]  # a fixture
        def send(self, alert: Alert, recipient: str | None = None) -> Any:
            if recipient == "+2" and len(refused) < 2:
                refused.append(recipient)
                raise RetryableDeliveryError("busy")
            return super().send(alert, recipient)

    sms = Sms("sms", to=("+1", "+2"), recipients_option="to")
    d = make(sms, retry=RetryPolicy(initial=0.01, maximum=0.02))
    ticket = d.enqueue(Alert("t", "m"))
    assert ticket.wait(30)
    assert sms.taken == {"t to +1": 1, "t to +2": 1}
    assert [(x.recipient, x.attempts) for x in ticket.report().deliveries] == [("+1", 1), ("+2", 3)]


def test_a_failovers_retry_skips_the_recipients_that_have_it(make: Any, target: Any) -> None:
    from alert_core.config import FailoverConfig

    first = target("first", failing(RetryableDeliveryError("busy")), to=("+1", "+2"), recipients_option="to")
    first.concurrency = 1
    d = make(first, FailoverConfig("both", ("first",)), retry=RetryPolicy(initial=0.01, maximum=0.02))
    ticket = d.enqueue(Alert("t", "m"), targets=["both"])
    assert ticket.wait(30)
    assert first.taken == {"t to +1": 1, "t to +2": 1}
    assert first.tries == 3


def test_deliveries_of_one_dedup_key_keep_their_order_through_retries(make: Any, target: Any) -> None:
    seen: list[str] = []
    down = failing(*[RetryableDeliveryError("busy")] * 3)

    def answer(alert: Alert) -> None:
        if alert.dedup_key == "k":
            down(alert)
        seen.append(alert.title)

    d = make(target("a", answer), retry=RetryPolicy(initial=0.05, maximum=0.05))
    tickets = [d.enqueue(Alert(f"n{n}", "m", dedup_key="k")) for n in range(8)]
    tickets.append(d.enqueue(Alert("other", "m")))
    assert all(ticket.wait(60) for ticket in tickets)
    assert [title for title in seen if title != "other"] == [f"n{n}" for n in range(8)]


def test_a_hung_target_does_not_hold_up_the_others(make: Any, target: Any) -> None:
    release = threading.Event()
    hung = target("hung", lambda _: release.wait(60), concurrency=2)
    quick = target("quick")
    d = make(hung, quick, deadline=0.2)
    for number in range(30):
        d.enqueue(Alert(f"n{number}", "m"))
    report = d.send(Alert("last", "m"), targets=["hung", "quick"])
    assert report.queued == ("hung",)
    assert report.ok
    tickets = [d.enqueue(Alert(f"q{number}", "m"), targets=["quick"]) for number in range(30)]
    assert all(ticket.wait(60) for ticket in tickets)
    assert hung.tries == 2
    release.set()
    assert d.flush(60)
    assert hung.taken == {**{f"n{n}": 1 for n in range(30)}, "last": 1}


def test_send_returns_at_its_deadline_and_what_is_open_stays_in_the_queue(make: Any, target: Any, events: Any) -> None:
    release = threading.Event()
    a = target("a", lambda _: release.wait(60))
    d = make(a, events=events, deadline=0.2)
    report = d.send(Alert("t", "m"))
    assert (report.queued, report.stored, report.ok) == (("a",), True, True)
    assert events.of("finished") == [("finished", "t", True)]
    release.set()
    assert d.flush(60)
    assert a.taken == {"t": 1}
    assert events.of("finished") == [("finished", "t", True)]


def test_without_a_worker_in_the_process_send_returns_once_it_is_stored(make: Any, target: Any) -> None:
    a = target("a")
    d = make(a, queue={"worker": False}, deadline=30)
    report = d.send(Alert("t", "m"))
    assert (report.queued, report.stored) == (("a",), True)
    assert a.tries == 0
    other = target("a")
    assert make(other).flush(60)
    assert other.taken == {"t": 1}


def test_what_a_closed_dispatcher_left_is_delivered_by_the_next(make: Any, target: Any) -> None:
    d = make(target("a", always(RetryableDeliveryError("down"))), retry=RetryPolicy(initial=0.01, maximum=0.01))
    for number in range(5):
        d.enqueue(Alert(f"n{number}", "m"))
    d.close(0)
    a = target("a")
    later = make(a)
    assert later.flush(60)
    while a.taken.total() < 5:
        assert later.flush(60)
    assert a.taken == {f"n{n}": 1 for n in range(5)}


def test_enqueue_on_a_closed_dispatcher_is_a_queue_error(make: Any, target: Any) -> None:
    d = make(target("a"))
    d.close(0)
    with pytest.raises(QueueError, match="closed"):
        d.enqueue(Alert("t", "m"))


def test_the_same_alert_enqueued_twice_is_delivered_twice(make: Any, target: Any) -> None:
    a, alert = target("a"), Alert("t", "m")
    d = make(a)
    for _ in range(2):
        d.enqueue(alert)
    assert d.flush(60)
    assert a.taken == {"t": 2}


def test_many_alerts_are_one_transaction_and_each_is_delivered(make: Any, target: Any, monkeypatch: Any) -> None:
    a, b = target("a"), target("b")
    d = make(a, b, queue={"worker": False})
    d.enqueue(Alert("n0", "m"))
    begin, begun = d.queue.database._begin, [0]

    def counted(connection: Any) -> None:
        begun[0] += 1
        begin(connection)

    monkeypatch.setattr(d.queue.database, "_begin", counted)
    assert len(d.enqueue_many([Alert(f"n{n}", "m") for n in range(1, 100)])) == 99
    assert begun == [1]
    assert make(a, b).flush(60)
    assert a.taken == b.taken == {f"n{n}": 1 for n in range(100)}


def test_of_many_alerts_all_are_stored_or_none(make: Any, target: Any, monkeypatch: Any) -> None:
    a = target("a")
    d = make(a)
    assert d.send(Alert("before", "m")).sent == ("a",)
    put, left = d.queue.store.put, [True, True, False] * 2  # the group, and then the entry alone

    def failing_put(*arguments: Any, **options: Any) -> None:
        put(*arguments, **options)
        if not left.pop(0):
            raise RuntimeError

    monkeypatch.setattr(d.queue.store, "put", failing_put)
    with pytest.raises(QueueError, match="RuntimeError"):
        d.enqueue_many([Alert(f"n{n}", "m") for n in range(5)])
    monkeypatch.undo()
    assert d.flush(60)
    assert a.taken == {"before": 1}
    assert len(d.queue.inspection.deliveries()) == 1


def test_nothing_of_a_secret_is_in_the_databases_bytes(tmp_path: Path, target: Any) -> None:
    path = tmp_path / "alerts.db"
    alert = Alert("t", f"password={CANARY}", metadata={"token": CANARY, "deep": [{"api_key": CANARY}]}, redact=False)
    error = always(RetryableDeliveryError(f"token={CANARY}"))
    d = Dispatcher([target("a", error)], queue=Outbox(path=str(path)), plugins=isolated_plugins(), allow_unmasked=True)
    d.enqueue(alert)
    assert d.flush(60)
    d.close(0)
    found = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert b"RetryableDeliveryError" in found
    assert CANARY.encode() not in found


def test_only_its_owner_may_read_the_database(tmp_path: Path, target: Any) -> None:
    path = tmp_path / "alerts.db"
    with Dispatcher([target("a")], queue=Outbox(path=str(path)), plugins=isolated_plugins()) as d:
        d.enqueue(Alert("t", "m"))
        assert {one.stat().st_mode & 0o777 for one in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({}, "path: give either"),
        ({"path": "a.db", "url": "postgresql://h/d"}, "path: give either"),
        ({"path": "a.db", "give_up_after": "soon"}, "give_up_after: must be a time"),
        ({"path": "a.db", "keep": 0}, "keep: must be more than 0"),
        ({"path": "a.db", "worker": "perhaps"}, "worker: must be true or false"),
        ({"path": "a.db", "empty_digests": 7}, "empty_digests: must be true or false"),
        ({"path": 5}, "path: must be the path of a file"),
        ({"path": ""}, "path: must be the path of a file"),
        ({"url": f"mysql://u:{CANARY}@h/d"}, "url: must be as postgresql://"),
        ({"url": 5}, "url: must be a text"),
        (
            {"path": "a.db", "dead_letter_target": "nobody"},
            "queue.dead_letter_target: no target has this name; the targets are: a",
        ),
    ],
)
def test_a_wrong_option_is_a_fault_that_says_so(options: dict[str, Any], fault: str, target: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        Dispatcher([target("a")], queue=Outbox(**options), plugins=isolated_plugins())
    assert str(raised.value).startswith(fault)
    assert CANARY not in str(raised.value)


def test_a_configuration_names_it(tmp_path: Path) -> None:
    d = Dispatcher.from_config(
        {
            "targets": {"a": {"type": "memory"}},
            "queue": {"type": "outbox", "path": str(tmp_path / "alerts.db"), "keep": "7d"},
        }
    )
    with d:
        report = d.send(Alert("t", "m"))
        assert (report.stored, report.sent) == (True, ("a",))


def test_a_row_that_nobody_can_read_is_a_dead_letter_that_is_told_and_holds_up_no_other(
    tmp_path: Path, target: Any, events: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(tmp_path / "alerts.db")
    with Dispatcher([target("a")], queue=Outbox(path=path, worker=False), plugins=isolated_plugins()) as d:
        d.enqueue(Alert("first", "m"))
        d.enqueue(Alert("second", "m"))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alert_outbox_alerts SET body = '{' WHERE body LIKE '%first%'")
    connection.commit()
    connection.close()
    a = target("a")
    for _ in range(2):
        with Dispatcher([a], queue=Outbox(path=path), plugins=isolated_plugins(events)) as d:
            assert d.flush(60)
    assert a.taken == {"second": 1}
    assert events.of("dropped") == [("dropped", "an alert that cannot be read", "dead_letter", "a")]
    assert "delivery 1 cannot be read; it is a dead letter" in caplog.text


def test_what_waits_for_a_target_that_nobody_has_any_more_ends_as_a_dead_letter(
    make: Any, target: Any, events: Any
) -> None:
    clock = VirtualClock()
    make(target("old"), queue={"worker": False}, clock=clock).enqueue(Alert("t", "m"))
    clock.advance(DAY + 120)
    d = make(target("new"), events=events, clock=clock, queue=PATIENT)
    assert d.flush(60)
    assert events.of("dropped") == [("dropped", "t", "dead_letter", "old")]
    clock.leave()


def test_a_dead_letter_that_its_process_did_not_live_to_tell_is_told_by_another_once(
    make: Any, target: Any, events: Any
) -> None:
    clock = VirtualClock()
    first = make(target("a", always(PermanentDeliveryError("no"))), clock=clock, queue=PATIENT)
    first.queue._worker._claims.bury = lambda _: None  # here it is killed
    first.enqueue(Alert("t", "m"))
    assert first.flush(60)
    first.close(0)
    soon = make(target("a"), events=events, clock=clock, queue=PATIENT)
    assert soon.flush(60)
    assert events.told == []  # the other process may be about to tell it
    soon.close(0)
    clock.advance(120)
    for _ in range(3):
        other = make(target("a"), events=events, clock=clock, queue=PATIENT)
        assert other.flush(60)
        other.close(0)
        clock.advance(120)
    assert events.told == [("dropped", "t", "dead_letter", "a")]
    clock.leave()


def test_a_dead_letter_of_a_target_that_is_gone_reaches_the_dead_letter_target(make: Any, target: Any) -> None:
    clock = VirtualClock()
    make(target("old"), queue={"worker": False}, clock=clock).enqueue(Alert("t", "m"))
    clock.advance(DAY + 120)
    b = target("b")
    assert make(b, clock=clock, queue={**PATIENT, "dead_letter_target": "b"}).flush(60)
    assert b.taken == {"Not delivered to old: t": 1}
    assert "no target of this name is configured any more" in b.alerts[0].message
    clock.leave()


def test_whoever_waits_where_no_worker_runs_hears_of_the_end_elsewhere(make: Any, target: Any) -> None:
    tickets = [make(target("a"), queue={"worker": False}).enqueue(Alert(f"n{n}", "m")) for n in range(2)]
    assert not tickets[0].wait(0)
    assert tickets[0].report(0).queued == ("a",)
    assert make(target("a")).flush(60)
    assert all(ticket.wait(60) for ticket in tickets)
    (delivery,) = tickets[1].report().deliveries
    assert (str(delivery.outcome), delivery.receipt.id, delivery.kind) == ("delivered", "a-n1", "Target")


def test_whoever_waits_where_a_worker_runs_hears_of_the_end_elsewhere(make: Any, target: Any, events: Any) -> None:
    release = threading.Event()
    busy = make(
        target("a", lambda _: release.wait(60), concurrency=1, retry=RetryPolicy(retry_uncertain=False), timeout=60),
        events=events,
    )
    first = busy.enqueue(Alert("first", "m"))
    while not events.of("started"):
        assert not first.wait(0.01)
    second = busy.enqueue(Alert("second", "m"))
    other = target("a")
    assert make(other).flush(60)
    assert second.wait(60)
    assert (second.report().sent, other.taken) == (("a",), {"second": 1})
    release.set()
    assert first.wait(60)
    assert events.of("finished") == [("finished", "first", True)]  # who ended the other one has told it


def test_history_is_kept_for_as_long_as_was_said(make: Any, target: Any) -> None:
    clock = VirtualClock()
    d = make(target("a"), clock=clock, queue={**PATIENT, "keep": "7d"})
    assert d.enqueue(Alert("t", "m")).wait(60)
    queue = d.queue

    def count() -> int:
        return len(queue.inspection.deliveries())

    clock.advance(6 * DAY)
    assert d.flush(60)
    assert count() == 1
    clock.advance(2 * DAY)
    assert d.flush(60)
    assert count() == 0
    clock.leave()


def test_characters_that_no_database_stores_lose_no_alert(make: Any, target: Any) -> None:
    ops = target("ops")
    routes = [Route(("ops",), name="all", repeat_every="1h")]
    dispatcher = make(ops, routes=routes)
    odd: dict[str, Any] = {"dedup_key": "disk\0\ud800", "source": "db\0", "metadata": {"k\0": "\ud800"}}
    fired = dispatcher.send(Alert("Disk\0 full \ud800", "90 %\0", **odd))
    again = dispatcher.send(Alert("Disk\0 full \ud800", "91 %\0", **odd))
    resolved = dispatcher.send(Alert("Disk\0 full \ud800", "80 %\0", status="resolved", **odd))
    assert (fired.stored, fired.sent, resolved.sent) == (True, ("ops",), ("ops",))
    assert again.sent == ()
