"""What a task carries, and that nothing else is taken for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.json import dumps, loads

from alert_celery.messages import Message, encoded
from alert_core import Alert, Redactor
from alert_core.testing import CANARY

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TEXTS = st.text(min_size=1).filter(str.strip)
ARRIVED = st.lists(st.tuples(st.text(), st.none() | st.text()), max_size=3).map(tuple)


def over_the_wire(message: Message) -> Message:
    arguments = loads(dumps(message.arguments()))
    return Message.read((), arguments, Redactor())


@given(
    title=TEXTS,
    metadata=st.dictionaries(st.text(), JSON, max_size=4),
    target=st.text(min_size=1),
    recipient=st.none() | st.text(),
    arrived=ARRIVED,
    paced=st.booleans(),
)
def test_a_delivery_comes_back_as_it_was(
    title: str, metadata: Any, target: str, recipient: str | None, arrived: Any, paced: bool
) -> None:
    alert = Alert(title, "m", metadata=metadata)
    message = Message(alert=alert, target=target, recipient=recipient, arrived=arrived, paced=paced)
    back = over_the_wire(message)
    assert back.alert.to_dict() == alert.to_dict()
    assert (back.target, back.recipient, back.arrived, back.paced) == (target, recipient, arrived, paced)


@pytest.mark.parametrize("value", ["datetime", "uuid", "nobody knows"])
def test_metadata_that_kombu_would_revive_is_left_as_it_is(value: str) -> None:
    alert = Alert("t", "m", metadata={"x": {"__type__": value, "__value__": "no time"}})
    assert over_the_wire(Message(alert=alert, target="ops")).alert.metadata == alert.metadata


def test_what_is_read_is_masked_again_with_the_workers_own_policy() -> None:
    values = Alert("t", "m").to_dict() | {"message": f"password={CANARY}", "metadata": {"salary": "12345"}}
    arguments = {"alert": json.dumps(values), "target": "ops"}
    message = Message.read((), arguments, Redactor(extra_keys=("salary",)))
    told = encoded(message.alert)
    assert CANARY not in told
    assert "12345" not in told


@given(
    positional=st.lists(JSON, max_size=1),
    arguments=st.dictionaries(
        st.sampled_from(["alert", "target", "recipient", "arrived", "paced", "later"]),
        JSON | st.just(encoded(Alert("t", "m"))) | JSON.map(json.dumps),
    ),
)
def test_whatever_else_arrives_is_a_fault_or_a_delivery_and_nothing_else_is_raised(
    positional: list[Any], arguments: dict[str, Any]
) -> None:
    try:
        message = Message.read(positional, arguments, Redactor())
    except ValueError:
        return
    assert message.alert.title
    assert message.target


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({}, "names no target"),
        ({"target": ""}, "names no target"),
        ({"target": "ops"}, "has no alert"),
        ({"target": "ops", "alert": {"title": "t", "message": "m"}}, "has no alert"),
        ({"target": "ops", "alert": "{"}, "cannot be read"),
        ({"target": "ops", "alert": "[" * 100_000}, "cannot be read"),
        ({"target": "ops", "alert": "{}"}, "cannot be read"),
        ({"target": "ops", "alert": encoded(Alert("t", "m")), "recipient": 7}, "recipient"),
        ({"target": "ops", "alert": encoded(Alert("t", "m")), "arrived": 7}, "list of who"),
        ({"target": "ops", "alert": encoded(Alert("t", "m")), "arrived": [7]}, "list of who"),
    ],
)
def test_a_fault_says_what_is_wrong(arguments: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Message.read((), arguments, Redactor())


def test_a_fault_quotes_nothing() -> None:
    arguments = {"target": "ops", "alert": json.dumps({"title": "t", "message": "m", "severity": CANARY})}
    with pytest.raises(ValueError, match="AlertValidationError") as raised:
        Message.read((), arguments, Redactor())
    assert CANARY not in str(raised.value)
    assert raised.value.__cause__ is None
