"""What this distribution contributes. It imports nothing heavy: a source's module loads with its first request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from alert_core import CommandSpec, SourceSpec, TableSpec, hookimpl
from alert_gateway.config import GatewayTable, HeartbeatTable, SourceTable
from alert_gateway.metrics import DELIVERED, DROPPED, FAILED, RETRIED
from alert_gateway.registry import Module

CHECK: Final = "alert_gateway.faults:raise_faults"
SOURCES: Final = (
    "alertmanager",
    "azure",
    "datadog",
    "generic",
    "github",
    "grafana",
    "healthchecks",
    "newrelic",
    "opsgenie",
    "pagerduty",
    "sentry",
    "sns",
    "statuscake",
    "uptimekuma",
    "uptimerobot",
    "zabbix",
)


@hookimpl
def alert_register() -> Iterable[SourceSpec | TableSpec | CommandSpec]:
    """The formats, the tables of alerts.toml, and the command."""
    for name in SOURCES:
        module = Module(f"alert_gateway.sources.{name}")
        yield SourceSpec(name, module.parse, module.authenticate)
    yield TableSpec("gateway", GatewayTable)
    yield TableSpec("sources", dict[str, SourceTable], CHECK)
    yield TableSpec("heartbeats", dict[str, HeartbeatTable], CHECK)
    yield CommandSpec(
        "serve", "alert_gateway.cli:serve", "Take webhooks of monitoring tools, and show the status page."
    )


@hookimpl
def alert_delivery_succeeded(target: str) -> None:
    """Count it."""
    DELIVERED.add(target)


@hookimpl
def alert_delivery_failed(target: str, will_retry: bool) -> None:
    """Count it."""
    (RETRIED if will_retry else FAILED).add(target)


@hookimpl
def alert_dropped(reason: str) -> None:
    """Count it."""
    DROPPED.add(reason)
