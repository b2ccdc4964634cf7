"""What tests need: of an application that sends alerts, and of a plugin that delivers them.

`TransportContract` and the fixtures in `alert_core.testing.fixtures` need `alert-core[testing]` (pytest, trustme); the
rest needs nothing more than alert-core.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alert_core.builtin import MemoryTransport
    from alert_core.testing.capture import Captured, capture_alerts
    from alert_core.testing.contract import TransportContract
    from alert_core.testing.fakes import FlakyTransport, isolated_plugins
    from alert_core.testing.httpserver import HttpStandIn
    from alert_core.testing.replies import CANARY, Fault, ProviderReplies, Received, Reply
    from alert_core.testing.smtpserver import SmtpStandIn
    from alert_core.testing.standin import StandIn
    from alert_core.testing.virtualclock import VirtualClock

_MODULES = {
    "alert_core.builtin": ("MemoryTransport",),
    "alert_core.testing.capture": ("Captured", "capture_alerts"),
    "alert_core.testing.contract": ("TransportContract",),
    "alert_core.testing.fakes": ("FlakyTransport", "isolated_plugins"),
    "alert_core.testing.httpserver": ("HttpStandIn",),
    "alert_core.testing.replies": ("CANARY", "Fault", "ProviderReplies", "Received", "Reply"),
    "alert_core.testing.smtpserver": ("SmtpStandIn",),
    "alert_core.testing.standin": ("StandIn",),
    "alert_core.testing.virtualclock": ("VirtualClock",),
}
_LAZY = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "CANARY",
    "Captured",
    "Fault",
    "FlakyTransport",
    "HttpStandIn",
    "MemoryTransport",
    "ProviderReplies",
    "Received",
    "Reply",
    "SmtpStandIn",
    "StandIn",
    "TransportContract",
    "VirtualClock",
    "capture_alerts",
    "isolated_plugins",
]


def __getattr__(name: str) -> Any:
    """Load each name when it is first asked for: most need no pytest."""
    if name not in _LAZY:
        raise AttributeError(f"module 'alert_core.testing' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
