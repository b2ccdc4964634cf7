# ruff: noqa: INP001 - a program beside the distribution, no part of it
"""Pictures of the status page, by Debian's headless Chromium: `python screenshots.py FOLDER [--all]`.

Lets a day of alerts come in, through every sandboxed provider. Writes gateway-light.png, gateway-dark.png and
gateway-phone.png, for the documentation; with --all, every view, wide and on a phone, light and dark.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from typing import Any, Final

import uvicorn
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

from alert_core import Dispatcher
from alert_gateway.asgi import Application
from alert_gateway.gateway import Gateway
from alert_gateway.messages import Request
from alert_sandbox.server import Sandbox

WIDTHS: Final = {"wide": (1280, 940), "phone": (390, 844)}
SCHEMES: Final = ("light", "dark")
HOURS: Final = 24
ALERTS: Final[tuple[dict[str, Any], ...]] = (
    {"title": "Nightly backup done", "message": "42 GB in 18 min", "severity": "info", "source": "cron"},
    {"title": "Certificate of api.example.org ends in 12 days", "severity": "warning", "source": "certs"},
    {"title": "p99 of checkout is 2.4 s", "message": "for 10 min", "severity": "warning", "source": "checkout"},
    {"title": "Queue grows: mail", "message": "4,210 jobs wait", "severity": "warning", "source": "worker"},
    {"title": "Replica db2 lags 90 s", "severity": "error", "source": "db", "metadata": {"instance": "db2"}},
    {"title": "Espaço em disco quase cheio 💽", "message": "98 % de /var", "severity": "error", "source": "disco"},
    {"title": "Deploy of web failed", "message": "exit status 1", "severity": "error", "source": "github"},
    {"title": "web-3 does not answer", "severity": "critical", "source": "blackbox", "metadata": {"instance": "web-3"}},
)
BUSY: Final = (2, 1, 1, 0, 1, 0, 2, 3, 4, 3, 5, 4, 3, 6, 14, 9, 5, 4, 3, 2, 3, 4, 2, 3)
"""How many come in each hour."""
PAYMENTS: Final = {
    "title": "Payment provider timeout",
    "message": "No answer in 10 s from postgres://billing:Tr0ub4dor-demo@db1.internal:5432/payments\n"
    "retrying with Authorization: Bearer demo-9f8e7d6c5b4a39281706",
    "severity": "critical",
    "source": "billing",
    "tags": ["payments", "eu"],
    "url": "https://grafana.example.org/d/payments",
    "metadata": {"invoice_id": "INV-1001", "api_key": "demo-key-0123456789", "region": "eu-west"},
}
TIMES: Final = {
    "alerts": ("stored", "closed"),
    "deliveries": ("stored", "ended"),
    "events": ("notified", "first_seen", "last_seen"),
}
_SLOW: Final = (
    "UPDATE alert_outbox_deliveries SET ended = stored + ? * (0.4 + (id * 7919 % 97) / 60.0) WHERE target = ?"
)
_TOOK: Final = {"ops-slack": 0.21, "oncall-sms": 1.4, "pagerduty": 0.12, "mail": 0.45}


def configuration(sandbox: Sandbox, folder: Path) -> dict[str, Any]:
    """Four targets, three routes, and an outbox."""
    at = sandbox.environment()
    every = ["ops-slack", "oncall-sms", "pagerduty"]
    return {
        "targets": {
            "ops-slack": {"type": "slack", "webhook_url": at["ALERT_SLACK_WEBHOOK_URL"]},
            "oncall-sms": {
                "type": "castbrick",
                "api_key": "cb_demo",
                "api_url": at["ALERT_CASTBRICK_API_URL"],
                "to": ["+244923000000"],
                "sender_id": "Alerts",
            },
            "pagerduty": {"type": "pagerduty", "routing_key": "5a" * 16, "api_url": at["ALERT_PAGERDUTY_API_URL"]},
            "mail": {
                "type": "resend",
                "api_key": "re_demo",
                "api_url": at["ALERT_RESEND_API_URL"],
                "from_email": "alerts@example.org",
                "to_emails": ["ops@example.org"],
            },
        },
        "routes": [
            {"name": "critical", "match": {"severity": "critical"}, "targets": every},
            {"name": "errors", "match": {"severity": "error"}, "targets": ["ops-slack", "mail"]},
            {"name": "rest", "targets": ["ops-slack"], "repeat_every": "15m"},
        ],
        "queue": {"type": "outbox", "path": str(folder / "alerts.db")},
    }


def post(gateway: Gateway, alert: dict[str, Any]) -> str:
    """An alert comes in; its id."""
    body = json.dumps({"message": alert["title"], **alert}).encode()
    headers = {"content-type": "application/json", "host": "localhost"}
    request = Request(method="POST", path="/alerts", headers=headers, body=body, peer="127.0.0.1")
    return str(json.loads(gateway.handle(request).body)["accepted"][0]["id"])


def fill(sandbox: Sandbox, gateway: Gateway, database: Path) -> str:
    """Let a day of alerts come in; the id of the one to read."""
    dispatcher = gateway.dispatcher
    count = 0
    for hour, busy in enumerate(BUSY):
        with sqlite3.connect(database) as connection:
            for table, columns in TIMES.items() if hour else ():
                ago = ", ".join(f"{column} = {column} - 3600" for column in columns)
                connection.execute(f"UPDATE alert_outbox_{table} SET {ago}")  # noqa: S608 - of TIMES
        connection.close()
        for _ in range(busy):
            count += 1
            alert = ALERTS[(count * 5 + hour * 3) % len(ALERTS)]
            post(gateway, alert)
        dispatcher.flush(60)
    sandbox.fail("castbrick", "error")
    found = post(gateway, PAYMENTS)
    post(gateway, ALERTS[3])
    dispatcher.flush(60)
    post(gateway, {**ALERTS[4], "status": "resolved"})
    dispatcher.flush(60)
    with sqlite3.connect(database) as connection:
        for target, seconds in _TOOK.items():
            connection.execute(_SLOW, (seconds, target))
    connection.close()
    outbox: Any = dispatcher.queue
    outbox.silences.add({"source": "certs"}, author="Ana", reason="renewal is under way", lasts=7200.0)
    return found


@contextlib.contextmanager
def served(gateway: Gateway) -> Iterator[str]:
    """The gateway on a free port of loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(Application(gateway), log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@contextlib.contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Debian's Chromium without a window, and without a word to anyone but loopback."""
    options = webdriver.ChromeOptions()
    options.binary_location = which("chromium") or ""
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars", "disable-gpu"):
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options, Service(which("chromedriver") or ""))
    try:
        yield driver
    finally:
        driver.quit()


def look(driver: webdriver.Chrome, width: str, scheme: str) -> None:
    """Take a width and a colour scheme."""
    across, down = WIDTHS[width]
    metrics = {"width": across, "height": down, "deviceScaleFactor": 1, "mobile": width == "phone"}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def show(driver: webdriver.Chrome, url: str) -> None:
    """Load the page, and wait for what it shows."""
    driver.get("about:blank")
    driver.get(url)
    wanted = "#detail h2" if "alert=" in url else "#list li"
    wait = WebDriverWait(driver, 60)
    wait.until(lambda page: page.execute_script("return document.querySelector(arguments[0])", wanted))


def main(folder: Path, *, everything: bool = False) -> int:
    """Fill, look, and save."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as work,
        Sandbox() as sandbox,
        Dispatcher.from_config(configuration(sandbox, Path(work))) as dispatcher,
        contextlib.closing(Gateway(dispatcher)) as gateway,
    ):
        found = fill(sandbox, gateway, Path(work, "alerts.db"))
        views = {"alert": f"?alert={found}", "alerts": "", "failed": "?state=dead", "firing": "?view=firing"}
        views |= {"silences": "?view=silences", "dropped": "?view=dropped"}
        pictures = {f"gateway-{scheme}": ("wide", scheme, views["alert"]) for scheme in SCHEMES}
        pictures["gateway-phone"] = ("phone", "light", "")
        if everything:
            pictures = {f"{k}-{w}-{s}": (w, s, at) for w in WIDTHS for s in SCHEMES for k, at in views.items()}
        with served(gateway) as url, browser() as driver:
            for name, (width, scheme, query) in pictures.items():
                look(driver, width, scheme)
                show(driver, url + query)
                driver.save_screenshot(str(folder / f"{name}.png"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), everything="--all" in sys.argv))
