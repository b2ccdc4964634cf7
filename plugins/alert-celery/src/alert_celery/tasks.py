"""The task as Celery's autodiscovery finds it: with `alert_celery` in Django's INSTALLED_APPS, or among its packages.

It delivers with the process's default dispatcher, which is built when the first alert comes. Its name is that of
the option's default; for another one, call `share()`, or `alert_celery.register(app, dispatcher)`.
"""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task

from alert_celery.queue import TASK_NAME
from alert_celery.worker import OPTIONS, run

__all__ = ["deliver", "share"]


def share(name: str) -> Any:
    """Make the task one of every Celery app's, by this name."""

    def deliver(task: Task[..., Any], *args: Any, **kwargs: Any) -> str:
        """Make one delivery."""
        return run(task, None, args, kwargs)

    make: Any = shared_task
    return make(name=name, **OPTIONS)(deliver)


deliver = share(TASK_NAME)
