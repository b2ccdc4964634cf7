"""The ASGI application: `uvicorn alert_gateway.asgi:app`, or `create_app(dispatcher)` in an application of yours."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import parse_qsl

from alert_core import Dispatcher
from alert_core.default import config_path
from alert_gateway.batches import Batches
from alert_gateway.bodies import MAX_BODY, too_large
from alert_gateway.gateway import Gateway, overloaded
from alert_gateway.handling import THREADS, TOO_LONG, TOO_MANY
from alert_gateway.messages import RefusedError, Request, Response, problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MOST: Final = 512
"""Requests that are read, wait or are handled; to the next one the answer is 503."""
PATIENCE: Final = 30.0
"""Seconds that a sender has for its body."""
_DISCARDED: Final = 16 * MAX_BODY
"""Bytes beyond the limit that are read all the same, so that who still writes can read the answer."""
_MAX_FIELDS: Final = 100
_CLOSE: Final = {"connection": "close"}
"""Of an answer to a body that was not read to its end."""


class Application:
    """A gateway for an ASGI server. The dispatcher's work is done in threads; the event loop never waits for it.

    Args:
        gateway: what answers.
        owned: closed at the end: the dispatcher, where the application has made it.
        threads: requests that are handled at the same time, besides those that are handled together.
        most: requests under way, before others are told to come back.
    """

    def __init__(
        self, gateway: Gateway, *, owned: Dispatcher | None = None, threads: int = THREADS, most: int = MOST
    ) -> None:
        self.gateway = gateway
        self._owned = owned
        self._most = most
        self._busy = 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="alert-gateway")
        self._batches = Batches(gateway.handle_many)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request, or the server's start and end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:  # a WebSocket: refused
            await send({"type": "websocket.close", "code": 1008})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.gateway.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await asyncio.to_thread(self.close)
                await send({"type": "lifespan.shutdown.complete"})
                return

    def close(self) -> None:
        """Let what runs end, and flush what the application owns."""
        self._pool.shutdown()
        self._batches.close()
        self.gateway.close()
        if self._owned is not None:
            self._owned.close()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "/healthz" in scope["path"] and self.gateway.is_instant(request := _request(scope, b"")):
            await _send(self.gateway.handle(request), scope, send)
            return
        if self._busy >= self._most:
            await _send(overloaded(TOO_MANY), scope, send)
            return
        self._busy += 1
        self.gateway.start()  # where the server, or the application that it is in, tells of no start
        leave = contextlib.ExitStack()
        leave.callback(self._left)
        with leave:
            try:
                async with asyncio.timeout(PATIENCE):
                    body = await _body(receive)
            except TimeoutError:
                text = f"the body did not come within {PATIENCE:g} s"
                await _send(problem(408, text, _CLOSE), scope, send)
                return
            except RefusedError as error:
                await _send(problem(error.status, str(error), _CLOSE), scope, send)
                return
            if body is None:
                return  # who asked has gone
            response = await self._handled(_request(scope, body), leave)
        await _send(response, scope, send)

    async def _handled(self, request: Request, leave: contextlib.ExitStack) -> Response:
        """The answer, or a 503 where it takes longer than senders wait; what has begun counts until it ends."""
        if self.gateway.shares(request):
            handling = self._batches.submit(request)
            withdraw: Callable[[], bool] = functools.partial(self._batches.withdraw, handling)
        else:
            work = self._pool.submit(self.gateway.handle, request)
            handling, withdraw = asyncio.wrap_future(work), work.cancel
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.gateway.patience(request)):
                return await asyncio.shield(handling)
        if withdraw():
            return overloaded(TOO_MANY)
        late = leave.pop_all()
        handling.add_done_callback(lambda _: late.close())
        return overloaded(TOO_LONG)

    def _left(self) -> None:
        self._busy -= 1


def create_app(dispatcher: Dispatcher | None = None) -> Application:
    """The application.

    Args:
        dispatcher: default: one that is built from ALERT_CONFIG, `./alerts.toml` or the environment, and closed with
            the application. One that is given stays its owner's to close.

    Raises:
        ConfigError: the configuration is wrong.
    """
    if dispatcher is not None:
        return Application(Gateway(dispatcher))
    dispatcher = configured()
    try:
        return Application(Gateway(dispatcher), owned=dispatcher)
    except BaseException:
        dispatcher.close(0)
        raise


def configured() -> Dispatcher:
    """A dispatcher of ALERT_CONFIG, else of `./alerts.toml`, else of the environment.

    Raises:
        ConfigError: the configuration is wrong.
    """
    path = config_path()
    return Dispatcher.from_config(path) if path else Dispatcher.from_env()


def __getattr__(name: str) -> Any:
    """`app`, made when a server asks for it, in the process that serves."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    application = globals()["app"] = create_app()
    return application


def _request(scope: Scope, body: bytes) -> Request:
    headers: dict[str, str] = {}
    for raw, text in scope["headers"]:
        key, value = raw.decode("latin-1").lower(), text.decode("latin-1")
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    query = scope.get("query_string", b"").decode("latin-1")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        pairs = []
    path, root = scope["path"], scope.get("root_path", "")
    client = scope.get("client")
    return Request(
        method=scope["method"].upper(),
        path=path.removeprefix(root) if root else path,
        query=dict(pairs),
        headers=headers,
        body=body,
        peer=client[0] if client and client[0] else None,
    )


async def _body(receive: Receive) -> bytes | None:
    """The body; None where who asked has gone.

    Raises:
        RefusedError: it is too large, which is found while it is read.
    """
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        size += len(message.get("body", b""))
        if size <= MAX_BODY:
            chunks.append(message.get("body", b""))
        else:
            chunks.clear()
        if size > MAX_BODY + _DISCARDED:
            break
        if not message.get("more_body"):
            break
    if size > MAX_BODY:
        raise too_large()
    return b"".join(chunks)


async def _send(response: Response, scope: Scope, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else response.body
    await send({"type": "http.response.body", "body": body, "more_body": False})
