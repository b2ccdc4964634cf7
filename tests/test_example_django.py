"""examples/django_shop, run by its own manage.py."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from alert_core.testing import HttpStandIn, Reply

pytestmark = pytest.mark.once

EXAMPLE = Path(__file__).parents[1] / "examples" / "django_shop"
TOKEN = "6b2f40d9c1e8a357"


@pytest.fixture
def slack() -> Iterator[HttpStandIn]:
    """Slack on loopback."""
    with HttpStandIn(Reply(text="ok")) as server:
        yield server


@pytest.fixture
def environment(slack: HttpStandIn, tmp_path: Path) -> dict[str, str]:
    """As in production: Slack, a database of its own, no debugging."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALERT_", "DJANGO_", "SHOP_"))}
    return {
        **kept,
        "ALERT_SLACK_WEBHOOK_URL": f"http://127.0.0.1:{slack.port}/services/T0/B0/exampleexample",
        "PYTHONUNBUFFERED": "1",
        "SHOP_DATABASE": str(tmp_path / "shop.db"),
        "SHOP_DEBUG": "0",
        "SHOP_HOOK_TOKEN": TOKEN,
    }


def manage(environment: dict[str, str], *arguments: str) -> str:
    """What `manage.py` prints, both ways."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=EXAMPLE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@contextmanager
def server(environment: dict[str, str]) -> Iterator[str]:
    """`manage.py runserver`; its URL."""
    command = [sys.executable, "manage.py", "runserver", "--noreload", "--skip-checks", "127.0.0.1:0"]
    with subprocess.Popen(
        command, cwd=EXAMPLE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        told = ""
        while (found := re.search(r"at (http://127\.0\.0\.1:[1-9]\d*)/", told)) is None:
            line = process.stdout.readline()
            assert line, told
            told += line
        try:
            yield found[1]
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.read()


def post(url: str, data: bytes = b"", **headers: str) -> tuple[int, Any]:
    """The status, and what the body says."""
    try:
        with urlopen(Request(url, data, headers), timeout=60) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_project_checks_and_tests_itself(environment: dict[str, str]) -> None:
    told = manage(environment, "makemigrations", "--check", "--dry-run")  # after all checks
    assert told.strip() == "No changes detected"
    assert "OK" in manage(environment, "test")


def test_what_commits_is_told_and_what_is_rolled_back_is_not(environment: dict[str, str], slack: HttpStandIn) -> None:
    manage(environment, "migrate", "--verbosity", "0")
    with server(environment) as url:
        assert post(f"{url}/invoices/1/pay/") == (200, {"ok": True})
        assert post(f"{url}/invoices/13/pay/")[0] == 402
        assert post(f"{url}/invoices/1/pay/", Authorization="Bearer secret-4711")[0] == 409
        assert post(f"{url}/invoices/1/refund/") == (200, {"ok": True})
        assert post(f"{url}/invoices/2/refund/")[0] == 409
        assert post(f"{url}/complain/", b"text=Too+slow") == (200, {"ok": True})
        hook = json.dumps({"title": "Disk full", "message": "No space left"}).encode()
        shown = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        assert post(f"{url}/monitoring/alerts", hook, **shown)[0] == 202
    manage(environment, "alertctl", "outbox", "run", "--once")  # what the server has not come to
    told = [received.body.decode() for received in slack.received]
    titles = [
        "Invoice paid",
        "the bank refused invoice 13",
        "Suspicious invoice update",
        "Invoice refunded",
        "A complaint",
        "Disk full",
    ]
    assert sorted(title for body in told for title in titles if title in body) == sorted(titles)
    assert "secret-4711" not in "".join(told)
