"""Requests of frameworks that would let their senders wait: handled in threads, and answered in time."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final

from alert_gateway.gateway import Gateway, overloaded
from alert_gateway.messages import Request, Response

THREADS: Final = 32
"""Requests that are handled at the same time."""
TOO_MANY: Final = "too many requests are under way"
TOO_LONG: Final = "this takes too long; it may have been accepted all the same"


class Handling:
    """Threads of this process, made with its first request: after a fork a child has its own."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0

    def handle(self, gateway: Gateway, request: Request) -> Response:
        """As `gateway.handle()`; a 503 where that takes longer than the sender waits, while it goes on."""
        if gateway.is_instant(request):
            return gateway.handle(request)
        work = self._begun(gateway, request)
        wait([work], gateway.patience(request))
        return _answer(work)

    async def ahandle(self, gateway: Gateway, request: Request) -> Response:
        """As `handle()`; the event loop goes on meanwhile."""
        if gateway.is_instant(request):
            return gateway.handle(request)
        work = self._begun(gateway, request)
        await asyncio.wait({asyncio.wrap_future(work)}, timeout=gateway.patience(request))
        return _answer(work)

    def _begun(self, gateway: Gateway, request: Request) -> Future[Response]:
        if self._pool is None or self._process != os.getpid():
            self._pool, self._process = ThreadPoolExecutor(THREADS, thread_name_prefix="alert-gateway"), os.getpid()
        return self._pool.submit(gateway.handle, request)


def _answer(work: Future[Response]) -> Response:
    if work.done():
        return work.result()
    return overloaded(TOO_MANY if work.cancel() else TOO_LONG)
