import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import Alert, QueueError, Status
from alert_core.testing import VirtualClock
from alert_gateway.config import HeartbeatTable
from alert_gateway.heartbeats import CLAIM, Heartbeats, span
from alert_gateway.housekeeping import Housekeeping
from alert_gateway.state import State

Make = Callable[..., Any]
DAY = 86_400.0
TABLES = {"backup": HeartbeatTable(every=DAY, grace=3600.0)}


class Told:
    """What was enqueued, in order; raises as long as `refuses`."""

    def __init__(self) -> None:
        self.alerts: list[tuple[str, str]] = []
        self.targets: list[Any] = []
        self.refuses = False

    def __call__(self, alert: Alert, targets: Any = None) -> None:
        if self.refuses:
            raise QueueError("full")
        self.alerts.append((alert.tags[0], alert.status.value))
        self.targets.append(targets)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(autojump=False)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = State(None, str(tmp_path / "state.db"))
    yield made
    made.close()


@pytest.fixture
def beats(state: State, told: Told, clock: VirtualClock) -> Heartbeats:
    return Heartbeats(TABLES, state, told, clock)


def test_what_stays_away_is_told_once_and_again_when_it_is_back(
    beats: Heartbeats, told: Told, clock: VirtualClock
) -> None:
    beats.check()
    beats.beat("backup")
    clock.advance(DAY + 3599)
    beats.check()
    assert told.alerts == []
    clock.advance(2)
    for _ in range(3):
        beats.check()
        clock.advance(DAY)
    assert told.alerts == [("backup", "firing")]
    beats.beat("backup")
    beats.beat("backup")
    beats.check()
    assert told.alerts == [("backup", "firing"), ("backup", "resolved")]
    clock.advance(DAY + 3601)
    beats.check()
    assert told.alerts[2:] == [("backup", "firing")]


def test_what_has_never_been_heard_counts_from_when_it_was_configured(
    beats: Heartbeats, told: Told, clock: VirtualClock
) -> None:
    beats.check()
    clock.advance(DAY + 3601)
    beats.check()
    assert told.alerts == [("backup", "firing")]


def test_the_next_look_is_when_the_next_can_be_late(beats: Heartbeats, clock: VirtualClock) -> None:
    assert beats.check() == 60
    clock.advance(DAY + 3590)
    assert beats.check() == pytest.approx(10)


def test_a_restart_neither_forgets_nor_alerts_again(
    beats: Heartbeats, state: State, told: Told, clock: VirtualClock
) -> None:
    beats.beat("backup")
    clock.advance(DAY / 2)
    Heartbeats(TABLES, state, told, clock).check()
    clock.advance(DAY / 2 + 3601)
    Heartbeats(TABLES, state, told, clock)
    later = Heartbeats(TABLES, state, told, clock)
    later.check()
    assert told.alerts == []  # it came up just now: what was due while it was down has its grace
    clock.advance(3601)
    later.check()
    assert told.alerts == [("backup", "firing")]
    again = Heartbeats(TABLES, state, told, clock)
    clock.advance(DAY)
    again.check()
    assert told.alerts == [("backup", "firing")]
    again.beat("backup")
    assert told.alerts[1:] == [("backup", "resolved")]


def test_two_gateways_tell_once(state: State, told: Told, clock: VirtualClock) -> None:
    one, two = (Heartbeats(TABLES, state, told, clock) for _ in range(2))
    for gateway in (one, two):
        gateway.check()
    clock.advance(DAY + 3601)
    for gateway in (one, two, one, two):
        gateway.check()
    two.beat("backup")
    one.check()
    assert told.alerts == [("backup", "firing"), ("backup", "resolved")]


def test_an_alert_that_the_queue_refuses_is_told_later(beats: Heartbeats, told: Told, clock: VirtualClock) -> None:
    beats.check()
    clock.advance(DAY + 3601)
    told.refuses = True
    with pytest.raises(QueueError):
        beats.check()
    told.refuses = False
    clock.advance(CLAIM + 1)
    beats.check()
    assert told.alerts == [("backup", "firing")]


def test_what_is_heard_while_it_is_told_to_be_late_is_resolved(state: State, told: Told, clock: VirtualClock) -> None:
    def enqueue(alert: Alert, targets: Any) -> None:
        told(alert, targets)
        if alert.status is Status.FIRING:
            Heartbeats(TABLES, state, told, clock).beat("backup")

    beats = Heartbeats(TABLES, state, enqueue, clock)
    beats.check()
    clock.advance(DAY + 3601)
    beats.check()
    assert told.alerts[0] == ("backup", "firing")
    assert told.alerts[-1] == ("backup", "resolved")
    clock.advance(3601)
    assert beats.snapshot()["backup"][1] == "up"


def test_a_resolve_that_the_queue_refused_is_told_by_the_next_look(
    beats: Heartbeats, told: Told, clock: VirtualClock
) -> None:
    beats.check()
    clock.advance(DAY + 3601)
    beats.check()
    told.refuses = True
    with pytest.raises(QueueError):
        beats.beat("backup")
    told.refuses = False
    clock.advance(CLAIM)
    beats.check()
    assert told.alerts == [("backup", "firing"), ("backup", "resolved")]


def test_without_a_grace_a_tenth_of_the_time_is_one_but_no_more_than_an_hour() -> None:
    assert HeartbeatTable(every=60.0).patience == 66
    assert HeartbeatTable(every=7 * DAY).patience == 7 * DAY + 3600
    assert HeartbeatTable(every=60.0, grace=1.0).patience == 61


@pytest.mark.parametrize(
    ("seconds", "text"), [(86_400, "1 d"), (5400, "90 min"), (36, "36 s"), (0.5, "0.5 s"), (8640, "144 min")]
)
def test_a_time_is_written_as_people_do(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_the_route_takes_a_heartbeat_and_its_alert_goes_to_its_own_targets(make: Make, tmp_path: Path) -> None:
    clock = VirtualClock(autojump=False)
    tables = {
        "targets": {"memory": {"type": "memory"}, "other": {"type": "memory"}},
        "gateway": {"state": str(tmp_path / "state.db")},
        "heartbeats": {"backup": {"every": "24h", "severity": "critical", "targets": ["memory"]}},
    }
    asked = make(tables, clock=clock)
    status, answer = asked.post("/heartbeat/backup")
    assert (status, answer) == (202, {"ok": True, "heartbeat": "backup", "late_in": DAY + 3600})
    clock.advance(DAY + 3601)
    asked.gateway.heartbeats.check()
    (alert,) = asked.alerts
    assert (alert.severity, alert.source, alert.dedup_key) == ("critical", "heartbeat", "heartbeat:backup")
    assert alert.title == "Heartbeat backup is late"
    assert "every 1 d, and has 1 h more" in alert.message
    assert asked.dispatcher.targets["other"].alerts == []
    assert asked.post("/heartbeat/backup")[0] == 202
    assert asked.alerts[1].status == "resolved"
    assert asked.alerts[1].dedup_key == alert.dedup_key
    assert asked.metrics()['alert_gateway_heartbeat_timestamp_seconds{name="backup"}'] > 0


def test_an_unknown_heartbeat_is_answered_with_those_that_there_are(make: Make, tmp_path: Path) -> None:
    asked = make({"gateway": {"state": str(tmp_path / "s.db")}, "heartbeats": {"backup": {"every": 60}}})
    status, answer = asked.post("/heartbeat/bakcup")
    assert (status, answer["heartbeats"]) == (404, ["backup"])
    assert make().post("/heartbeat/x")[1]["heartbeats"] == []


def test_the_gateways_thread_looks_after_them(make: Make, tmp_path: Path) -> None:
    tables = {"gateway": {"state": str(tmp_path / "s.db")}, "heartbeats": {"quick": {"every": 0.05}}}
    asked = make(tables)
    asked.gateway.start()
    asked.gateway.start()
    asked.dispatcher.targets["memory"].send = (arrived := Arrived()).send
    assert arrived.wait()


class Arrived:
    def __init__(self) -> None:
        import threading

        self._event = threading.Event()

    def send(self, _alert: Alert) -> None:
        self._event.set()

    def wait(self) -> bool:
        return self._event.wait(60)


def test_a_state_that_cannot_be_written_is_a_503_that_says_where_to_look(make: Make, tmp_path: Path) -> None:
    asked = make({"gateway": {"state": str(tmp_path)}, "heartbeats": {"backup": {"every": 60}}})
    status, answer = asked.post("/heartbeat/backup")
    assert status == 503
    assert "[gateway] state" in answer["error"]
    assert str(tmp_path) not in answer["error"]
    assert asked.ask("GET", "/readyz").status == 503


def test_why_nothing_can_be_looked_after_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def refused() -> float:
        raise QueueError("the gateway's state cannot be written (SQLITE_FULL)")

    housekeeping = Housekeeping([refused], VirtualClock(autojump=False))
    housekeeping.start()
    housekeeping.close(60)
    assert "cannot be written (SQLITE_FULL)" in caplog.text


def test_a_state_file_that_another_process_wrote_is_read(tmp_path: Path, told: Told, clock: VirtualClock) -> None:
    path = str(tmp_path / "s.db")
    first = State(None, path)
    Heartbeats(TABLES, first, told, clock).beat("backup")
    first.close()
    second = State(None, path)
    assert Heartbeats(TABLES, second, told, clock).snapshot()["backup"] == (clock.time(), "up")
    second.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM alert_gateway_heartbeats").fetchall() == [("backup",)]
    connection.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_waits_for_those_who_write_the_state_and_its_child_writes_too(tmp_path: Path) -> None:
    program = f"""
import os, threading, warnings
warnings.simplefilter("ignore")  # a fork with threads is the case under test
from alert_gateway.state import State

state = State(None, {str(tmp_path / "s.db")!r})
inside, forking = threading.Event(), threading.Event()
os.register_at_fork(before=forking.set)  # the last to be registered is called first

def note(rows, name, waits):
    rows.run("INSERT INTO alert_gateway_replays VALUES (?, 0)", name)
    inside.set()
    assert not waits or forking.wait(30)

busy = threading.Thread(target=state.write, args=[lambda rows: note(rows, "busy", True)], daemon=True)
busy.start()
assert inside.wait(30)
if not (child := os.fork()):
    state.write(lambda rows: note(rows, "child", False))
    os._exit(0)
busy.join()
state.write(lambda rows: note(rows, "parent", False))
raise SystemExit(os.waitpid(child, 0)[1])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    state = State(None, str(tmp_path / "s.db"))
    found = state.write(lambda rows: rows.all("SELECT id FROM alert_gateway_replays ORDER BY id"))
    assert [name for (name,) in found] == ["busy", "child", "parent"]
    state.close()


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("beat"), st.integers(0, 1)),
            st.tuples(st.just("check"), st.integers(0, 1)),
            st.tuples(st.just("advance"), st.integers(1, 30)),
            st.tuples(st.just("restart"), st.integers(0, 1)),
            st.tuples(st.just("refuse"), st.booleans()),
        ),
        max_size=40,
    )
)
def test_whatever_happens_firing_and_resolve_take_turns_and_at_the_end_the_truth_is_told(
    steps: list[tuple[str, int]],
) -> None:
    clock, told, state = VirtualClock(autojump=False), Told(), State(None)
    tables = {"job": HeartbeatTable(every=10.0, grace=1.0)}
    gateways = [Heartbeats(tables, state, told, clock) for _ in range(2)]

    def tried(call: Callable[..., object], *arguments: object) -> None:
        try:
            call(*arguments)
        except QueueError:
            assert told.refuses

    for step, value in steps:
        if step == "beat":
            tried(gateways[value].beat, "job")
        elif step == "check":
            tried(gateways[value].check)
        elif step == "advance":
            clock.advance(value)
        elif step == "restart":
            gateways[value] = Heartbeats(tables, state, told, clock)
        else:
            told.refuses = bool(value)
    told.refuses = False
    for _ in range(3):
        clock.advance(CLAIM + 1)
        gateways[0].check()
    statuses = [status for _, status in told.alerts]
    assert statuses == (["firing", "resolved"] * len(statuses))[: len(statuses)]
    assert statuses[-1] == "firing"  # nothing was heard for minutes
    gateways[1].beat("job")
    assert told.alerts[-1] == ("job", "resolved")
    state.close()
