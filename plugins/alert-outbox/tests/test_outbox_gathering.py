"""Groups, rates and digests: one message for many, with the counts right, and no other."""

from __future__ import annotations

import asyncio
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import Alert, Route
from alert_core.queues import DailyTime
from alert_core.testing import VirtualClock
from alert_outbox.state import next_time

HOUR, DAY = 3_600.0, 86_400.0
PATIENT = {"poll": "10d"}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
ALL = Route(["a"], name="all")
DAILY = Route(["a"], name="daily", digest="08:00 Africa/Luanda", continue_=True)


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
