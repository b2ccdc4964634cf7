import json
from typing import Any

import pytest

from alert_core import Alert, Severity, Status
from alert_gateway.config import SourceTable
from alert_gateway.events import UnknownShapeError
from alert_gateway.sources import azure

MACHINE = "/subscriptions/11aa/resourcegroups/shop/providers/microsoft.compute/virtualmachines/web-1"
PORTAL = f"https://portal.azure.com/#resource{MACHINE}"
CPU = {
    "metricName": "Percentage CPU",
    "operator": "GreaterThan",
    "threshold": "90",
    "timeAggregation": "Average",
    "dimensions": [{"name": "role", "value": "web"}],
    "metricValue": 96.5,
}
ESSENTIALS: dict[str, Any] = {
    "alertId": "/subscriptions/11aa/providers/Microsoft.AlertsManagement/alerts/b9569717",
    "alertRule": "High CPU",
    "severity": "Sev1",
    "signalType": "Metric",
    "monitorCondition": "Fired",
    "monitoringService": "Platform",
    "alertTargetIDs": [MACHINE],
    "configurationItems": ["web-1"],
    "originAlertId": "11aa_shop_microsoft.insights_metricAlerts_High CPU_-117781227",
    "firedDateTime": "2026-03-04T05:06:07.0890001Z",
    "description": "The shop is slow when this fires.",
    "essentialsVersion": "1.0",
    "alertContextVersion": "1.0",
}
METRIC = {"properties": None, "conditionType": "SingleResource", "condition": {"windowSize": "PT5M", "allOf": [CPU]}}
QUERY = {
    "condition": {
        "allOf": [
            {
                "searchQuery": "requests | where success == false",
                "operator": "GreaterThan",
                "threshold": "5",
                "metricValue": 12.0,
                "dimensions": [],
                "linkToFilteredSearchResultsUI": "https://portal.azure.com/#logs/filtered",
                "linkToSearchResultsUI": "https://portal.azure.com/#logs",
            }
        ]
    }
}
HEALTH = {"operationName": "Microsoft.Resourcehealth/healthevent", "properties": {"title": "Rebooted by user"}}

NEAR_REAL_TIME: dict[str, Any] = {
    "schemaId": "AzureMonitorMetricAlert",
    "data": {
        "version": "2.0",
        "status": "Activated",
        "properties": {"team": "shop"},
        "context": {
            "timestamp": "2026-03-04T05:06:07.0890001Z",
            "id": "/subscriptions/11aa/resourceGroups/shop/providers/microsoft.insights/metricAlerts/HighCPU",
            "name": "HighCPU",
            "description": "",
            "severity": "1",
            "condition": {"windowSize": "PT5M", "allOf": [CPU]},
            "resourceGroupName": "shop",
            "resourceName": "web-1",
            "resourceId": MACHINE,
            "portalLink": PORTAL,
        },
    },
}
CLASSIC: dict[str, Any] = {
    "status": "Activated",
    "context": {
        "timestamp": "2015-08-14T22:26:41.9975398Z",
        "id": "/subscriptions/11aa/resourceGroups/shop/providers/microsoft.insights/alertrules/Requests",
        "name": "Requests",
        "description": "Too many",
        "condition": {
            "metricName": "Requests",
            "metricValue": "10",
            "threshold": "10",
            "operator": "GreaterThanOrEqual",
        },
        "resourceName": "site",
        "resourceId": "/subscriptions/11aa/resourceGroups/shop/providers/microsoft.web/sites/site",
    },
    "properties": {"team": "shop"},
}
LOG_SEARCH: dict[str, Any] = {
    "schemaId": "Microsoft.Insights/LogAlert",
    "data": {
        "SubscriptionId": "11aa",
        "AlertRuleName": "Failed requests",
        "SearchQuery": "requests | where success == false",
        "SearchIntervalStartTimeUtc": "2026-03-04T05:01:07Z",
        "SearchIntervalEndtimeUtc": "2026-03-04T05:06:07Z",
        "AlertThresholdOperator": "Greater Than",
        "AlertThresholdValue": 5,
        "ResultCount": 12,
        "LinkToSearchResults": "https://portal.azure.com/#logs",
        "LinkToFilteredSearchResultsUI": "https://portal.azure.com/#logs/filtered",
        "Description": "Customers see errors",
        "Severity": "2",
        "AffectedConfigurationItems": [MACHINE],
        "ResourceId": MACHINE,
        "AlertType": "Number of results",
    },
}
ACTIVITY: dict[str, Any] = {
    "schemaId": "Microsoft.Insights/activityLogs",
    "data": {
        "status": "Activated",
        "context": {
            "activityLog": {
                "eventSource": "Administrative",
                "eventTimestamp": "2026-03-04T05:06:07.089+00:00",
                "correlationId": "b6d5e3b7-a1b2",
                "caller": "ana@example.com",
                "level": "Error",
                "operationName": "Microsoft.Compute/virtualMachines/delete",
                "resourceId": MACHINE,
                "status": "Failed",
                "properties": {"statusMessage": "The machine is locked."},
            }
        },
        "properties": {},
    },
}
SERVICE_HEALTH = {
    "channels": "Admin",
    "eventSource": "ServiceHealth",
    "level": "Informational",
    "operationName": "Microsoft.ServiceHealth/incident/action",
    "properties": {
        "title": "Connectivity in West Europe",
        "service": "Azure SQL",
        "region": "West Europe",
        "communication": "We are looking into it.",
        "trackingId": "ABCD-123",
        "stage": "Active",
    },
}


def common(context: dict[str, Any], **essentials: Any) -> dict[str, Any]:
    data = {"essentials": ESSENTIALS | essentials, "alertContext": context, "customProperties": {"team": "shop"}}
    return {"schemaId": "azureMonitorCommonAlertSchema", "data": data}


def logged(log: dict[str, Any]) -> dict[str, Any]:
    return ACTIVITY | {"data": ACTIVITY["data"] | {"context": {"activityLog": log}}}


def read(body: Any, **settings: Any) -> Alert:
    (alert,) = azure.parse(json.dumps(body).encode(), {}, {}, SourceTable(**settings))
    return alert


def test_the_common_schema_is_read_as_the_portal_shows_it() -> None:
    alert = read(common(METRIC))
    assert alert.title == "High CPU"
    assert alert.message == "The shop is slow when this fires.\nPercentage CPU is 96.5 (GreaterThan 90) role=web"
    assert (alert.severity, alert.status) == (Severity.ERROR, Status.FIRING)
    assert alert.dedup_key == f"azure:{ESSENTIALS['originAlertId']}"
    assert (alert.source, alert.url) == ("web-1", PORTAL)
    assert alert.created_at.isoformat() == "2026-03-04T05:06:07.089000+00:00"
    assert alert.metadata == {
        "signal": "Metric",
        "monitored_by": "Platform",
        "resources": [MACHINE],
        "team": "shop",
        "severity_raw": "Sev1",
        "via": "azure",
    }


def test_a_resolve_is_of_the_same_event() -> None:
    alert = read(common(METRIC, monitorCondition="Resolved", resolvedDateTime="2026-03-04T06:00:00Z"))
    assert (alert.status, alert.dedup_key) == (Status.RESOLVED, read(common(METRIC)).dedup_key)
    assert alert.created_at.isoformat() == "2026-03-04T06:00:00+00:00"


def test_a_query_that_found_enough_is_told_with_its_results() -> None:
    alert = read(common(QUERY, description=None, signalType="Log"))
    assert alert.message == "the result is 12.0 (GreaterThan 5)"
    assert alert.url == "https://portal.azure.com/#logs/filtered"
    assert alert.metadata["query"] == "requests | where success == false"


def test_a_link_that_azure_gives_is_the_link() -> None:
    link = "https://portal.azure.com/#view/Investigation/alertId/b9569717"
    assert read(common(METRIC, investigationLink=link)).url == link


def test_what_happened_to_a_resource_is_told_where_the_rule_says_nothing() -> None:
    assert read(common(HEALTH, description="")).message == "Rebooted by user"


def test_several_conditions_and_resources_are_all_told() -> None:
    both = {"condition": {"allOf": [CPU, CPU | {"metricName": "Memory", "dimensions": None}]}}
    alert = read(common(both, description="", alertTargetIDs=[MACHINE, f"{MACHINE}-b"], configurationItems=[]))
    assert alert.message.splitlines() == [
        "Percentage CPU is 96.5 (GreaterThan 90) role=web",
        "Memory is 96.5 (GreaterThan 90)",
    ]
    assert alert.metadata["resources"] == [MACHINE, f"{MACHINE}-b"]
    assert alert.source == "web-1"


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        ("Sev0", Severity.CRITICAL),
        ("Sev1", Severity.ERROR),
        ("Sev2", Severity.WARNING),
        ("Sev3", Severity.INFO),
        ("Sev4", Severity.INFO),
        ("0", Severity.CRITICAL),
        ("4", Severity.INFO),
        ("Informational", Severity.INFO),
        ("Verbose", Severity.INFO),
        ("Sev9", Severity.WARNING),
        (None, Severity.WARNING),
    ],
)
def test_a_severity_is_of_five_or_a_level(said: str | None, severity: Severity) -> None:
    alert = read(common(METRIC, severity=said))
    assert alert.severity is severity
    assert said is None or alert.metadata["severity_raw"] in {said, f"Sev{said}"}


@pytest.mark.parametrize(
    ("body", "title", "message", "severity", "source", "url"),
    [
        (
            NEAR_REAL_TIME,
            "HighCPU",
            "Percentage CPU is 96.5 (GreaterThan 90) role=web",
            Severity.ERROR,
            "web-1",
            PORTAL,
        ),
        (
            CLASSIC,
            "Requests",
            "Too many\nRequests is 10 (GreaterThanOrEqual 10)",
            Severity.WARNING,
            "site",
            "https://portal.azure.com/#resource/subscriptions/11aa/resourceGroups/shop/providers/microsoft.web/sites/site",
        ),
        (
            LOG_SEARCH,
            "Failed requests",
            "Customers see errors\n12 results (Greater Than 5)",
            Severity.WARNING,
            "web-1",
            "https://portal.azure.com/#logs/filtered",
        ),
        (
            ACTIVITY,
            "Microsoft.Compute/virtualMachines/delete Failed",
            "The machine is locked.",
            Severity.ERROR,
            "web-1",
            PORTAL,
        ),
        (
            logged(SERVICE_HEALTH),
            "Connectivity in West Europe",
            "We are looking into it.",
            Severity.INFO,
            "Azure SQL",
            None,
        ),
    ],
    ids=["near real time", "classic", "log search", "activity log", "service health"],
)
def test_the_schemas_before_it_are_read_too(
    body: dict[str, Any], title: str, message: str, severity: Severity, source: str, url: str | None
) -> None:
    alert = read(body)
    assert (alert.title, alert.message, alert.status) == (title, message, Status.FIRING)
    assert (alert.severity, alert.source, alert.url) == (severity, source, url)


@pytest.mark.parametrize(
    ("firing", "resolved"),
    [
        (NEAR_REAL_TIME, NEAR_REAL_TIME | {"data": NEAR_REAL_TIME["data"] | {"status": "Deactivated"}}),
        (CLASSIC, CLASSIC | {"status": "Resolved"}),
        (
            logged(SERVICE_HEALTH),
            logged(SERVICE_HEALTH | {"properties": SERVICE_HEALTH["properties"] | {"stage": "Resolved"}}),  # type: ignore[operator]
        ),
        (
            logged(
                {"resourceId": MACHINE, "operationName": "health", "properties": {"currentHealthStatus": "Unavailable"}}
            ),
            logged(
                {"resourceId": MACHINE, "operationName": "health", "properties": {"currentHealthStatus": "Available"}}
            ),
        ),
    ],
    ids=["near real time", "classic", "service health", "resource health"],
)
def test_their_resolves_are_of_the_same_event(firing: dict[str, Any], resolved: dict[str, Any]) -> None:
    assert (read(firing).status, read(resolved).status) == (Status.FIRING, Status.RESOLVED)
    assert read(firing).dedup_key == read(resolved).dedup_key


def test_one_rule_for_several_resources_makes_events_of_their_own() -> None:
    context = NEAR_REAL_TIME["data"]["context"] | {"resourceId": f"{MACHINE}-b"}
    other = {"data": NEAR_REAL_TIME["data"] | {"context": context}}
    assert read(other).dedup_key != read(NEAR_REAL_TIME).dedup_key


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"essentials": {"alertRule": "High CPU"}}},
        {"data": {"essentials": {"alertId": "b9569717"}, "alertContext": None}},
        {"data": {"essentials": {"alertRule": "High CPU", "alertTargetIDs": None, "severity": 1}, "alertContext": []}},
        {"context": {"name": "Requests"}},
        {"data": {"AlertRuleName": "Failed requests"}},
        logged({"operationName": "Delete"}),
    ],
)
def test_missing_fields_are_made_up_for(body: dict[str, Any]) -> None:
    assert read(body).title in {"High CPU", "b9569717", "Requests", "Failed requests", "Delete"}


@pytest.mark.parametrize(
    "body",
    [{}, [], [CLASSIC], "text", None, {"data": {}}, {"data": "text"}, {"data": {"essentials": {}}}, {"schemaId": "x"}],
)
def test_anything_else_is_of_no_known_shape(body: object) -> None:
    with pytest.raises(UnknownShapeError):
        read(body)
