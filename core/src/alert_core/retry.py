"""When a delivery is tried again."""

from __future__ import annotations

import random
from typing import Any

import attrs

from alert_core.errors import DeliveryError, PermanentDeliveryError, RetryableDeliveryError


def _positive(_: Any, attribute: attrs.Attribute[Any], value: float) -> None:
    if not value > 0:
        raise ValueError(f"{attribute.name} must be more than 0")


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """Exponential backoff with full jitter, or the provider's Retry-After; never past a dispatch's deadline.

    Attributes:
        attempts: tries in all, the first included; 1 means no retry.
        initial: seconds; the first backoff is drawn from 0 to this.
        maximum: seconds; the cap of a backoff, and of what a provider's Retry-After may ask for.
        multiplier: by which the cap of each further backoff grows.
        retry_uncertain: also retry what may have arrived. An alert twice beats an alert never; false for at most once.
    """

    attempts: int = attrs.field(default=3, validator=_positive)
    initial: float = attrs.field(default=0.5, validator=_positive)
    maximum: float = attrs.field(default=30.0, validator=_positive)
    multiplier: float = attrs.field(default=2.0, validator=_positive)
    retry_uncertain: bool = True

    def delay(self, attempt: int, error: DeliveryError) -> float | None:
        """Seconds to wait after attempt number `attempt` (from 1) failed so, or None where it is not tried again."""
        surely_not_arrived = isinstance(error, RetryableDeliveryError)
        if isinstance(error, PermanentDeliveryError) or not (surely_not_arrived or self.retry_uncertain):
            return None
        if attempt >= self.attempts:
            return None
        if error.retry_after is not None:
            return min(max(error.retry_after, 0.0), self.maximum)
        try:
            cap = min(self.maximum, self.initial * float(self.multiplier) ** (attempt - 1))
        except OverflowError:
            cap = self.maximum
        return random.uniform(0, cap)  # noqa: S311 - jitter is no secret
