"""What several states make of one alert: its order, its routes, and rows that nobody can read."""

from __future__ import annotations

from typing import Any

import pytest

from alert_core import Alert, PermanentDeliveryError, RetryableDeliveryError, Route

HOUR, DAY = 3_600.0, 86_400.0
ALL = Route(["a"], name="all")
GROUPED = Route(["a"], name="g", group_by=["source"], group_wait="30s")
DAILY = Route(["a"], name="daily", digest="08:00 Africa/Luanda", continue_=True)


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
        errors.append(PermanentDeliveryError("no"))
        w.say()
        assert w.queue.retry(2) == 0
        w.rest()
        assert [alert.status for alert in w.a.alerts] == ["firing", "firing"]
        assert "delivery 2 resolves what has fired anew since: it is not tried again" in caplog.text


class TestWhatNobodyCanRead:
    """A row that is damaged, or of a later version, holds up no other, and keeps nothing quiet."""

    @staticmethod
    def damage(w: Any, table: str, column: str, title: str) -> None:
        statement = f"UPDATE alert_outbox_{table} SET {column} = '{{' WHERE {column} LIKE '%{title}%'"
        w.queue.database.write(lambda c, _: c.execute(statement))

    def test_among_what_is_gathered_it_is_a_dead_letter_and_the_rest_is_told(self, world: Any) -> None:
        w = world(GROUPED)
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
