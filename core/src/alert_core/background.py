"""Work in a thread of its own; where none can start any more, it is done here."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar, cast

_T = TypeVar("_T")


def background(work: Callable[[], object], name: str) -> threading.Thread | None:
    """Start it; the thread to wait for, or None where it was done here."""
    thread = threading.Thread(target=work, name=f"alert-core-{name}", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        work()
        return None
    return thread


async def aside(loop: asyncio.AbstractEventLoop, work: Callable[[], _T]) -> _T:
    """What `work` returns or raises, while the event loop goes on."""
    future: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast("_T", result))

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - it is raised where it is awaited
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    background(run, "enqueue")
    return await future
