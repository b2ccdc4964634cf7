"""alert-core in Django: settings, send_alert, an e-mail transport, checks, the outbox on the project's database."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from alert_django.dispatchers import get_dispatcher
    from alert_django.logging import alert_on_error
    from alert_django.requests import request_metadata
    from alert_django.sending import asend_alert, send_alert
    from alert_django.transactions import outside_transaction

_MODULES: Final = {
    "alert_on_error": "alert_django.logging",
    "asend_alert": "alert_django.sending",
    "get_dispatcher": "alert_django.dispatchers",
    "outside_transaction": "alert_django.transactions",
    "request_metadata": "alert_django.requests",
    "send_alert": "alert_django.sending",
}
__all__ = ["alert_on_error", "asend_alert", "get_dispatcher", "outside_transaction", "request_metadata", "send_alert"]


def __getattr__(name: str) -> Any:
    """Load each name when it is first asked for: `INSTALLED_APPS` imports this package before Django is ready."""
    if name not in _MODULES:
        raise AttributeError(f"module 'alert_django' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
