"""Enqueue before and after a fork: `python celery_fork.py BROKER QUEUE TITLE`."""

import os
import sys

from alert_celery import CeleryQueue
from alert_core import Alert, Dispatcher
from alert_core.testing import MemoryTransport, isolated_plugins


def main(broker: str, queue: str, title: str) -> None:
    celery = CeleryQueue(broker=broker, queue=queue)
    dispatcher = Dispatcher([MemoryTransport(name="ops")], queue=celery, plugins=isolated_plugins())
    dispatcher.enqueue(Alert(f"{title} before", "m"))
    child = os.fork()
    if not child:
        dispatcher.enqueue(Alert(f"{title} child", "m"))
        dispatcher.close()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    dispatcher.enqueue(Alert(f"{title} parent", "m"))
    dispatcher.close()
    sys.exit(status)


if __name__ == "__main__":
    main(*sys.argv[1:])
