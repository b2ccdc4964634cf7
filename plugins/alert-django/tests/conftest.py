"""What alert-django's tests share: Django's settings, and a database of each kind in the place of the default one.

Tests of other distributions run in the same process and may have configured Django before: each test here begins with
settings of its own, and leaves Django and alert_core as it found them.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.signals import request_started
from django.db import connections
from django.test import override_settings

from alert_core import Alert, default
from alert_django import dispatchers, get_dispatcher

HERE = Path(__file__).parent
SETTINGS: dict[str, Any] = {
    "INSTALLED_APPS": ["alert_django"],
    "ALLOWED_HOSTS": ["testserver"],
    "ROOT_URLCONF": "django_urls",
    "USE_TZ": True,
    "MIDDLEWARE": [],
    "ADMINS": [],
    "DEFAULT_FROM_EMAIL": "alerts@example.org",
    "TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [str(HERE / "templates")]}],
    "ALERTS": None,
    "ALERT_INFRA": None,
    "FEATURE_FLAG_INFRA": None,
}
if django.VERSION >= (6, 1):
    SETTINGS["MAILERS"] = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
else:
    SETTINGS["EMAIL_BACKEND"] = "django.core.mail.backends.locmem.EmailBackend"
MEMORY: dict[str, Any] = {"targets": {"ops": {"type": "memory"}}}
Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Django with these settings, whoever has configured it; no database, and nothing of the environment's."""
    if not settings.configured:
        settings.configure(SECRET_KEY="for tests", USE_TZ=True)  # as any distribution's tests may
        django.setup()
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setenv("ALERT_CONFIG", "")
    for name in [name for name in os.environ if name.startswith("ALERT_") and name != "ALERT_CONFIG"]:
        monkeypatch.delenv(name)
    before = default.replace(None)
    with override_settings(**SETTINGS):
        request_started.disconnect(dispatch_uid="alert_django.begin")  # its own test connects it
        yield
        dispatchers.forget()
    default.provide(None)
    default.replace(before)


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Sets settings until the test ends: `configure(ALERTS={...})`; with a deadline for busy machines."""
    with ExitStack() as stack:

        def change(**changes: Any) -> None:
            if isinstance(alerts := changes.get("ALERTS"), dict):
                changes["ALERTS"] = {"deadline": 60, **alerts}
            stack.enter_context(override_settings(**changes))

        yield change


@pytest.fixture
def use_mail(configure: Configure) -> Callable[..., None]:
    """Sets the mail backend, by the settings that this Django has: `use_mail("smtp", host="mail.example.org")`."""

    def use(backend: str, **options: Any) -> None:
        path = backend if "." in backend else f"django.core.mail.backends.{backend}.EmailBackend"
        if django.VERSION >= (6, 1):
            configure(MAILERS={"default": {"BACKEND": path, "OPTIONS": options}})
        else:
            configure(EMAIL_BACKEND=path, **{f"EMAIL_{name.upper()}": value for name, value in options.items()})

    return use


@pytest.fixture
def sent(configure: Configure) -> Callable[[], list[Alert]]:
    """What has arrived at the target `ops`, of kind memory."""
    configure(ALERTS=MEMORY)

    def alerts() -> list[Alert]:
        dispatcher = get_dispatcher()
        assert dispatcher.flush(60)
        found: list[Alert] = dispatcher.targets["ops"].alerts
        return found

    return alerts


def _database(kind: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    if kind == "sqlite":
        path: Path = request.getfixturevalue("tmp_path") / "project.db"
        options: dict[str, Any] = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": options}
    schema = request.getfixturevalue("postgresql_schema")
    options = {"options": f"-csearch_path={schema.name}"}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "tests",
        "HOST": schema.host,
        "OPTIONS": options,
    }


def use_database(database: dict[str, Any]) -> Iterator[None]:
    """Put a database into the place of the default one."""
    before = connections.databases["default"]
    for one in ({"default": {**database}}, {"default": before}):
        connections["default"].close()
        del connections["default"]
        if one["default"] is not before:
            connections.databases.update(connections.configure_settings(one))
            yield
            dispatchers.forget()
        else:
            connections.databases.update(one)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgres"))])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty default database with the outbox's tables and one of `invoices`, of each kind in its turn; its kind."""
    change = use_database(_database(request.param, request))
    next(change)
    with override_settings(ALERTS={**MEMORY, "deadline": 60, "queue": {"type": "django"}}):
        call_command("migrate", verbosity=0)
        with connections["default"].cursor() as cursor:
            cursor.execute("CREATE TABLE invoices (number INTEGER PRIMARY KEY)")
        yield request.param
        connections["default"].close()
    next(change, None)
