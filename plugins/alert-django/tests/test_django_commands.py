"""`manage.py sendtestalert` and `manage.py alertctl`."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from alert_django import get_dispatcher, send_alert

Configure = Callable[..., None]
MEMORY: dict[str, Any] = {"ops": {"type": "memory"}}


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as raised:
        call_command(*arguments, stdout=io.StringIO())
    return raised.value.returncode, str(raised.value)


def test_a_test_alert_goes_to_every_target_past_the_routes(configure: Configure) -> None:
    configure(
        ALERTS={
            "targets": {**MEMORY, "night": {"type": "memory", "min_severity": "critical"}},
            "routes": [{"name": "none", "targets": []}],
        }
    )
    assert run("sendtestalert") == "ops: delivered\nnight: delivered\n"
    (alert,) = get_dispatcher().targets["night"].alerts
    assert alert.title.startswith("Test alert from ")


def test_it_goes_to_the_targets_that_are_named(configure: Configure) -> None:
    configure(ALERTS={"targets": {**MEMORY, "night": {"type": "memory"}}})
    assert run("sendtestalert", "--target", "night", "--severity", "critical") == "night: delivered\n"


def test_a_target_that_fails_ends_it_with_1(configure: Configure) -> None:
    slack = {"type": "slack", "webhook_url": "http://127.0.0.1:9/services/x", "retry": {"attempts": 1}}
    configure(ALERTS={"targets": {"chat": slack}})
    out = io.StringIO()
    with pytest.raises(CommandError, match="not every target has it") as raised:
        call_command("sendtestalert", stdout=out)
    assert raised.value.returncode == 1
    assert out.getvalue().startswith("chat: retryable: ")


def test_wrong_settings_and_unknown_targets_end_it_with_2(configure: Configure) -> None:
    status, text = refused("sendtestalert")
    assert status == 2
    assert "ALERTS" in text
    configure(ALERTS={"targets": MEMORY})
    status, text = refused("sendtestalert", "--target", "op")
    assert status == 2
    assert "ops" in text


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_alertctl_looks_after_the_outbox_of_the_settings(
    database: str, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(ALERTS={"targets": MEMORY, "queue": {"type": "django", "worker": False}})
    send_alert(title="Disk full", message="No space left")
    call_command("alertctl", "outbox", "list", "--json")
    assert [(row["target"], row["title"]) for row in json.loads(capsys.readouterr().out)] == [("ops", "Disk full")]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_alertctl_keeps_alerts_quiet(database: str, configure: Configure, capsys: pytest.CaptureFixture[str]) -> None:
    routes = [{"name": "all", "targets": ["ops"]}]
    configure(ALERTS={"targets": MEMORY, "routes": routes, "queue": {"type": "django"}})
    call_command("alertctl", "silence", "add", "source=db", "--for", "2h", "--reason", "upgrade")
    assert send_alert(title="Disk full", message="m", source="db").dropped == "silenced: silence 1"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_alertctl_tells_what_it_does_not_know(database: str, configure: Configure) -> None:
    assert refused("alertctl", "nonsense")[1].startswith("no plugin has a command nonsense; there are: ")
    status, text = refused("alertctl", "outbox", "show", "nobody")
    assert status == 2
    assert "no delivery and no alert" in text
    configure(ALERTS=None)
    assert refused("alertctl", "outbox", "status") == (2, "ALERTS is not set in the settings")
    configure(ALERTS={"targets": MEMORY})
    assert refused("alertctl", "outbox", "status")[0] == 2
