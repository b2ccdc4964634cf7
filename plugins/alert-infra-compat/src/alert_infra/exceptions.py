"""What goes wrong, by the names of alert-infra. Each is an error of alert-core too.

So an old transport tells a new dispatcher what its failure means: see `alert_core.DeliveryError`.
"""

from __future__ import annotations

from alert_core import AlertError, DeliveryError, PermanentDeliveryError, RetryableDeliveryError
from alert_core import AlertValidationError as CoreValidationError


class AlertInfraError(AlertError):
    """Base of them all."""


class AlertValidationError(AlertInfraError, CoreValidationError):
    """An alert's field has a value that no alert can have; a ValueError."""


class AlertConfigError(AlertInfraError):
    """Alerting, or a transport, is configured wrongly."""


class AlertTransportError(AlertInfraError):
    """A transport did not deliver."""


class AlertDeliveryError(AlertTransportError, DeliveryError):
    """A transport did not deliver, and may be tried again: what a custom transport raises."""

    # Of the class: a subclass may have its own, and need not call this constructor.
    status: int | None = None
    code: str | None = None
    retry_after: float | None = None
    errors: tuple[DeliveryError, ...] = ()

    def __init__(self, *args: object) -> None:
        """Take what any exception takes."""
        Exception.__init__(self, *args)


class RetryableAlertTransportError(AlertDeliveryError, RetryableDeliveryError):
    """A failure that passes: it may be tried again."""


class NonRetryableAlertTransportError(AlertDeliveryError, PermanentDeliveryError):
    """A failure that stays: another try cannot help."""


class AlertConfigurationError(AlertConfigError, NonRetryableAlertTransportError):
    """A transport is configured unsafely or incompletely."""
