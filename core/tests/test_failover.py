"""Failover: each child gets one attempt, until one delivers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from alert_core import (
    Alert,
    Dispatcher,
    PermanentDeliveryError,
    Receipt,
    RetryableDeliveryError,
    RetryPolicy,
    UncertainDeliveryError,
)
from alert_core.config import FailoverConfig
from alert_core.plugins import Plugins
from alert_core.transport import Transport, option

if TYPE_CHECKING:
    from alert_core import DeliveryError

AT_ONCE = RetryPolicy(attempts=3, initial=1e-6, maximum=1e-6)


class Child:
    def __init__(self, name: str, *errors: DeliveryError | None) -> None:
        self.name = name
        self.errors = list(errors)
        self.attempts = 0

    def send(self, alert: Alert) -> Receipt:
        self.attempts += 1
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return Receipt(id=f"{self.name}-{self.attempts}")


def dispatcher(*children: Any, **arguments: Any) -> Dispatcher:
    mail = FailoverConfig("mail", tuple(child.name for child in children))
    targets = {child.name: child for child in children} | {"mail": mail}
    return Dispatcher(targets, **{"plugins": Plugins(), "retry": AT_ONCE, **arguments})


def alert() -> Alert:
    return Alert("Disk full", "/var is at 98 %")


def test_the_first_child_that_delivers_ends_it_and_no_child_is_sent_to_directly() -> None:
    first, second = Child("first"), Child("second")
    with dispatcher(first, second) as d:
        (delivery,) = d.send(alert()).deliveries
    assert (delivery.target, delivery.kind, delivery.outcome) == ("mail", "failover", "delivered")
    assert delivery.receipt == Receipt(id="first-1", detail={"via": "first"})
    assert (first.attempts, second.attempts) == (1, 0)


@pytest.mark.parametrize("kind", [PermanentDeliveryError, RetryableDeliveryError, UncertainDeliveryError])
def test_any_outcome_but_delivered_goes_on_to_the_next_child_at_once(kind: type[DeliveryError]) -> None:
    first, second = Child("first", kind("no")), Child("second")
    with dispatcher(first, second) as d:
        (delivery,) = d.send(alert()).deliveries
    assert delivery.receipt == Receipt(id="second-1", detail={"via": "second"})
    assert (first.attempts, delivery.attempts) == (1, 1)


def test_retries_start_after_the_last_child() -> None:
    first = Child("first", RetryableDeliveryError("busy"), None)
    second = Child("second", PermanentDeliveryError("no"), None)
    with dispatcher(first, second) as d:
        (delivery,) = d.send(alert()).deliveries
    assert (delivery.outcome, delivery.attempts) == ("delivered", 2)
    assert (first.attempts, second.attempts) == (2, 1)


def test_a_childs_own_retries_do_not_hold_up_the_next_child() -> None:
    first = Child("first", *[RetryableDeliveryError("busy")] * 3)
    vars(first).update(retry=AT_ONCE)
    with dispatcher(first, Child("second")) as d:
        (delivery,) = d.send(alert()).deliveries
    assert delivery.receipt == Receipt(id="second-1", detail={"via": "second"})
    assert first.attempts == 1


@pytest.mark.parametrize(
    ("errors", "outcome"),
    [
        ((PermanentDeliveryError("a"), PermanentDeliveryError("b")), "permanent"),
        ((RetryableDeliveryError("a"), PermanentDeliveryError("b")), "retryable"),
        ((PermanentDeliveryError("a"), UncertainDeliveryError("b")), "uncertain"),
    ],
)
def test_when_none_delivers_the_outcome_is_what_is_left_to_hope_for(
    errors: tuple[DeliveryError, DeliveryError], outcome: str
) -> None:
    with dispatcher(Child("x", errors[0]), Child("y", errors[1]), retry=RetryPolicy(attempts=1)) as d:
        report = d.send(alert())
    assert report.deliveries[0].outcome == outcome
    assert "x: a; y: b" in str(report.failed["mail"])


def test_a_hung_child_leaves_the_others_their_share_of_the_time() -> None:
    release = threading.Event()

    class Hung:
        name = "hung"

        def send(self, alert: Alert) -> None:
            release.wait(60)

    d = dispatcher(Hung(), Child("second"), deadline=2.0)
    report = d.send(alert())
    assert report.sent == ("mail",)
    release.set()
    d.close()


def test_a_child_can_be_named_and_can_be_routed_to() -> None:
    first = Child("first")
    with dispatcher(first) as d:
        assert d.send(alert(), targets=["first"]).sent == ("first",)


def test_a_retry_does_not_go_again_to_recipients_who_have_it() -> None:
    class Pager(Transport):
        kind = "pager"
        recipients_option = "to"
        to: tuple[str, ...] = option()

        def send(self, alert: Alert, recipient: str = "") -> Receipt:
            calls.append(recipient)
            if recipient == "+2" and calls.count("+2") == 1:
                raise RetryableDeliveryError("busy")
            return Receipt(id=recipient)

    calls: list[str] = []
    with dispatcher(Pager(to=("+1", "+2"))) as d:
        assert d.send(alert()).sent == ("mail",)
    assert sorted(calls) == ["+1", "+2", "+2"]


def test_a_failover_may_stand_in_a_failover() -> None:
    targets = {
        "a": Child("a", PermanentDeliveryError("no")),
        "b": Child("b"),
        "inner": FailoverConfig("inner", ("a", "b")),
        "c": Child("c"),
        "outer": FailoverConfig("outer", ("inner", "c")),
    }
    with Dispatcher(targets, plugins=Plugins(), retry=AT_ONCE) as d:
        (delivery,) = d.send(alert()).deliveries
    assert (delivery.target, delivery.outcome) == ("outer", "delivered")
    assert delivery.receipt is not None
    assert delivery.receipt.id == "b-1"
