"""One attempt, and what follows from it; without a broker."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import Reject, Retry

from alert_celery import CeleryQueue, register
from alert_celery import attempt as attempts
from alert_celery.attempt import attempt
from alert_celery.messages import Message
from alert_core import Alert, Dispatcher, Receipt, RetryableDeliveryError, RetryPolicy, Route, UncertainDeliveryError
from alert_core.config import FailoverConfig
from alert_core.default import replace
from alert_core.queues import Outcome
from alert_core.testing import FlakyTransport, isolated_plugins

NOWHERE = "redis://127.0.0.1:1/0"


def message(target: str = "ops", **fields: Any) -> Message:
    return Message(alert=Alert("t", "m"), target=target, **fields)


class Hanging:
    """A target whose attempts take until it is let go."""

    name, timeout, concurrency = "ops", 0.05, 1

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.tries = 0

    def send(self, alert: Alert) -> Receipt:
        self.tries += 1
        self.gate.wait(60)
        return Receipt()


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    target = Hanging()
    yield target
    target.gate.set()


def test_a_delivery_ends_or_comes_back_as_its_outcome_says(make: Any) -> None:
    flaky = FlakyTransport(name="ops", plan=[RetryableDeliveryError(retry_after=7), "ok"])
    queue = make(flaky, broker=NOWHERE).queue
    first = attempt(queue, message(), retries=0)
    assert first.delivery is not None
    assert (first.delay, first.delivery.outcome, first.delivery.attempts) == (7, Outcome.RETRYABLE, 1)
    second = attempt(queue, first.message, retries=1)
    assert second.delivery is not None
    assert (second.delay, second.delivery.outcome, second.delivery.attempts) == (None, Outcome.DELIVERED, 2)


def test_the_alert_keeps_its_id_over_retries(make: Any) -> None:
    flaky = FlakyTransport(name="ops", plan=[RetryableDeliveryError(), "ok"])
    queue = make(flaky, broker=NOWHERE).queue
    again = attempt(queue, message(), retries=0).message
    attempt(queue, again, retries=1)
    assert len({alert.id for alert, _ in flaky.attempts}) == 1


def test_a_target_that_is_not_there_is_waited_for(make: Any) -> None:
    queue = make(broker=NOWHERE).queue
    waiting = attempt(queue, message("gone"), retries=0)
    assert waiting.delay is not None
    given_up = attempt(queue, message("gone"), retries=3)
    assert given_up.delay is None
    assert given_up.delivery is not None
    assert "no target of that name" in str(given_up.delivery.error)


@pytest.mark.parametrize("retry_uncertain", [True, False])
def test_what_a_lost_worker_had_is_tried_again_where_it_may_come_twice(make: Any, retry_uncertain: bool) -> None:
    flaky = FlakyTransport(name="ops", plan=[], retry=RetryPolicy(retry_uncertain=retry_uncertain))
    ended = attempt(make(flaky, broker=NOWHERE).queue, message(), retries=0, lost=True)
    assert ended.delay is None
    assert ended.delivery is not None
    assert ended.delivery.outcome is (Outcome.DELIVERED if retry_uncertain else Outcome.UNCERTAIN)
    assert len(flaky.attempts) == retry_uncertain


def test_an_attempt_that_hangs_is_left_behind_and_its_late_end_changes_nothing(
    make: Any, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "MARGIN", 0.05)
    dispatcher: Dispatcher = make(hanging, broker=NOWHERE)
    queue: Any = dispatcher.queue
    ended = attempt(queue, message(), retries=0)
    assert ended.delivery is not None
    assert isinstance(ended.delivery.error, UncertainDeliveryError)
    assert ended.delay is not None
    waiting = attempt(queue, message(), retries=0)  # the only worker of its lane is still there
    assert (waiting.delivery, waiting.delay) == (None, attempts.LATER)
    hanging.gate.set()
    assert dispatcher._lanes["ops"].flush(None)
    assert hanging.tries == 1


def test_a_target_without_room_fails_where_nobody_can_come_back(
    make: Any, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "MARGIN", 0.05)
    queue = make(hanging, broker=NOWHERE).queue
    attempt(queue, message(), retries=0)
    ended = attempt(queue, message(), retries=9, eager=True)
    assert ended.delivery is not None
    assert "no room" in str(ended.delivery.error)


def test_what_is_over_a_targets_rate_comes_back_at_its_turn_and_is_not_tried_meanwhile(make: Any) -> None:
    flaky = FlakyTransport(name="ops", plan=[], rate="2/10s")
    queue = make(flaky, broker=NOWHERE, retry_backoff_max=12).queue
    ended = [attempt(queue, message(), retries=0) for _ in range(6)]
    delays = [None if one.delay is None else round(one.delay) for one in ended]
    assert delays == [None, None, 5, 10, 12, 12]
    assert [one.message.paced for one in ended] == [False, False, True, True, False, False]
    assert len(flaky.attempts) == 2
    assert attempt(queue, ended[2].message, retries=0).delivery is not None


class Team:
    """Has two recipients; the second one is refused once."""

    name, recipients_option, to = "team", "to", ("ana", "rui")

    def __init__(self) -> None:
        self.tries: Counter[str] = Counter()

    def send(self, alert: Alert, recipient: str) -> Receipt:
        self.tries[recipient] += 1
        if (recipient, self.tries[recipient]) == ("rui", 1):
            raise RetryableDeliveryError
        return Receipt()


def test_of_a_failover_who_has_the_alert_is_not_asked_again() -> None:
    team, queue = Team(), CeleryQueue(broker=NOWHERE)
    targets = {"team": team, "both": FailoverConfig("both", ("team",))}
    with Dispatcher(targets, queue=queue, routes=[Route(["both"])], plugins=isolated_plugins()):
        first = attempt(queue, message("both"), retries=0)
        assert first.message.arrived == (("team", "ana"),)
        second = attempt(queue, first.message, retries=1)
    assert second.delivery is not None
    assert second.delivery.outcome is Outcome.DELIVERED
    assert team.tries == {"ana": 1, "rui": 2}


class TestTheTask:
    @pytest.fixture
    def app(self) -> Iterator[Celery]:
        app = Celery("shop", broker=NOWHERE, set_as_current=False)
        app.conf.task_publish_retry = False
        yield app
        app.close()

    @staticmethod
    def run(task: Any, **kwargs: Any) -> Any:
        task.push_request(id="1", retries=kwargs.pop("retries", 0), is_eager=False, called_directly=False)
        try:
            return task.run(**kwargs)
        finally:
            task.pop_request()

    def test_a_delivery_that_the_broker_does_not_take_back_stays_where_it_is(self, make: Any, app: Celery) -> None:
        task = register(app, make(FlakyTransport(name="ops", plan=[RetryableDeliveryError()]), app=app))
        with pytest.raises(Reject) as raised:
            self.run(task, **message().arguments())
        assert vars(raised.value)["requeue"] is True

    def test_recipients_that_the_broker_does_not_take_stay_where_they_are(self, make: Any, app: Celery) -> None:
        task = register(app, make(FlakyTransport(name="ops", to=("ana", "rui"), plan=[]), app=app))
        with pytest.raises(Reject) as raised:
            self.run(task, **message().arguments())
        assert vars(raised.value)["requeue"] is True

    def test_a_worker_that_is_configured_wrongly_loses_nothing(
        self, app: Celery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("ALERT_CONFIG", "/nowhere/alerts.toml")
        app.conf.update(broker_write_url="memory://", broker_read_url="memory://")
        task = register(app)
        before = replace(None)
        try:
            with pytest.raises(Retry) as raised:
                self.run(task, retries=2, **message().arguments())
        finally:
            replace(before)
        assert raised.value.when == 60
        assert vars(raised.value)["sig"].options["retries"] == 2
        assert "a worker cannot deliver" in caplog.text

    @pytest.mark.parametrize("retries", [-1, "many", 0.5])
    def test_a_number_of_retries_that_is_none_is_poison(self, make: Any, app: Celery, retries: Any) -> None:
        task = register(app, make(app=app))
        with pytest.raises(Reject) as raised:
            self.run(task, retries=retries, **message().arguments())
        assert vars(raised.value)["requeue"] is False
