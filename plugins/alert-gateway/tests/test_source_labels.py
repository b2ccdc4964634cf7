"""Alertmanager's and Grafana's groups: whatever their labels are, nothing is lost, and a resolve finds its firing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_gateway.config import SourceTable
from alert_gateway.events import MOST, Parsed, UnknownShapeError
from alert_gateway.registry import Module

NAMES = st.sampled_from("alertname severity service instance summary description runbook_url rulename".split())
VALUES = (
    st.text(max_size=20) | st.none() | st.integers() | st.sampled_from(["DatasourceNoData", "https://x.example.org"])
)
LABELS = st.none() | st.dictionaries(NAMES | st.text(max_size=5), VALUES, max_size=6)
ALERTS = st.fixed_dictionaries(
    {"labels": LABELS, "annotations": LABELS},
    optional={
        "status": st.sampled_from(["firing", "resolved", "Resolved"]) | VALUES,
        "startsAt": VALUES | st.just("2026-03-04T05:06:07.891234567Z"),
        "endsAt": VALUES | st.just("0001-01-01T00:00:00Z"),
        "fingerprint": VALUES,
        "generatorURL": VALUES,
        "values": LABELS,
        "orgId": VALUES,
    },
)
GROUPS = st.fixed_dictionaries(
    {"alerts": st.lists(ALERTS | VALUES, max_size=4)},
    optional={"status": VALUES, "truncatedAlerts": VALUES, "externalURL": VALUES, "orgId": VALUES},
)


def told(source: str, body: object) -> Parsed | None:
    try:
        found = Module(f"alert_gateway.sources.{source}").parse(json.dumps(body).encode(), {}, {}, SourceTable())
    except UnknownShapeError:
        return None
    assert isinstance(found, Parsed)
    return found


@pytest.mark.parametrize("source", ["alertmanager", "grafana"])
@given(group=GROUPS)
def test_each_entry_of_a_group_is_an_alert_or_is_counted(source: str, group: Mapping[str, Any]) -> None:
    found = told(source, group)
    entries = [
        one for one in group["alerts"] if isinstance(one, dict) and (one["labels"], one["annotations"]) != (None, None)
    ]
    if found is None:
        assert not entries
        return
    assert len(found) == len(entries)
    assert len(found) + found.ignored == (len(group["alerts"]) or 1)


@pytest.mark.parametrize("source", ["alertmanager", "grafana"])
@given(labels=LABELS.filter(lambda found: found is not None), annotations=LABELS, fingerprint=VALUES)
def test_a_resolve_without_annotations_has_its_firings_key_and_severity(
    source: str, labels: object, annotations: object, fingerprint: object
) -> None:
    alert = {"labels": labels, "fingerprint": fingerprint}
    firing = told(source, {"alerts": [{**alert, "status": "firing", "annotations": annotations}]})
    resolved = told(source, {"alerts": [{**alert, "status": "resolved", "annotations": {}}]})
    assert firing
    assert resolved
    assert (firing[0].dedup_key, firing[0].severity) == (resolved[0].dedup_key, resolved[0].severity)
    assert resolved[0].status == "resolved"


@pytest.mark.parametrize("name", ["alertmanager", "grafana", "generic"])
def test_of_more_alerts_than_fit_the_worst_are_told_and_the_others_counted(name: str) -> None:
    words = ["info"] * 600 + ["critical"] * 3
    found = [{"labels": {"alertname": f"a{at}", "severity": word}} for at, word in enumerate(words)]
    alerts = told(name, {"alerts": found})
    assert alerts is not None
    assert len(alerts) == MOST
    assert [alert.title for alert in alerts[:4]] == ["a600", "a601", "a602", "a0"]
    assert (alerts[-1].title, alerts[-1].severity) == (f"104 more alerts from {name} in one body", "info")
    assert alerts.ignored == 0


def test_a_list_of_more_than_fits_is_cut_before_its_alerts_are_read() -> None:
    alerts = told("generic", [{"title": "a"}] * 18_000)
    assert alerts is not None
    assert (len(alerts), alerts[-1].metadata) == (MOST, {"left_out": 17_501})


def test_labels_that_are_all_there_is_are_told_by_their_names() -> None:
    parsed = told("alertmanager", {"alerts": [{"labels": {"__password__": "correct-horse7", "__b__": "c"}}]})
    assert parsed is not None
    (alert,) = parsed
    assert "__b__=c" in alert.title
    assert "horse" not in alert.title
