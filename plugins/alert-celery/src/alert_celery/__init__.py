"""The distributed queue of alert-core: one Celery task a delivery, on Redis or RabbitMQ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alert_celery.queue import CeleryQueue
    from alert_celery.worker import register

__all__ = ["CeleryQueue", "register"]


def __getattr__(name: str) -> Any:
    """Load Celery when the queue is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'alert_celery' has no attribute {name!r}")
    from alert_celery import queue, worker

    return queue.CeleryQueue if name == "CeleryQueue" else worker.register
