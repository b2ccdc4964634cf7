"""An incident from its firing to its resolve, through a dispatcher, over real sockets."""

import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from alert_core import Alert, Dispatcher, RetryPolicy, Secret
from alert_core.report import Outcome
from alert_core.testing import Fault, HttpStandIn, Received, Reply
from alert_pagerduty.transport import PagerDutyTransport

KEY = "R0utingKeyCanary0123456789abcdef"
FIRING = Alert("Disk full", "/var is at 98 %", severity="critical", source="db1")


class PagerDuty(HttpStandIn):
    """Does with every event what the Events API v2 documents, and then answers, or fails to, as `answers` says.

    `opened` has the dedup key of each alert that was ever opened, `open` the state of those that still are.
    """

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.open: dict[str, str] = {}
        self.answers: list[Fault | Reply] = []

    @property
    def events(self) -> list[dict[str, Any]]:
        """What came."""
        return [json.loads(received.body) for received in self.received]

    def record(self, received: Received) -> None:
        """Keep the request, act on it unless it is refused, and prepare its answer."""
        super().record(received)
        event = json.loads(received.body)
        answer = self.answers.pop(0) if self.answers else None
        yes = Reply(202, json={"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]})
        if isinstance(answer, Reply):
            self.script(answer)
        else:
            self.act(event["event_action"], event["dedup_key"])
            self.script(attrs.evolve(yes, fault=answer))

    def act(self, action: str, key: str) -> None:
        """Open, acknowledge or close the alert; what finds none is dropped."""
        match action:
            case "trigger" if key not in self.open:
                self.opened.append(key)
                self.open[key] = "triggered"
            case "acknowledge" if key in self.open:
                self.open[key] = "acknowledged"
            case "resolve":
                self.open.pop(key, None)


@pytest.fixture
def pagerduty() -> Iterator[PagerDuty]:
    """PagerDuty, with the alerts that it has."""
    with PagerDuty() as server:
        yield server


@pytest.fixture
def dispatcher(pagerduty: PagerDuty) -> Iterator[Dispatcher]:
    """Sends to it, and retries at once."""
    url = f"http://127.0.0.1:{pagerduty.port}/pagerduty/v2"
    transport = PagerDutyTransport(routing_key=Secret(KEY), api_url=url)
    with Dispatcher([transport], retry=RetryPolicy(initial=0.01)) as made:
        yield made


def test_a_firing_opens_an_alert_that_is_acknowledged_and_closed_by_its_key(
    pagerduty: PagerDuty, dispatcher: Dispatcher
) -> None:
    key = FIRING.dedup_key
    for status, states in (("firing", {key: "triggered"}), ("acknowledged", {key: "acknowledged"}), ("resolved", {})):
        report = dispatcher.send(FIRING.evolve(status=status, message=f"now {status}"))
        (delivery,) = report.deliveries
        assert delivery.outcome is Outcome.DELIVERED
        assert delivery.receipt is not None
        assert delivery.receipt.id == key
        assert pagerduty.open == states
    assert [event["event_action"] for event in pagerduty.events] == ["trigger", "acknowledge", "resolve"]


def test_a_firing_while_it_is_open_joins_it_and_after_its_resolve_opens_another(
    pagerduty: PagerDuty, dispatcher: Dispatcher
) -> None:
    for status in ("firing", "firing", "resolved", "firing"):
        assert dispatcher.send(FIRING.evolve(status=status)).ok
    assert pagerduty.opened == [FIRING.dedup_key] * 2
    assert pagerduty.open == {FIRING.dedup_key: "triggered"}


def test_a_resolve_closes_its_own_alert_alone(pagerduty: PagerDuty, dispatcher: Dispatcher) -> None:
    other = Alert("Disk full", "/var is at 98 %", source="db2")
    for alert in (FIRING, other, FIRING.evolve(status="resolved", severity="info")):
        assert dispatcher.send(alert).ok
    assert pagerduty.open == {other.dedup_key: "triggered"}


def test_a_resolve_of_nothing_is_delivered_and_opens_nothing(pagerduty: PagerDuty, dispatcher: Dispatcher) -> None:
    assert dispatcher.send(FIRING.evolve(status="resolved")).ok
    assert pagerduty.opened == []


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.TRUNCATE, Fault.GARBAGE])
@pytest.mark.parametrize(("status", "states"), [("firing", {FIRING.dedup_key: "triggered"}), ("resolved", {})])
def test_an_event_whose_answer_was_lost_is_sent_again_and_pages_once(
    pagerduty: PagerDuty, dispatcher: Dispatcher, fault: Fault, status: str, states: dict[str, str]
) -> None:
    pagerduty.answers = [fault]
    report = dispatcher.send(FIRING.evolve(status=status))
    assert [(delivery.outcome, delivery.attempts) for delivery in report.deliveries] == [(Outcome.DELIVERED, 2)]
    first, second = pagerduty.received
    assert first.body == second.body
    assert pagerduty.open == states
    assert len(pagerduty.opened) == len(states)


def test_an_event_that_met_the_rate_limit_is_sent_again(pagerduty: PagerDuty, dispatcher: Dispatcher) -> None:
    pagerduty.answers = [Reply(429, text="Request Limit Exceeded")]
    report = dispatcher.send(FIRING)
    assert [(delivery.outcome, delivery.attempts) for delivery in report.deliveries] == [(Outcome.DELIVERED, 2)]
    assert pagerduty.opened == [FIRING.dedup_key]


def test_firings_sent_at_once_each_open_their_own_alert(pagerduty: PagerDuty, dispatcher: Dispatcher) -> None:
    alerts = [Alert("Disk full", "/var is at 98 %", source=f"db{n}") for n in range(20)]
    tickets = [dispatcher.enqueue(alert) for alert in alerts]
    assert all(ticket.report(30).ok for ticket in tickets)
    assert sorted(pagerduty.opened) == sorted(alert.dedup_key for alert in alerts)
