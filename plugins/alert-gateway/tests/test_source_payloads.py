"""Bodies that monitoring tools have sent, or publish, are posted to the gateway.

They are no part of the repository: they are beside it, or in the folder that ALERT_CORE_PAYLOADS names.
"""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alert_core import Status
from alert_core.presentation import state
from alert_gateway.plugin import SOURCES

NAMED = os.environ.get("ALERT_CORE_PAYLOADS")
FOLDER = Path(NAMED) if NAMED else Path(__file__).parents[4] / "shared" / "payloads"

# What each body is about, as a reader sees it: the severity of each alert that fires, or that it is resolved.
EXPECTED = {
    "alertmanager-1": ["critical"],
    "alertmanager-13": ["warning"],
    "alertmanager-real-1": ["critical", "critical"],
    "alertmanager-real-2": ["warning"],
    "alertmanager-real-3": ["warning"],  # it has no severity
    "alertmanager-real-4": ["critical"],  # page
    "alertmanager-real-5": ["info", "info"],
    "alertmanager-real-6": ["error"],
    "alertmanager-real-7": ["resolved", "critical"],
    "alertmanager-real-8": ["resolved"],
    "alertmanager-real-9": ["critical"],
    "alertmanager-real-10": ["resolved", "critical"],
    "alertmanager-real-11": ["error"],
    "alertmanager-real-12": ["error"],
    "apprise-real-1": ["error"],  # failure
    "datadog-1": ["warning"],  # P3
    "datadog-rendered-1": ["error"],  # P2
    "datadog-template-1": ["warning"],  # not one of its variables is filled in
    "grafana-legacy-1": ["critical"],
    "grafana-legacy-2": ["resolved"],
    "grafana-legacy-4": ["warning"],
    "grafana-legacy-5": ["warning"],
    "grafana-unified-1": ["critical", "critical", "critical"],
    "grafana-unified-2": ["warning"],
    "newrelic-1": ["info"],
    "opsgenie-1": ["warning"],  # 3
    "sentry-1": ["error"],
    "sns-cloudwatch-1": [],  # the confirmation of a subscription
    "sns-moto-1": ["warning"],
    "uptimerobot-1": ["warning"],
    "zabbix-1": ["warning"],
}


@pytest.fixture(scope="session")
def senders() -> dict[str, str]:
    """The sender of each body, by the body's name."""
    if not FOLDER.is_dir():
        assert not NAMED, "ALERT_CORE_PAYLOADS names no folder"
        pytest.skip("no bodies here: ALERT_CORE_PAYLOADS may name their folder")
    with (FOLDER / "index.tsv").open() as index:
        return {row["file"].removesuffix(".json"): row["sender"] for row in csv.DictReader(index, delimiter="\t")}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_body_of_a_real_sender_is_accepted_and_read(
    name: str, senders: dict[str, str], make: Callable[..., Any]
) -> None:
    source = next((source for source in SOURCES if senders[name].startswith(source)), "generic")
    asked = make({"sources": {"sns": {"verify": False}}})
    headers, captured = {"content-type": "application/json"}, FOLDER / f"{name}.headers"
    if captured.exists():
        sent = json.loads(captured.read_text())["headers"]
        headers = {key.lower(): value for key, value in sent.items() if key.lower() != "host"}
    status, answer = asked.post(f"/alerts/{source}", (FOLDER / f"{name}.json").read_bytes(), headers=headers)

    assert (status, answer["ignored"]) == (202, 0 if EXPECTED[name] else 1)
    assert [state(alert) for alert in asked.alerts] == EXPECTED[name]
    for alert, told in zip(asked.alerts, answer["accepted"], strict=True):
        assert not alert.title.startswith(("Unrecognised", "Alert from"))
        assert alert.dedup_key.startswith(f"{source}:") or alert.status is Status.FIRING
        assert told == {"id": alert.id, "dedup_key": alert.dedup_key, "status": "accepted"}


def test_a_resolve_finds_its_firing(senders: dict[str, str], make: Callable[..., Any]) -> None:
    asked = make()
    bodies = [FOLDER / f"{name}.json" for name in ("alertmanager-real-1", "alertmanager-real-7", "alertmanager-real-8")]
    for body in bodies:
        assert senders[body.stem].startswith("alertmanager")
        asked.post("/alerts/alertmanager", body.read_bytes())
    resolved = [alert.dedup_key for alert in asked.alerts if alert.status is Status.RESOLVED]
    assert {alert.dedup_key for alert in asked.alerts} == {*resolved}


def test_every_body_is_expected(senders: dict[str, str]) -> None:
    assert senders.keys() == EXPECTED.keys()
