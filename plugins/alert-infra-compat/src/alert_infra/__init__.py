"""The names of alert-infra 0.1, on the engine of alert-core."""

from importlib.metadata import PackageNotFoundError, version

from alert_infra.alert import VALID_SEVERITIES, Alert
from alert_infra.exceptions import (
    AlertConfigError,
    AlertConfigurationError,
    AlertDeliveryError,
    AlertInfraError,
    AlertTransportError,
    AlertValidationError,
    NonRetryableAlertTransportError,
    RetryableAlertTransportError,
)
from alert_infra.security import REDACTED, SENSITIVE_KEYWORDS, redact_metadata
from alert_infra.transports import AlertDispatcher, AlertTransport, DeliveryResult, NoOpTransport

__all__ = [
    "REDACTED",
    "SENSITIVE_KEYWORDS",
    "VALID_SEVERITIES",
    "Alert",
    "AlertConfigError",
    "AlertConfigurationError",
    "AlertDeliveryError",
    "AlertDispatcher",
    "AlertInfraError",
    "AlertTransport",
    "AlertTransportError",
    "AlertValidationError",
    "DeliveryResult",
    "NoOpTransport",
    "NonRetryableAlertTransportError",
    "RetryableAlertTransportError",
    "redact_metadata",
]


def _refuse_both() -> None:
    """Two distributions with the same files: which of them a module comes from is chance."""
    try:
        found = version("alert-infra")
    except PackageNotFoundError:
        return
    raise ImportError(
        f"alert-infra {found} is installed beside alert-infra-compat, which has the same files: "
        "pip uninstall -y alert-infra alert-infra-compat && pip install alert-infra-compat"
    )


_refuse_both()
