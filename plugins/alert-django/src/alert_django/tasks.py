"""alert-celery's task, found by Celery's autodiscovery with `alert_django` in INSTALLED_APPS."""

from __future__ import annotations

from importlib.util import find_spec

from alert_django import configuration

if find_spec("alert_celery"):
    from alert_celery.tasks import share

    if name := configuration.task_name():
        share(name)
