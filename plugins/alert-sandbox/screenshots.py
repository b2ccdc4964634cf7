# ruff: noqa: INP001 - a program beside the distribution, no part of it
"""Pictures of the page, by Debian's headless Chromium: `python screenshots.py FOLDER [--all]`.

Sends the tour through every installed transport first. Writes sandbox-light.png, sandbox-dark.png and
sandbox-phone.png, for the README; with --all, every kind of message, wide and on a phone, light and dark.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from shutil import which
from typing import Final

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

from alert_sandbox import tour
from alert_sandbox.server import Sandbox

WIDTHS: Final = {"wide": (1280, 860), "phone": (390, 844)}
SCHEMES: Final = ("light", "dark")


@contextmanager
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


def main(folder: Path, *, everything: bool = False) -> int:
    """Send, look, and save."""
    folder.mkdir(parents=True, exist_ok=True)
    with Sandbox() as sandbox, browser() as driver:
        with redirect_stdout(StringIO()):
            status = tour.main(sandbox, interactive=False)
        shown: dict[str, int] = {}  # of each kind the first, which has masked secrets in it
        for message in sandbox.messages():
            shown.setdefault(message.kind, message.id)
        first = next(iter(shown.values()))
        pictures = {f"sandbox-{scheme}": ("wide", scheme, shown.get("slack", first)) for scheme in SCHEMES}
        pictures["sandbox-phone"] = ("phone", "light", 0)
        if everything:
            kinds = {"inbox": 0, **shown}
            pictures = {f"{k}-{w}-{s}": (w, s, n) for w in WIDTHS for s in SCHEMES for k, n in kinds.items()}
        for name, (width, scheme, number) in pictures.items():
            look(driver, width, scheme)
            open_message(driver, sandbox, number)
            driver.save_screenshot(str(folder / f"{name}.png"))
    return status


def open_message(driver: webdriver.Chrome, sandbox: Sandbox, number: int) -> None:
    """Show a message; 0 is the inbox."""
    driver.get("about:blank")
    driver.get(f"{sandbox.url}/" + (f"#{number}" if number else ""))
    count = len(sandbox.messages())
    loaded = f"return document.getElementById('total')?.textContent === '{count} messages'"
    WebDriverWait(driver, 60).until(lambda page: page.execute_script(loaded))
    if number:
        scroll = "document.querySelector(`[data-id='${arguments[0]}']`).scrollIntoView({block: 'center'})"
        driver.execute_script(scroll, number)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), everything="--all" in sys.argv))
