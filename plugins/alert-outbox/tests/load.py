"""Queue so many alerts and deliver some: `python load.py FOLDER ALERTS`. Prints resident kilobytes as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from alert_core import Alert, Dispatcher
from alert_core.queues import Dispatch, Part
from alert_core.testing import isolated_plugins
from alert_outbox import Outbox

DELIVERED, A_COMMIT = 100, 100
SIZE = 40_000_000
"""Characters of all their messages: what the limits of the test have no room for."""


class Provider:
    name = "a"
    count = 0

    def send(self, alert: Alert) -> None:
        self.count += 1


def resident() -> int:
    (line,) = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmRSS")]
    return int(line.split()[1])


def main(folder: Path, alerts: int) -> None:
    logging.disable()
    outbox = Outbox(path=str(folder / "alerts.db"), worker=False)
    provider = Provider()
    d = Dispatcher([provider], queue=outbox, plugins=isolated_plugins())
    d.enqueue(Alert("first", "m"))
    before = resident()
    kinds = [Alert("Disk full", "m" * (SIZE // alerts), dedup_key=f"{number}") for number in range(10)]
    now = time.time()

    def work(connection: Any, again: bool) -> None:
        for number in range(A_COMMIT):
            dispatch = Dispatch(id=uuid.uuid4().hex, alert=kinds[number % len(kinds)], parts=(Part("a"),))
            outbox.store.put(connection, dispatch, [(Part("a"), None)], now)

    for _ in range(alerts // A_COMMIT):  # this is about memory, not about the disk
        outbox.database.write(work)
    queued = resident()
    began = time.monotonic()
    outbox.start()
    while provider.count < DELIVERED:
        time.sleep(0.01)
    rate = DELIVERED / (time.monotonic() - began)
    delivered = resident()
    d.close(0)
    told = {"before": before, "queued": queued, "delivered": delivered, "rate": rate}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
