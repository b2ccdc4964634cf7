"""The errors: one tree, every fault at once, and nothing lost on the way through pickle and copy."""

import copy
import pickle
from collections.abc import Callable

import pytest

import alert_core
from alert_core import (
    AlertError,
    AlertValidationError,
    ConfigError,
    DeliveryError,
    PermanentDeliveryError,
    PluginError,
    QueueError,
    QueueFull,
    RetryableDeliveryError,
    UncertainDeliveryError,
)
from alert_core.errors import Fault

TREE: dict[type[AlertError], type[Exception]] = {
    AlertError: Exception,
    AlertValidationError: AlertError,
    ConfigError: AlertError,
    PluginError: ConfigError,
    QueueError: AlertError,
    QueueFull: QueueError,
    DeliveryError: AlertError,
    PermanentDeliveryError: DeliveryError,
    RetryableDeliveryError: DeliveryError,
    UncertainDeliveryError: DeliveryError,
}
AGAIN: list[Callable[[AlertError], AlertError]] = [copy.copy, lambda error: pickle.loads(pickle.dumps(error))]


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
def test_each_error_stands_below_its_parent(error: type[AlertError]) -> None:
    assert error.__base__ is TREE[error]


def test_the_tree_has_every_public_error_and_is_drawn_in_the_modules_docstring() -> None:
    public = {name for name in alert_core.__all__ if name.endswith("Error") or name == "QueueFull"}
    assert public == {error.__name__ for error in TREE}
    assert all(name in (alert_core.errors.__doc__ or "") for name in public)


def test_a_validation_error_is_a_value_error() -> None:
    assert issubclass(AlertValidationError, ValueError)


def test_a_config_error_of_one_message_says_it() -> None:
    error = ConfigError("nothing is configured")
    assert str(error) == "nothing is configured"
    assert error.faults == (("", "nothing is configured"),)


def test_a_config_error_has_every_fault_a_line_each_with_its_path() -> None:
    error = ConfigError([("targets.a.url", "required option missing"), ("deadline", "must be more than 0")])
    assert str(error) == "targets.a.url: required option missing\ndeadline: must be more than 0"
    assert [fault.path for fault in error.faults] == ["targets.a.url", "deadline"]


def test_a_fault_can_be_moved_below_a_prefix() -> None:
    assert str(Fault("url", "wrong").under("targets.a")) == "targets.a.url: wrong"
    assert str(Fault("", "wrong").under("targets.a")) == "targets.a: wrong"


@pytest.mark.parametrize("again", AGAIN, ids=["copy", "pickle"])
@pytest.mark.parametrize("kind", [ConfigError, PluginError])
def test_a_config_error_keeps_its_faults_through_pickle_and_copy(
    kind: type[ConfigError], again: Callable[[AlertError], ConfigError]
) -> None:
    error = again(kind([("a", "b"), ("c", "d")]))
    assert type(error) is kind
    assert error.faults == (("a", "b"), ("c", "d"))
    assert str(error) == "a: b\nc: d"


def test_a_delivery_error_has_the_providers_status_code_and_wait() -> None:
    error = RetryableDeliveryError("slow down", status=429, code="rate_limited", retry_after=7.5)
    assert (str(error), error.status, error.code, error.retry_after) == ("slow down", 429, "rate_limited", 7.5)


def test_a_delivery_error_has_none_of_them_by_default() -> None:
    error = PermanentDeliveryError("no")
    assert (error.status, error.code, error.retry_after, error.errors) == (None, None, None, ())


@pytest.mark.parametrize("again", AGAIN, ids=["copy", "pickle"])
def test_a_delivery_error_keeps_what_it_knows_through_pickle_and_copy(
    again: Callable[[AlertError], DeliveryError],
) -> None:
    error = again(UncertainDeliveryError("lost", status=502, code="x", retry_after=1.0, errors=[DeliveryError("a")]))
    assert type(error) is UncertainDeliveryError
    assert (str(error), error.status, error.code, error.retry_after) == ("lost", 502, "x", 1.0)
    assert [str(part) for part in error.errors] == ["a"]
