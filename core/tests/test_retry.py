"""When a delivery is tried again, and after how long."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import (
    DeliveryError,
    PermanentDeliveryError,
    RetryableDeliveryError,
    RetryPolicy,
    UncertainDeliveryError,
)

POSITIVE = st.floats(0.001, 1e6)


def test_the_defaults_are_those_of_the_contract() -> None:
    policy = RetryPolicy()
    assert (policy.attempts, policy.initial, policy.maximum, policy.multiplier, policy.retry_uncertain) == (
        *(3, 0.5, 30.0, 2.0),
        True,
    )


@given(POSITIVE, POSITIVE, st.floats(0.1, 1e6) | st.integers(1, 10**6), st.integers(1, 10_000))
def test_a_backoff_lies_between_zero_and_its_growing_cap(
    initial: float, maximum: float, multiplier: float, attempt: int
) -> None:
    policy = RetryPolicy(attempts=attempt + 1, initial=initial, maximum=maximum, multiplier=multiplier)
    delay = policy.delay(attempt, RetryableDeliveryError("no"))
    assert delay is not None
    assert 0 <= delay <= maximum
    if attempt == 1:
        assert delay <= initial


def test_the_jitter_is_full_so_that_many_clients_spread_over_the_whole_backoff() -> None:
    policy = RetryPolicy(attempts=5, initial=1.0, multiplier=2.0)
    delays = [policy.delay(3, RetryableDeliveryError("no")) or 0.0 for _ in range(2000)]
    assert min(delays) < 0.4
    assert 3.6 < max(delays) <= 4.0
    assert 1.8 < sum(delays) / len(delays) < 2.2


def test_the_last_attempt_is_not_followed_by_another() -> None:
    policy = RetryPolicy(attempts=3)
    assert policy.delay(2, RetryableDeliveryError("no")) is not None
    assert policy.delay(3, RetryableDeliveryError("no")) is None
    assert RetryPolicy(attempts=1).delay(1, RetryableDeliveryError("no")) is None


def test_a_permanent_error_is_not_retried_even_with_retry_after() -> None:
    assert RetryPolicy().delay(1, PermanentDeliveryError("no", retry_after=1.0)) is None


def test_an_uncertain_error_is_retried_unless_the_policy_says_at_most_once() -> None:
    lost = UncertainDeliveryError("lost")
    assert RetryPolicy().delay(1, lost) is not None
    assert RetryPolicy(retry_uncertain=False).delay(1, lost) is None
    assert RetryPolicy(retry_uncertain=False).delay(1, RetryableDeliveryError("no")) is not None


def test_a_delivery_error_of_no_kind_is_as_uncertain_as_its_outcome_says() -> None:
    assert RetryPolicy().delay(1, DeliveryError("?")) is not None
    assert RetryPolicy(retry_uncertain=False).delay(1, DeliveryError("?")) is None


@pytest.mark.parametrize(("asked", "waited"), [(0.0, 0.0), (7.0, 7.0), (86400.0, 30.0), (-3.0, 0.0)])
def test_retry_after_takes_the_place_of_the_backoff_and_is_capped(asked: float, waited: float) -> None:
    error = RetryableDeliveryError("slow down", retry_after=asked)
    assert RetryPolicy().delay(1, error) == waited


@pytest.mark.parametrize("field", ["attempts", "initial", "maximum", "multiplier"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_number_that_is_not_positive_is_refused_by_its_name(field: str, value: float) -> None:
    fields: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=field):
        RetryPolicy(**fields)
