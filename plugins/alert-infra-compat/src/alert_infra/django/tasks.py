"""The task that delivers in a Celery worker: all transports at first, and what failed for now in its own retries."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from celery import shared_task

from alert_infra.alert import Alert
from alert_infra.celery import DEFAULT_MAX_RETRIES, DEFAULT_RETRY_BACKOFF_MAX, DEFAULT_TASK_NAME
from alert_infra.django.config import build_dispatcher
from alert_infra.transports import UnknownTransportError

logger = logging.getLogger(__name__)

_NO_BACKOFF: Final = 60
_LARGEST: Final = 30  # powers of two: more than any RETRY_BACKOFF_MAX


@shared_task(bind=True, name=DEFAULT_TASK_NAME, acks_late=True, reject_on_worker_lost=True)
def dispatch_alert_task(
    self: Any,
    alert_payload: dict[str, Any],
    transport_names: Sequence[str] | None = None,
    async_options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Deliver an alert by Django's settings; what may be tried again is, and nothing else.

    Args:
        self: the task.
        alert_payload: of `Alert.to_dict()`.
        transport_names: default: all transports.
        async_options: MAX_RETRIES, RETRY_BACKOFF, RETRY_BACKOFF_MAX and RETRY_JITTER, as in the settings `ASYNC`.

    Returns:
        The fields of the DeliveryResult, as JSON types.
    """
    options = async_options or {}
    try:
        result = build_dispatcher().send(Alert.from_dict(alert_payload), transport_names=transport_names)
    except UnknownTransportError as error:
        logger.warning("%s", error)
        result = error.result
    if result.retryable:
        names = ", ".join(result.retryable)
        retries, most = self.request.retries or 0, int(options.get("MAX_RETRIES", DEFAULT_MAX_RETRIES))
        if retries < most:
            logger.warning("retrying alert dispatch for transports: %s", names)
            raise self.retry(
                args=[alert_payload],
                kwargs={"transport_names": list(result.retryable), "async_options": options},
                countdown=_countdown(retries, options),
                max_retries=most,
            )
        logger.warning("alert dispatch retries exhausted for transports: %s", names)
    return {
        "sent": list(result.sent),
        "failed": result.failed,
        "retryable": list(result.retryable),
        "non_retryable": list(result.non_retryable),
    }


def _countdown(retries: int, options: Mapping[str, Any]) -> int:
    """Seconds until the next try."""
    backoff = options.get("RETRY_BACKOFF", True)
    longest = int(options.get("RETRY_BACKOFF_MAX", DEFAULT_RETRY_BACKOFF_MAX))
    base = _NO_BACKOFF
    if isinstance(backoff, int) and backoff > 0:  # True is 1
        base = int(backoff) * 2 ** min(max(retries, 0), _LARGEST)
    wait = min(base, longest)
    return random.randint(0, max(1, wait)) if options.get("RETRY_JITTER", True) else wait  # noqa: S311 - no secret
