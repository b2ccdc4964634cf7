"""The durable queue of alert-core: SQLite by a path, PostgreSQL by a URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alert_outbox.outbox import Outbox

__all__ = ["Outbox"]


def __getattr__(name: str) -> Any:
    """Load SQLAlchemy when the queue is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'alert_outbox' has no attribute {name!r}")
    from alert_outbox import outbox

    return outbox.Outbox
