"""What the gateway's tests share: gateways on a memory target, and one that is served on a real socket."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import pytest
import uvicorn

import alert_gateway.plugin
from alert_core import Alert, Dispatcher
from alert_core.plugins import Plugins
from alert_gateway.asgi import Application
from alert_gateway.cli import Protocol
from alert_gateway.gateway import Gateway
from alert_gateway.messages import Request, Response

PATIENT = {"answer_within": 60.0}
"""A machine that stands still for a second is no fault of the gateway's."""


@attrs.define(eq=False)
class Asked:
    """A gateway under test, and what its one target got."""

    gateway: Gateway

    @property
    def dispatcher(self) -> Dispatcher:
        return self.gateway.dispatcher

    @property
    def alerts(self) -> list[Alert]:
        """What arrived at the target `memory`."""
        self.dispatcher.flush(60)
        found: list[Alert] = self.dispatcher.targets["memory"].alerts
        return found

    def ask(self, method: str, path: str, body: object = b"", **more: Any) -> Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.gateway.handle(Request(method=method, path=path, body=content, **more))

    def post(self, path: str, body: object = b"", **more: Any) -> tuple[int, Any]:
        """The status and the JSON of the answer."""
        response = self.ask("POST", path, body, **more)
        return response.status, json.loads(response.body)

    def metrics(self) -> dict[str, float]:
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        samples = [line.rpartition(" ") for line in lines if not line.startswith("#")]
        return {name: float(value) for name, _, value in samples}


Make = Callable[..., Asked]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes gateways: `make({"gateway": {…}}, plugin, clock=…)`, with a target `memory` where the tables have none."""
    made: list[Asked] = []

    def one(tables: Mapping[str, Any] | None = None, *plugins: object, clock: Any = None) -> Asked:
        tables = {"targets": {"memory": {"type": "memory"}}, **(tables or {})}
        tables["gateway"] = PATIENT | tables.get("gateway", {})
        dispatcher = Dispatcher.from_config(tables, plugins=Plugins([alert_gateway.plugin, *plugins]))
        try:
            made.append(Asked(Gateway(dispatcher, clock=clock)))
        except BaseException:
            dispatcher.close(0)
            raise
        return made[-1]

    yield one
    for asked in made:
        asked.gateway.close()
        asked.dispatcher.close(0)


@pytest.fixture
def asked(make: Make) -> Asked:
    """A gateway without any table of its own."""
    return make()


class Server:
    """An application on a socket of loopback, in a thread."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        options: Any = {"log_config": None, "access_log": False, "ws": "none", "timeout_graceful_shutdown": 5}
        config = uvicorn.Config(application, http=Protocol, lifespan="on", **options)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **more: Any
    ) -> tuple[int, dict[str, str], bytes]:
        """The status, headers and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}), **more)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(60)
        self._listener.close()
        assert not self._thread.is_alive()


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves a gateway: `serve(asked.gateway)`."""
    servers: list[Server] = []

    def one(gateway: Gateway, **options: Any) -> Server:
        servers.append(Server(Application(gateway, **options)))
        return servers[-1]

    yield one
    for server in servers:
        server.close()
