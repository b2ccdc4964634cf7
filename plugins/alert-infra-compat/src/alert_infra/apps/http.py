"""Posts JSON through alert-core's HTTP, or through a client of the application's own."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlsplit

from alert_core import ConfigError, DeliveryError, PermanentDeliveryError
from alert_infra.exceptions import (
    AlertConfigurationError,
    AlertDeliveryError,
    AlertTransportError,
    NonRetryableAlertTransportError,
    RetryableAlertTransportError,
)


class HttpClient(Protocol):
    """What a transport posts with."""

    def post(self, url: str, *, json: dict[str, Any], headers: dict[str, str] | None = None, timeout: float) -> Any:
        """Post `json`; answer the status, or an object with `status_code` or `status`."""


def validate_https_url(url: str, *, field_name: str = "url") -> str:
    """Return `url`.

    Raises:
        AlertConfigurationError: it is no absolute https URL.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" or not parts.netloc:
        raise AlertConfigurationError(f"{field_name} must be an absolute https URL")
    return url


class UrllibHttpClient:
    """The client of every transport that is given none: alert-core's, in spite of its name.

    TLS is verified, redirects are not followed, and the timeout holds for the whole attempt.
    """

    def post(self, url: str, *, json: dict[str, Any], headers: dict[str, str] | None = None, timeout: float) -> int:
        """Post `json`; answer the status.

        Raises:
            AlertConfigurationError: neither https nor a loopback host; a timeout that is none.
            NonRetryableAlertTransportError: a 3xx or 4xx, or a certificate that does not verify.
            RetryableAlertTransportError: a 5xx, or another fault of the network.
        """
        from alert_core.http import HttpRequest, HttpTransport, secure_url

        try:
            secure_url(None, None, url)
        except ValueError as error:
            raise AlertConfigurationError(f"the URL {error}") from None
        try:
            connection = HttpTransport(timeout=float(timeout))
        except (TypeError, ValueError, ConfigError):
            raise AlertConfigurationError("timeout must be seconds: more than 0, and finite") from None
        try:
            status = connection.exchange(HttpRequest.json(url, json, headers=headers)).status
        except DeliveryError as error:
            raise as_old_error("HTTP", error) from None
        finally:
            connection.close()
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            text = f"HTTP alert delivery failed with status {status}: redirects are not followed"
            raise NonRetryableAlertTransportError(text)
        check_status("HTTP", status)
        return status


def as_old_error(label: str, error: DeliveryError) -> AlertDeliveryError:
    """What alert-core raised, by the name that alert-infra has for it."""
    permanent = isinstance(error, PermanentDeliveryError)
    kind = NonRetryableAlertTransportError if permanent else RetryableAlertTransportError
    return kind(f"{label} alert delivery failed: {error}")


def check_status(label: str, answer: Any) -> None:
    """See that a client's answer is a 2xx; one that tells no status is taken for a yes.

    Raises:
        NonRetryableAlertTransportError: a 4xx.
        RetryableAlertTransportError: anything else.
    """
    status = answer if isinstance(answer, int) else getattr(answer, "status_code", getattr(answer, "status", None))
    if type(status) is bool or not isinstance(status, int) or not status:
        return
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    permanent = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    kind = NonRetryableAlertTransportError if permanent else RetryableAlertTransportError
    raise kind(f"{label} alert delivery failed with status {int(status)}")


def post(label: str, client: HttpClient, url: str, **arguments: Any) -> None:
    """Post once with `client`, and judge its answer.

    Raises:
        AlertTransportError: the client's own; RetryableAlertTransportError where it raised something else, whose text
            may have the URL, and so is not passed on.
    """
    try:
        check_status(label, client.post(url, **arguments))
    except AlertTransportError:
        raise
    except Exception as error:  # noqa: BLE001 - the client is anybody's
        fault = RetryableAlertTransportError(f"{label} alert delivery failed ({type(error).__name__})")
    else:
        return
    raise fault  # here, so that it has no context
