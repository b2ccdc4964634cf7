"""Requests that share a commit: a thread takes all that wait, while another one's commit is on its way to the disk."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from alert_gateway.messages import Request, Response

THREADS: Final = 2
MOST: Final = 64
"""Requests of one batch."""
_log = logging.getLogger(__name__)
_Waiting = list[tuple[Request, "asyncio.Future[Response]"]]


class Batches:
    """Threads of an event loop that handle together what has come meanwhile.

    Args:
        handle: answers several requests, in their order.
    """

    def __init__(self, handle: Callable[[Sequence[Request]], Sequence[Response]]) -> None:
        self._handle = handle
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="alert-gateway-batch")
        self._lock = threading.Lock()
        self._waiting: _Waiting = []
        self._running = 0

    def submit(self, request: Request) -> asyncio.Future[Response]:
        """What will be the answer."""
        answer = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.append((request, answer))
            starts = self._running < THREADS
            self._running += starts
        if starts:
            self._pool.submit(self._run)
        return answer

    def withdraw(self, answer: asyncio.Future[Response]) -> bool:
        """Take a request back, by what would be its answer; false where it is handled already."""
        with self._lock:
            left = [one for one in self._waiting if one[1] is not answer]
            found = len(left) < len(self._waiting)
            self._waiting = left
        return found

    def close(self) -> None:
        """Let what waits be handled, and end the threads."""
        self._pool.shutdown()

    def _run(self) -> None:
        while batch := self._next():
            try:
                responses = self._handle([request for request, _ in batch])
            except BaseException as error:  # noqa: BLE001 - the thread outlives it, and nobody waits in vain
                _log.error("a batch of requests failed (%s)", type(error).__name__)
                responses = ()
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
                batch[0][1].get_loop().call_soon_threadsafe(_settle, batch, responses)

    def _next(self) -> _Waiting:
        with self._lock:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            self._running -= not batch
        return batch


def _settle(batch: _Waiting, responses: Sequence[Response]) -> None:
    for (_, answer), response in itertools.zip_longest(batch, responses):
        if answer.cancelled():
            continue
        if response is None:
            answer.set_exception(RuntimeError("the request could not be handled"))
        else:
            answer.set_result(response)
