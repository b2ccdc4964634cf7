"""What the outbox remembers: repeats, silences, groups, rates and digests; each message expected, and no other."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import (
    Alert,
    PermanentDeliveryError,
    QueueError,
    RetryableDeliveryError,
    RetryPolicy,
    Route,
    UncertainDeliveryError,
)
from alert_core.queues import DailyTime
from alert_core.testing import VirtualClock
from alert_outbox import Outbox
from alert_outbox.state import next_time

HOUR, DAY = 3_600.0, 86_400.0
PATIENT = {"poll": "10d"}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


class World:
    """A dispatcher on a clock of its own that stands still but where it is moved.

    At the end of each scenario a day passes, in which nothing but what is `still_to_come` may be sent.
    """

    still_to_come = 0

    def __init__(self, make: Any, target: Any, events: Any, routes: list[Route], **options: Any) -> None:
        self.clock = VirtualClock(autojump=False)
        self.clock.set_time(NOON)
        self.events = events
        self.a, self.b = target("a", **options.pop("a", {})), target("b")
        self.d = make(self.a, self.b, events=events, routes=routes, clock=self.clock, queue={**PATIENT, **options})

    @property
    def queue(self) -> Outbox:
        queue: Outbox = self.d.queue
        return queue

    def say(self, title: str = "Disk full", **fields: Any) -> Any:
        """Enqueue, and let everything that follows from it happen."""
        ticket = self.d.enqueue(Alert(title, "m", **fields))
        self.rest()
        return ticket.report(0)

    def rest(self) -> None:
        for _ in range(6):
            assert self.clock.settle(60)
            self.clock.advance(0.01)
        assert self.clock.settle(60)

    def wait(self, seconds: float, step: float = 30.0) -> None:
        ends = self.clock.time() + seconds
        while (left := ends - self.clock.time()) > 0:
            self.clock.advance(min(step, left))
            assert self.clock.settle(60)
        self.rest()

    def told(self, which: str = "a") -> list[str]:
        """The titles that a target got since it was last asked."""
        target = getattr(self, which)
        titles = [alert.title for alert in target.alerts]
        target.alerts.clear()
        return titles

    def silence(self, seconds: float, **match: Any) -> int:
        made = self.queue.silences.add(match, author="me", reason="test", lasts=seconds)
        self.wait(61)  # the worker looks for what another process has made, at least each minute that it works
        return int(made.id)


@pytest.fixture
def world(make: Any, target: Any, events: Any) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def build(*routes: Route, **options: Any) -> World:
        made.append(World(make, target, events, list(routes), **options))
        return made[-1]

    yield build
    for one in made:
        one.rest()
        sent = one.a.tries + one.b.tries
        one.wait(DAY, step=HOUR)
        assert one.a.tries + one.b.tries == sent + one.still_to_come, "an unexpected message"
        one.clock.autojump = True
        one.clock.leave()


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


class TestSilences:
    def test_what_matches_is_not_told_and_what_does_not_is(self, world: Any) -> None:
        w = world(ALL)
        number = w.silence(HOUR, source="db", severity=">=error")
        assert w.say(source="db").dropped == f"silenced: silence {number}"
        w.say("other", source="web")
        w.say("less", source="db", severity="warning")
        assert w.told() == ["other", "less"]
        assert w.events.of("dropped") == [("dropped", "Disk full", "silenced", f"silence {number}")]
        w.still_to_come = 1  # on expiry

    def test_on_expiry_what_still_fires_is_told_once_and_what_was_resolved_is_not(self, world: Any) -> None:
        w = world(Route(["a"], name="r", repeat_every="4h"))
        w.silence(HOUR)
        for _ in range(3):
            w.say("fires")
        w.say("gone")
        w.say("gone", status="resolved")
        assert w.told() == []
        w.wait(HOUR + 120)
        assert w.told() == ["fires"]
        w.say("fires")
        assert w.told() == []

    def test_on_expiry_what_was_told_before_is_not_told_again_before_its_time(self, world: Any) -> None:
        w = world(Route(["a"], name="r", repeat_every="4h"))
        w.say()
        w.silence(HOUR)
        w.say()
        w.wait(HOUR + 120)
        assert w.told() == ["Disk full"]

    def test_a_route_without_dedup_is_told_on_expiry_too(self, world: Any) -> None:
        w = world(ALL)
        w.silence(HOUR)
        w.say()
        w.say()
        w.wait(HOUR + 120)
        assert w.told() == ["Disk full"]
        w.wait(HOUR)
        assert w.told() == []

    def test_a_resolve_of_what_was_told_before_the_silence_is_told_and_of_what_was_silenced_is_not(
        self, world: Any
    ) -> None:
        w = world(ALL)
        w.say("before")
        w.silence(HOUR)
        w.say("meanwhile")
        assert w.say("before", status="resolved").dropped is None
        assert w.say("meanwhile", status="resolved").dropped == "silenced: all"
        assert [(one.title, one.status) for one in w.a.alerts] == [("before", "firing"), ("before", "resolved")]
        w.told()
        w.wait(HOUR + 120)
        assert w.told() == []

    def test_what_was_told_on_expiry_is_resolved_too(self, world: Any) -> None:
        w = world(ALL)
        w.silence(HOUR)
        w.say()
        w.wait(HOUR + 120)
        w.say(status="resolved")
        assert [one.status for one in w.a.alerts] == ["firing", "resolved"]

    @pytest.mark.parametrize("more", [{}, {"group_by": ["source"], "group_wait": "1s"}])
    def test_a_resolve_of_what_was_told_before_it_was_silenced_is_told(self, world: Any, more: dict[str, Any]) -> None:
        w = world(Route(["a"], name="r", **more))
        w.say()
        w.wait(310)
        w.silence(HOUR)
        w.say()
        assert w.say(status="resolved").dropped is None
        w.wait(310)
        assert [one.status for one in w.a.alerts] == ["firing", "resolved"]
        w.say()
        assert w.say(status="resolved").dropped == "silenced: r"

    def test_a_resolve_of_what_was_told_before_it_was_silenced_is_told_by_a_digest_too(self, world: Any) -> None:
        w = world(DAILY, Route(["a", "b"], name="now"))
        w.say()
        w.silence(HOUR)
        w.say()
        assert w.say(status="resolved").dropped is None
        assert w.told("a") == w.told("b") == ["Disk full"] * 2
        w.wait(DAY, step=HOUR)
        assert w.told() == ["Digest daily: 1 fired, 1 resolved, 0 still open"]

    def test_what_was_silenced_and_told_since_is_told_no_second_time_and_its_resolve_is(self, world: Any) -> None:
        w = world(ALL)
        number = w.silence(HOUR)
        w.say()
        w.queue.silences.expire(number)
        w.say()
        w.wait(120)
        w.say(status="resolved")
        assert [one.status for one in w.a.alerts] == ["firing", "resolved"]

    @pytest.mark.parametrize("more", [{}, {"repeat_every": "4h"}])
    def test_on_expiry_a_target_of_two_routes_is_told_once(self, world: Any, more: dict[str, Any]) -> None:
        w = world(Route(["b"], name="z", continue_=True, **more), Route(["a", "b"], name="a", **more))
        w.silence(HOUR)
        w.say()
        w.wait(HOUR + 120)
        assert (w.told("a"), w.told("b")) == (["Disk full"], ["Disk full"])
        w.say(status="resolved")
        assert (w.told("a"), w.told("b")) == (["Disk full"], ["Disk full"])

    def test_without_routes_a_silence_holds_for_every_target(self, world: Any) -> None:
        w = world()
        number = w.silence(HOUR, source="db")
        assert w.say(source="db").dropped == f"silenced: silence {number}"
        w.say("other", source="web")
        assert (w.told("a"), w.told("b")) == (["other"], ["other"])
        w.wait(HOUR + 120)
        assert (w.told("a"), w.told("b")) == (["Disk full"], ["Disk full"])

    def test_named_targets_are_the_callers_word(self, world: Any) -> None:
        w = world(ALL)
        w.silence(HOUR)
        w.d.enqueue(Alert("t", "m"), targets=["a"])
        w.rest()
        assert w.told() == ["t"]


class TestGroups:
    ROUTE = Route(["a"], name="g", group_by=["source"], group_wait="30s", group_interval="5m")

    def test_a_group_is_one_message_after_its_wait_and_the_next_after_its_interval(self, world: Any) -> None:
        w = world(self.ROUTE)
        reports = [w.say(f"n{n}", source="db") for n in range(3)]
        assert [report.queued for report in reports] == [("a",)] * 3
        assert w.told() == []
        w.wait(31, step=1)
        (alert,) = w.a.alerts
        assert alert.title == "3 alerts: source=db"
        assert all(f"n{n}" in alert.message for n in range(3))
        w.told()
        w.say("later", source="db")
        w.wait(240)
        assert w.told() == []
        w.wait(60)
        assert w.told() == ["later"]
        w.wait(DAY, step=HOUR)
        assert w.told() == []
        assert len(w.events.of("finished")) == 5

    def test_groups_are_apart(self, world: Any) -> None:
        w = world(self.ROUTE)
        for source in ("db", "web", "db"):
            w.say(source=source)
        w.wait(31, step=1)
        assert sorted(w.told()) == ["2 alerts: source=db", "Disk full"]

    def test_a_critical_alert_does_not_wait_and_takes_the_others_along(self, world: Any) -> None:
        w = world(self.ROUTE)
        w.say("small", source="db")
        w.say("big", source="db", severity="critical")
        (alert,) = w.a.alerts
        assert (alert.title, alert.severity) == ("2 alerts: source=db", "critical")

    def test_a_long_list_ends_in_and_so_many_more(self, world: Any) -> None:
        w = world(self.ROUTE)
        for n in range(50):
            w.d.enqueue(Alert(f"n{n:02}", "m", source="db"))
        w.rest()
        w.wait(31, step=1)
        (alert,) = w.a.alerts
        assert alert.title == "50 alerts: source=db"
        assert alert.message.endswith("and 30 more")
        assert alert.metadata["by_severity"] == {"error": 50}

    def test_the_report_of_a_member_says_where_it_was_told(self, world: Any) -> None:
        w = world(self.ROUTE)
        tickets = [w.d.enqueue(Alert(f"n{n}", "m", source="db")) for n in range(2)]
        w.rest()
        w.wait(31, step=1)
        summarised = {ticket.report(0).deliveries[0].receipt.detail["summarised"] for ticket in tickets}
        assert summarised == {w.a.alerts[0].id}
        assert all(ticket.report(0).ok for ticket in tickets)


class TestRates:
    @pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.chaos)])
    def test_a_flood_of_one_kind_ends_as_a_handful_of_messages_with_the_counts_right(
        self, world: Any, count: int
    ) -> None:
        w = world(ALL, a={"rate": "5/5m"})
        body = Alert("Disk full", "m")
        from alert_core.queues import Dispatch, Part

        def fill(connection: Any, _: bool) -> None:
            for n in range(count):
                dispatch = Dispatch(id=f"{n:032}", alert=body, parts=(Part("a"),))
                w.queue.store.put(connection, dispatch, [(Part("a"), None)], w.clock.time())

        w.queue.database.write(fill)
        w.d.enqueue(Alert("last", "m"))
        w.wait(60, step=1)
        w.wait(HOUR)
        titles = w.told()
        assert sorted(titles) == [f"{count - 4} more alerts, over the rate of a", *["Disk full"] * 4, "last"]
        w.wait(DAY, step=HOUR)
        assert w.told() == []
        assert (w.queue.inspection.overview().delivered, w.queue.inspection.overview().open) == (count + 2, 0)

    def test_critical_alerts_pass_up_to_three_times_the_rate(self, world: Any) -> None:
        w = world(ALL, a={"rate": "2/5m"})
        for n in range(4):
            w.say(f"small {n}")
        for n in range(6):
            w.say(f"big {n}", severity="critical")
        assert w.told() == ["small 0", "small 1", *(f"big {n}" for n in range(4))]
        w.wait(301, step=10)
        assert w.told() == ["4 more alerts, over the rate of a"]

    def test_what_passes_of_a_backlog_of_different_keys_is_not_told_again_in_the_summary(self, world: Any) -> None:
        w = world(ALL, a={"rate": "3/1m", "concurrency": 4})
        w.d.enqueue_many([Alert(f"n{n}", "m") for n in range(10)])
        w.rest()
        assert sorted(w.told()) == ["n0", "n1", "n2"]
        w.wait(61, step=10)
        assert w.told() == ["7 more alerts, over the rate of a"]
        assert (w.queue.inspection.overview().delivered, w.queue.inspection.overview().open) == (11, 0)

    def test_with_time_the_rate_lets_pass_again(self, world: Any) -> None:
        w = world(ALL, a={"rate": "2/5m"})
        for n in range(2):
            w.say(f"n{n}")
        w.wait(301)
        w.say("later")
        assert w.told() == ["n0", "n1", "later"]


class TestOrder:
    """A resolve never overtakes its firing."""

    @pytest.mark.parametrize("severity", ["error", "critical"])
    def test_a_resolve_of_what_a_rate_has_gathered_is_told_with_it(self, world: Any, severity: str) -> None:
        w = world(ALL, a={"rate": "2/1m"})
        for n in range(3):
            w.say(f"n{n}")
        w.wait(40)
        w.say("n2", status="resolved", severity=severity)
        assert w.told() == ["n0", "n1"]
        w.wait(61, step=10)
        (alert,) = w.a.alerts
        assert (alert.title, alert.status) == ("2 more alerts, over the rate of a", "resolved")
        assert (alert.metadata["fired"], alert.metadata["resolved"]) == (1, 1)

    def test_a_rate_gathers_a_resolve_of_any_severity_with_its_firing(self, world: Any) -> None:
        w = world(ALL, a={"rate": "2/1m"})
        alerts = [Alert(f"n{n}", "m") for n in range(3)]
        w.d.enqueue_many([*alerts, Alert("n2", "m", severity="critical", status="resolved")])
        w.rest()
        assert w.told() == ["n0", "n1"]
        w.wait(61, step=10)
        assert [alert.metadata["alerts"] for alert in w.a.alerts] == [2]

    def test_a_rate_gathers_no_resolve_whose_firing_is_in_backoff(self, world: Any) -> None:
        left = [RetryableDeliveryError("later", retry_after=100)]

        def answer(alert: Alert) -> None:
            if alert.title == "n0" and left:
                raise left.pop()

        w = world(ALL, a={"rate": "2/1m", "answer": answer})
        w.say("n0")
        w.d.enqueue_many([Alert("n0", "m", status="resolved"), *(Alert(f"n{n}", "m") for n in range(1, 4))])
        w.rest()
        w.wait(200, step=10)
        assert [alert.status for alert in w.a.alerts if alert.title == "n0"] == ["firing", "resolved"]
        assert [alert.metadata["alerts"] for alert in w.a.alerts if "more" in alert.title] == [2]

    def test_a_resolve_of_another_group_is_told_with_the_group_of_its_firing(self, world: Any) -> None:
        w = world(Route(["a"], name="g", group_by=["source", "severity"], group_wait="30s"))
        w.say(source="db")
        w.wait(10)
        w.say(source="db", severity="critical", status="resolved")
        assert w.told() == []
        w.wait(31, step=1)
        assert w.told() == ["2 alerts: source=db, severity=error"]

    def test_a_gathered_resolve_that_fires_anew_before_it_is_told_is_told_as_a_summary(self, world: Any) -> None:
        w = world(ALL, a={"rate": "1/1m"})
        w.say()
        w.say(status="resolved")
        w.say(severity="critical")
        w.wait(61, step=10)
        assert w.told() == ["Disk full", "Disk full", "1 more alert, over the rate of a"]

    def test_a_dead_firing_that_is_tried_again_goes_before_its_resolve(self, world: Any) -> None:
        pauses = [RetryableDeliveryError("later", retry_after=seconds) for seconds in (60, 300)]
        errors = [PermanentDeliveryError("no"), *pauses]

        def answer(_: Alert) -> None:
            if errors:
                raise errors.pop(0)

        w = world(ALL, a={"answer": answer})
        w.say()
        w.say(status="resolved")
        assert w.queue.retry() == 1
        w.rest()
        w.wait(DAY / 24)
        assert [alert.status for alert in w.a.alerts] == ["firing", "resolved"]

    def test_a_dead_letter_that_is_tried_again_after_a_later_one_was_delivered_is_warned_of(
        self, world: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        errors = [PermanentDeliveryError("no")]

        def answer(_: Alert) -> None:
            if errors:
                raise errors.pop()

        w = world(ALL, a={"answer": answer})
        w.say()
        w.say(status="resolved")
        assert w.queue.retry() == 1
        w.rest()
        assert [alert.status for alert in w.a.alerts] == ["resolved", "firing"]
        assert "delivery 1 is tried again after a later one of its dedup key was delivered" in caplog.text

    def test_a_dead_resolve_of_what_has_fired_anew_is_not_tried_again(
        self, world: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        errors: list[Exception | None] = [None, PermanentDeliveryError("no")]

        def answer(_: Alert) -> None:
            if errors and (error := errors.pop(0)):
                raise error

        w = world(ALL, a={"answer": answer})
        for status in ("firing", "resolved", "firing"):
            w.say(status=status)
        assert w.queue.retry() == 0
        w.rest()
        assert [alert.status for alert in w.a.alerts] == ["firing", "firing"]
        assert "delivery 2 resolves what has fired anew since: it is not tried again" in caplog.text


class TestDigests:
    ROUTE = Route(["a"], name="daily", digest="08:00 Africa/Luanda")

    def test_a_digest_is_sent_at_its_time_with_the_counts(self, world: Any) -> None:
        w = world(self.ROUTE)
        w.say("one", source="db")
        w.say("two", source="web", severity="critical")
        w.say("one", source="db", status="resolved")
        assert w.told() == []
        w.wait(19 * HOUR - 60, step=HOUR)  # 07:00 UTC is 08:00 in Luanda
        assert w.told() == []
        w.wait(120)
        (alert,) = w.a.alerts
        assert alert.title == "Digest daily: 2 fired, 1 resolved, 1 still open"
        assert alert.metadata["by_severity"] == {"error": 2, "critical": 1}
        assert alert.metadata["by_source"] == {"db": 2, "web": 1}
        w.told()
        w.wait(3 * DAY, step=HOUR)
        assert w.told() == []

    def test_an_empty_digest_is_sent_where_it_is_asked_for(self, world: Any) -> None:
        w = world(self.ROUTE, empty_digests=True)
        w.say("one")
        w.wait(3 * DAY, step=HOUR)
        assert w.told() == [
            "Digest daily: 1 fired, 0 resolved, 1 still open",
            *["Digest daily: 0 fired, 0 resolved, 0 still open"] * 2,
        ]
        w.still_to_come = 1

    def test_after_days_of_downtime_one_digest_catches_up(self, world: Any) -> None:
        w = world(self.ROUTE)
        w.say("one")
        w.clock.advance(5 * DAY)
        w.rest()
        assert w.told() == ["Digest daily: 1 fired, 0 resolved, 1 still open"]


class TestWhatNobodyCanRead:
    """A row that is damaged, or of a later version, holds up no other, and keeps nothing quiet."""

    @staticmethod
    def damage(w: World, table: str, column: str, title: str) -> None:
        statement = f"UPDATE alert_outbox_{table} SET {column} = '{{' WHERE {column} LIKE '%{title}%'"
        w.queue.database.write(lambda c, _: c.execute(statement))

    def test_among_what_is_gathered_it_is_a_dead_letter_and_the_rest_is_told(self, world: Any) -> None:
        w = world(TestGroups.ROUTE)
        for title in ("one", "two", "three"):
            w.say(title, source="db")
        self.damage(w, "alerts", "body", "two")
        w.wait(31, step=1)
        assert w.told() == ["2 alerts: source=db"]
        w.wait(61)
        w.say("web", source="web")  # the worker looks around
        w.wait(31, step=1)
        assert w.told() == ["web"]
        assert w.events.of("dropped") == [("dropped", "an alert that cannot be read", "dead_letter", "a")]

    def test_of_what_a_silence_keeps_quiet_it_is_told_when_it_is_heard_next(
        self, world: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        w = world(Route(["a"], name="r", repeat_every="4h"))
        w.silence(HOUR)
        for title in ("one", "two"):
            w.say(title)
        self.damage(w, "events", "body", "one")
        w.wait(HOUR + 120)
        assert w.told() == ["two"]
        assert "what fires on route r cannot be read" in caplog.text
        w.say("one")
        assert w.told() == ["one"]

    def test_a_silence_holds_for_nothing(self, world: Any, caplog: pytest.LogCaptureFixture) -> None:
        w = world(Route(["a"], name="r", repeat_every="4h"))
        number = w.silence(HOUR, source="db")
        self.damage(w, "silences", "match", "db")
        for _ in range(2):
            w.say(source="db")
        assert w.told() == ["Disk full"]
        assert f"silence {number} cannot be read" in caplog.text


@pytest.mark.needs("postgres")
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("more", [{"repeat_every": "4h"}, {"group_by": ["source"], "group_wait": "1h"}])
def test_two_hosts_that_hear_of_the_same_at_the_same_time_tell_it_once(
    make: Any, target: Any, caplog: pytest.LogCaptureFixture, more: dict[str, Any]
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

    def waits() -> bool:
        locks = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
        return bool(second.queue.database.read(lambda c: c.execute(locks).fetchone()[0]))

    first.queue.store.put = slow
    with ThreadPoolExecutor() as pool:
        one = pool.submit(first.enqueue, Alert("t", "m", dedup_key="k"))
        assert planned.wait(60)
        other = pool.submit(second.enqueue, Alert("t", "m", dedup_key="k"))
        while not (waits() or other.done()):
            pass
        goes_on.set()
        tickets = [one.result(60), other.result(60)]
    told = [ticket.dropped or ticket.report(0).queued for ticket in tickets]
    assert told == [("a",), "deduplicated: r" if "repeat_every" in more else ("a",)]
    assert caplog.messages == []


@pytest.mark.needs("postgres")
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_resolve_that_comes_while_another_host_gathers_its_firing_is_told_with_it(
    make: Any, target: Any, race: Any
) -> None:
    first, second = (make(target("a"), routes=[ALL], queue={"worker": False}) for _ in range(2))
    first.enqueue(Alert("t", "m"))
    store, now = first.queue.store, first.queue.desk.clock.time()

    def gather(connection: Any) -> None:
        store.sql.gather.run(connection, target_="a", bucket_="rate:a", most_rank=3)
        store.open_bucket(connection, "rate:a", "rate", "a", "a", now + HOUR, now)

    race(first.queue, gather, lambda: second.enqueue(Alert("t", "m", status="resolved")))
    assert [one.state for one in first.queue.inspection.deliveries()] == ["gathered"] * 2


def test_groups_that_nobody_hears_of_any_more_are_forgotten(world: Any) -> None:
    w = world(TestGroups.ROUTE, keep="1d")
    for n in range(5):
        w.say(source=f"host {n}")
    w.wait(HOUR)

    def count() -> int:
        return int(
            w.queue.database.read(lambda c: c.execute("SELECT count(*) FROM alert_outbox_buckets").fetchone()[0])
        )

    assert count() == 5
    w.wait(2 * DAY, step=HOUR)
    w.say(source="host 7")
    assert count() == 1
    w.still_to_come = 1


DAILY = Route(["a"], name="daily", digest="08:00 Africa/Luanda", continue_=True)


class TestSeveralRoutesToOneTarget:
    """A digest has an entry of its own; of the other routes the first decides."""

    TITLE = "Digest daily: 1 fired, 1 resolved, 0 still open"

    @pytest.mark.parametrize("is_first", [True, False])
    def test_what_is_in_a_digest_goes_out_at_once_too(self, world: Any, is_first: bool) -> None:
        once = Route(["a"], name="at once", repeat_every="4h", continue_=True)
        w = world(*([DAILY, once] if is_first else [once, DAILY]), ALL)
        for status in ("firing", "resolved"):
            w.say(status=status)
            assert w.told() == ["Disk full"]
        w.wait(DAY, step=HOUR)
        assert w.told() == [self.TITLE]
        assert w.events.of("finished") == [("finished", title, True) for title in ["Disk full"] * 2 + [self.TITLE]]

    def test_two_digests_have_an_entry_each(self, world: Any) -> None:
        w = world(DAILY, Route(["a"], name="evening", digest="18:00"))
        w.say()
        w.wait(DAY, step=HOUR)
        assert w.told() == [f"Digest {name}: 1 fired, 0 resolved, 1 still open" for name in ("evening", "daily")]

    def test_the_first_route_says_when_it_repeats_and_what_it_groups(self, world: Any) -> None:
        w = world(
            Route(["a"], {"source": "db"}, name="db", repeat_every="4h", continue_=True),
            Route(["a", "b"], name="rest", repeat_every="1h", group_by=["source"], group_wait="30s"),
        )
        w.say(source="db")
        assert (w.told("a"), w.told("b")) == (["Disk full"], [])
        w.wait(2 * HOUR)
        w.say(source="db")
        w.wait(10 * 60)
        assert (w.told("a"), w.told("b")) == ([], ["Disk full"] * 2)
        w.say(source="db", status="resolved")
        w.wait(10 * 60)
        assert [(w.told(which)) for which in "ab"] == [["Disk full"]] * 2

    def test_a_route_whose_targets_were_all_taken_says_nothing_of_the_resolve(self, world: Any) -> None:
        w = world(
            Route(["a"], name="first", repeat_every="4h", continue_=True),
            Route(["a"], name="second", repeat_every="4h"),
        )
        w.say()
        assert w.say(status="resolved").sent == ("a",)
        assert w.events.of("dropped") == []


@pytest.fixture
def digest_and_rest() -> list[Route]:
    """A digest in half a day from now, and besides what goes out at once."""
    at = datetime.now(UTC) + timedelta(hours=12)
    return [Route(["a"], name="daily", digest=f"{at:%H:%M} UTC", continue_=True), Route(["b"], name="rest")]


class TestWaiting:
    """`send()` and tickets do not wait for what is gathered for longer than they would wait."""

    def test_send_waits_for_what_goes_out_at_once_and_not_for_the_digest(
        self, make: Any, target: Any, digest_and_rest: list[Route]
    ) -> None:
        started, release = threading.Event(), threading.Event()

        def answer(_: Alert) -> None:
            started.set()
            assert release.wait(60)

        d = make(target("a"), target("b", answer), routes=digest_and_rest, deadline=3_600)
        with ThreadPoolExecutor() as pool:
            sent = pool.submit(d.send, Alert("t", "m"))
            assert started.wait(60)
            assert not sent.done()
            release.set()
            report = sent.result(60)
        assert (report.sent, report.queued, report.stored) == (("b",), ("a",), True)
        assert asyncio.run(d.asend(Alert("t", "m"))).queued == ("a",)

    def test_a_ticket_does_not_wait_for_the_digest_where_no_worker_runs(
        self, make: Any, target: Any, digest_and_rest: list[Route]
    ) -> None:
        ticket = make(target("a"), target("b"), routes=digest_and_rest, queue={"worker": False}).enqueue(
            Alert("t", "m")
        )
        assert make(target("a"), target("b"), routes=digest_and_rest).flush(60)
        assert not ticket.wait(3_600)
        assert (ticket.report(3_600).sent, ticket.report(3_600).queued) == (("b",), ("a",))

    def test_who_waits_without_end_waits_for_the_digest_too(self, make: Any, target: Any) -> None:
        clock = VirtualClock()
        clock.set_time(NOON)
        ticket = make(target("a"), routes=[DAILY], queue={"worker": False}, clock=clock).enqueue(Alert("t", "m"))
        other = target("a")
        make(other, routes=[DAILY], clock=clock, queue=PATIENT)
        assert ticket.wait()
        assert [alert.title for alert in other.alerts] == ["Digest daily: 1 fired, 0 resolved, 1 still open"]
        assert DAY / 2 < clock.time() - NOON < 2 * DAY
        clock.leave()

    def test_a_group_is_waited_for_by_who_has_the_time(self, make: Any, target: Any) -> None:
        group = Route(["a"], name="g", group_by=["source"], group_wait=0.05)
        assert make(target("a"), routes=[group], deadline=60).send(Alert("t", "m")).sent == ("a",)

    def test_a_critical_alert_of_a_group_is_waited_for(self, make: Any, target: Any) -> None:
        group = Route(["a"], name="g", group_by=["source"], group_wait="10h")
        d = make(target("a"), routes=[group], deadline=3_600)
        assert d.send(Alert("small", "m")).queued == ("a",)
        assert d.send(Alert("big", "m", severity="critical")).sent == ("a",)

    def test_what_a_rate_has_gathered_is_not_waited_for(self, make: Any, target: Any) -> None:
        d = make(target("a", rate="1/10h"), routes=[ALL], deadline=3_600, queue={"poll": 0.05})
        assert d.send(Alert("first", "m")).sent == ("a",)
        assert d.send(Alert("second", "m")).queued == ("a",)


@pytest.mark.parametrize(
    ("daily", "now", "expected"),
    [
        ("08:00 Africa/Luanda", "2026-03-01T06:59:59+00:00", "2026-03-01T07:00:00+00:00"),
        ("08:00 Africa/Luanda", "2026-03-01T07:00:00+00:00", "2026-03-02T07:00:00+00:00"),
        # Berlin, spring: 02:00 to 03:00 does not exist on 29 March; the next minute that does is 03:00, 01:00 UTC.
        ("02:30 Europe/Berlin", "2026-03-28T12:00:00+00:00", "2026-03-29T01:00:00+00:00"),
        ("02:30 Europe/Berlin", "2026-03-29T01:00:00+00:00", "2026-03-30T00:30:00+00:00"),
        # Berlin, autumn: 02:30 comes twice on 25 October; the first is 00:30 UTC.
        ("02:30 Europe/Berlin", "2026-10-24T12:00:00+00:00", "2026-10-25T00:30:00+00:00"),
        ("02:30 Europe/Berlin", "2026-10-25T00:30:00+00:00", "2026-10-26T01:30:00+00:00"),
    ],
)
def test_a_time_of_day_is_the_wall_clocks(daily: str, now: str, expected: str) -> None:
    found = next_time(DailyTime.parse(daily), datetime.fromisoformat(now).timestamp())
    assert datetime.fromtimestamp(found, UTC) == datetime.fromisoformat(expected)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - made aware below
    st.times(),
    st.sampled_from(["UTC", "Africa/Luanda", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
)
def test_the_next_time_is_after_now_within_two_days_and_each_day_has_one(now: Any, at: Any, zone: str) -> None:
    daily = DailyTime(at.replace(second=0, microsecond=0), ZoneInfo(zone))
    moments = [now.replace(tzinfo=UTC).timestamp()]
    for _ in range(5):
        moments.append(next_time(daily, moments[-1]))
    assert all(0 < later - sooner <= 2 * DAY for sooner, later in itertools.pairwise(moments))
    days = [datetime.fromtimestamp(moment, daily.tz).date() for moment in moments[1:]]
    assert all(later - sooner == timedelta(days=1) for sooner, later in itertools.pairwise(days))
