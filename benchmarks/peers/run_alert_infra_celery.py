"""alert-infra's durable side: its CeleryAlertDispatcher, through a Redis server of our own with its defaults."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import work
from celery import Celery
from celery.contrib.testing.worker import start_worker

from alert_infra import Alert
from alert_infra.celery import CeleryAlertDispatcher


@contextlib.contextmanager
def application() -> Iterator[Any]:
    """A Celery application on a Redis server that is started for it."""
    with work.redis() as url:
        app = Celery(broker=url)
        app.conf.update(task_ignore_result=True, worker_hijack_root_logger=False)
        yield app
        app.close()


def enqueue(seconds: float) -> float:
    with application() as app:
        dispatcher = CeleryAlertDispatcher(celery_app=app, config={"FAIL_SILENTLY": False})
        return work.per_second(lambda fields: bool(dispatcher.send(Alert(**fields)).sent), seconds)


def drain(count: int) -> float:
    """From the first task that runs to the last; a worker in a thread, without a pool."""
    moments: list[float] = []
    ended = threading.Event()

    def deliver(payload: Any, **_: Any) -> None:  # noqa: ARG001 - it does nothing with it
        moments.append(time.perf_counter())
        if len(moments) == count:
            ended.set()

    with application() as app:
        app.task(name="alert_infra.dispatch_alert")(deliver)
        dispatcher = CeleryAlertDispatcher(celery_app=app, config={"FAIL_SILENTLY": False})
        for number in range(count):
            dispatcher.send(Alert(**work.fields(number)))
        with start_worker(app, pool="solo", loglevel="ERROR", queues=["alerts"], perform_ping_check=False):
            work.check(ended.wait(100))
        return (count - 1) / (moments[-1] - moments[0])


if __name__ == "__main__":
    work.main(globals())
