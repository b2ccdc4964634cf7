"""The arguments of `alert_core.send()` and its kin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import alert_core
from alert_core import Alert, Dispatcher, default
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
