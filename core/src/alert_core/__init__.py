"""Deliver alerts through every channel, without losing one and without leaking a secret.

import alert_core

report = alert_core.send("Payment provider timeout", "No answer in 10 s", severity="critical")
report.raise_for_failures()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from alert_core.alert import Alert, Severity, Status
from alert_core.errors import (
    AlertError,
    AlertValidationError,
    ConfigError,
    DeliveryError,
    PermanentDeliveryError,
    PluginError,
    QueueError,
    QueueFull,
    RetryableDeliveryError,
    UncertainDeliveryError,
)
from alert_core.redaction import REDACTED, Redactor, redact

if TYPE_CHECKING:
    from alert_core.default import asend, configure, enqueue, flush, send
    from alert_core.dispatcher import Dispatcher
    from alert_core.hookspecs import hookimpl
    from alert_core.logging import alert_on_error
    from alert_core.report import Delivery, DeliveryReport, Ticket
    from alert_core.retry import RetryPolicy
    from alert_core.routing import Route
    from alert_core.specs import (
        CommandSpec,
        ProcessorSpec,
        QueueSpec,
        RedactorSpec,
        SourceSpec,
        TableSpec,
        TransportSpec,
    )
    from alert_core.transport import Receipt, Secret, Transport, option

_MODULES = {
    "default": ("asend", "configure", "enqueue", "flush", "send"),
    "dispatcher": ("Dispatcher",),
    "hookspecs": ("hookimpl",),
    "logging": ("alert_on_error",),
    "report": ("Delivery", "DeliveryReport", "Ticket"),
    "retry": ("RetryPolicy",),
    "routing": ("Route",),
    "specs": ("CommandSpec", "ProcessorSpec", "QueueSpec", "RedactorSpec", "SourceSpec", "TableSpec", "TransportSpec"),
    "transport": ("Receipt", "Secret", "Transport", "option"),
}
_LAZY = {name: f"alert_core.{module}" for module, names in _MODULES.items() for name in names}

__all__ = [
    "REDACTED",
    "Alert",
    "AlertError",
    "AlertValidationError",
    "CommandSpec",
    "ConfigError",
    "Delivery",
    "DeliveryError",
    "DeliveryReport",
    "Dispatcher",
    "PermanentDeliveryError",
    "PluginError",
    "ProcessorSpec",
    "QueueError",
    "QueueFull",
    "QueueSpec",
    "Receipt",
    "Redactor",
    "RedactorSpec",
    "RetryPolicy",
    "RetryableDeliveryError",
    "Route",
    "Secret",
    "Severity",
    "SourceSpec",
    "Status",
    "TableSpec",
    "Ticket",
    "Transport",
    "TransportSpec",
    "UncertainDeliveryError",
    "alert_on_error",
    "asend",
    "configure",
    "enqueue",
    "flush",
    "hookimpl",
    "option",
    "redact",
    "send",
]


def __getattr__(name: str) -> Any:
    """Load what stands above the alert when it is first asked for, so that `import alert_core` stays quick."""
    if name not in _LAZY:
        raise AttributeError(f"module 'alert_core' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
