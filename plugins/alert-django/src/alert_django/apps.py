"""The app, as `INSTALLED_APPS` names it: `"alert_django"`."""

from __future__ import annotations

import logging
from typing import Any, Final

from django.apps import AppConfig
from django.core import checks
from django.core.signals import request_started, setting_changed
from django.db.models.signals import post_migrate

from alert_core import ConfigError
from alert_django import configuration, dispatchers
from alert_django.transactions import is_testing

_log = logging.getLogger(__name__)
_ONCE: Final = "alert_django.begin"


class AlertDjangoConfig(AppConfig):
    """Connects what Django tells of. It builds no dispatcher: each process has its own, from its first request on."""

    name = "alert_django"
    verbose_name = "Alerts"

    def ready(self) -> None:
        """Register the checks and the receivers."""
        from alert_django.checks import check_configuration, check_deployment

        dispatchers.provide()
        checks.register(check_configuration)
        checks.register(check_deployment, deploy=True)
        setting_changed.connect(_forget, dispatch_uid="alert_django.settings")
        post_migrate.connect(_make_tables, sender=self, dispatch_uid="alert_django.tables")
        request_started.connect(_begin, dispatch_uid=_ONCE)


def _forget(setting: str, **_: Any) -> None:
    if setting in configuration.SETTINGS:
        dispatchers.forget()


def _begin(**_: Any) -> None:
    """At a server process's first request: what an earlier one has left in the outbox is delivered from now on."""
    request_started.disconnect(dispatch_uid=_ONCE)
    if is_testing() or not configuration.set_names():
        return
    try:
        dispatchers.get_dispatcher()
    except ConfigError as error:
        _log.error("alerts cannot be sent:\n%s", error)


def _make_tables(using: str, **_: Any) -> None:
    """After `migrate`: bring the outbox's tables on this database to the installed version."""
    try:
        dispatcher = dispatchers.build_dispatcher(delivers=False)
    except ConfigError:
        return  # the checks, which ran before, have told
    if dispatcher is None:
        return
    with dispatcher:
        queue: Any = dispatcher.queue
        if getattr(queue, "using", None) == using:
            queue.make_tables()
