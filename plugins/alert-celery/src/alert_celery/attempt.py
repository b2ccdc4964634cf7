"""One attempt of one delivery by the dispatcher's desk, and what follows from it. Celery is not in it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import attrs

from alert_celery.messages import Arrived, Message
from alert_core import Delivery, DeliveryError, RetryableDeliveryError, UncertainDeliveryError
from alert_core.queues import Dispatch, Outcome, Part, Settings

if TYPE_CHECKING:
    from alert_celery.queue import CeleryQueue

MARGIN: Final = 5.0
"""Seconds that an attempt gets beyond its timeout, before the task goes on without it."""
LATER: Final = 5.0
"""Seconds until a delivery comes back for which its target has no room."""


@attrs.frozen(kw_only=True)
class Ended:
    """What a run of the task came to.

    Attributes:
        message: as it comes back, if it does.
        delivery: what the attempt came to; None: none was made, and the delivery comes back.
        delay: seconds until it comes back; None: it has ended.
    """

    message: Message
    delivery: Delivery | None = None
    delay: float | None = None


@attrs.define(eq=False)
class _Attempt:
    """One attempt under way, as its lane sees it: an `alert_core.queues.Claim`."""

    delay_of: Callable[[Delivery], float | None]
    delivery: Delivery | None = None
    delay: float | None = None
    arrived: Arrived = ()
    began: bool = False
    left: bool = False
    changed: threading.Condition = attrs.field(factory=threading.Condition)

    def begin(self) -> bool:
        with self.changed:
            self.began = not self.left
            self.changed.notify_all()
            return self.began

    def record(self, delivery: Delivery, arrived: frozenset[tuple[str, str | None]]) -> bool:
        with self.changed:
            if not self.left:
                self.delay, self.arrived = self.delay_of(delivery), tuple(sorted(arrived, key=str))
            return self.delay is not None

    def settle(self, index: int, delivery: Delivery) -> None:  # noqa: ARG002 - the ticket's signature
        with self.changed:
            if not self.left:
                self.delivery = delivery
            self.changed.notify_all()

    def wait(self, timeout: float) -> None:
        """Until it has ended, but no longer than its target allows; what comes later changes nothing."""
        with self.changed:
            self.changed.wait_for(lambda: self.began or self.delivery is not None, timeout)
            if self.began:
                self.changed.wait_for(lambda: self.delivery is not None, timeout + MARGIN)
            self.left = True


def attempt(queue: CeleryQueue, message: Message, *, retries: int, lost: bool = False, eager: bool = False) -> Ended:
    """Make one attempt of a delivery.

    Args:
        queue: whose desk makes it, and whose options say when it is tried again.
        message: the delivery.
        retries: how often it was tried again before.
        lost: whether a worker had it already that was killed, or lost the broker.
        eager: whether nobody can come back later.
    """
    target, desk = message.target, queue.desk

    def delay_of(delivery: Delivery) -> float | None:
        uncertain = target not in desk.targets or desk.retry(target).retry_uncertain
        error = delivery.error
        return None if error is None else queue.delay(retries, error, retry_uncertain=uncertain)

    def failed(error: DeliveryError) -> Ended:
        delivery = Delivery(
            target=target,
            kind="",
            recipient=message.recipient,
            outcome=Outcome.of(error),
            attempts=retries + 1,
            error=error,
        )
        return Ended(message=message, delivery=delivery, delay=delay_of(delivery))

    if (obstacle := _obstacle(queue, target, lost=lost)) is not None:
        return failed(obstacle)
    settings = desk.targets[target]
    if not (eager or message.paced) and (pause := _paced(queue, message, settings)):
        return pause
    one = _Attempt(delay_of)
    part = Part(target, message.recipient)
    dispatch = Dispatch(id=uuid.uuid4().hex, alert=message.alert, parts=(part,))
    desk.start(one, dispatch, part, attempts=retries, arrived=message.arrived)
    one.wait(settings.timeout)
    if one.delivery is not None and one.delivery.outcome is not Outcome.QUEUED:
        return Ended(message=attrs.evolve(message, arrived=one.arrived), delivery=one.delivery, delay=one.delay)
    if one.began:
        return failed(UncertainDeliveryError(f"no end within its timeout of {settings.timeout:g} s"))
    if eager:
        return failed(RetryableDeliveryError("its target has no room for it"))
    return Ended(message=message, delay=LATER)


def _obstacle(queue: CeleryQueue, target: str, *, lost: bool) -> DeliveryError | None:
    """Why no attempt may be made."""
    if target not in queue.desk.targets:  # perhaps those who enqueue have a newer configuration
        return RetryableDeliveryError("this worker has no target of that name")
    if lost and not queue.desk.retry(target).retry_uncertain:
        return UncertainDeliveryError("the worker that had it was lost; it may have arrived")
    return None


def _paced(queue: CeleryQueue, message: Message, settings: Settings) -> Ended | None:
    """When a delivery comes back that is over its target's rate; None where it is not."""
    longest = queue.retry_backoff_max
    pause = queue.paces.wait(message.target, settings, queue.desk.clock.monotonic(), longest)
    if not pause:
        return None
    return Ended(message=attrs.evolve(message, paced=pause <= longest), delay=min(pause, longest))
