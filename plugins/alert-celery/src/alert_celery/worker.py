"""The task: it reads one delivery, has one attempt made of it, and tells Celery what follows."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
from celery import Celery, Task
from celery.exceptions import Reject, Retry

from alert_celery.attempt import attempt
from alert_celery.messages import Message
from alert_celery.queue import TASK_NAME, CeleryQueue, eager, shown
from alert_core import AlertError, ConfigError, DeliveryError, Dispatcher, QueueError
from alert_core.default import get as default_dispatcher

OPTIONS: Final[Mapping[str, Any]] = {
    "bind": True,
    "acks_late": True,  # with the next one: what a killed worker had runs again
    "reject_on_worker_lost": True,
    "ignore_result": True,
    "max_retries": None,  # the queue counts them
    "serializer": "json",
    "throws": (DeliveryError,),  # no bugs: Celery tells them in a line, without a traceback
}
"""Of the task."""
UNREADY: Final = 60.0
"""Seconds until a delivery comes back to a worker whose configuration is wrong."""
_log = logging.getLogger("alert_celery")


def register(app: Celery, dispatcher: Dispatcher | CeleryQueue | None = None) -> Task[..., Any]:
    """Make the deliver task one of this app's, for its workers.

    Args:
        app: of the application.
        dispatcher: who delivers, with a queue of type `celery`, whose `task_name` is the task's. Default: the process's
            default dispatcher, built when the first alert comes; the name is `alert_core.deliver` then.

    Returns:
        The task.

    Raises:
        ConfigError: the dispatcher has another queue, or none.
    """
    given = None if dispatcher is None else queue_of(dispatcher)

    def deliver(task: Task[..., Any], *args: Any, **kwargs: Any) -> str:
        return run(task, given, args, kwargs)

    name = TASK_NAME if given is None else given.task_name
    app.tasks.pop(name, None)  # of alert_celery.tasks, perhaps
    make: Any = app.task
    task: Task[..., Any] = make(name=name, lazy=False, shared=False, **OPTIONS)(deliver)
    return task


def queue_of(dispatcher: Dispatcher | CeleryQueue) -> CeleryQueue:
    """The dispatcher's queue.

    Raises:
        ConfigError: it is none of this kind.
    """
    queue = dispatcher.queue if isinstance(dispatcher, Dispatcher) else dispatcher
    if not isinstance(queue, CeleryQueue):
        raise ConfigError([("queue.type", 'must be "celery" where a Celery worker delivers')])
    return queue


def run(task: Task[..., Any], given: CeleryQueue | None, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """What the task does with its arguments; its result is a word for Celery's log.

    Raises:
        Reject: the message is no delivery: it goes to the queue's dead letter exchange, if that has one.
        Retry: it comes back later.
        DeliveryError: the delivery was given up; the observers have been told.
    """
    now, retries = eager.get(), task.request.retries or 0
    try:
        queue = now.queue if now is not None else given or queue_of(default_dispatcher())
        redactor = queue.desk.redactor
    except Exception as error:  # noqa: BLE001 - an application's modules load here; no alert is lost with them
        _log.error("a worker cannot deliver: %s", error if isinstance(error, AlertError) else type(error).__name__)
        raise _back(task, None, dict(kwargs), UNREADY, retries, error) from None
    try:
        message = Message.read(args, kwargs, redactor)
        if type(retries) is not int or retries < 0:
            raise ValueError("its number of retries is none")  # noqa: TRY301 - told as the other faults
    except ValueError as fault:
        _log.error("a message is no delivery, and is rejected: %s", fault)
        raise Reject(f"no delivery: {fault}", requeue=False) from None
    if message.recipient is None and (parts := _recipients(queue, message)):
        return _split(queue, parts)
    ended = attempt(queue, message, retries=retries, lost=_was_lost(task), eager=now is not None)
    delivery = ended.delivery
    if ended.delay is not None:
        failure = None if delivery is None else delivery.error
        raise _back(task, queue, ended.message, ended.delay, retries + (delivery is not None), failure)
    assert delivery is not None  # noqa: S101 - what was not attempted comes back
    if now is not None:
        now.deliveries.append(delivery)
    if delivery.error is None:
        return "delivered"
    reason = type(delivery.error).__name__
    _log.warning("%s: the delivery of alert %s is given up (%s)", message.target, message.alert.id, reason)
    queue.desk.drop(message.alert, "dead_letter", message.target)
    raise delivery.error


def _back(
    task: Task[..., Any],
    queue: CeleryQueue | None,
    message: Message | dict[str, Any],
    delay: float,
    retries: int,
    error: Exception | None,
) -> Retry:
    """Put the task on the broker once more; what to raise then.

    Task.retry() would lose the message where the broker does not take it; and it counts each time.
    """
    request = task.request
    options: dict[str, Any] = {}
    if isinstance(message, Message):
        options = {"argsrepr": "()", "kwargsrepr": shown(message)}
        message = message.arguments()
    again = task.signature_from_request(request, (), message, countdown=delay, retries=retries)
    if not request.is_eager:
        try:
            with contextlib.ExitStack() as stack:
                if queue is not None:
                    options |= stack.enter_context(queue.publisher.publishing())
                again.apply_async(**options)
        except Exception as refusal:  # noqa: BLE001 - the broker's, or QueueError
            raise Reject(f"the broker did not take it back ({type(refusal).__name__})", requeue=True) from None
    return Retry(exc=error, when=delay, is_eager=bool(request.is_eager), sig=again)  # type: ignore[arg-type]  # a float is a Real


def _was_lost(task: Task[..., Any]) -> bool:
    """Whether the broker has delivered the message before: to a worker that was killed, stopped or cut off."""
    return bool((task.request.delivery_info or {}).get("redelivered"))


def _recipients(queue: CeleryQueue, message: Message) -> list[Message]:
    """A delivery for each recipient, where only the worker knows them; else none."""
    settings = queue.desk.targets.get(message.target)
    recipients = () if settings is None else settings.recipients
    return [attrs.evolve(message, recipient=one) for one in recipients if one is not None]


def _split(queue: CeleryQueue, messages: list[Message]) -> str:
    try:
        queue.publish(messages)
    except QueueError as refusal:
        raise Reject(str(refusal), requeue=True) from None
    return f"{len(messages)} deliveries"
