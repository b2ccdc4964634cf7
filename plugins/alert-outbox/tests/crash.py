"""End a process at each named point, in each way, and let another one go on: `python crash.py FOLDER [URL]`.

Prints, for each point and way, what was delivered in all, as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alert_core import Alert, Dispatcher
from alert_core.queues import Clock, Dispatch, Stored
from alert_core.testing import isolated_plugins
from alert_outbox import Outbox

WAYS: dict[str, Callable[[], None]] = {
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "os._exit": lambda: os._exit(3),
}
POINTS = ("before the commit", "after the commit, before the return", "after the lease", "after the answer")


class LaterClock(Clock):
    """A minute later: the leases of the dead have run out."""

    def time(self) -> float:
        return time.time() + 60


class DyingOutbox(Outbox):
    """Ends the process in `put()`."""

    point = ""
    way = ""

    def put(self, dispatch: Dispatch) -> Stored:
        if self.point == "before the commit":
            self.database.transaction = self.dying  # type: ignore[method-assign]
        stored = super().put(dispatch)
        if self.point == "after the commit, before the return":
            WAYS[self.way]()
        return stored

    def dying(self, connection: Any) -> Any:
        connection.execute("BEGIN")

        class Dying:
            def __enter__(self) -> None: ...

            def __exit__(self, *_: object) -> None:
                WAYS[DyingOutbox.way]()

        return Dying()


class Provider:
    """Writes what arrives into a file; ends the process before or after that."""

    name = "a"

    def __init__(self, path: Path, point: str = "", way: str = "") -> None:
        self.path, self.point, self.way = path, point, way

    def send(self, alert: Alert) -> None:
        if self.point == "after the lease":
            WAYS[self.way]()
        with self.path.open("a") as file:
            file.write(f"{alert.title}\n")
        if self.point == "after the answer":
            WAYS[self.way]()


def first(options: dict[str, Any], path: Path, point: str, way: str) -> None:
    """Enqueue, and end there."""
    DyingOutbox.point, DyingOutbox.way = point, way
    has_worker = point in {"after the lease", "after the answer"}
    outbox = DyingOutbox(**options, worker=has_worker)
    d = Dispatcher([Provider(path, point, way)], queue=outbox, plugins=isolated_plugins())
    d.enqueue(Alert("t", "m"))
    time.sleep(60)


def second(options: dict[str, Any], path: Path) -> None:
    """Deliver what is there, and look a second time whether anything is left."""
    outbox = Outbox(**options)
    d = Dispatcher([Provider(path)], queue=outbox, plugins=isolated_plugins(), clock=LaterClock())
    d.flush(60)
    d.flush(60)
    d.close(10)


def forked(work: Callable[[], None]) -> int:
    """Run it in a child; how it ended: its status, or minus a signal."""
    pid = os.fork()
    if not pid:
        try:
            work()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(folder: Path, url: str | None) -> None:
    """Every point in every way."""
    logging.disable()
    results = []
    for point in POINTS:
        for way in WAYS:
            path = folder / f"{point}-{way}"
            path.touch()
            options = {"url": url} if url else {"path": f"{path}.db"}
            status = forked(lambda: first(options, path, point, way))  # noqa: B023 - called at once
            forked(lambda: second(options, path))  # noqa: B023 - as above
            results.append({"point": point, "way": way, "status": status, "delivered": path.read_text().split()})
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
