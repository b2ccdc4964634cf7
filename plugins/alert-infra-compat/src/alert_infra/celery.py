"""Alerts through Celery, as one task for all transports. Nothing of Celery is imported until it is needed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alert_infra.alert import Alert
from alert_infra.exceptions import AlertConfigError
from alert_infra.transports import DeliveryResult

logger = logging.getLogger(__name__)

DEFAULT_TASK_NAME: Final = "alert_infra.dispatch_alert"
DEFAULT_QUEUE: Final = "alerts"
DEFAULT_MAX_RETRIES: Final = 3
DEFAULT_RETRY_BACKOFF_MAX: Final = 300


@dataclass(frozen=True)
class AsyncAlertConfig:
    """The settings `ASYNC`.

    Attributes:
        enabled: whether `send_alert` enqueues.
        backend: `celery`, the only one.
        task_name: the task's.
        queue: the queue's; None: Celery's own routing.
        max_retries: after the first attempt.
        retry_backoff: True: 1, 2, 4 … seconds; a number: that, twice that …; False: a minute.
        retry_backoff_max: seconds, the longest.
        retry_jitter: each wait is drawn from 0 to the backoff.
        fail_silently: a broker that refuses is a failed result, not an exception.
    """

    enabled: bool = False
    backend: str = "celery"
    task_name: str = DEFAULT_TASK_NAME
    queue: str | None = DEFAULT_QUEUE
    max_retries: int = DEFAULT_MAX_RETRIES
    retry_backoff: bool | int = True
    retry_backoff_max: int = DEFAULT_RETRY_BACKOFF_MAX
    retry_jitter: bool = True
    fail_silently: bool = True


def normalize_async_config(config: Mapping[str, Any] | None) -> AsyncAlertConfig:
    """Read the settings `ASYNC`; what is missing gets its default.

    Raises:
        AlertConfigError: a number that is none.
    """
    given = config or {}
    return AsyncAlertConfig(
        enabled=bool(given.get("ENABLED", False)),
        backend=str(given.get("BACKEND", "celery")).lower(),
        task_name=str(given.get("TASK_NAME", DEFAULT_TASK_NAME)),
        queue=given.get("QUEUE", DEFAULT_QUEUE),
        max_retries=_whole(given, "MAX_RETRIES", DEFAULT_MAX_RETRIES),
        retry_backoff=given.get("RETRY_BACKOFF", True),
        retry_backoff_max=_whole(given, "RETRY_BACKOFF_MAX", DEFAULT_RETRY_BACKOFF_MAX),
        retry_jitter=bool(given.get("RETRY_JITTER", True)),
        fail_silently=bool(given.get("FAIL_SILENTLY", True)),
    )


def _whole(given: Mapping[str, Any], name: str, default: int) -> int:
    try:
        return int(given.get(name, default))
    except (TypeError, ValueError):
        raise AlertConfigError(f"ASYNC.{name} must be a whole number") from None


class CeleryAlertDispatcher:
    """Enqueue an alert, masked, for a worker whose settings have the transports.

    Args:
        celery_app: sends the task by its name; default: Celery's current app.
        task: is enqueued itself, and goes before `celery_app`.
        config: an AsyncAlertConfig, or the settings `ASYNC`.

    Raises:
        AlertConfigError: a backend that is not `celery`.
    """

    def __init__(
        self,
        *,
        celery_app: Any | None = None,
        task: Any | None = None,
        config: AsyncAlertConfig | Mapping[str, Any] | None = None,
    ) -> None:
        self.celery_app = celery_app
        self.task = task
        self.config = config if isinstance(config, AsyncAlertConfig) else normalize_async_config(config)
        if self.config.backend != "celery":
            raise AlertConfigError(f"unsupported async alert backend: {self.config.backend}")

    def send(self, alert: Alert, transport_names: Sequence[str] | None = None) -> DeliveryResult:
        """Enqueue for all transports, or for those named.

        Returns:
            `sent=("celery",)`; under `fail_silently`, `failed={"celery": …}` where it could not be enqueued.

        Raises:
            AlertConfigError: it could not be enqueued, and not under `fail_silently`.
        """
        options = {
            "MAX_RETRIES": self.config.max_retries,
            "RETRY_BACKOFF": self.config.retry_backoff,
            "RETRY_BACKOFF_MAX": self.config.retry_backoff_max,
            "RETRY_JITTER": self.config.retry_jitter,
        }
        payload = _unmarked(alert.to_dict())
        names = [transport_names] if isinstance(transport_names, str) else list(transport_names or ())
        try:
            self._enqueue([payload], {"transport_names": names or None, "async_options": options})
        except Exception as error:  # noqa: BLE001 - a broker's client may raise anything
            kind = type(error).__name__
            fault = error if isinstance(error, AlertConfigError) else None
        else:
            return DeliveryResult(sent=("celery",))
        if self.config.fail_silently:
            logger.warning("alert enqueue failed: %s", kind)
            return DeliveryResult(failed={"celery": kind}, non_retryable=("celery",))
        # Not chained: what a broker's client raises may have the broker's URL, and so its password.
        raise fault or AlertConfigError(
            f"Celery alert dispatcher is not configured, or its broker is out of reach ({kind})"
        )

    def _enqueue(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        if self.task is not None:
            self.task.apply_async(args=args, kwargs=kwargs, queue=self.config.queue)
            return
        app = self.celery_app
        if app is None:
            try:
                from celery import current_app

                app = current_app
            except ImportError:
                raise AlertConfigError(
                    "Celery is not installed: pip install 'alert-infra-compat[celery]', or disable ASYNC"
                ) from None
        app.send_task(self.config.task_name, args=args, kwargs=kwargs, queue=self.config.queue)


AsyncAlertDispatcher = CeleryAlertDispatcher


def _unmarked(value: Any) -> Any:
    """Nothing that kombu's JSON would take for a value of its own types: the worker could not read the message."""
    if isinstance(value, dict):
        names = {"__type__": "type"} if value.keys() == {"__type__", "__value__"} else {}
        return {names.get(key, key): _unmarked(item) for key, item in value.items()}
    return [_unmarked(item) for item in value] if isinstance(value, list) else value
