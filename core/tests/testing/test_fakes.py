"""FlakyTransport, isolated_plugins, and that most of the kit needs no pytest."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from alert_core import (
    Alert,
    Dispatcher,
    PermanentDeliveryError,
    PluginError,
    Receipt,
    RetryableDeliveryError,
    RetryPolicy,
    TransportSpec,
    hookimpl,
)
from alert_core.testing import FlakyTransport, MemoryTransport, VirtualClock, isolated_plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

ALERT = Alert("Disk full", "on db1")
WITHOUT_PYTEST = """
import sys
sys.modules["pytest"] = sys.modules["trustme"] = None
from alert_core.testing import (
    CANARY, FlakyTransport, HttpStandIn, MemoryTransport, ProviderReplies, Reply, VirtualClock, capture_alerts,
    isolated_plugins,
)
with capture_alerts() as captured:
    import alert_core
    alert_core.send("Disk full")
captured.assert_sent(times=1)
"""


def test_the_plan_is_followed_attempt_by_attempt_and_then_all_is_well() -> None:
    receipt = Receipt(id="m1")
    transport = FlakyTransport(plan=[RetryableDeliveryError("busy"), PermanentDeliveryError, receipt, "ok"])
    with pytest.raises(RetryableDeliveryError, match="busy"):
        transport.send(ALERT)
    with pytest.raises(PermanentDeliveryError):
        transport.send(ALERT)
    assert transport.send(ALERT) is receipt
    assert [transport.send(ALERT, "ann") for _ in range(2)] == [Receipt(id=ALERT.id, recipient="ann")] * 2
    assert transport.attempts == [(ALERT, None)] * 3 + [(ALERT, "ann")] * 2


def test_a_number_hangs_on_the_clock() -> None:
    clock = VirtualClock()
    assert FlakyTransport(plan=[3600], clock=clock).send(ALERT) == Receipt(id=ALERT.id)
    assert clock.monotonic() == 3600


def test_its_kind_and_name_say_what_it_is() -> None:
    assert (FlakyTransport().name, FlakyTransport(name="ops").name) == ("flaky", "ops")


def test_with_recipients_each_is_a_delivery_of_its_own_and_only_the_failed_one_is_repeated() -> None:
    clock = VirtualClock()
    transport = FlakyTransport(to=("ann", "ben"), plan=[RetryableDeliveryError("busy")], concurrency=1, clock=clock)
    with Dispatcher([transport], clock=clock) as dispatcher:
        report = dispatcher.send(ALERT)
    assert report.ok
    assert sorted(str(recipient) for _, recipient in transport.attempts) == ["ann", "ann", "ben"]


def test_a_dispatcher_on_a_virtual_clock_backs_off_without_sleeping() -> None:
    clock = VirtualClock()
    transport = FlakyTransport(plan=[RetryableDeliveryError("busy", retry_after=600.0)], clock=clock)
    with Dispatcher([transport], clock=clock, deadline=3600, retry=RetryPolicy(maximum=900)) as dispatcher:
        report = dispatcher.send(ALERT)
    assert (report.deliveries[0].attempts, report.deliveries[0].elapsed) == (2, 600.0)


def test_a_dispatcher_on_a_virtual_clock_gives_up_at_its_deadline() -> None:
    clock = VirtualClock()
    with Dispatcher([FlakyTransport(plan=[60.0], clock=clock)], clock=clock) as dispatcher:
        report = dispatcher.send(ALERT)
        assert (report.uncertain, clock.monotonic()) == (("flaky",), 10.0)


def test_isolated_plugins_see_only_what_they_are_given() -> None:
    plugins = isolated_plugins(TransportSpec("pager", MemoryTransport))
    assert plugins.transport_class("pager") is MemoryTransport
    with pytest.raises(PluginError, match="slack"):
        plugins.transport_class("slack")


def test_isolated_plugins_take_objects_with_hooks() -> None:
    finished = []

    class Watching:
        @hookimpl
        def alert_register(self) -> Iterator[TransportSpec]:
            yield TransportSpec("pager", MemoryTransport)

        @hookimpl
        def alert_dispatch_finished(self, alert: Alert) -> None:
            finished.append(alert.title)

    config = {"targets": {"night": {"type": "pager"}}}
    with Dispatcher.from_config(config, plugins=isolated_plugins(Watching())) as dispatcher:
        dispatcher.send(ALERT)
    assert finished == ["Disk full"]


def test_all_but_the_contract_works_without_pytest_and_trustme() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_PYTEST], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
