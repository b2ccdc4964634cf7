"""One attempt of a transport: within its time, whatever the transport is and whatever it raises."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import operator
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from alert_core.alert import Alert
from alert_core.errors import DeliveryError, PermanentDeliveryError, UncertainDeliveryError
from alert_core.redaction import Redactor
from alert_core.text import number
from alert_core.transport import Receipt, attempt_ends, delivering

_MISTAKES: Final = (TypeError, AttributeError, NotImplementedError)


class Caller:
    """Calls one transport, any object with `send(alert)`; its coroutines run on an event loop of their own."""

    def __init__(self, transport: Any, name: str) -> None:
        self._transport = transport
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __call__(self, alert: Alert, recipient: str | None, limit: float) -> object:
        """Send, telling the transport that it has `limit` seconds; a coroutine is cancelled after them."""
        token = attempt_ends.set(time.monotonic() + limit)
        try:
            answer = self._transport.send(*((alert,) if recipient is None else (alert, recipient)))
            return self._awaited(answer, limit) if inspect.isawaitable(answer) else answer
        finally:
            attempt_ends.reset(token)

    def close(self, limit: float) -> None:
        """Close the transport, whatever it says, and end the event loop."""
        with contextlib.suppress(Exception):  # nothing is lost with a connection that does not close
            closed = getattr(self._transport, "close", lambda: None)()
            if inspect.isawaitable(closed):
                self._awaited(closed, limit)
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    def _awaited(self, answer: Awaitable[object], limit: float) -> object:
        async def run() -> object:
            return await answer

        try:
            loop = self._running_loop()
        except RuntimeError:  # no thread can start any more: this one will do
            return asyncio.run(asyncio.wait_for(run(), limit))
        future = asyncio.run_coroutine_threadsafe(run(), loop)
        try:
            return future.result(limit)
        except TimeoutError:
            if future.done():
                raise
            future.cancel()
            raise UncertainDeliveryError(f"no answer within {limit:g} s") from None

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                name = f"alert-core-{self._name}-loop"
                threading.Thread(target=_run_loop, args=(loop,), name=name, daemon=True).start()
                self._loop = loop
            return self._loop


def ended(
    attempt: Callable[[], object], recipient: str | None, redactor: Redactor
) -> tuple[Receipt | None, DeliveryError | None]:
    """Make the attempt, and give its receipt or its error, both masked. Any return value is a yes."""
    try:
        answer = attempt()
    except BaseException as error:  # noqa: BLE001 - a worker outlives whatever a transport raises
        return None, cleaned(error, redactor)
    receipt = answer if isinstance(answer, Receipt) else Receipt()
    identifier = None if receipt.id is None else str(redactor.redact(receipt.id))
    detail = redactor.redact(receipt.detail) if type(receipt.detail) is not dict or receipt.detail else {}
    return Receipt(identifier, recipient or receipt.recipient, detail if isinstance(detail, dict) else {}), None


def cleaned(error: BaseException, redactor: Redactor) -> DeliveryError:
    """What a transport raised, as a new DeliveryError: its text masked, without cause, context or traceback."""
    if not isinstance(error, DeliveryError):
        if isinstance(error, _MISTAKES):
            return PermanentDeliveryError(type(error).__name__)
        return UncertainDeliveryError(type(error).__name__)
    kind = _plain(type(error))
    try:
        copy = Exception.__new__(kind)
        DeliveryError.__init__(
            copy,
            redactor.text(str(error)),
            status=error.status if isinstance(error.status, int) else None,
            code=None if error.code is None else redactor.text(str(error.code)),
            retry_after=number(str(error.retry_after)),
        )
    except Exception:  # noqa: BLE001 - its text and its attributes are a plugin's code
        core = next(base for base in kind.__mro__ if base.__module__ == DeliveryError.__module__)
        return cast("type[DeliveryError]", core)(type(error).__name__)
    return copy


def _plain(kind: type[DeliveryError]) -> type[DeliveryError]:
    """The class itself, or the nearest base that shows an error's text and nothing else."""
    plain = (vars(BaseException)["__str__"], vars(BaseException)["__repr__"])
    shows: Any = operator.attrgetter("__str__", "__repr__")
    return next(base for base in kind.__mro__ if shows(base) == plain)


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    delivering.set(True)
    try:
        loop.run_forever()
        loop.run_until_complete(_cancel_others())
    finally:
        loop.close()


async def _cancel_others() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
