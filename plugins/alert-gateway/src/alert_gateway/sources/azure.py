"""Azure Monitor: the common alert schema, and those before it: metric (and classic), log search, activity log.

Fields are Azure's (learn.microsoft.com/azure/azure-monitor/alerts: common and non-common alert schema definitions).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from alert_core import Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import document, first, items, value
from alert_gateway.events import Parsed, UnknownShapeError, event, moment

NAME: Final = "azure"
_OVER: Final = frozenset({"resolved", "deactivated", "complete", "available"})
"""What a condition is, an older alert, the stage of a service's trouble, the health of a resource."""
_LEVELS: Final = {"informational": "info", "verbose": "info"}
_PORTAL: Final = "https://portal.azure.com/#resource"


def parse(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """The alert, in whichever schema it comes.

    Raises:
        UnknownShapeError: none of Azure's.
    """
    found = document(body, headers)
    data = value(found, "data") or found
    if essentials := value(data, "essentials"):
        told = _common(essentials, value(data, "alertContext"))
    elif log := value(data, "context.activityLog"):
        told = _activity(log)
    elif first(data, "AlertRuleName"):
        told = _log_search(data)
    else:
        told = _metric(value(data, "context"), first(data, "status"))
    if not told["title"]:
        raise UnknownShapeError
    severity = told["severity"] or ""
    own = value(data, "customProperties", "properties")
    told["metadata"] |= own if isinstance(own, dict) else {}
    if severity.isdecimal():
        told["severity"] = f"Sev{severity}"
    elif word := _LEVELS.get(severity.lower()):
        told["severity"], told["metadata"]["severity_raw"] = word, severity
    return Parsed([event(NAME, settings, **told)])


def _common(essentials: object, context: object) -> dict[str, Any]:
    status = _status(first(essentials, "monitorCondition"))
    targets = value(essentials, "alertTargetIDs")
    target = first(essentials, "alertTargetIDs.0")
    what = first(context, "properties.title", "properties.details", "operationName")
    times = ("firedDateTime",) if status is Status.FIRING else ("resolvedDateTime", "firedDateTime")
    return {
        "title": first(essentials, "alertRule", "originAlertId", "alertId"),
        "message": _lines(first(essentials, "description"), what, *_conditions(context)),
        "severity": first(essentials, "severity"),
        "status": status,
        "key": first(essentials, "originAlertId", "alertId"),
        "url": first(essentials, "investigationLink")
        or _results(value(context, "condition.allOf.0"))
        or _portal(target),
        "at": moment(value(essentials, *times)),
        "metadata": {
            "signal": first(essentials, "signalType"),
            "monitored_by": first(essentials, "monitoringService"),
            "resources": targets,
            "query": first(context, "condition.allOf.0.searchQuery"),
        },
        "service": first(essentials, "configurationItems.0") or _last(target),
    }


def _metric(context: object, status: str | None) -> dict[str, Any]:
    """Of a metric alert, near-real-time or classic: they differ in where the condition is."""
    resource = first(context, "resourceId")
    rule = first(context, "id", "name")
    return {
        "title": first(context, "name"),
        "message": _lines(first(context, "description"), *_conditions(context)),
        "severity": first(context, "severity"),
        "status": _status(status),
        "key": f"{rule} {resource}" if resource else rule,
        "url": first(context, "portalLink") or _portal(resource),
        "at": moment(value(context, "timestamp")),
        "metadata": {"resource": resource, "resource_group": first(context, "resourceGroupName")},
        "service": first(context, "resourceName") or _last(resource),
    }


def _log_search(data: object) -> dict[str, Any]:
    """Of a log search alert. It is never resolved: each time that its query finds enough, it fires."""
    rule, resource = first(data, "AlertRuleName"), first(data, "ResourceId", "WorkspaceId", "ApplicationId")
    count, operator = first(data, "ResultCount"), first(data, "AlertThresholdOperator")
    limit = f"{operator} {first(data, 'AlertThresholdValue')}" if operator else "counted"
    return {
        "title": rule,
        "message": _lines(first(data, "Description"), f"{count} results ({limit})" if count else None),
        "severity": first(data, "Severity"),
        "status": Status.FIRING,
        "key": f"{rule} {resource}" if resource else rule,
        "url": _results(data),
        "at": moment(value(data, "SearchIntervalEndtimeUtc")),
        "metadata": {"query": first(data, "SearchQuery"), "resources": value(data, "AffectedConfigurationItems")},
        "service": _last(first(data, "AffectedConfigurationItems.0", "ResourceId")),
    }


def _activity(log: object) -> dict[str, Any]:
    """Of an activity log alert: an operation's end, a service's trouble by its tracking id, a resource's health."""
    more = value(log, "properties")
    resource, operation = first(log, "resourceId"), first(log, "operationName")
    health = first(more, "currentHealthStatus")
    return {
        "title": first(more, "title") or _said(operation, first(log, "status")),
        "message": _lines(first(log, "description"), first(more, "communication", "details", "statusMessage", "cause")),
        "severity": first(log, "level"),
        "status": _status(health or first(more, "stage")),
        "key": first(more, "trackingId") or (resource if health else first(log, "correlationId", "eventDataId")),
        "url": _portal(resource),
        "at": moment(value(log, "eventTimestamp", "submissionTimestamp")),
        "metadata": {
            "category": first(log, "eventSource"),
            "caller": first(log, "caller"),
            "resource": resource,
            "region": first(more, "region"),
        },
        "service": first(more, "service") or _last(resource),
    }


def _conditions(context: object) -> Iterator[str]:
    """`Percentage CPU is 96 (GreaterThan 90)`, for each that was met."""
    for met in items(context, "condition.allOf") or [value(context, "condition")]:
        if (seen := first(met, "metricValue")) is not None:
            where = [f"{first(each, 'name')}={first(each, 'value')}" for each in items(met, "dimensions")]
            limit = _said(first(met, "operator"), first(met, "threshold"))
            what = first(met, "metricName", "metricMeasureColumn") or "the result"
            yield _said(f"{what} is {seen}", f"({limit})" if limit else None, ", ".join(where)) or ""


def _status(said: str | None) -> Status:
    return Status.RESOLVED if (said or "").lower() in _OVER else Status.FIRING


def _results(found: object) -> str | None:
    return first(found, "linkToFilteredSearchResultsUI", "linkToSearchResultsUI", "linkToSearchResults")


def _portal(resource: str | None) -> str | None:
    return _PORTAL + quote(resource) if resource and resource.startswith("/subscriptions/") else None


def _last(resource: str | None) -> str | None:
    return resource.rpartition("/")[2] if resource else None


def _said(*parts: str | None) -> str | None:
    return " ".join(filter(None, parts)) or None


def _lines(*parts: str | None) -> str:
    return "\n".join(dict.fromkeys(filter(None, parts)))
