"""capture_alerts(): what an application would have sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import alert_core
from alert_core import Alert, ConfigError, Dispatcher, Route, default
from alert_core.queues import Stored
from alert_core.testing import MemoryTransport, capture_alerts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alert_core.queues import Desk, Dispatch


@pytest.fixture(autouse=True)
def no_default() -> Iterator[None]:
    previous = default.replace(None)
    yield
    default.replace(previous)


def two_targets() -> Dispatcher:
    routes = [Route(["pager"], match={"severity": "critical"}), Route(["chat"])]
    return Dispatcher([MemoryTransport(name="chat"), MemoryTransport(name="pager")], routes=routes)


def test_an_alert_is_captured_though_nothing_is_configured() -> None:
    with capture_alerts() as captured:
        assert alert_core.send("Disk full", "on db1", severity="critical").ok
    captured.assert_sent(title="Disk full", severity="critical", times=1)


def test_without_a_configuration_every_name_of_a_target_is_taken() -> None:
    with capture_alerts() as captured:
        alert_core.send("Disk full", targets=["ops-slack", "mail"])
        alert_core.send("Disk full", targets=["ops-slack"])
    captured.assert_sent(target="mail", times=1)
    captured.assert_sent(target="ops-slack", times=2)
    assert len(captured.alerts) == 2


def test_enqueued_alerts_are_waited_for() -> None:
    with capture_alerts() as captured:
        alert_core.enqueue("Disk full")
        captured.assert_sent(times=1)


def test_a_callers_assertion_finds_what_was_sent_after_the_block_too() -> None:
    with capture_alerts() as captured:
        alert_core.enqueue("Disk full")
    captured.assert_sent(title="Disk full")


def test_the_default_dispatchers_routes_and_targets_hold_and_nothing_is_delivered() -> None:
    with two_targets() as dispatcher:
        default.replace(dispatcher)
        with capture_alerts() as captured:
            alert_core.send("Disk full", severity="critical")
            alert_core.send("Disk fills", severity="warning")
            with pytest.raises(ConfigError, match="pagr"):
                alert_core.send("Disk full", targets=["pagr"])
        captured.assert_sent(target="pager", title="Disk full", times=1)
        captured.assert_sent(target="chat", title="Disk fills", times=1)
        captured.assert_sent(target="pager", title="Disk fills", times=0)
        assert [target.alerts for target in dispatcher.targets.values()] == [[], []]


def test_the_previous_dispatcher_is_back_after_the_block_even_if_it_raises() -> None:
    with two_targets() as dispatcher:
        default.replace(dispatcher)
        with pytest.raises(ZeroDivisionError), capture_alerts():
            _ = 1 / 0
        assert default.get() is dispatcher
        alert_core.send("Disk full")
        assert [len(target.alerts) for target in dispatcher.targets.values()] == [1, 0]


def test_it_takes_the_form_of_a_configuration() -> None:
    config = {"defaults": {"source": "billing"}, "targets": {"night": {"type": "noop", "min_severity": "critical"}}}
    with capture_alerts(config) as captured:
        alert_core.send("Disk full", severity="critical")
        alert_core.send("Disk fills", severity="info")
    captured.assert_sent(target="night", source="billing", times=1)


def test_a_wrong_configuration_is_told_and_leaves_the_default_alone() -> None:
    with two_targets() as dispatcher:
        default.replace(dispatcher)
        with pytest.raises(ConfigError), capture_alerts({"targets": {"x": {"type": "no-such"}}}):
            pass
        assert default.get() is dispatcher


def test_a_failing_assertion_prints_what_was_sent() -> None:
    with capture_alerts() as captured:
        alert_core.send("Disk full", severity="warning")
    with pytest.raises(AssertionError) as failure:
        captured.assert_sent(severity="critical", target="pager")
    assert str(failure.value) == (
        "expected target='pager', severity=<Severity.CRITICAL: 'critical'>; none was sent.\n"
        "Sent:\n  captured: warning firing 'Disk full'"
    )


def test_a_wrong_number_is_told() -> None:
    with capture_alerts() as captured:
        alert_core.send("Disk full")
    with pytest.raises(AssertionError, match="expected title='Disk full' 2 times; 1 was sent"):
        captured.assert_sent(title="Disk full", times=2)


def test_nothing_sent_passes_only_where_nothing_was_sent() -> None:
    with capture_alerts() as captured:
        captured.assert_nothing_sent()
        alert_core.send("Disk full")
        with pytest.raises(AssertionError, match=r"expected nothing to be sent\.\nSent:\n  captured: error"):
            captured.assert_nothing_sent()
        captured.clear()
        captured.assert_nothing_sent()


def test_dropped_alerts_are_named_in_a_failing_assertion() -> None:
    dropping = Dispatcher([MemoryTransport()], processors=[lambda alert: None])
    with dropping, capture_alerts(dropping) as captured:
        alert_core.send("Disk full")
        with pytest.raises(AssertionError, match=r"Sent:\n  nothing\n  dropped \(processor\): 1"):
            captured.assert_sent()


def test_tags_are_those_it_must_have_at_least() -> None:
    with capture_alerts() as captured:
        alert_core.send("Disk full", tags=["disk", "prod"])
    captured.assert_sent(tags=["prod"])
    with pytest.raises(AssertionError, match="none was sent"):
        captured.assert_sent(tags=["staging"])


def test_secrets_are_masked_as_in_a_delivery() -> None:
    with capture_alerts() as captured:
        alert_core.send("Login failed", metadata={"password": "hunter2-hunter2"})
    assert captured.alerts[0].metadata == {"password": alert_core.REDACTED}


def test_a_captured_alert_equals_what_was_sent() -> None:
    alert = Alert("Disk full", "on db1", metadata={"used": {"percent": 99.5}, "hosts": ["a", "b"]}, tags={"b", "a"})
    with capture_alerts() as captured:
        alert_core.send(alert)
    assert captured.alerts == [alert]


def test_what_cannot_cross_a_queue_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"title": "Disk full", "message": "x", "metadata": {"at": object()}}
    with pytest.raises(AssertionError, match="cannot cross a queue"), capture_alerts():  # noqa: PT012 - the block's end raises
        monkeypatch.setattr(Alert, "to_dict", lambda self: broken)
        alert_core.send("Disk full")


class Keeping:
    """A queue that keeps state, and nothing else."""

    keeps_state = True
    delivers_here = False

    def open(self, desk: Desk) -> None: ...

    def put(self, dispatch: Dispatch) -> Stored:
        return Stored(parts=dispatch.parts)

    def conclude(self, dispatch_id: str) -> bool:
        return True

    def flush(self, ends: float | None) -> bool:
        return True

    def close(self, ends: float) -> None: ...

    def forget(self) -> None: ...


def test_routes_that_need_a_queue_which_keeps_state_are_followed_too() -> None:
    routes = [Route(["chat"], name="all", repeat_every=3600.0)]
    with Dispatcher([MemoryTransport(name="chat")], routes=routes, queue=Keeping()) as like:
        with capture_alerts(like=like) as captured:
            alert_core.send("Disk full")
        captured.assert_sent(target="chat", times=1)
