"""What fires already is told again when it is time to, when it gets worse, and when it has ended; and not else."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from alert_core import Alert, PermanentDeliveryError, QueueError, RetryPolicy, Route, UncertainDeliveryError

HOUR, DAY = 3_600.0, 86_400.0
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
ALL = Route(["a"], name="all")


class TestDedup:
    def test_what_fires_already_is_counted_and_not_told(self, world: Any) -> None:
        w = world(Route(["a"], name="r", repeat_every="4h"))
        assert w.say().dropped is None
        for _ in range(5):
            assert w.say().dropped == "deduplicated: r"
        assert w.told() == ["Disk full"]
        assert w.events.of("dropped") == [("dropped", "Disk full", "deduplicated", "r")] * 5
        assert w.d.drops == {"deduplicated": 5}

    def test_it_is_told_again_when_the_time_to_repeat_has_passed(self, world: Any) -> None:
        w = world(Route(["a"], name="r", repeat_every="4h"))
        w.say()
        w.wait(4 * HOUR - 60)
        w.say()
        w.wait(60)
        w.say()
        assert w.told() == ["Disk full"] * 2

    def test_it_is_told_again_when_its_severity_rises_and_not_when_it_falls(self, world: Any) -> None:
        w = world(Route(["a"], name="r", repeat_every="4h"))
        for severity in ("warning", "error", "warning", "critical", "error", "critical"):
            w.say(severity=severity)
        assert [alert.severity for alert in w.a.alerts] == ["warning", "error", "critical"]

    def test_where_all_that_was_told_of_it_are_dead_letters_it_is_told_again(self, world: Any) -> None:
        errors: list[Exception] = []

        def answer(_: Alert) -> None:
            if errors:
                raise errors.pop()

        w = world(Route(["a"], name="r", repeat_every="4h"), a={"answer": answer})
        for _ in range(2):  # the second time, what was told of the first is no excuse
            errors.append(PermanentDeliveryError("no"))
            assert [w.say().dropped for _ in range(3)] == [None, None, "deduplicated: r"]
            assert w.told() == ["Disk full"]
            w.say(status="resolved")
            assert w.told() == ["Disk full"]

    def test_what_was_told_before_or_may_have_arrived_is_not_told_again_for_a_dead_letter(self, world: Any) -> None:
        errors: list[Exception] = []

        def answer(_: Alert) -> None:
            if errors:
                raise errors.pop()

        options = {"answer": answer, "retry": RetryPolicy(retry_uncertain=False)}
        w = world(Route(["a"], name="r", repeat_every="4h"), a=options)
        w.say("told")
        errors.append(PermanentDeliveryError("no"))
        w.say("told", severity="critical")
        errors.append(UncertainDeliveryError("no answer"))
        w.say("uncertain")
        assert w.say("told").dropped == w.say("uncertain").dropped == "deduplicated: r"

    def test_after_a_resolve_it_is_told_again(self, world: Any) -> None:
        w = world(Route(["a"], name="r", repeat_every="4h"))
        for status in ("firing", "firing", "resolved", "firing"):
            w.say(status=status)
        assert [alert.status for alert in w.a.alerts] == ["firing", "resolved", "firing"]

    def test_a_resolve_with_nothing_open_is_counted_and_ignored(self, world: Any) -> None:
        w = world(Route(["a"], name="r", repeat_every="4h"))
        assert w.say(status="resolved").dropped == "not_firing: r"
        assert w.told() == []
        assert w.d.drops == {"not_firing": 1}

    def test_a_resolve_goes_to_exactly_those_who_got_the_firing_although_silenced_and_of_less_severity(
        self, world: Any
    ) -> None:
        w = world(
            Route(["a", "b"], {"severity": "critical"}, name="bad", repeat_every="4h"),
            Route(["a"], name="rest", repeat_every="4h"),
        )
        w.say(severity="critical")
        w.silence(HOUR, source="db")
        w.silence(HOUR)
        assert w.say(severity="info", status="resolved").ok
        assert (w.told("a"), w.told("b")) == (["Disk full"] * 2, ["Disk full"] * 2)
        assert w.say(severity="critical", status="resolved").dropped.startswith("not_firing")

    def test_a_resolve_that_is_routed_nowhere_finds_those_who_got_the_firing(self, world: Any) -> None:
        w = world(Route(["a"], {"severity": "critical"}, name="bad", repeat_every="4h"), Route([], name="silent"))
        w.say(severity="critical")
        w.say(severity="info", status="resolved")
        assert [alert.status for alert in w.a.alerts] == ["firing", "resolved"]

    def test_a_resolve_that_is_routed_nowhere_and_cannot_be_stored_is_told_as_dropped(
        self, world: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        w = world(Route([], name="silent"))

        def refuse(_: Any) -> None:
            raise QueueError("the disk is full")

        monkeypatch.setattr(w.queue, "put_many", refuse)
        assert w.d.send(Alert("t", "m", status="resolved")).dropped == "silenced: silent"
        assert w.events.of("dropped") == [("dropped", "t", "silenced", "silent")]

    def test_each_route_and_each_key_is_by_itself(self, world: Any) -> None:
        w = world(
            Route(["a"], {"source": "x"}, name="first", repeat_every="4h", continue_=True), Route(["b"], name="second")
        )
        for title in ("one", "two", "one"):
            w.say(title, source="x")
        assert (w.told("a"), w.told("b")) == (["one", "two"], ["one", "two", "one"])

    def test_without_repeat_every_nothing_is_remembered(self, world: Any) -> None:
        w = world(ALL)
        for status in ("resolved", "firing", "firing"):
            w.say(status=status)
        assert len(w.told()) == 3

    def test_state_that_cannot_be_read_fails_open(self, world: Any, caplog: pytest.LogCaptureFixture) -> None:
        w = world(Route(["a"], name="r", repeat_every="4h"))
        w.say()
        w.queue.database.write(lambda c, _: c.execute("DROP TABLE alert_outbox_events"))
        w.say()
        assert w.told() == ["Disk full"] * 2
        assert "cannot be read" in caplog.text

    def test_a_deadlock_with_another_host_is_no_reason_to_tell_it_twice(
        self, world: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class DeadlockError(Exception):
            sqlstate = "40P01"

        w = world(Route(["a"], name="r", repeat_every="4h"))
        w.say()
        planned, failures = w.queue.state._planned, [DeadlockError()]

        def sometimes(*arguments: Any) -> Any:
            if failures:
                raise failures.pop()
            return planned(*arguments)

        monkeypatch.setattr(w.queue.state, "_planned", sometimes)
        assert w.say().dropped == "deduplicated: r"

    def test_what_a_host_has_told_whose_clock_is_a_little_ahead_is_not_told_again(self, world: Any) -> None:
        w = world(Route(["a"], name="r", repeat_every="4h"))
        w.say()
        w.clock.set_time(w.clock.time() - 4.9)
        assert w.say().dropped == "deduplicated: r"
        assert w.told() == ["Disk full"]

    def test_a_clock_that_goes_back_repeats_rather_than_swallows(self, world: Any) -> None:
        w = world(Route(["a"], name="r", repeat_every="4h"))
        w.say()
        w.clock.set_time(NOON - DAY)
        w.say()
        assert w.told() == ["Disk full"] * 2


@pytest.mark.needs("postgres")
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("more", [{"repeat_every": "4h"}, {"group_by": ["source"], "group_wait": "1h"}])
def test_two_hosts_that_hear_of_the_same_at_the_same_time_tell_it_once(
    make: Any, target: Any, held_up: Any, caplog: pytest.LogCaptureFixture, more: dict[str, Any]
) -> None:
    routes = [Route(["a"], name="r", **more)]
    first, second = (make(target("a"), routes=routes, queue={"worker": False}) for _ in range(2))
    first.queue.make_tables()
    planned, goes_on = threading.Event(), threading.Event()
    put = first.queue.store.put

    def slow(*arguments: Any, **options: Any) -> None:
        planned.set()
        assert goes_on.wait(60)
        put(*arguments, **options)

    first.queue.store.put = slow
    with ThreadPoolExecutor() as pool:
        one = pool.submit(first.enqueue, Alert("t", "m", dedup_key="k"))
        assert planned.wait(60)
        other = pool.submit(second.enqueue, Alert("t", "m", dedup_key="k"))
        while not (held_up(second.queue) or other.done()):
            pass
        goes_on.set()
        tickets = [one.result(60), other.result(60)]
    told = [ticket.dropped or ticket.report(0).queued for ticket in tickets]
    assert told == [("a",), "deduplicated: r" if "repeat_every" in more else ("a",)]
    assert caplog.messages == []
