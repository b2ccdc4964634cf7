"""System checks: `manage.py check` shows every fault of the configuration, with its place and no value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's own name
from django.db import connections
from django.template import TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import get_template
from django.views.debug import get_default_exception_reporter_filter

from alert_core import ConfigError, Dispatcher
from alert_core.errors import Fault
from alert_django import configuration, dispatchers, legacy
from alert_django.mail import DjangoTransport, backend_of

_SILENT: Final = {"noop", "memory", "console"}
_TEST_MAIL: Final = tuple(f"django.core.mail.backends.{name}." for name in ("console", "dummy", "filebased", "locmem"))


def check_configuration(app_configs: object, **_: Any) -> list[CheckMessage]:  # noqa: ARG001 - Django's signature
    """E001 for each fault; W001 to W005 for what is read, and hardly meant."""
    if not configuration.set_names():
        return []
    found: list[CheckMessage] = list(_of_old_settings())
    try:
        dispatcher = dispatchers.build_dispatcher(delivers=False)
    except ConfigError as error:
        return [*found, *(Error(str(one), hint=_hint(one), id="alert_django.E001") for one in error.faults)]
    if dispatcher is None:
        return found
    with dispatcher:
        return [*found, *_of_templates(dispatcher), *_of_sqlite(dispatcher), *_of_error_reports(dispatcher)]


def check_deployment(app_configs: object, **_: Any) -> list[CheckMessage]:  # noqa: ARG001 - Django's signature
    """W101, W102: in production, nobody would hear of an alert."""
    try:
        dispatcher = dispatchers.build_dispatcher(delivers=False)
    except ConfigError:
        return []  # the other check tells
    if dispatcher is None:
        return []
    with dispatcher:
        return list(_of_silence(dispatcher))


def _hint(fault: Fault) -> str | None:
    if "alert_outbox" in fault.message:
        return 'The queue "django" is alert-outbox: pip install "alert-django[outbox]".'
    is_option = "unknown option" in fault.message and ": targets." in fault.path
    return "See `alertctl plugins KIND` for its options." if is_option else None


def _of_old_settings() -> Iterable[CheckMessage]:
    found = configuration.set_names()
    if len(found) > 1:
        yield Warning(f"{', '.join(found[1:])}: not read, since {found[0]} is set.", id="alert_django.W001")
    given = getattr(settings, found[0])
    if found[0] not in legacy.SETTINGS or not isinstance(given, dict):
        return
    for place, hint in legacy.unknown_keys(given):
        yield Warning(f"{found[0]}{place}: nothing reads this key.", hint=hint, id="alert_django.W002")
    if not given.get("REDACT_SENSITIVE_DATA", True):
        yield Warning(
            f'{found[0]}["REDACT_SENSITIVE_DATA"]: alerts are masked all the same.',
            hint='For keys that only look like a credential\'s, ALERTS has {"redaction": {"safe_keys": [...]}}.',
            id="alert_django.W003",
        )


def _of_templates(dispatcher: Dispatcher) -> Iterable[CheckMessage]:
    for name, target in dispatcher.targets.items():
        for option in ("subject_template", "body_template", "html_template"):
            template = getattr(target, option, None) if isinstance(target, DjangoTransport) else None
            try:
                get_template(template) if template else None
            except (TemplateDoesNotExist, TemplateSyntaxError) as error:
                yield Error(
                    f"targets.{name}.{option}: {type(error).__name__}",
                    hint="Until it is there and renders, the mail says the usual instead.",
                    id="alert_django.E002",
                )


def _of_sqlite(dispatcher: Dispatcher) -> Iterable[CheckMessage]:
    alias = getattr(dispatcher.queue, "using", None)
    if alias is None or connections[alias].vendor != "sqlite":
        return
    mode = str(connections[alias].settings_dict["OPTIONS"].get("transaction_mode") or "")
    if mode.upper() not in {"IMMEDIATE", "EXCLUSIVE"}:
        yield Warning(
            f'DATABASES["{alias}"]["OPTIONS"]["transaction_mode"]: a transaction that reads first may find the '
            "database locked when it sends an alert.",
            hint='Set it to "IMMEDIATE", as Django recommends for SQLite in production.',
            id="alert_django.W004",
        )


def _of_error_reports(dispatcher: Dispatcher) -> Iterable[CheckMessage]:
    name = configuration.set_names()[0]
    cleanse = getattr(get_default_exception_reporter_filter(), "cleanse_setting", None)
    shown = cleanse and cleanse(name, getattr(settings, name))
    is_old = name in legacy.SETTINGS
    for place in _exposed(shown, dispatcher.redactor.redact(shown), name):
        yield Warning(
            f"{place}: a credential, which Django's debug page and its mails to ADMINS show.",
            hint="Leave it out, and set its environment variable." if is_old else 'Write "env:NAME" in its place.',
            id="alert_django.W005",
        )


def _exposed(shown: Any, masked: Any, place: str) -> Iterable[str]:
    """Where a part of a setting, as Django's error reports show it, is what alerts would mask."""
    if isinstance(shown, Mapping) and isinstance(masked, Mapping):
        for key, value in shown.items():
            yield from _exposed(value, masked.get(str(key)), f'{place}["{key}"]')
    elif isinstance(shown, list | tuple) and isinstance(masked, list):
        for index, (value, other) in enumerate(zip(shown, masked, strict=False)):
            yield from _exposed(value, other, f"{place}[{index}]")
    elif isinstance(shown, str) and shown != masked and not shown.startswith(("env:", "file:", "*****")):
        yield place


def _of_silence(dispatcher: Dispatcher) -> Iterable[CheckMessage]:
    kinds = {str(getattr(target, "kind", "")) for target in dispatcher.targets.values()}
    if kinds <= _SILENT:
        yield Warning(
            "No alert reaches anybody: there are only targets of the kinds noop, memory and console.",
            id="alert_django.W101",
        )
    backends = {backend_of(target) for target in dispatcher.targets.values() if isinstance(target, DjangoTransport)}
    for backend in sorted(backends):
        if backend.startswith(_TEST_MAIL):
            yield Warning(f"Alerts by mail reach nobody: {backend} sends none.", id="alert_django.W102")
