"""Routes: what they match, when, which are taken, and what is wrong with them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import Alert, ConfigError, Route, Severity, Status
from alert_core.errors import Fault
from alert_core.routing import named_routes, route_faults, select, unknown_name
from alert_core.schedule import DailyTime, TimeWindow

WORDS = st.text(alphabet="abcdefghijklmnop.-", min_size=1, max_size=8)


def alert(**fields: Any) -> Alert:
    return Alert("Payment provider timeout", "No answer in 10 s", **fields)


def faults_of(*arguments: Any, **keywords: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        Route(*arguments, **keywords)
    return {fault.path: fault.message for fault in caught.value.faults}


@pytest.mark.parametrize(
    ("match", "yes", "no"),
    [
        ({"severity": "critical"}, {"severity": "critical"}, {"severity": "error"}),
        ({"severity": "CRITICAL"}, {"severity": "critical"}, {"severity": "error"}),
        ({"severity": ">=error"}, {"severity": "error"}, {"severity": "warning"}),
        ({"severity": ">= error"}, {"severity": "critical"}, {"severity": "info"}),
        ({"severity": ">error"}, {"severity": "critical"}, {"severity": "error"}),
        ({"severity": "<=warning"}, {"severity": "warning"}, {"severity": "error"}),
        ({"severity": "<warning"}, {"severity": "info"}, {"severity": "warning"}),
        ({"severity": ["info", ">=critical"]}, {"severity": "info"}, {"severity": "error"}),
        ({"severity": "re:(warn|err).*"}, {"severity": "warning"}, {"severity": "critical"}),
        ({"source": "billing"}, {"source": "billing"}, {"source": "billing-2"}),
        ({"source": "billing"}, {"source": "billing"}, {}),
        ({"source": ["billing", "shop"]}, {"source": "shop"}, {"source": "mail"}),
        ({"source": "re:web-[0-9]+"}, {"source": "web-12"}, {"source": "my-web-12"}),
        ({"tags": "eu"}, {"tags": ["eu", "db"]}, {"tags": ["us"]}),
        ({"tags": ["eu", "db"]}, {"tags": ["db", "x", "eu"]}, {"tags": ["eu"]}),
        ({"tags": ["re:team-.*"]}, {"tags": ["team-a"]}, {"tags": ["a-team"]}),
        ({"status": "resolved"}, {"status": "resolved"}, {"status": "firing"}),
        ({"status": ["firing", "acknowledged"]}, {"status": "acknowledged"}, {"status": "resolved"}),
        ({"dedup_key": "db:disk"}, {"dedup_key": "db:disk", "status": "resolved"}, {"dedup_key": "db:disk2"}),
        ({"dedup_key": ["db:1", "db:2"]}, {"dedup_key": "db:2"}, {"dedup_key": "db:3"}),
        ({"dedup_key": "re:db:[0-9]+"}, {"dedup_key": "db:17"}, {"dedup_key": "my-db:17"}),
        ({"metadata.region": "eu"}, {"metadata": {"region": "eu"}}, {"metadata": {"region": "us"}}),
        ({"metadata": {"region": "eu"}}, {"metadata": {"region": "eu"}}, {"metadata": {}}),
        ({"metadata.a.b": 1}, {"metadata": {"a": {"b": 1}}}, {"metadata": {"a": {"b": True}}}),
        ({"metadata.a.b": "x"}, {"metadata": {"a.b": "x"}}, {"metadata": {"a": "x"}}),
        ({"metadata.code": [500, 502]}, {"metadata": {"code": 502}}, {"metadata": {"code": "502"}}),
        ({"metadata.code": "re:5.."}, {"metadata": {"code": 503}}, {"metadata": {"code": [503]}}),
        ({"metadata.ok": False}, {"metadata": {"ok": False}}, {"metadata": {"ok": 0}}),
        ({"metadata.ok": "re:true"}, {"metadata": {"ok": True}}, {"metadata": {"ok": None}}),
        ({"severity": ">=error", "source": "a"}, {"source": "a"}, {"source": "a", "severity": "info"}),
    ],
)
def test_a_matcher_takes_what_it_says_and_nothing_else(
    match: dict[str, Any], yes: dict[str, Any], no: dict[str, Any]
) -> None:
    route = Route(["ops"], match)
    assert route.matches(alert(**yes))
    assert not route.matches(alert(**no))


def test_a_route_without_match_takes_every_alert() -> None:
    assert Route(["ops"]).matches(alert())
    assert Route(["ops"]).is_catch_all
    assert not Route(["ops"], {"source": "a"}).is_catch_all
    assert not Route(["ops"], active={"days": "mon"}).is_catch_all


@given(st.sampled_from(list(Severity)), st.sampled_from(list(Severity)), st.sampled_from([">=", "<=", ">", "<"]))
def test_a_comparison_of_severities_is_that_of_severity(a: Severity, b: Severity, operator: str) -> None:
    expected = {">=": a >= b, "<=": a <= b, ">": a > b, "<": a < b}[operator]
    assert Route(["ops"], {"severity": f"{operator}{b}"}).matches(alert(severity=a)) is expected


@given(WORDS, WORDS)
def test_a_text_is_compared_whole(wanted: str, found: str) -> None:
    assert Route(["ops"], {"source": wanted}).matches(alert(source=found)) is (wanted == found)


def test_a_regular_expression_sees_the_first_ten_thousand_characters() -> None:
    route = Route(["ops"], {"metadata.text": "re:a*"})
    assert route.matches(alert(metadata={"text": "a" * 10_000 + "b"}))
    assert not route.matches(alert(metadata={"text": "a" * 9_999 + "b"}))


@pytest.mark.parametrize("pattern", ["(a+)+", "(a*)*b", "((ab)*c*)+", "(x(a+)){2,}", "(?:a+,)*", "([a]+)+"])
def test_a_repeat_of_a_repeat_is_refused_since_it_can_take_for_ever(pattern: str) -> None:
    assert "repeat" in faults_of(["ops"], {"source": f"re:{pattern}"})["match.source"]


@pytest.mark.parametrize("pattern", ["(a|b)+", "a+b+", "(abc)*", r"(\+\*)*", "[+*]+", "([+*])*", "(a+)?", "(a+){1,3}"])
def test_other_repeats_are_not(pattern: str) -> None:
    began = time.monotonic()
    Route(["ops"], {"source": f"re:{pattern}"}).matches(alert(source="a" * 10_000))
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("keywords", "path"),
    [
        ({"match": {"severity": "high"}}, "match.severity"),
        ({"match": {"severity": ">=high"}}, "match.severity"),
        ({"match": {"severity": 3}}, "match.severity"),
        ({"match": {"severity": []}}, "match.severity"),
        ({"match": {"severty": "error"}}, "match.severty"),
        ({"match": {"source": "re:("}}, "match.source"),
        ({"match": {"source": 5}}, "match.source"),
        ({"match": {"source": ""}}, "match.source"),
        ({"match": {"tags": [1]}}, "match.tags"),
        ({"match": {"dedup_key": 1}}, "match.dedup_key"),
        ({"match": {"dedup_key": ""}}, "match.dedup_key"),
        ({"match": {"status": "open"}}, "match.status"),
        ({"match": {"metadata": "x"}}, "match.metadata"),
        ({"match": {"metadata": {}}}, "match.metadata"),
        ({"match": {"metadata": {"a": {"b": None}}}}, "match.metadata.a.b"),
        ({"match": {"metadata.a": object()}}, "match.metadata.a"),
        ({"match": {"metadata.": "x"}}, "match.metadata."),
        ({"match": {5: "x"}}, "match.5"),
        ({"match": "critical"}, "match"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"continue_": "false"}, "continue"),
        ({"active": "mon-fri"}, "active"),
        ({"active": {"days": "mon-xyz"}}, "active.days"),
        ({"active": {"days": []}}, "active.days"),
        ({"active": {"days": 5}}, "active.days"),
        ({"active": {"from": "25:00"}}, "active.from"),
        ({"active": {"from": "08:00", "to": "08:00"}}, "active.to"),
        ({"active": {"from": "08:00", "tz": "Mars/Base"}}, "active.tz"),
        ({"active": {"from": "08:00", "tz": "Africa"}}, "active.tz"),
        ({"active": {"from": "08:00", "tz": "../etc/passwd"}}, "active.tz"),
        ({"active": {"from": "08:00", "tz": 5}}, "active.tz"),
        ({"active": {"day": "mon"}}, "active.day"),
        ({"active": {}}, "active"),
        ({"mute": [{"days": "sat"}, {"to": 8}]}, "mute[1].to"),
        ({"mute": [5]}, "mute[0]"),
        ({"repeat_every": "4 hours"}, "repeat_every"),
        ({"repeat_every": True}, "repeat_every"),
        ({"group_wait": -1}, "group_wait"),
        ({"group_by": "source"}, "group_by"),
        ({"group_by": ["source", "titel"]}, "group_by[1]"),
        ({"group_interval": float("inf")}, "group_interval"),
        ({"digest": "8 o'clock"}, "digest"),
        ({"digest": "08:00 Nowhere/City"}, "digest"),
        ({"digest": 8}, "digest"),
    ],
)
def test_a_wrong_field_is_a_fault_at_its_path(keywords: dict[str, Any], path: str) -> None:
    assert list(faults_of(["ops"], **keywords)) == [path]


@pytest.mark.parametrize(
    ("targets", "path"),
    [("ops", "targets"), ([1], "targets[0]"), (5, "targets"), ({"ops": 1}, "targets"), (["a", ""], "targets[1]")],
)
def test_targets_are_a_list_of_names(targets: Any, path: str) -> None:
    assert list(faults_of(targets)) == [path]


def test_every_fault_of_a_route_is_told_at_once() -> None:
    found = faults_of("ops", {"severity": "high", "tag": "x"}, active={"days": "xyz"}, digest="never")
    assert list(found) == ["targets", "match.severity", "match.tag", "active.days", "digest"]
    assert found["match.tag"] == 'unknown field; did you mean "tags"?'


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        ({"days": "mon-fri"}, "2026-01-02T12:00", "2026-01-03T12:00"),
        ({"days": "sat,sun"}, "2026-01-04T12:00", "2026-01-05T00:00"),
        ({"days": ["Friday", "mon"]}, "2026-01-02T12:00", "2026-01-01T12:00"),
        ({"days": "fri-mon"}, "2026-01-05T12:00", "2026-01-06T12:00"),
        ({"from": "08:00", "to": "18:00"}, "2026-01-02T08:00", "2026-01-02T18:00"),
        ({"from": "18:00"}, "2026-01-02T23:59", "2026-01-02T17:59"),
        ({"to": "08:00"}, "2026-01-02T00:00", "2026-01-02T08:00"),
        ({"from": "18:00", "to": "24:00"}, "2026-01-02T23:59", "2026-01-03T00:00"),
        ({"from": "22:00", "to": "06:00"}, "2026-01-02T23:00", "2026-01-02T12:00"),
        ({"days": "fri", "from": "22:00", "to": "06:00"}, "2026-01-03T05:59", "2026-01-02T05:59"),
        ({"days": "fri", "from": "22:00", "to": "06:00"}, "2026-01-02T22:00", "2026-01-03T22:00"),
        ({"from": "08:00", "to": "09:00", "tz": "Africa/Luanda"}, "2026-01-02T07:30", "2026-01-02T08:30"),
        ({"from": "08:00", "to": "09:00", "tz": "Europe/Berlin"}, "2026-07-02T06:30", "2026-07-02T07:30"),
    ],
)
def test_a_time_window_is_meant_in_its_zone_and_goes_over_midnight(
    window: dict[str, Any], inside: str, outside: str
) -> None:
    active, mute = Route(["ops"], active=window), Route(["ops"], mute=[window])
    assert active.matches(alert(), at(inside))
    assert not active.matches(alert(), at(outside))
    assert not mute.matches(alert(), at(inside))
    assert mute.matches(alert(), at(outside))


def test_of_several_windows_one_is_enough() -> None:
    route = Route(["ops"], active=[{"days": "sat"}, {"from": "20:00"}])
    assert route.matches(alert(), at("2026-01-03T08:00"))
    assert route.matches(alert(), at("2026-01-02T20:00"))
    assert not route.matches(alert(), at("2026-01-02T19:59"))


@given(st.integers(0, 2_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_a_window_and_its_complement_share_no_moment_and_leave_none_out(now: datetime) -> None:
    day = TimeWindow.parse({"from": "06:00", "to": "22:00", "tz": "Europe/Berlin"})
    night = TimeWindow.parse({"from": "22:00", "to": "06:00", "tz": "Europe/Berlin"})
    assert (now in day) is not (now in night)


def test_the_first_route_that_matches_is_the_last_unless_it_says_continue() -> None:
    everything = Route(["a"], continue_=True, name="everything")
    critical = Route(["b"], {"severity": "critical"}, name="critical")
    rest = Route(["c"], name="rest")
    routes = [everything, critical, rest]
    assert [r.name for r in select(routes, alert(severity="critical"))] == ["everything", "critical"]
    assert [r.name for r in select(routes, alert(severity="info"))] == ["everything", "rest"]


def test_routes_without_a_name_are_called_by_their_place() -> None:
    routes = named_routes([Route(["a"], {"source": "x"}), Route(["a"], name="rest"), Route([])])
    assert [route.name for route in routes] == ["route-1", "rest", "route-3"]
    assert routes[0].matches(alert(source="x"))
    assert not routes[0].matches(alert(source="y"))


def test_a_changed_copy_keeps_what_its_fields_were_read_as() -> None:
    route = Route(["a"], {"source": "x"}, "n", True, {"days": "mon"}, None, "4h", ["source"], 5, 6.5, "08:00 UTC")
    copy = attrs.evolve(route, name="m")
    assert attrs.evolve(copy, name="n") == route
    assert (copy.repeat_every, copy.group_wait, copy.group_interval) == (4 * 3600, 5, 6.5)
    assert copy.digest == DailyTime.parse("08:00")


def test_an_unknown_target_is_a_fault_that_names_the_nearest() -> None:
    faults = route_faults([Route(["ops-slak", "zzz"])], ["ops-slack", "mail"])
    assert list(map(str, faults)) == [
        'routes[0].targets[0]: no target is called "ops-slak"; did you mean "ops-slack"?',
        'routes[0].targets[1]: no target is called "zzz"; the targets are: mail, ops-slack',
    ]


def test_a_targets_name_that_is_no_text_is_a_fault() -> None:
    assert unknown_name(1, ["ops"]) == "a target's name is a text, not int"


def test_a_route_keeps_its_match_when_the_callers_changes() -> None:
    match = {"metadata": {"region": ["eu"]}}
    route = Route([], match)
    match["metadata"]["region"] = ["us"]
    assert route.match == {"metadata": {"region": ["eu"]}}


@pytest.mark.parametrize("last", [{"match": {"source": "x"}}, {"active": {"days": "mon"}}, {"mute": {"days": "mon"}}])
def test_the_last_route_must_take_every_alert_at_every_time(last: dict[str, Any]) -> None:
    assert [fault.path for fault in route_faults([Route([]), Route([], **last)], [])] == ["routes"]
    assert route_faults([Route([], **last), Route([])], []) == []


@pytest.mark.parametrize("field", [{"repeat_every": "4h"}, {"group_by": ["source"]}, {"digest": "08:00"}])
def test_a_field_that_needs_state_needs_a_queue_that_keeps_it(field: dict[str, Any]) -> None:
    route = Route([], name="all", **field)
    (fault,) = route_faults([route], [])
    assert fault.path == f"routes[0].{next(iter(field))}"
    assert "pip install alert-outbox" in fault.message
    assert route_faults([route], [], keeps_state=True) == []


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"group_wait": 0}, "group_wait"),
        ({"group_interval": 9}, "group_interval"),
        ({"group_by": ["source"], "digest": "08:00"}, "group_by"),
    ],
)
def test_what_would_have_no_effect_is_a_fault(given: dict[str, Any], path: str) -> None:
    (fault,) = route_faults([Route([], name="all", **given)], [], keeps_state=True)
    assert fault.path == f"routes[0].{path}"


def test_a_queue_that_keeps_state_keeps_it_by_the_routes_name() -> None:
    assert [fault.path for fault in route_faults([Route([])], [], keeps_state=True)] == ["routes[0].name"]


def test_two_routes_of_one_name_are_a_fault() -> None:
    faults = route_faults([Route([], name="a"), Route([], name="a")], [])
    assert list(map(str, faults)) == ["routes[1].name: routes[0] has the same name"]


def test_explain_says_of_every_condition_whether_it_holds() -> None:
    match = {"severity": ">=critical", "tags": ["payments", "eu"], "metadata.region": ["eu", "us"]}
    window = {"days": "mon-fri", "from": "08:00", "to": "18:00", "tz": "Africa/Luanda"}
    route = Route(["ops"], match, "payments", active=window, mute={"days": "sun"})
    told = route.explain(alert(severity="critical", tags=["eu"]), at("2026-01-03T12:00"))
    assert told.splitlines() == [
        "payments: does not match",
        "  yes: severity >=critical (critical)",
        "  no: tags all of payments, eu (eu)",
        "  no: metadata.region one of eu, us (not set)",
        "  no: active mon,tue,wed,thu,fri 08:00-18:00 Africa/Luanda",
        "  yes: not mute sun 00:00-24:00 UTC",
    ]
    assert Route([], name="rest").explain(alert()).splitlines() == ["rest: matches", "  yes: every alert"]


@given(
    st.dictionaries(
        st.sampled_from(["severity", "source", "tags", "status", "metadata", "metadata.x", "x"]) | st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    )
)
def test_any_match_is_compiled_or_refused_with_paths(match: dict[str, Any]) -> None:
    faults: tuple[Fault, ...] = ()
    try:
        Route(["ops"], match).explain(alert(status=Status.RESOLVED, metadata={"x": {"y": timedelta(1)}}))
    except ConfigError as error:
        faults = error.faults
    assert all(fault.path.startswith("match") and fault.message for fault in faults)
