"""What became of an alert: each property of the report by the table of the contract."""

import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from alert_core import (
    Delivery,
    DeliveryError,
    DeliveryReport,
    PermanentDeliveryError,
    Receipt,
    RetryableDeliveryError,
    UncertainDeliveryError,
)
from alert_core.report import Outcome

ERRORS: dict[Outcome, DeliveryError | None] = {
    Outcome.DELIVERED: None,
    Outcome.QUEUED: None,
    Outcome.RETRYABLE: RetryableDeliveryError("busy", status=503, retry_after=7.0),
    Outcome.PERMANENT: PermanentDeliveryError("refused", status=401, code="invalid_auth"),
    Outcome.UNCERTAIN: UncertainDeliveryError("lost"),
    Outcome.DROPPED: DeliveryError("queue_full"),
}


def delivery(target: str, outcome: Outcome, recipient: str | None = None) -> Delivery:
    receipt = Receipt(id=f"{target}-1") if outcome is Outcome.DELIVERED else None
    return Delivery(
        target=target, kind="memory", recipient=recipient, outcome=outcome, receipt=receipt, error=ERRORS[outcome]
    )


def report(*deliveries: Delivery, **fields: Any) -> DeliveryReport:
    return DeliveryReport(alert_id="a1", deliveries=deliveries, **fields)


ONE_OF_EACH = report(*(delivery(outcome.value, outcome) for outcome in reversed(Outcome)))


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (PermanentDeliveryError(), Outcome.PERMANENT),
        (RetryableDeliveryError(), Outcome.RETRYABLE),
        (UncertainDeliveryError(), Outcome.UNCERTAIN),
        (DeliveryError(), Outcome.UNCERTAIN),
    ],
)
def test_an_error_stands_for_its_outcome_and_one_of_no_kind_is_uncertain(
    error: DeliveryError, outcome: Outcome
) -> None:
    assert Outcome.of(error) is outcome


@pytest.mark.parametrize("outcome", Outcome)
def test_a_report_is_ok_where_nothing_failed_and_nothing_is_uncertain(outcome: Outcome) -> None:
    mixed = report(delivery("a", Outcome.DELIVERED), delivery("b", outcome))
    assert mixed.ok is (outcome in (Outcome.DELIVERED, Outcome.QUEUED))


def test_a_report_of_no_delivery_is_ok_and_says_why_the_alert_was_dropped() -> None:
    silent = report(dropped="processor")
    assert (silent.ok, silent.sent, silent.dropped, silent.stored) == (True, (), "processor", False)


def test_each_property_has_the_targets_of_its_outcome() -> None:
    assert ONE_OF_EACH.sent == ("delivered",)
    assert ONE_OF_EACH.retryable == ("retryable",)
    assert ONE_OF_EACH.permanent == ("permanent",)
    assert ONE_OF_EACH.uncertain == ("uncertain",)
    assert ONE_OF_EACH.queued == ("queued",)


def test_failed_maps_each_target_that_ended_neither_delivered_nor_queued_to_its_error() -> None:
    assert dict(ONE_OF_EACH.failed) == {
        outcome.value: ERRORS[outcome] for outcome in reversed(Outcome) if ERRORS[outcome] is not None
    }


PROPERTIES: list[tuple[Outcome, Callable[[DeliveryReport], Any]]] = [
    (Outcome.DELIVERED, lambda report: report.sent),
    (Outcome.RETRYABLE, lambda report: report.retryable),
    (Outcome.PERMANENT, lambda report: report.permanent),
    (Outcome.UNCERTAIN, lambda report: report.uncertain),
    (Outcome.QUEUED, lambda report: report.queued),
    (Outcome.DROPPED, lambda report: tuple(report.failed)),
]


@pytest.mark.parametrize(("outcome", "names"), PROPERTIES, ids=[outcome for outcome, _ in PROPERTIES])
def test_names_come_in_the_order_of_the_targets_and_once_each(
    outcome: Outcome, names: Callable[[DeliveryReport], Any]
) -> None:
    several = report(
        delivery("z", outcome, "x@example.org"), delivery("z", outcome, "y@example.org"), delivery("a", outcome)
    )
    assert names(several) == ("z", "a")


def test_a_target_counts_as_sent_only_where_each_recipient_got_it() -> None:
    half = report(
        delivery("mail", Outcome.DELIVERED, "a@example.org"),
        delivery("mail", Outcome.PERMANENT, "b@example.org"),
        delivery("slack", Outcome.DELIVERED),
    )
    assert half.sent == ("slack",)
    assert half.permanent == ("mail",)
    assert not half.ok


def test_the_first_error_of_a_target_stands_for_it() -> None:
    first, second = PermanentDeliveryError("first"), UncertainDeliveryError("second")
    both = report(
        Delivery(target="mail", kind="smtp", outcome=Outcome.PERMANENT, error=first),
        Delivery(target="mail", kind="smtp", outcome=Outcome.UNCERTAIN, error=second),
    )
    assert both.failed["mail"] is first


def test_a_failed_delivery_without_an_error_still_has_one_in_failed() -> None:
    dropped = report(Delivery(target="a", kind="x", outcome=Outcome.DROPPED))
    assert "dropped" in str(dropped.failed["a"])
    with pytest.raises(DeliveryError, match="a: dropped"):
        dropped.raise_for_failures()


def test_raise_for_failures_returns_where_there_is_none() -> None:
    report(delivery("a", Outcome.DELIVERED), delivery("b", Outcome.QUEUED)).raise_for_failures()
    report(dropped="processor").raise_for_failures()


def test_raise_for_failures_raises_the_one_error() -> None:
    with pytest.raises(PermanentDeliveryError) as raised:
        report(delivery("a", Outcome.DELIVERED), delivery("b", Outcome.PERMANENT)).raise_for_failures()
    assert raised.value is ERRORS[Outcome.PERMANENT]


def test_raise_for_failures_raises_one_delivery_error_with_all_of_several() -> None:
    with pytest.raises(DeliveryError) as raised:
        report(delivery("a", Outcome.PERMANENT), delivery("b", Outcome.UNCERTAIN)).raise_for_failures()
    assert raised.value.errors == (ERRORS[Outcome.PERMANENT], ERRORS[Outcome.UNCERTAIN])
    assert str(raised.value) == "2 deliveries failed: a: refused; b: lost"


def test_to_dict_is_json() -> None:
    values = ONE_OF_EACH.to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert list(values) == ["alert_id", "ok", "dropped", "stored", "deliveries"]
    assert [one["outcome"] for one in values["deliveries"]] == [outcome.value for outcome in reversed(Outcome)]


def test_to_dict_of_a_delivery_has_every_field_and_the_errors_details() -> None:
    values = delivery("a", Outcome.PERMANENT).to_dict()
    assert list(values) == [field.name for field in attrs.fields(Delivery)]
    assert values["error"] == {
        "type": "PermanentDeliveryError",
        "message": "refused",
        "status": 401,
        "code": "invalid_auth",
        "retry_after": None,
    }
    assert values["receipt"] is None


def test_to_dict_of_a_receipt_is_json_and_masked_whatever_a_transport_put_there() -> None:
    receipt = Receipt(id="m1", recipient="a@example.org", detail={"seen": {1}, "token": "receipt-canary-44"})
    values = Delivery(target="a", kind="x", outcome=Outcome.DELIVERED, receipt=receipt).to_dict()
    assert values["receipt"]["id"] == "m1"
    assert values["receipt"]["detail"]["seen"] == [1]
    assert "receipt-canary-44" not in json.dumps(values)


@pytest.mark.parametrize("record", [ONE_OF_EACH, ONE_OF_EACH.deliveries[0], Receipt()])
def test_records_cannot_be_changed(record: Any) -> None:
    for field in attrs.fields(type(record)):
        with pytest.raises(AttributeError):
            setattr(record, field.name, None)


def test_a_report_can_be_compared() -> None:
    assert report(delivery("a", Outcome.DELIVERED)) == report(delivery("a", Outcome.DELIVERED))
    assert report(stored=True) != report()
