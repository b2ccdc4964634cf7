"""A worker of the tests: `celery -A celery_worker_app worker`. What it delivers, it tells the test, which answers.

CELERY_TEST has its settings as JSON: `provider`, the port of the test; `queue`, the options of the CeleryQueue; `conf`,
settings of its Celery app.
"""

import json
import os
import signal
import socket
from typing import Any

from alert_celery import CeleryQueue, register
from alert_core import (
    Alert,
    Dispatcher,
    PermanentDeliveryError,
    Receipt,
    RetryableDeliveryError,
    RetryPolicy,
    UncertainDeliveryError,
    hookimpl,
)
from alert_core.testing import isolated_plugins

SETTINGS = json.loads(os.environ["CELERY_TEST"])
ERRORS = {"retryable": RetryableDeliveryError, "permanent": PermanentDeliveryError, "uncertain": UncertainDeliveryError}


def ask(**told: Any) -> Any:
    """Tell the test, and return its answer."""
    with socket.create_connection(("127.0.0.1", SETTINGS["provider"]), 60) as connection:
        stream = connection.makefile("rw")
        stream.write(json.dumps(told | {"pid": os.getpid()}) + "\n")
        stream.flush()
        line = stream.readline()
        stream.close()
    return json.loads(line)


class Provider:
    """A transport whose provider is the test."""

    timeout = 60.0

    def __init__(self, name: str, **options: Any) -> None:
        self.name = name
        vars(self).update(options)

    def send(self, alert: Alert, recipient: str | None = None) -> Receipt:
        answer = ask(event="sent", target=self.name, recipient=recipient, alert=alert.to_dict())
        if answer.get("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if error := ERRORS.get(answer.get("error")):
            raise error("as the test says", retry_after=answer.get("retry_after"))
        return Receipt()


class Watch:
    """Tells the test what the observers hear."""

    @hookimpl
    def alert_delivery_failed(self, alert: Alert, target: str, attempt: int, will_retry: bool) -> None:
        ask(event="failed", title=alert.title, target=target, attempt=attempt, will_retry=will_retry)

    @hookimpl
    def alert_dropped(self, alert: Alert, reason: str, dropped_by: str) -> None:
        ask(event="dropped", title=alert.title, reason=reason, dropped_by=dropped_by)


dispatcher = Dispatcher(
    [
        Provider("ops"),
        Provider("once", retry=RetryPolicy(retry_uncertain=False)),
        Provider("team", recipients_option="to", to=("ana", "rui")),
    ],
    queue=CeleryQueue(**SETTINGS["queue"]),
    plugins=isolated_plugins(Watch()),
)
app = dispatcher.queue.celery  # type: ignore[union-attr]  # it has the queue given above
app.conf.update(SETTINGS.get("conf", {}))
register(app, dispatcher)
