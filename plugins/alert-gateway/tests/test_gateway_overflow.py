import contextlib
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_core import Alert, QueueError, Severity, SourceSpec
from alert_core.testing import VirtualClock
from alert_gateway.config import Rate
from alert_gateway.overflow import Overflow, summary
from alert_gateway.state import State

Make = Callable[..., Any]


def many(body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> list[Alert]:
    return [Alert(f"alert {number}", "m", severity="warning") for number in range(int(body))]


def anyone(_alert: Alert) -> list[str]:
    return ["memory"]


MANY = SourceSpec("many", many)
ROUTED: dict[str, Any] = {
    "targets": {name: {"type": "memory"} for name in ("memory", "pay")},
    "routes": [
        {"match": {"source": "payments"}, "targets": ["pay"]},
        {"match": {"tags": ["team"]}, "targets": ["pay", "memory"]},
        {"targets": []},
    ],
}


def test_above_its_rate_a_source_is_told_as_one_summary_a_window(make: Make) -> None:
    clock = VirtualClock(autojump=False)
    asked = make({"gateway": {"rate": "10/1m"}}, MANY, clock=clock)
    status, answer = asked.post("/alerts/many", b"37")
    assert status == 202
    assert [one["status"] for one in answer["accepted"]] == ["accepted"] * 37
    assert len(asked.alerts) == 10
    asked.gateway.overflow.flush()
    assert len(asked.alerts) == 10
    clock.advance(61)
    asked.gateway.overflow.flush()
    asked.gateway.overflow.flush()
    assert len(asked.alerts) == 11
    told = asked.alerts[-1]
    assert told.title == "27 more alerts from many within 1 min"
    assert (told.severity, told.source) == ("warning", "many")
    assert told.message.splitlines()[-1] == "and 7 more"
    assert told.message.count("[WARNING] alert ") == 20
    assert asked.metrics()['alert_gateway_summarised_total{source="many"}'] == 27


def test_what_is_over_the_rate_is_told_where_each_alert_would_have_gone(make: Make) -> None:
    asked = make(ROUTED | {"gateway": {"rate": "1/1m"}})
    for number in range(4):
        asked.post("/alerts", {"title": f"p{number}", "source": "payments"})
        asked.post("/alerts", {"title": f"t{number}", "tags": ["team"]})
        _, answer = asked.post("/alerts", {"title": f"n{number}"})
        assert answer["accepted"][0]["status"] == "unrouted"
    asked.gateway.close()
    both = "4 more alerts from alerts within 1 min"
    assert [alert.title for alert in asked.alerts] == [both]
    told = [alert.title for alert in asked.dispatcher.targets["pay"].alerts]
    assert sorted(told) == ["3 more alerts from alerts within 1 min", both, "p0"]


def test_who_waits_for_what_is_gathered_is_told_why_it_is_not_sent(make: Make) -> None:
    asked = make({"gateway": {"rate": "1/1m"}})
    answers = [asked.post("/alerts", {"description": "d"}, query={"wait": "30"})[1] for _ in range(2)]
    assert [one["sent"] for one in answers] == [True, False]
    assert answers[1]["reason"] == "over the rate: it is told together with others"


def test_rows_of_an_earlier_version_are_told_by_the_routes(make: Make, tmp_path: Path) -> None:
    path, clock = str(tmp_path / "s.db"), VirtualClock(autojump=False)
    with contextlib.closing(sqlite3.connect(path)) as earlier, earlier:
        earlier.execute(
            """CREATE TABLE alert_gateway_overflow (id TEXT PRIMARY KEY, source TEXT NOT NULL,
                at DOUBLE PRECISION NOT NULL, severity TEXT NOT NULL, title TEXT NOT NULL, batch TEXT,
                claimed DOUBLE PRECISION NOT NULL)"""
        )
        earlier.execute("INSERT INTO alert_gateway_overflow VALUES ('1', 'many', 0, 'error', 'old', NULL, 0)")
    heartbeats = {"nightly": {"every": "24h"}}
    asked = make({"gateway": {"rate": "1/1m", "state": path}, "heartbeats": heartbeats}, MANY, clock=clock)
    asked.gateway.overflow.flush(at_once=True)
    assert [(alert.title, alert.message) for alert in asked.alerts] == [
        ("1 more alert from many within 1 min", "[ERROR] old")
    ]


def test_a_target_that_is_no_longer_there_leaves_a_summary_to_the_routes(make: Make) -> None:
    asked = make({"gateway": {"rate": "1/1m"}})
    asked.gateway.overflow._route = lambda _: ["gone"]
    asked.post("/alerts", [{"title": "a"}, {"title": "b"}])
    asked.gateway.close()
    assert [alert.title for alert in asked.alerts] == ["a", "1 more alert from alerts within 1 min"]


def test_a_body_of_more_than_500_alerts_is_accepted_and_the_rest_is_told_together(make: Make) -> None:
    asked = make({}, MANY)
    status, answer = asked.post("/alerts/many", b"720")
    assert (status, len(answer["accepted"])) == (202, 720)
    asked.gateway.close()
    assert len(asked.alerts) == 501
    assert asked.alerts[-1].title == "220 more alerts from many within 1 min"


def test_each_source_has_a_bucket_of_its_own(make: Make) -> None:
    tables = {"gateway": {"rate": "5/1m"}, "sources": {"more": {"type": "many", "rate": "8/1m"}}}
    asked = make(tables, MANY)
    for path in ("/alerts/many", "/alerts/more"):
        asked.post(path, b"20")
    asked.post("/alerts", [{"title": f"own {number}"} for number in range(20)])
    assert len(asked.alerts) == 5 + 8 + 5


def test_the_bucket_fills_again(make: Make) -> None:
    clock = VirtualClock(autojump=False)
    asked = make({"gateway": {"rate": "6/1m"}}, MANY, clock=clock)
    asked.post("/alerts/many", b"6")
    clock.advance(20)
    asked.post("/alerts/many", b"6")
    assert len(asked.alerts) == 8


def test_resolves_always_pass_and_critical_alerts_up_to_three_times_the_rate(make: Make) -> None:
    asked = make({"gateway": {"rate": "2/1m"}})
    asked.post("/alerts", [{"title": f"r{number}", "status": "resolved"} for number in range(20)])
    asked.post("/alerts", [{"title": f"c{number}", "severity": "critical"} for number in range(20)])
    assert len(asked.alerts) == 20 + 6
    asked.gateway.close()
    assert asked.alerts[-1].severity == "critical"


def test_what_is_gathered_outlives_the_process_and_two_gateways_tell_it_once(tmp_path: Path) -> None:
    clock, told = VirtualClock(autojump=False), list[Alert]()
    states = [State(None, str(tmp_path / "s.db")) for _ in range(2)]
    overflows = [
        Overflow(lambda _: Rate(1, 60.0), state, anyone, lambda alert, _: told.append(alert), clock) for state in states
    ]
    overflows[0].keep("grafana", [Alert("a", "m", severity="critical"), Alert("b", "m")])
    assert overflows[1].flush() == 60
    clock.advance(61)
    for overflow in (*overflows, *overflows):
        overflow.flush()
    assert [alert.title for alert in told] == ["2 more alerts from grafana within 1 min"]
    for state in states:
        state.close()


def test_a_summary_that_the_queue_refuses_is_told_later(tmp_path: Path) -> None:
    clock, told, refuses = VirtualClock(autojump=False), list[Alert](), threading.Event()

    def enqueue(alert: Alert, _targets: Sequence[str] | None) -> None:
        if refuses.is_set():
            raise QueueError("full")
        told.append(alert)

    state = State(None, str(tmp_path / "s.db"))
    overflow = Overflow(lambda _: Rate(1, 60.0), state, anyone, enqueue, clock)
    overflow.keep("grafana", [Alert("a", "m")])
    clock.advance(61)
    refuses.set()
    with pytest.raises(QueueError):
        overflow.flush()
    refuses.clear()
    clock.advance(61)
    overflow.flush()
    assert [alert.title for alert in told] == ["1 more alert from grafana within 1 min"]
    state.close()


def test_without_a_rate_nothing_is_kept_and_no_state_is_opened(make: Make, tmp_path: Path) -> None:
    asked = make({"gateway": {"state": str(tmp_path / "s.db")}}, MANY)
    asked.post("/alerts/many", b"400")
    asked.gateway.overflow.flush()
    assert len(asked.alerts) == 400
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=40)
@given(st.lists(st.integers(1, 25), min_size=1, max_size=12), st.integers(1, 30))
def test_nothing_is_lost_whatever_the_rate(batches: list[int], count: int) -> None:
    clock, told, state = VirtualClock(autojump=False), list[Alert](), State(None)
    overflow = Overflow(lambda _: Rate(count, 60.0), state, anyone, lambda alert, _: told.append(alert), clock)
    passed = 0
    for batch in batches:
        alone, gathered = overflow.sift("many", many(b"%d" % batch, {}, {}))
        overflow.keep("many", gathered)
        passed += len(alone)
        clock.advance(7)
        overflow.flush()
    overflow.flush(at_once=True)
    assert passed + sum(alert.metadata["summarised"] for alert in told) == sum(batches)
    assert passed <= count * (1 + 7 * len(batches) / 60) + 1
    assert len(told) <= len(batches) * 7 / 60 + 2
    state.close()


def test_a_summary_lists_the_worst_first() -> None:
    alert = summary("many", [(Severity.INFO, "i"), (Severity.CRITICAL, "c"), (Severity.ERROR, "e")], 300.0)
    assert alert.message.splitlines() == ["[CRITICAL] c", "[ERROR] e", "[INFO] i"]
    assert (alert.title, alert.severity) == ("3 more alerts from many within 5 min", "critical")
