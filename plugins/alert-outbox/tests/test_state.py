"""What the outbox remembers: repeats, silences, groups, rates and digests; each message expected, and no other."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import Alert, QueueError, Route
from alert_core.queues import DailyTime
from alert_core.testing import VirtualClock
from alert_outbox import Outbox
from alert_outbox.state import next_time

HOUR, DAY = 3_600.0, 86_400.0
PATIENT = {"poll": "10d"}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()


class World:
    """A dispatcher on a clock of its own that stands still but where it is moved."""

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
        now = self.clock.time()
        values = {"starts_": now, "ends_": now + seconds, "author_": "me", "reason_": "test", "made_": now}
        sql = self.queue.state.sql.add_silence
        (number,) = self.queue.database.write(lambda c, _: sql.one(c, match_=json.dumps(match), **values)) or (0,)
        self.wait(61)  # the worker looks for what another process has made, at least each minute that it works
        return int(number)


@pytest.fixture
def world(make: Any, target: Any, events: Any) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def build(*routes: Route, **options: Any) -> World:
        made.append(World(make, target, events, list(routes), **options))
        return made[-1]

    yield build
    for one in made:
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

        monkeypatch.setattr(w.queue, "put", refuse)
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
    @pytest.mark.once
    def test_a_flood_of_ten_thousand_of_one_kind_ends_as_a_handful_of_messages_with_the_counts_right(
        self, world: Any
    ) -> None:
        w = world(ALL, a={"rate": "5/5m"})
        body = Alert("Disk full", "m")
        from alert_core.queues import Dispatch, Part

        def fill(connection: Any, _: bool) -> None:
            for n in range(10_000):
                dispatch = Dispatch(id=f"{n:032}", alert=body, parts=(Part("a"),))
                w.queue.store.put(connection, dispatch, [(Part("a"), None)], w.clock.time())

        w.queue.database.write(fill)
        w.d.enqueue(Alert("last", "m"))
        w.wait(60, step=1)
        w.wait(HOUR)
        titles = w.told()
        assert sorted(titles) == ["9996 more alerts, over the rate of a", *["Disk full"] * 4, "last"]
        w.wait(DAY, step=HOUR)
        assert w.told() == []
        states = {row[1]: row[2] for row in w.queue.database.read(w.queue.store.sql.overview.rows)}
        assert states == {"delivered": 10_002}

    def test_critical_alerts_pass_up_to_three_times_the_rate(self, world: Any) -> None:
        w = world(ALL, a={"rate": "2/5m"})
        for n in range(4):
            w.say(f"small {n}")
        for n in range(6):
            w.say(f"big {n}", severity="critical")
        assert w.told() == ["small 0", "small 1", *(f"big {n}" for n in range(4))]
        w.wait(301, step=10)
        assert w.told() == ["4 more alerts, over the rate of a"]

    def test_with_time_the_rate_lets_pass_again(self, world: Any) -> None:
        w = world(ALL, a={"rate": "2/5m"})
        for n in range(2):
            w.say(f"n{n}")
        w.wait(301)
        w.say("later")
        assert w.told() == ["n0", "n1", "later"]


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

    def test_after_days_of_downtime_one_digest_catches_up(self, world: Any) -> None:
        w = world(self.ROUTE)
        w.say("one")
        w.clock.advance(5 * DAY)
        w.rest()
        assert w.told() == ["Digest daily: 1 fired, 0 resolved, 1 still open"]


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
