"""Let several processes deliver from one database: `python workers.py FOLDER WORKERS ALERTS [URL]`.

Prints what was delivered how often, and by how many of the processes, as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from alert_core import Alert, Dispatcher
from alert_core.testing import isolated_plugins
from alert_outbox import Outbox

KEYS = 20


class Provider:
    """Writes what arrives into a file, with the process that sent it."""

    name = "a"
    timeout = 120.0  # of a stalled machine, too: a lease that runs out is an attempt more, and rightly so

    def __init__(self, path: Path) -> None:
        self.path = path

    def send(self, alert: Alert) -> None:
        time.sleep(0.01)
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        os.write(file, f"{alert.title} {os.getpid()}\n".encode())
        os.close(file)


def dispatcher(options: dict[str, Any], path: Path, *, worker: bool) -> Dispatcher:
    return Dispatcher([Provider(path)], queue=Outbox(**options, worker=worker), plugins=isolated_plugins())


def main(folder: Path, workers: int, alerts: int, url: str | None) -> None:
    logging.disable()
    path = folder / "delivered"
    path.touch()
    options = {"url": url} if url else {"path": str(folder / "alerts.db")}
    with dispatcher(options, path, worker=False) as d:
        d.enqueue_many(Alert(f"n{number}", "m", dedup_key=f"key-{number % KEYS}") for number in range(alerts))
    pids = []
    for _ in range(workers):
        if pid := os.fork():
            pids.append(pid)
            continue
        d = dispatcher(options, path, worker=True)
        while len(path.read_text().splitlines()) < alerts:
            d.flush(1)
            time.sleep(0.02)  # what is left is another one's
        d.flush(120)
        d.close(120)
        os._exit(0)
    statuses = [os.waitpid(pid, 0)[1] for pid in pids]
    lines = [line.split() for line in path.read_text().splitlines()]
    keys: dict[int, list[int]] = {}
    for title, _ in lines:
        keys.setdefault(int(title[1:]) % KEYS, []).append(int(title[1:]))
    sys.stdout.write(
        json.dumps(
            {
                "statuses": statuses,
                "times": Counter(Counter(title for title, _ in lines).values()),
                "processes": len({pid for _, pid in lines}),
                "in_order": all(numbers == sorted(numbers) for numbers in keys.values()),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else None)
