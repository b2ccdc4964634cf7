"""The arguments of `alert_core.send()` and its kin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import alert_core
from alert_core import Alert, ConfigError, Dispatcher, default
from alert_core.plugins import Plugins
from alert_core.testing import MemoryTransport


@pytest.fixture
def memory() -> Iterator[MemoryTransport]:
    transport = MemoryTransport()
    with Dispatcher([transport], plugins=Plugins()) as dispatcher:
        previous = default.replace(dispatcher)
        yield transport
        default.replace(previous)


def test_title_and_message_may_be_given_by_name(memory: MemoryTransport) -> None:
    alert_core.send(title="Disk full", message="/var is at 98 %")
    alert_core.send("Disk full", message="/var is at 98 %")
    alert_core.send(title="Disk full")
    assert [(alert.title, alert.message) for alert in memory.alerts] == [
        ("Disk full", "/var is at 98 %"),
        ("Disk full", "/var is at 98 %"),
        ("Disk full", "Disk full"),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "t"}, r"\(\) has no argument 'target'; did you mean 'targets'\?"),
        ({"quiet": True}, r"\(\) has no argument 'quiet'$"),
        ({"message": "m"}, r"\(\) needs an Alert, or the title of one"),
        ({"alert": Alert("t", "m"), "severity": "info"}, "either an Alert or the fields of one"),
    ],
)
def test_a_wrong_argument_is_a_type_error_in_the_functions_own_name(
    memory: MemoryTransport, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        alert_core.send(**arguments)
    with pytest.raises(TypeError, match=message):
        alert_core.enqueue(**arguments)
    assert memory.alerts == []


@pytest.fixture
def provided() -> Iterator[list[Dispatcher | None]]:
    """What a framework provides, one for each time that it is asked."""
    made: list[Dispatcher | None] = []
    previous = default.replace(None)
    default.provide(made.pop)
    yield made
    default.provide(None)
    default.replace(previous)


def test_a_framework_provides_the_default_once_it_is_needed(provided: list[Dispatcher | None]) -> None:
    transport = MemoryTransport()
    with Dispatcher([transport], plugins=Plugins()) as dispatcher:
        provided.append(dispatcher)
        assert alert_core.send("Disk full").ok
        assert default.get() is dispatcher
    assert len(transport.alerts) == 1


def test_a_framework_without_a_configuration_leaves_the_default_as_it_was(
    provided: list[Dispatcher | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    provided.append(None)
    monkeypatch.setenv("ALERT_CONFIG", "/nonexistent/alerts.toml")
    with pytest.raises(ConfigError, match=r"alerts\.toml"):
        default.get()
