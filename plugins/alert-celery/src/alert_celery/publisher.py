"""Puts messages on the broker: within a bounded time, and only once the broker has said that it has them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from celery import Celery
from kombu.pools import ProducerPool

from alert_core import QueueError

CONNECT: Final = 2.0
"""Seconds that a connection may take."""
ANSWER: Final = 3.0
"""Seconds that the broker has to take a message."""
_ONCE: Final = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
"""A second try at once, on a new connection: the one that was open may have been lost unnoticed."""
_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "redis": {"socket_connect_timeout": CONNECT, "socket_timeout": ANSWER},
    "amqp": {"read_timeout": ANSWER, "write_timeout": ANSWER, "confirm_publish": True},
}
"""What bounds each of kombu's drivers, and makes RabbitMQ say that it has a message; Redis always does."""


class Publisher:
    """A Celery app's connections for publishing, apart from the app's own: those may retry for ever.

    Args:
        app: gives the broker, and its options.

    Raises:
        QueueError: the app has no broker.
    """

    def __init__(self, app: Celery) -> None:
        if not app.conf.broker_write_url:
            raise QueueError("Celery has no broker: give queue.broker, or the app that has one as queue.app")
        limit = app.conf.broker_pool_limit or 10
        driver = app.connection_for_write().transport.driver_type
        connection = app.connection_for_write(
            connect_timeout=CONNECT, transport_options={**_ONCE, **_OPTIONS.get(driver, {})}
        )
        self._where = f"{driver} at {connection.hostname}:{connection.port}"
        self._connections = connection.Pool(limit)
        self._producers = ProducerPool(self._connections, limit=limit, Producer=app.amqp.Producer)

    @contextlib.contextmanager
    def publishing(self) -> Iterator[dict[str, Any]]:
        """The options with which a task is published, for `send_task()` and `Signature.apply_async()`.

        Raises:
            QueueError: the broker did not take it; no text of the broker's library is in it.
        """
        try:
            with self._producers.acquire(block=True, timeout=ANSWER) as producer:
                yield {
                    "producer": producer,
                    "retry": True,
                    "retry_policy": _ONCE,
                    "timeout": ANSWER,
                    "serializer": "json",
                    "ignore_result": True,
                }
        except Exception as error:  # noqa: BLE001 - kombu's, the driver's and the socket's: each tells the URL
            reason = type(error.__cause__ or error).__name__
            raise QueueError(f"the broker ({self._where}) did not take it: {reason}") from None

    def close(self) -> None:
        """Close the connections."""
        self._connections.force_close_all()
