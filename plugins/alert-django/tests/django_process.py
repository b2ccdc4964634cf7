"""Programs of test_django_process.py, each in a process of its own: `python django_process.py NAME FOLDER`."""

import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import execute_from_command_line

FOLDER = Path(sys.argv[2])
OUTBOX: dict[str, Any] = {"deadline": 60, "targets": {"ops": {"type": "console"}}, "queue": {"type": "django"}}
sqlite = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": str(FOLDER / "project.db"),
    "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"},
}


def configure(alerts: Any, **more: Any) -> None:
    settings.configure(INSTALLED_APPS=["alert_django"], ALERTS=alerts, DATABASES={"default": sqlite}, **more)


def logs() -> None:
    """LOGGING names the handler, and something is logged before the apps are ready."""
    handlers = {"alerts": {"class": "alert_django.logging.AlertHandler", "level": "ERROR"}}
    config = {"version": 1, "handlers": handlers, "root": {"handlers": ["alerts"]}}
    configure({"targets": {"ops": {"type": "console"}}}, LOGGING=config, LOGGING_CONFIG="__main__.then_log")
    django.setup()
    logging.getLogger("shop").error("after the apps")


def then_log(config: dict[str, Any]) -> None:
    """As Django configures logging, and log at once."""
    logging.config.dictConfig(config)
    logging.getLogger("shop").error("before the apps")


def forks() -> None:
    """A server's workers are forks of what has sent already: each delivers what it sends."""
    configure(OUTBOX)
    django.setup()
    from alert_django import get_dispatcher, send_alert

    assert send_alert(title="parent", message="m").sent == ("ops",)
    if (child := os.fork()) == 0:
        status = 1
        try:
            status = 0 if send_alert(title="child", message="m").sent == ("ops",) else 1
            sys.stdout.flush()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert send_alert(title="parent again", message="m").sent == ("ops",)
    assert get_dispatcher().flush(60)


def leaves() -> None:
    """A process ends before it delivers."""
    configure({**OUTBOX, "queue": {"type": "django", "worker": False}})
    django.setup()
    from alert_django import send_alert

    assert send_alert(title="left behind", message="m").queued == ("ops",)


def serves() -> None:
    """A server's first request: what another process has left is delivered."""
    configure(OUTBOX, ROOT_URLCONF=__name__)
    django.setup()
    from django.core.signals import request_started

    from alert_core import default

    request_started.send(sender=None)
    assert default.get().flush(60)


def misconfigured() -> None:
    """A server's first request tells what is wrong, and is answered."""
    configure({"targets": {"ops": {"type": "slack"}}})
    django.setup()
    from django.core.signals import request_started

    request_started.send(sender=None)
    request_started.send(sender=None)


def pays() -> None:
    """Pay and alert without end, each in a transaction, of which every third is rolled back."""
    configure({**OUTBOX, "queue": {"type": "django", "worker": False}})
    django.setup()
    from django.db import connection, transaction

    from alert_django import send_alert

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS invoices (number INTEGER PRIMARY KEY)")
        cursor.execute("SELECT coalesce(max(number), 0) FROM invoices")
        number = cursor.fetchone()[0]
    while True:
        number += 1
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("INSERT INTO invoices VALUES (%s)", [number])
            send_alert(title=f"Invoice {number}", message="paid")
            if number % 3 == 0:
                transaction.set_rollback(True)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


def without() -> None:
    """No project at all: what needs one says so."""
    import alert_core

    queue = {"type": "django"}
    document = {"targets": {"mail": {"type": "django", "to_emails": ["ops@example.org"]}}, "queue": queue}
    try:
        alert_core.configure(document)
    except alert_core.ConfigError as error:
        sys.stdout.write(f"{error}\n")


def works() -> None:
    """A Celery worker of a project whose one app is `alert_django` delivers."""
    queue = {"type": "celery", "task_name": "shop.alert"}
    configure({"targets": {"ops": {"type": "memory"}}, "queue": queue}, CELERY_BROKER_URL="memory://")
    django.setup()
    os.environ["DJANGO_SETTINGS_MODULE"] = "__main__"  # by which Celery knows of Django
    from celery import Celery
    from celery.contrib.testing.worker import start_worker

    from alert_django import get_dispatcher, send_alert

    app = Celery("shop")
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.autodiscover_tasks()
    app.loader.import_default_modules()
    sys.stdout.write(f"{sorted(name for name in app.tasks if not name.startswith('celery.'))}\n")
    with start_worker(app, queues=["alerts"], perform_ping_check=False):
        assert send_alert(title="Invoice 1", message="paid").queued == ("ops",)
        alerts = get_dispatcher().targets["ops"].alerts
        ends = time.monotonic() + 60
        while not alerts and time.monotonic() < ends:
            time.sleep(0.01)
    sys.stdout.write(f"{[alert.title for alert in alerts]}\n")


def manages() -> None:
    """`manage.py` in a project without SECRET_KEY."""
    configure({"targets": {"ops": {"type": "console"}}})
    django.setup()
    for command in ("check", "migrate", "sendtestalert"):
        execute_from_command_line(["manage.py", command])


def refuses() -> None:
    """`manage.py` in a project whose settings are wrong."""
    configure({"targets": {"ops": {"type": "slack"}}})
    django.setup()
    for arguments in (["sendtestalert"], ["alertctl", "outbox", "status"]):
        try:
            execute_from_command_line(["manage.py", *arguments])
        except SystemExit as ended:
            sys.stdout.write(f"{arguments[0]} ended with {ended.code}\n")


def ends() -> None:
    """What was enqueued is delivered when the process ends."""
    configure({"targets": {"ops": {"type": "console"}}})
    django.setup()
    import alert_core

    alert_core.enqueue("at the end", "m")


urlpatterns: list[Any] = []
if __name__ == "__main__":
    import logging.config

    globals()[sys.argv[1]]()
