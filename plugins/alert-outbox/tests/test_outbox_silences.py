"""What is silenced is told to nobody while it is, and afterwards once, where it still fires."""

from __future__ import annotations

from typing import Any

import pytest

from alert_core import Alert, Route

HOUR, DAY = 3_600.0, 86_400.0
ALL = Route(["a"], name="all")
DAILY = Route(["a"], name="daily", digest="08:00 Africa/Luanda", continue_=True)


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
