"""The distributed queue: how fast alerts are enqueued through Celery, on a Redis server with its defaults."""

import work

from alert_celery import CeleryQueue
from alert_core import Alert, Dispatcher


class Nothing:
    """A target that is never called: no worker runs."""

    name = "nothing"

    def send(self, alert: Alert) -> None: ...


def enqueue(seconds: float) -> float:
    with work.redis() as url:
        queue = CeleryQueue(broker=url)
        with Dispatcher([Nothing()], queue=queue) as dispatcher:
            return work.per_second(lambda fields: dispatcher.enqueue(Alert(**fields)).stored, seconds)


if __name__ == "__main__":
    work.main(globals())
