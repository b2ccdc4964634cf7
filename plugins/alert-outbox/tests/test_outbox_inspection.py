"""What can be asked of an outbox, without a worker; on both databases."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alert_core import Alert, ConfigError, PermanentDeliveryError, QueueError, RetryableDeliveryError, Route
from alert_core.testing import VirtualClock
from alert_outbox import Outbox

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def refuse(_: Alert) -> None:
    raise PermanentDeliveryError("no such channel")


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    clock = VirtualClock(autojump=False)
    clock.set_time(NOW.timestamp())
    yield clock
    clock.autojump = True
    clock.leave()


@pytest.fixture
def d(make: Any, target: Any, clock: VirtualClock) -> Any:
    """A dispatcher that does not deliver yet; `d.queue.start()` lets it."""
    return make(target("a"), target("b", refuse), queue={"worker": False, "poll": "10d"}, clock=clock)


def deliver(d: Any, clock: VirtualClock, seconds: float = 0.0) -> None:
    clock.advance(seconds)
    d.queue.start()
    assert d.flush(60)


def test_an_overview_counts_by_target_and_state(d: Any, clock: VirtualClock) -> None:
    for key in ("k", "k", "other"):
        d.enqueue(Alert("t", "m", dedup_key=key), targets=["a"])
    d.enqueue(Alert("t", "m"), targets=["b"])
    clock.advance(90)
    found = d.queue.inspection.overview()
    a, b = found.targets
    assert (a.target, a.waiting, a.held, a.open, a.oldest_open) == ("a", 2, 1, 3, NOW)
    assert (b.target, b.waiting, b.dead) == ("b", 1, 0)
    assert (found.at, found.open, found.oldest_open_age) == (NOW + timedelta(seconds=90), 4, 90.0)
    deliver(d, clock)
    found = d.queue.inspection.overview()
    a, b = found.targets
    assert (a.delivered, a.open, b.dead, a.oldest_open) == (3, 0, 1, None)
    assert (found.open, found.delivered, found.dead, found.oldest_open_age) == (0, 3, 1, None)
    assert json.loads(json.dumps(found.to_dict()))["targets"][1]["dead"] == 1


def test_an_attempt_under_way_is_shown_as_such(make: Any, target: Any, d: Any, clock: VirtualClock) -> None:
    shown: list[Any] = []
    inspection = d.queue.inspection
    other = make(target("a", lambda _: shown.append((inspection.overview(), inspection.deliveries()[0]))), clock=clock)
    assert other.enqueue(Alert("t", "m")).wait(60)
    ((overview, delivery),) = shown
    assert overview.targets[0].under_way == 1
    assert (delivery.under_way, delivery.state, delivery.attempts) == (True, "waiting", 0)


def test_deliveries_are_listed_the_latest_first_and_each_filter_narrows(d: Any, clock: VirtualClock) -> None:
    first = Alert("Disk 100% full", "m", severity="critical", source="db", dedup_key="one")
    d.enqueue(first)
    clock.advance(60)
    d.enqueue(Alert("Queue_grows", "m", severity="error", source="web", dedup_key="two"))
    clock.advance(60)
    d.enqueue(Alert("certificate", "m", severity="warning", dedup_key="three"), targets=["a"])

    def found(**filters: Any) -> list[int]:
        return [one.id for one in d.queue.inspection.deliveries(**filters)]

    assert found() == [5, 4, 3, 2, 1]
    assert found(target="b") == [4, 2]
    assert found(alert_id=first.id) == [2, 1]
    assert found(severity="critical") == [2, 1]
    assert found(severity=">=error", target="a") == [3, 1]
    assert found(source="web") == [4, 3]
    assert found(text="FULL") == [2, 1]
    assert found(text="100%") == found(text="k 1") == [2, 1]
    assert found(text="_") == [4, 3]
    assert found(text="%%") == found(text="' OR 1=1") == []
    assert found(since=NOW + timedelta(seconds=60)) == [5, 4, 3]
    assert found(until=NOW + timedelta(seconds=60)) == [2, 1]
    assert found(limit=2) == [5, 4]
    assert found(limit=2, before=4) == [3, 2]
    assert found(state="dead") == []
    with pytest.raises(ValueError, match="a delivery is never 'lost'; its states are waiting, held"):
        found(state="lost")
    with pytest.raises(ValueError, match="severity must be one of"):
        found(severity="bad")


def test_a_delivery_tells_how_it_stands_and_how_it_ended(d: Any, clock: VirtualClock) -> None:
    alert = Alert("t", "m", source="db")
    d.enqueue(alert)
    waiting = d.queue.inspection.delivery(1)
    assert (waiting.title, waiting.source, waiting.due, waiting.stored) == ("t", "db", NOW, NOW)
    assert (waiting.outcome, waiting.receipt, waiting.error, waiting.ended) == (None, None, None, None)
    deliver(d, clock, 5)
    one = d.queue.inspection.alert(alert.id)
    assert one.alert == alert.to_dict()
    delivered, dead = one.deliveries
    assert (delivered.state, delivered.outcome, delivered.receipt) == ("delivered", "delivered", "a-t")
    assert (delivered.attempts, delivered.due, delivered.ended) == (1, None, NOW + timedelta(seconds=5))
    assert (dead.state, dead.outcome, dead.error) == ("dead", "permanent", "PermanentDeliveryError: no such channel")
    assert json.loads(json.dumps(one.to_dict()))["deliveries"][1]["severity"] == "error"
    assert (d.queue.inspection.delivery(7), d.queue.inspection.alert("nobody")) == (None, None)


def test_what_fires_is_the_last_of_each_key_that_is_no_resolve(d: Any, clock: VirtualClock) -> None:
    for title, status in [("up", "firing"), ("down", "firing"), ("seen", "acknowledged"), ("up", "resolved")]:
        d.enqueue(Alert(title, status, dedup_key=title, status=status), targets=["a"])
        clock.advance(60)
    d.enqueue(Alert("down", "again", dedup_key="down"), targets=["a"])
    down, seen = d.queue.inspection.firing()
    assert (down.dedup_key, down.count, down.first_seen, down.last_seen) == (
        *("down", 2, NOW + timedelta(minutes=1)),
        NOW + timedelta(minutes=4),
    )
    assert (down.alert["message"], down.routes, down.silenced) == ("again", (), False)
    assert seen.alert["status"] == "acknowledged"
    assert [one.dedup_key for one in d.queue.inspection.firing(since=NOW + timedelta(minutes=3))] == ["down"]
    clock.advance(86_401)
    assert d.queue.inspection.firing() == []


def test_what_a_route_remembers_fires_with_its_repeats_however_long_ago(
    make: Any, target: Any, clock: VirtualClock
) -> None:
    d = make(target("a"), routes=[Route(["a"], name="r", repeat_every="30d")], queue={"worker": False}, clock=clock)
    for _ in range(3):
        d.enqueue(Alert("down", "m"))
        clock.advance(86_400)
    (one,) = d.queue.inspection.firing()
    assert (one.count, one.routes, one.silenced, one.first_seen) == (3, ("r",), False, NOW)
    d.queue.silences.add({}, author="me", reason="test")
    d.enqueue(Alert("down", "m", metadata={"n": 4}))
    (one,) = d.queue.inspection.firing()
    assert (one.count, one.silenced, one.alert["metadata"]) == (4, True, {"n": 4})
    d.enqueue(Alert("down", "m", status="resolved"))
    assert d.queue.inspection.firing() == []


def test_hours_count_alerts_by_severity(make: Any, target: Any, clock: VirtualClock) -> None:
    d = make(target("a"), target("b", refuse), queue={"dead_letter_target": "a"}, clock=clock)
    for severity, count in {"info": 1, "critical": 2}.items():
        for _ in range(count):
            d.enqueue(Alert("t", "m", severity=severity))
    assert d.flush(60)
    assert d.queue.inspection.overview().dead == 3
    clock.advance(2 * 3600)
    d.enqueue(Alert("t", "m", severity="warning"))
    whole = NOW.replace(minute=0)
    hours = d.queue.inspection.hours()
    assert [one.start for one in hours] == [whole + (n - 21) * HOUR for n in range(24)]
    assert [(one.info, one.warning, one.error, one.critical) for one in hours[-3:]] == [
        *[(1, 0, 0, 2), (0, 0, 0, 0)],  # the notices of dead letters are none of their own
        (0, 1, 0, 0),
    ]
    assert not any(one.info or one.warning or one.error or one.critical for one in hours[:-3])
    assert d.queue.inspection.hours(1) == hours[-1:]


def test_latencies_are_by_target_from_enqueue_to_the_yes(d: Any, clock: VirtualClock) -> None:
    for n in range(20):
        d.enqueue(Alert(f"n{n}", "m"))
        clock.advance(1)
    deliver(d, clock)
    (a,) = d.queue.inspection.latencies()
    assert (a.target, a.count) == ("a", 20)
    assert (round(a.p50), round(a.p95)) == (10, 19)
    assert d.queue.inspection.latencies(since=NOW + HOUR) == []


def test_a_silence_is_listed_until_it_ends(d: Any, clock: VirtualClock) -> None:
    silences = d.queue.silences
    one = silences.add({"source": "db"}, author="ana", reason="upgrade", lasts=60)
    later = silences.add(
        {"severity": ">=error", "tags": ["x"]}, author="rui", reason="move", starts=NOW + HOUR, ends=NOW + 2 * HOUR
    )
    assert (one.starts, one.ends, one.made, one.author, one.reason) == (
        *(NOW, NOW + timedelta(seconds=60), NOW),
        *("ana", "upgrade"),
    )
    assert silences.list() == [one, later]
    assert json.loads(json.dumps(later.to_dict()))["match"] == {"severity": ">=error", "tags": ["x"]}
    clock.advance(60)
    assert silences.list() == [later]
    assert silences.list(ended=True) == [one, later]
    assert not silences.expire(one.id)
    assert silences.expire(later.id)
    assert silences.list() == []
    with pytest.raises(ValueError, match="must end after it starts"):
        silences.add({}, author="a", reason="r", lasts=0)
    with pytest.raises(ConfigError, match="colour"):
        silences.add({"colour": "red"}, author="a", reason="r")


def test_dead_letters_are_retried_and_the_worker_of_this_process_hears_of_it(
    make: Any, target: Any, clock: VirtualClock
) -> None:
    left = [PermanentDeliveryError("no"), PermanentDeliveryError("no"), RetryableDeliveryError("not yet")]

    def answer(_: Alert) -> None:
        if left:
            raise left.pop(0)

    a = target("a", answer)
    d = make(a, queue={"poll": "10d", "longest_backoff": 1}, clock=clock)
    d.enqueue(Alert("one", "m"))
    d.enqueue(Alert("two", "m"))
    assert d.flush(60)
    assert d.queue.retry(1, target="b") == 0
    assert d.queue.retry() == 2
    assert d.queue.inspection.overview().dead == 0
    assert d.flush(60)
    clock.advance(60)
    assert d.flush(60)
    assert a.taken == {"one": 1, "two": 1}
    assert d.queue.purge() == 0
    clock.advance(1)
    assert d.queue.purge(older_than=0) == 2


def test_what_has_no_tables_yet_says_so(database: dict[str, Any]) -> None:
    outbox = Outbox(**database)
    with pytest.raises(QueueError, match=r"when the queue is used|when the first alert is enqueued"):
        outbox.inspection.overview()
    outbox.make_tables()
    assert outbox.inspection.overview().targets == ()
    for found in (outbox.inspection.firing(), outbox.inspection.latencies(), outbox.silences.list()):
        assert not found
    outbox.database.close()
