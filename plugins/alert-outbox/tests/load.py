"""Queue a hundred thousand alerts and deliver some: `python load.py FOLDER`. Prints resident kilobytes as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from alert_core import Alert, Dispatcher
from alert_core.testing import isolated_plugins
from alert_outbox import Outbox

QUEUED, DELIVERED, A_COMMIT = 100_000, 500, 10_000


class Provider:
    name = "a"
    count = 0

    def send(self, alert: Alert) -> None:
        self.count += 1


def resident() -> int:
    (line,) = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmRSS")]
    return int(line.split()[1])


def main(folder: Path) -> None:
    logging.disable()
    outbox = Outbox(path=str(folder / "alerts.db"), worker=False)
    provider = Provider()
    d = Dispatcher([provider], queue=outbox, plugins=isolated_plugins())
    d.enqueue(Alert("first", "m"))
    before = resident()
    body = json.dumps(Alert("Disk full", "m" * 200).to_dict())
    sql, now = outbox.store.sql, time.time()

    def work(connection: Any, again: bool) -> None:
        for _ in range(A_COMMIT):
            ids = {"dispatch_": uuid.uuid4().hex, "order_key_": uuid.uuid4().hex}
            sql.insert_alert.run(connection, id_=ids["dispatch_"], alert_id_="x", body_=body, stored_=now, open_=1)
            sql.insert_delivery.run(
                connection,
                **ids,
                position_=0,
                bucket_=None,
                rank_=2,
                target_="a",
                recipient_=None,
                due_=now,
                stored_=now,
            )

    for _ in range(QUEUED // A_COMMIT):  # this is about memory, not about the disk
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
    main(Path(sys.argv[1]))
