"""What can go wrong, as one tree.

    AlertError
    ├── AlertValidationError (ValueError)   an alert's field is wrong
    ├── ConfigError                         every fault of a configuration at once, each with its path
    │   └── PluginError                     names the distribution, its version and what to do
    ├── QueueError                          the queue's store or broker refused; nothing was accepted
    │   └── QueueFull
    └── DeliveryError                       the target did not get the alert, or may not have
        ├── PermanentDeliveryError          the provider's no: a retry cannot help
        ├── RetryableDeliveryError          it surely did not arrive: a retry is safe
        └── UncertainDeliveryError          it may have arrived

No text of theirs holds a credential, a URL with one, or an alert's body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class AlertError(Exception):
    """Base of every error that this project raises."""


class AlertValidationError(AlertError, ValueError):
    """An alert's field has a value that no alert can have."""


class Fault(NamedTuple):
    """One fault of a configuration: where it is (`targets.ops-slack.webhook_url`) and what is wrong with it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def under(self, prefix: str) -> Fault:
        """The same fault, its path below `prefix`."""
        joint = "." if prefix and self.path and not self.path.startswith("[") else ""
        return Fault(f"{prefix}{joint}{self.path}", self.message)


class ConfigError(AlertError):
    """A configuration is wrong. `faults` has every fault found, each with its path and no value of a secret option."""

    faults: tuple[Fault, ...]

    def __init__(self, faults: str | Iterable[tuple[str, str]]) -> None:
        """Take one message, or pairs of a path and what is wrong there."""
        pairs = [("", faults)] if isinstance(faults, str) else faults
        self.faults = tuple(Fault(path, message) for path, message in pairs)
        super().__init__("\n".join(map(str, self.faults)))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Fault, ...]]]:
        return type(self), (self.faults,)


class PluginError(ConfigError):
    """A plugin is broken, missing or in conflict, and the configuration needs it."""


class QueueError(AlertError):
    """The queue's store or broker refused the alert; nothing was accepted."""


class QueueFull(QueueError):  # noqa: N818 - the name is the contract's, after queue.Full
    """No lane had room for the alert."""


class DeliveryError(AlertError):
    """A target did not get the alert, or may not have."""

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after: float | None = None,
        errors: Iterable[DeliveryError] = (),
    ) -> None:
        """Say what happened.

        Args:
            message: for a person; no URL, credential or alert text in it.
            status: the provider's status (HTTP, or SMTP's three digits), where it gave one.
            code: the provider's own error code, as `invalid_auth`, where it gave one.
            retry_after: seconds that the provider asked to wait, where it did.
            errors: what this one sums up (`DeliveryReport.raise_for_failures`).
        """
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.errors = tuple(errors)


class PermanentDeliveryError(DeliveryError):
    """The provider's no. A retry cannot help."""


class RetryableDeliveryError(DeliveryError):
    """The alert surely did not arrive. A retry is safe."""


class UncertainDeliveryError(DeliveryError):
    """The alert may have arrived, and may not."""
