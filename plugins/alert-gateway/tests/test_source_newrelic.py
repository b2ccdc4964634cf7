import json
from typing import Any

import pytest

from alert_core import Alert, Severity, Status
from alert_gateway.config import SourceTable
from alert_gateway.events import UnknownShapeError
from alert_gateway.sources import newrelic

# A workflow's default template.
ISSUE: dict[str, Any] = {
    "id": "0ea2df1c-adab-45d2-aae0-322b609d2322",
    "issueUrl": "https://one.newrelic.com/alerts/issues/0ea2df1c",
    "title": "shop-web query result is > 2.0 for 1 minutes on 'Error rate'",
    "priority": "CRITICAL",
    "impactedEntities": ["shop-web"],
    "totalIncidents": 1,
    "state": "ACTIVATED",
    "trigger": "STATE_CHANGE",
    "isCorrelated": False,
    "createdAt": 1772600000000,
    "updatedAt": 1772600767089,
    "sources": ["newrelic"],
    "alertPolicyNames": ["Golden signals"],
    "alertConditionNames": ["Error rate"],
    "workflowName": "On call",
}
# A notification channel's, before the workflows.
INCIDENT: dict[str, Any] = {
    "account_name": "Shop",
    "condition_name": "Apdex (low)",
    "current_state": "open",
    "details": "Apdex < 0.7 for at least 5 minutes on 'shop-web'",
    "event_type": "INCIDENT",
    "incident_id": 2314,
    "incident_url": "https://alerts.newrelic.com/accounts/1/incidents/2314",
    "policy_name": "Golden signals",
    "runbook_url": "https://runbooks.example.com/apdex",
    "severity": "CRITICAL",
    "targets": [{"id": "7", "name": "shop-web", "type": "Application"}],
    "timestamp": 1772600767089,
}


def read(body: Any) -> Alert:
    (alert,) = newrelic.parse(json.dumps(body).encode(), {}, {}, SourceTable())
    return alert


def test_an_issue_is_read_as_new_relic_shows_it() -> None:
    alert = read(ISSUE)
    assert alert.title == "shop-web query result is > 2.0 for 1 minutes on 'Error rate'"
    assert alert.message == alert.title  # it says which condition of which entity
    assert (alert.severity, alert.status) == (Severity.CRITICAL, Status.FIRING)
    assert alert.dedup_key == "newrelic:0ea2df1c-adab-45d2-aae0-322b609d2322"
    assert (alert.source, alert.url) == ("shop-web", "https://one.newrelic.com/alerts/issues/0ea2df1c")
    assert alert.created_at.isoformat() == "2026-03-04T05:06:07.089000+00:00"
    assert (alert.metadata["policy"], alert.metadata["workflow"]) == ("Golden signals", "On call")


def test_an_incident_is_read_as_new_relic_shows_it() -> None:
    alert = read(INCIDENT)
    assert (alert.title, alert.message) == ("Apdex (low)", "Apdex < 0.7 for at least 5 minutes on 'shop-web'")
    assert (alert.severity, alert.status) == (Severity.CRITICAL, Status.FIRING)
    assert (alert.source, alert.dedup_key) == ("shop-web", "newrelic:2314")
    assert alert.url == "https://alerts.newrelic.com/accounts/1/incidents/2314"
    assert alert.metadata["runbook_url"] == "https://runbooks.example.com/apdex"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (ISSUE | {"state": "CREATED"}, Status.FIRING),
        (ISSUE | {"state": "ACKNOWLEDGED"}, Status.ACKNOWLEDGED),
        (ISSUE | {"state": "CLOSED", "trigger": "INCIDENT_CLOSED"}, Status.RESOLVED),
        (ISSUE | {"state": None}, Status.FIRING),
        (INCIDENT | {"current_state": "acknowledged", "owner": "Ana Silva"}, Status.ACKNOWLEDGED),
        (INCIDENT | {"current_state": "closed", "severity": "INFO"}, Status.RESOLVED),
        (INCIDENT | {"current_state": "test", "severity": "INFO", "event_type": "NOTIFICATION"}, Status.FIRING),
    ],
)
def test_what_becomes_of_it_is_told_of_the_same_event(body: dict[str, Any], status: Status) -> None:
    first = ISSUE if "id" in body else INCIDENT
    assert (read(body).status, read(body).dedup_key) == (status, read(first).dedup_key)


@pytest.mark.parametrize(
    ("priority", "severity"),
    [
        ("CRITICAL", Severity.CRITICAL),
        ("HIGH", Severity.ERROR),
        ("MEDIUM", Severity.WARNING),
        ("LOW", Severity.INFO),
        (None, Severity.WARNING),
    ],
)
def test_a_priority_becomes_a_severity(priority: str | None, severity: Severity) -> None:
    assert read(ISSUE | {"priority": priority}).severity is severity


def test_an_issue_of_several_entities_names_them_all() -> None:
    both = {"impactedEntities": ["shop-web", "shop-api"], "alertConditionNames": ["Errors", "Latency"]}
    alert = read(ISSUE | both)
    assert alert.message == "Errors, Latency on shop-web, shop-api"
    assert (alert.source, alert.metadata["entities"]) == ("newrelic", ["shop-web", "shop-api"])


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ({"id": 7}, "New Relic issue 7"),
        ({"title": ["Slow", "Errors"]}, "Slow"),
        ({"issueTitle": "Slow", "impactedEntities": "shop-web"}, "Slow"),
        ({"condition_name": "Slow", "targets": None, "timestamp": ""}, "Slow"),
    ],
)
def test_a_template_of_ones_own_may_leave_most_of_it_out(body: dict[str, Any], title: str) -> None:
    assert read(body).title == title


@pytest.mark.parametrize("body", [{}, [], [ISSUE], "text", None, {"state": "CLOSED"}])
def test_anything_else_is_of_no_known_shape(body: object) -> None:
    with pytest.raises(UnknownShapeError):
        read(body)
