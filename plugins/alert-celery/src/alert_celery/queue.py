"""The queue itself: what `[queue] type = "celery"` stands for."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from importlib.util import find_spec
from typing import Any, Final, Literal

import attrs
from celery import Celery
from celery.app import app_or_default
from celery.app.utils import find_app
from kombu.transport import TRANSPORT_ALIASES

from alert_celery.messages import Message, encoded
from alert_celery.pace import Paces
from alert_celery.publisher import Publisher
from alert_core import (
    ConfigError,
    Delivery,
    DeliveryError,
    DeliveryReport,
    PermanentDeliveryError,
    QueueError,
    RetryableDeliveryError,
    Secret,
)
from alert_core.queues import Desk, Dispatch, Stored

TASK_NAME: Final = "alert_core.deliver"
_DRIVERS: Final = {"redis": "redis", "rediss": "redis", "sentinel": "redis", "amqp": "amqp", "amqps": "amqp"}
"""The modules that brokers need, by their schemes."""
_URL: Final = "must be a URL, as redis://host:6379/0 or amqp://host//"
_parents: list[Publisher] = []
"""Of a fork's child: the parent's connections, kept so that nothing closes them."""


@attrs.define
class Eager:
    """What Celery does at once in this process, because its app is set to `task_always_eager`."""

    queue: CeleryQueue
    deliveries: list[Delivery] = attrs.field(factory=list)


eager: ContextVar[Eager | None] = ContextVar("alert_celery_eager", default=None)


def _secret(value: object) -> Secret | None:
    if value is None or isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ConfigError([("broker", _URL)])
    return Secret(value)


def _broker_fault(url: str) -> str | None:
    scheme, found, _ = url.partition("://")
    if not found or scheme.partition("+")[0] not in TRANSPORT_ALIASES:
        return _URL
    needed = _DRIVERS.get(scheme)
    missing = needed is not None and find_spec(needed) is None
    return f"needs a driver: pip install alert-celery[{needed}]" if missing else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


_CHECKS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "app": (
        lambda value: value is None or isinstance(value, Celery) or _is_text(value),
        'must name a Celery app, as "shop.celery:app"',
    ),
    "task_name": (_is_text, "must be a text"),
    "queue": (_is_text, "must be a text"),
    "max_retries": (lambda value: type(value) is int and value >= 0, "must be a whole number, 0 or more"),
    "retry_backoff": (
        lambda value: isinstance(value, bool) or _is_seconds(value),
        "must be true, false, or seconds: more than 0",
    ),
    "retry_backoff_max": (_is_seconds, "must be seconds: more than 0"),
    "retry_jitter": (lambda value: isinstance(value, bool), "must be true or false"),
    "when_broker_down": (lambda value: value in ("error", "memory"), 'must be "error" or "memory"'),
}
"""What is right for each option, and what to say of any other value."""


@attrs.define(kw_only=True, eq=False, repr=False, slots=False)
class CeleryQueue:
    """Keeps each delivery as a Celery task at the broker, until a worker has made it.

    Args:
        broker: the broker's URL, as `redis://host:6379/0` or `amqp://host//`: a Celery app of its own.
        app: instead, the application's: the app, or where it is, as `"shop.celery:app"`. Neither: the current app.
        task_name: of the task.
        queue: the broker's queue.
        max_retries: attempts after the first one.
        retry_backoff: true: the pause before a retry is 1, 2, 4, … seconds; a number: its first; false: none.
        retry_backoff_max: seconds; the most that a pause takes, also one that a provider's Retry-After asks for.
        retry_jitter: draw each pause from 0 to its length, so that not all come back at once.
        when_broker_down: `error`: `enqueue()` raises QueueError; `memory`: it delivers from this process.

    Raises:
        ConfigError: every option that is wrong.
    """

    broker: Secret | None = attrs.field(default=None, converter=_secret)
    app: Celery | str | None = None
    task_name: str = TASK_NAME
    queue: str = "alerts"
    max_retries: int = 3
    retry_backoff: bool | float = True
    retry_backoff_max: float = 300.0
    retry_jitter: bool = True
    when_broker_down: Literal["error", "memory"] = "error"

    keeps_state = False
    delivers_here = False

    def __attrs_post_init__(self) -> None:
        """Check the options; no connection is made yet, and no application imported."""
        if faults := list(self._faults()):
            raise ConfigError(faults)
        self._desk: Desk | None = None
        self.forget()
        self._publisher: Publisher | None = None
        self._celery: Celery | None = None

    def __repr__(self) -> str:
        return f"CeleryQueue(task_name={self.task_name!r}, queue={self.queue!r})"

    def _faults(self) -> Iterator[tuple[str, str]]:
        if self.broker is not None and self.app is not None:
            yield "app", "give either a broker, or the Celery app that has one"
        if self.broker is not None and (fault := _broker_fault(self.broker.reveal())):
            yield "broker", fault
        for name, (is_right, wrong) in _CHECKS.items():
            if not is_right(getattr(self, name)):
                yield name, wrong

    @property
    def memory_when_down(self) -> bool:
        """Whether the dispatcher delivers from this process what the broker did not take."""
        return self.when_broker_down == "memory"

    @property
    def desk(self) -> Desk:
        """The dispatcher's side of it.

        Raises:
            QueueError: no dispatcher has opened it.
        """
        if self._desk is None:
            raise QueueError("the queue is not open: give it to a Dispatcher")
        return self._desk

    @property
    def celery(self) -> Celery:
        """The Celery app: the one that was given, or one of its own for the broker, or the current one.

        Raises:
            ConfigError: there is none of that name.
        """
        with self._lock:
            if self._celery is None:
                self._celery = self._found_app()
            return self._celery

    @property
    def publisher(self) -> Publisher:
        """This process's connections to the broker."""
        app = self.celery
        with self._lock:
            if self._publisher is None:
                self._publisher = Publisher(app)
            return self._publisher

    def delay(self, retries: int, error: DeliveryError, *, retry_uncertain: bool) -> float | None:
        """Seconds until a delivery is tried again that failed so after so many retries, or None where it is not."""
        is_certain = isinstance(error, RetryableDeliveryError)
        if isinstance(error, PermanentDeliveryError) or not (is_certain or retry_uncertain):
            return None
        if retries >= self.max_retries:
            return None
        if error.retry_after is not None:
            return min(max(error.retry_after, 0.0), self.retry_backoff_max)
        pause = min(float(self.retry_backoff) * 2.0 ** min(retries, 60), self.retry_backoff_max)
        return random.uniform(0, pause) if self.retry_jitter else pause  # noqa: S311 - jitter is no secret

    def open(self, desk: Desk) -> None:
        """Remember the desk; the broker is asked with the first alert."""
        if self._desk is not None:
            raise ConfigError([("queue", "this CeleryQueue belongs to another Dispatcher; make one for each")])
        self._desk = desk

    def put(self, dispatch: Dispatch) -> Stored:
        """Put one task for each delivery on the broker.

        Raises:
            QueueError: the broker is down, or refused. If it took some of the deliveries, the text says so.
        """
        messages = [Message(alert=dispatch.alert, target=one.target, recipient=one.recipient) for one in dispatch.parts]
        try:
            is_eager = self.celery.conf.task_always_eager
        except ConfigError as error:
            raise QueueError(f"{error}; the alert was not accepted") from None
        if is_eager:
            self._deliver_now(dispatch, messages)
        else:
            self.publish(messages)
        return Stored(parts=dispatch.parts)

    def publish(self, messages: list[Message]) -> None:
        """Put these deliveries, all of one alert, on the broker.

        Raises:
            QueueError: as `put()`.
        """
        body, taken = encoded(messages[0].alert), 0
        try:
            with self.publisher.publishing() as options:
                for message in messages:
                    self.celery.send_task(
                        self.task_name,
                        kwargs=message.arguments(body),
                        queue=self.queue,
                        argsrepr="()",
                        kwargsrepr=shown(message),
                        **options,
                    )
                    taken += 1
        except QueueError as error:
            if not taken:
                raise
            raise QueueError(f"{error}; it has taken {taken} of {len(messages)} deliveries") from None

    def conclude(self, dispatch_id: str) -> bool:  # noqa: ARG002 - the queue's signature
        """The end of `send()` is told by this process: no other one knows of the dispatch as a whole."""
        return True

    def flush(self, ends: float | None) -> bool:  # noqa: ARG002 - the queue's signature
        """Nothing is due here: what was put is at the broker."""
        return True

    def close(self, ends: float) -> None:  # noqa: ARG002 - the queue's signature
        """Close the connections to the broker."""
        with self._lock:
            publisher, self._publisher = self._publisher, None
        if publisher is not None:
            publisher.close()

    def forget(self) -> None:
        """In the child of a fork: connections of its own, and the parent's let alone."""
        if (publisher := getattr(self, "_publisher", None)) is not None:
            _parents.append(publisher)
        self._publisher = None
        self._lock = threading.RLock()  # the application's modules may send alerts while they are imported
        self.paces = Paces()

    def _deliver_now(self, dispatch: Dispatch, messages: list[Message]) -> None:
        """Let Celery run the tasks at once, as its app says, and tell how they ended."""
        from alert_celery.worker import register

        task = self.celery.tasks.get(self.task_name) or register(self.celery, self)
        now = Eager(self)
        token = eager.set(now)
        try:
            for message in messages:
                task.apply(kwargs=message.arguments(), throw=False)
        finally:
            eager.reset(token)
        report = DeliveryReport(alert_id=dispatch.alert.id, deliveries=tuple(now.deliveries), stored=True)
        self.desk.finish(dispatch.id, dispatch.alert, report)

    def _found_app(self) -> Celery:
        if isinstance(self.app, Celery):
            return self.app
        if self.app is not None:
            with contextlib.suppress(ImportError, AttributeError, ValueError):
                found = find_app(self.app)
                if isinstance(found, Celery):
                    return found
            raise ConfigError([("queue.app", "there is no Celery app of this name; write it as module:app")])
        if self.broker is None:
            return app_or_default()
        return own_app(self, self.broker.reveal())


def own_app(queue: CeleryQueue, url: str) -> Celery:
    """A Celery app on this broker, which takes JSON alone and loses nothing with a worker."""
    app = Celery("alert_core", set_as_current=False)
    app.conf.update(
        broker_read_url=url,  # not broker_url, before which CELERY_BROKER_URL goes
        broker_write_url=url,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # Longer than any task waits in a worker. Redis gives a killed worker's tasks back only then.
        broker_transport_options={"visibility_timeout": int(queue.retry_backoff_max) + 300},
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_default_queue=queue.queue,
        worker_prefetch_multiplier=1,
    )
    return app


def shown(message: Message) -> str:
    """What Celery's logs and monitors show of a task's arguments."""
    return f"{{'alert': '{message.alert.id}', 'target': {message.target!r}}}"
