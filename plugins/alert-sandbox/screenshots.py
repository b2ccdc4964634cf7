# ruff: noqa: INP001 - a program beside the distribution, no part of it
"""Pictures of the page, by Debian's headless Chromium: `python screenshots.py FOLDER`, as `nox -s screenshots` does.

Sends the tour through every installed transport first. Writes inbox.png (for the README), and each kind of message in a
wide and a phone's width, in light and dark.
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


def main(folder: Path) -> int:
    """Send, look, and save."""
    folder.mkdir(parents=True, exist_ok=True)
    with Sandbox() as sandbox, browser() as driver:
        with redirect_stdout(StringIO()):
            status = tour.main(sandbox, interactive=False)
        sent = sandbox.messages()
        driver.get(f"{sandbox.url}/")
        counted = f"return document.getElementById('total').textContent.startsWith('{len(sent)} ')"
        WebDriverWait(driver, 60).until(lambda page: page.execute_script(counted))
        shown = {}  # of each kind the first, which has masked secrets in it
        for message in sent:
            shown.setdefault(message.kind, message.id)
        for width in WIDTHS:
            for scheme in SCHEMES:
                look(driver, width, scheme)
                driver.get(f"{sandbox.url}/")
                WebDriverWait(driver, 60).until(lambda page: page.execute_script(counted))
                driver.save_screenshot(str(folder / f"inbox-{width}-{scheme}.png"))
                for kind, number in shown.items():
                    driver.execute_script("document.querySelector(`[data-id='${arguments[0]}']`).click()", number)
                    driver.save_screenshot(str(folder / f"{kind}-{width}-{scheme}.png"))
    return status


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
