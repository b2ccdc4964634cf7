"""What the page's tests share: gateways with targets that count, and a browser on one's page."""

import importlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import uvicorn

from alert_core import Alert, Dispatcher, Receipt, Secret
from alert_gateway.asgi import Application
from alert_gateway.config import GatewayTable
from alert_gateway.gateway import Gateway
from alert_gateway.messages import Request, Response
from alert_outbox import Outbox

PATIENCE = 60
JSON = {"content-type": "application/json", "host": "127.0.0.1"}


class Target:
    """Takes every alert, or raises its `error`."""

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name, self.error = name, error
        self.taken: list[str] = []

    def send(self, alert: Alert) -> Receipt:
        if self.error is not None:
            raise self.error
        self.taken.append(alert.title)
        return Receipt(id=f"{self.name}-{len(self.taken)}")


@attrs.frozen
class Answer:
    """A response, read."""

    response: Response

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def json(self) -> Any:
        return json.loads(self.response.body)


class Running:
    """A gateway, and a server for its page once that is asked for."""

    def __init__(self, dispatcher: Dispatcher, clock: Any) -> None:
        self.dispatcher = dispatcher
        self.gateway = Gateway(dispatcher, clock=clock)
        self.application = Application(self.gateway)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._listener: socket.socket | None = None

    def ask(self, method: str, path: str, value: Any = None, *, peer: str | None = "127.0.0.1", **more: Any) -> Answer:
        """The gateway's own answer, without a network."""
        headers: Mapping[str, str] = JSON | more.get("headers", {})
        body = more.get("body", b"" if value is None else json.dumps(value).encode())
        path, _, query = path.partition("?")
        pairs = dict(one.partition("=")[::2] for one in query.split("&") if one)
        request = Request(method=method, path=path, query=pairs, headers=headers, body=body, peer=peer)
        return Answer(self.gateway.handle(request))

    def post(self, title: str, message: str = "98 %", **fields: Any) -> str:
        """An alert comes in; its id."""
        value = {"title": title, "message": message, **fields}
        answer = self.ask("POST", "/alerts", value, headers={"x-api-key": "for-senders"})
        assert answer.status == 202, answer.json
        return str(answer.json["accepted"][0]["id"])

    def settle(self) -> None:
        """Wait until what is due has been tried."""
        assert self.dispatcher.flush(PATIENCE)

    def serve(self, port: int = 0) -> str:
        """Listen, and say where."""
        self._listener = socket.create_server(("127.0.0.1", port))
        config = uvicorn.Config(self.application, log_config=None, access_log=False, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})
        self._thread.start()
        return self.url

    @property
    def url(self) -> str:
        assert self._listener is not None
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def stop(self) -> None:
        """Listen no more."""
        if self._server and self._thread and self._listener:
            self._server.should_exit = True
            self._thread.join(PATIENCE)
            self._listener.close()
            self._server = self._thread = self._listener = None

    def close(self) -> None:
        """End all of it."""
        self.stop()
        self.application.close()
        self.dispatcher.close(0)


Run = Callable[..., Running]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """`run(Target("ops"), page_token="…")`: a gateway with an outbox, or with `durable=False` without one.

    Its figures are found out anew each time.
    """
    monkeypatch.setattr("alert_gateway.pagedata.FRESH", 0.0)
    monkeypatch.setattr("alert_gateway.pagedata.SHARE", 0.0)
    running: list[Running] = []

    def start(*targets: Target, durable: bool = True, token: str = "", page_token: Any = "", **more: Any) -> Running:
        clock = more.pop("gateway_clock", None)
        queue = more.pop("queue", None)
        if durable:
            queue = Outbox(path=str(tmp_path / f"alerts{len(running)}.db"))
        dispatcher = Dispatcher(targets, queue=queue, **more)
        shown = page_token if isinstance(page_token, tuple) else (page_token,) if page_token else ()
        table = GatewayTable(token=Secret(token) if token else (), page_token=tuple(map(Secret, shown)))
        dispatcher.tables = {"gateway": table}
        running.append(Running(dispatcher, clock))
        return running[-1]

    yield start
    for one in running:
        one.close()


@pytest.fixture(scope="session")
def target() -> type[Target]:
    """The class: tests import nothing of each other."""
    return Target


class Page:
    """The status page in a browser."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Load it, and wait for its first answer."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.driver.get(url)
        self.is_live()

    def is_live(self) -> None:
        """Wait until it says so."""
        self.until("document.getElementById('live')?.textContent === 'live'")

    def js(self, expression: str, *arguments: Any) -> Any:
        """The value of an expression; `arguments[0]` and so on are given."""
        return self.driver.execute_script(f"return ({expression})", *arguments)

    def until(self, expression: str, *arguments: Any) -> Any:
        """Wait until it is true."""
        wait = importlib.import_module("selenium.webdriver.support.wait").WebDriverWait
        return wait(self.driver, PATIENCE, poll_frequency=0.1).until(
            lambda _: self.js(expression, *arguments), f"{expression} {arguments}"
        )

    def shown(self, selector: str, text: str) -> None:
        """Wait until that text is there."""
        self.until("document.querySelector(arguments[0])?.innerText.includes(arguments[1])", selector, text)

    def text(self, selector: str) -> str:
        """What is shown there."""
        return str(self.js("document.querySelector(arguments[0]).innerText", selector))

    def click(self, selector: str) -> None:
        """Click, as a person does: where it is covered, that fails."""
        self.driver.find_element("css selector", selector).click()

    def type(self, selector: str, text: str) -> None:
        """Write into a field, in place of what it has."""
        field = self.driver.find_element("css selector", selector)
        field.clear()
        field.send_keys(text)

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        chains = importlib.import_module("selenium.webdriver.common.action_chains").ActionChains
        chains(self.driver).send_keys(*keys).perform()

    def titles(self, *expected: str) -> None:
        """Wait until the list has these, in this order."""
        rows = "JSON.stringify([...document.querySelectorAll('#list > li .title')].map(row => row.textContent))"
        self.until(f"{rows} === arguments[0]", json.dumps(expected, separators=(",", ":"), ensure_ascii=False))

    def asked(self) -> str:
        """The query of the address."""
        return str(self.js("decodeURIComponent(location.search)"))


@pytest.fixture
def page(run: Run, driver: Any) -> Iterator[Page]:
    """The browser; a test that leaves an error in its console fails. It lets go of the gateway before that ends."""
    del run  # asked for, so that it ends later
    driver.get_log("browser")
    yield Page(driver)
    log = driver.get_log("browser")
    complaints = [one for one in log if one["level"] == "SEVERE" and one["source"] != "network"]  # a 4xx is an answer
    driver.get("about:blank")
    driver.delete_all_cookies()
    assert complaints == []
