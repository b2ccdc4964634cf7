"""What a real Prometheus and Alertmanager post to `alertctl serve` arrives in Slack, as SMS and at PagerDuty."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.monitoring import CHANNELS, MOST, Monitoring

pytestmark = [
    pytest.mark.needs("debian/prometheus"),
    pytest.mark.skipif(os.geteuid() != 0, reason="Alertmanager is started by chroot, which takes root"),
    pytest.mark.xdist_group("tests/e2e/test_alertmanager.py"),  # it is all started once
]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    made = Monitoring(tmp_path_factory.mktemp("monitoring"))
    with made.running():
        yield made


@pytest.fixture
def monitoring(request: pytest.FixtureRequest, everything: Monitoring) -> Iterator[Monitoring]:
    """All of it, running; where the test fails, what the processes have printed is shown."""
    yield everything
    request.node.add_report_section("teardown", "processes", everything.log())


def disk(instance: str, **labels: str) -> dict[str, Any]:
    return {
        "labels": {"alertname": "DiskFull", "instance": instance, "severity": "error", **labels},
        "annotations": {"summary": f"The disk of {instance} is full", "description": "“λ” ✓"},
    }


def test_a_shop_that_goes_down_is_told_everywhere_and_resolved_when_it_is_up_again(monitoring: Monitoring) -> None:
    monitoring.shop.is_down = True
    told = {kind: monitoring.arrived(kind, "The shop is down") for kind in CHANNELS}
    assert {message["severity"] for message in told.values()} == {"critical"}
    assert f"{monitoring.shop.address} does not answer." in told["slack"]["text"]
    assert told["castbrick"]["text"].startswith("[CRITICAL] shop: The shop is down")
    key = told["pagerduty"]["view"]["dedup_key"]
    assert key.startswith("alertmanager:")
    monitoring.incident(key, "triggered")

    monitoring.shop.is_down = False
    monitoring.incident(key, "resolved")
    monitoring.arrived("slack", "RESOLVED: The shop is down")
    monitoring.arrived("castbrick", "[RESOLVED] shop: The shop is down")


def test_of_two_alerts_in_a_group_the_one_that_ends_is_resolved_and_the_other_not_told_again(
    monitoring: Monitoring,
) -> None:
    monitoring.post(disk("db1"), disk("db2"))
    keys = [
        monitoring.arrived("pagerduty", f"The disk of {name} is full")["view"]["dedup_key"] for name in ("db1", "db2")
    ]
    already_told = monitoring.accepted("duplicate")

    monitoring.end(disk("db1"))
    monitoring.incident(keys[0], "resolved")
    assert "✓" in monitoring.arrived("slack", "ERROR: The disk of db2 is full")["text"]
    assert "✓" in monitoring.arrived("castbrick", "[ERROR] alertmanager: The disk of db2 is full")["text"]
    monitoring.arrived("slack", "RESOLVED: The disk of db1 is full")
    monitoring.arrived("castbrick", "[RESOLVED] alertmanager: The disk of db1 is full")
    # The group that told of db1's end had db2 in it.
    monitoring.eventually(lambda: monitoring.accepted("duplicate") > already_told, "db2 has not come again")
    assert monitoring.incident(keys[1], "triggered")["triggers"] == 1

    monitoring.end(disk("db2"))
    monitoring.incident(keys[1], "resolved")


def test_alerts_that_alertmanager_left_out_are_counted_in_those_that_it_sent(monitoring: Monitoring) -> None:
    left_out = 3
    monitoring.post(*(disk(f"bulk{number}", case="truncated") for number in range(MOST + left_out)))
    for kind in ("slack", "pagerduty"):  # it is the end of the message, and an SMS has its beginning
        monitoring.arrived(kind, f"{left_out} more alerts of this group were left out")


def test_an_alert_without_a_name_is_told_by_its_labels(monitoring: Monitoring) -> None:
    monitoring.post({"labels": {"machine": "db9", "rack": "r7", "severity": "page"}})
    for kind in CHANNELS:
        assert monitoring.arrived(kind, "machine=db9, rack=r7")["severity"] == "critical"


def test_alertmanagers_own_notifier_for_pagerduty_needs_no_more_than_another_url(monitoring: Monitoring) -> None:
    monitoring.post(disk("db5", case="pagerduty"))
    told = {kind: monitoring.arrived(kind, "[FIRING:1] pagerduty (DiskFull db5 error)") for kind in CHANNELS}
    assert told["pagerduty"]["view"]["payload"]["custom_details"]["num_firing"] == "1"

    monitoring.end(disk("db5", case="pagerduty"))
    monitoring.incident(told["pagerduty"]["view"]["dedup_key"], "resolved")
