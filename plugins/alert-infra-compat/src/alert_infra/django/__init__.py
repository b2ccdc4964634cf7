"""Alerts in a Django project, by the settings `ALERT_INFRA`, or `FEATURE_FLAG_INFRA` where those are not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alert_infra.alert import Alert
from alert_infra.django.config import (
    build_async_dispatcher,
    build_dispatcher,
    get_alert_infra_settings,
    hide_credentials,
)
from alert_infra.django.context import request_metadata
from alert_infra.django.email import DjangoEmailTransport
from alert_infra.transports import DeliveryResult

__all__ = [
    "DjangoEmailTransport",
    "build_async_dispatcher",
    "build_dispatcher",
    "get_alert_infra_settings",
    "request_metadata",
    "send_alert",
]


def send_alert(
    *,
    title: str,
    message: str,
    severity: str | None = None,
    source: str | None = None,
    tags: Iterable[str] = (),
    metadata: Mapping[str, Any] | None = None,
    request: Any | None = None,
    request_id: str | None = None,
) -> DeliveryResult:
    """Send an alert as the settings say: through their transports now, or with `ASYNC` through Celery.

    Args:
        title: as of `Alert`; so are the others up to `metadata`.
        message: required.
        severity: default: the settings' `DEFAULT_SEVERITY`.
        source: which service or job says so.
        tags: labels; a str is one.
        metadata: a mapping of anything.
        request: a Django request; what identifies it is added to the metadata, under `request`.
        request_id: where the request has none of its own, or there is no request.

    Raises:
        AlertValidationError: as by `Alert`.
        AlertConfigurationError: the settings are incomplete or unsafe.
    """
    settings = get_alert_infra_settings()
    hide_credentials(settings)
    about = dict(metadata or {})
    if request is not None:
        about["request"] = request_metadata(request)
        request_id = about["request"].get("request_id", request_id)
    alert = Alert(
        title=title,
        message=message,
        severity=severity or settings.get("DEFAULT_SEVERITY", "error"),
        source=source,
        tags=tags,  # type: ignore[arg-type]  # an Alert takes any
        metadata=about,
        request_id=request_id,
        redact_sensitive_data=bool(settings.get("REDACT_SENSITIVE_DATA", True)),
    )
    if settings.get("ENABLED", True) and (settings.get("ASYNC") or {}).get("ENABLED"):
        return build_async_dispatcher(settings).send(alert)
    return build_dispatcher(settings).send(alert)
