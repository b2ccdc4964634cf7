"""The queue of a process that enqueues: its options, its app, what it does without a broker, and eager mode."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st

from alert_celery import CeleryQueue, register
from alert_core import (
    Alert,
    ConfigError,
    DeliveryError,
    Dispatcher,
    PermanentDeliveryError,
    QueueError,
    RetryableDeliveryError,
    RetryPolicy,
    Secret,
    UncertainDeliveryError,
)
from alert_core.testing import CANARY, FlakyTransport, isolated_plugins

NOWHERE = "redis://:hunter2hunter2@127.0.0.1:1/0"


@pytest.fixture
def app() -> Iterator[Celery]:
    """An application's app, which runs tasks at once."""
    app = Celery("shop", broker="memory://", set_as_current=False)
    app.conf.task_always_eager = True
    yield app
    app.close()


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"broker": "localhost"}, "queue.broker: must be a URL"),
        ({"broker": "gopher://localhost"}, "queue.broker: must be a URL"),
        ({"broker": 7}, "queue.broker: must be a URL"),
        ({"broker": "memory://", "app": "shop:app"}, "queue.app: give either"),
        ({"app": " "}, "queue.app: must name"),
        ({"task_name": ""}, "queue.task_name: must be a text"),
        ({"queue": 7}, "queue.queue: must be a text"),
        ({"max_retries": -1}, "queue.max_retries: must be a whole number"),
        ({"max_retries": True}, "queue.max_retries: must be a whole number"),
        ({"retry_backoff": 0}, "queue.retry_backoff: must be true, false"),
        ({"retry_backoff": "1"}, "queue.retry_backoff: must be true, false"),
        ({"retry_backoff_max": 0}, "queue.retry_backoff_max: must be seconds"),
        ({"retry_jitter": 1}, "queue.retry_jitter: must be true or false"),
        ({"when_broker_down": "panic"}, "queue.when_broker_down: must be"),
        ({"brokr": "redis://"}, 'queue.brokr: unknown option; did you mean "broker"'),
    ],
)
def test_a_wrong_option_is_a_fault_with_its_path(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        Dispatcher.from_config({"targets": {"ops": {"type": "memory"}}, "queue": {"type": "celery", **options}})


def test_every_wrong_option_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        CeleryQueue(broker="nothing", max_retries=-1, queue="")
    assert [fault.path for fault in raised.value.faults] == ["broker", "queue", "max_retries"]


def test_the_defaults_are_those_of_the_page() -> None:
    queue = CeleryQueue(broker="redis://localhost:6379/0")
    assert (queue.task_name, queue.queue, queue.max_retries) == ("alert_core.deliver", "alerts", 3)
    assert (queue.retry_backoff, queue.retry_backoff_max, queue.retry_jitter) == (True, 300.0, True)
    assert queue.when_broker_down == "error"


def test_the_brokers_url_is_a_credential(caplog: pytest.LogCaptureFixture) -> None:
    queue = CeleryQueue(broker=Secret(f"redis://:{CANARY}@127.0.0.1:1/0"))
    dispatcher = Dispatcher({"ops": FlakyTransport(plan=[])}, queue=queue, plugins=isolated_plugins())
    with pytest.raises(QueueError) as raised:
        dispatcher.enqueue(Alert("t", "m"))
    dispatcher.close()
    assert raised.value.__cause__ is None
    assert CANARY not in f"{raised.value} {queue!r} {vars(queue)!r} {caplog.text}"
    assert "redis at 127.0.0.1:1" in str(raised.value)


def test_a_queue_belongs_to_one_dispatcher(make: Any) -> None:
    dispatcher = make(broker=NOWHERE)
    with pytest.raises(ConfigError, match="another Dispatcher"):
        Dispatcher([FlakyTransport(plan=[])], queue=dispatcher.queue, plugins=isolated_plugins())
    with pytest.raises(QueueError, match="not open"):
        _ = CeleryQueue(broker=NOWHERE).desk


class TestWithoutABroker:
    def test_enqueue_raises_at_once_and_send_delivers_from_memory(self, make: Any, target: Any) -> None:
        ops = target("ops")
        dispatcher = make(ops, broker=NOWHERE)
        with pytest.raises(QueueError, match="ConnectionError"):
            dispatcher.enqueue(Alert("enqueued", "m"))
        report = dispatcher.send(Alert("sent", "m"))
        assert (report.stored, report.sent, ops.taken) == (False, ("ops",), ["sent"])

    def test_memory_lets_enqueue_deliver_from_this_process(self, make: Any, target: Any) -> None:
        ops = target("ops")
        dispatcher = make(ops, broker=NOWHERE, when_broker_down="memory")
        assert dispatcher.enqueue(Alert("t", "m")).report(60).sent == ("ops",)
        assert [one.report(60).sent for one in dispatcher.enqueue_many([Alert("u", "m"), Alert("v", "m")])] == [
            ("ops",)
        ] * 2

    def test_a_target_that_only_workers_have_says_that_it_was_not_delivered(self) -> None:
        document = {"targets": {"ops": {"type": "remote"}}, "queue": {"type": "celery", "broker": NOWHERE}}
        with Dispatcher.from_config(document) as dispatcher:
            report = dispatcher.send(Alert("t", "m"))
        assert (report.stored, report.retryable) == (False, ("ops",))
        assert "only a worker" in str(report.failed["ops"])

    @pytest.mark.parametrize("url", ["redis://127.0.0.1:{}/0", "amqp://guest:guest@127.0.0.1:{}//"])
    def test_a_broker_that_never_answers_is_given_up(self, make: Any, url: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            dispatcher = make(broker=url.format(silent.getsockname()[1]))
            refused: list[QueueError] = []

            def enqueue() -> None:
                try:
                    dispatcher.enqueue(Alert("t", "m"))
                except QueueError as error:
                    refused.append(error)

            thread = threading.Thread(target=enqueue, daemon=True)
            thread.start()
            thread.join(60)
            assert refused

    def test_an_app_without_a_broker_is_told_and_none_is_guessed(self, make: Any) -> None:
        app = Celery("shop", set_as_current=False)
        with pytest.raises(QueueError, match=r"queue\.broker"):
            make(app=app).enqueue(Alert("t", "m"))

    def test_an_app_that_is_not_there_is_told(self, make: Any) -> None:
        with pytest.raises(QueueError, match="there is no Celery app of this name"):
            make(app="nobody.has:it").enqueue(Alert("t", "m"))

    def test_the_environments_broker_does_not_come_before_the_configured_one(
        self, make: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:2/0")
        with pytest.raises(QueueError, match=r"127\.0\.0\.1:1"):
            make(broker=NOWHERE).enqueue(Alert("t", "m"))


class TestPauses:
    @given(
        retries=st.integers(0, 10_000),
        max_retries=st.integers(0, 10_000),
        backoff=st.booleans() | st.floats(0.001, 1e6),
        longest=st.floats(0.001, 1e6),
        jitter=st.booleans(),
        retry_after=st.none() | st.floats(allow_nan=False),
    )
    def test_a_pause_is_never_longer_than_its_maximum_and_never_after_the_last_retry(
        self, retries: int, max_retries: int, backoff: Any, longest: float, jitter: bool, retry_after: float | None
    ) -> None:
        queue = CeleryQueue(
            max_retries=max_retries, retry_backoff=backoff, retry_backoff_max=longest, retry_jitter=jitter
        )
        pause = queue.delay(retries, RetryableDeliveryError(retry_after=retry_after), retry_uncertain=True)
        assert (pause is None) == (retries >= max_retries)
        assert pause is None or 0 <= pause <= longest

    def test_a_pause_doubles_from_its_base(self) -> None:
        for backoff, pauses in ((True, [1, 2, 4, 5]), (0.5, [0.5, 1, 2, 4]), (False, [0, 0, 0, 0])):
            queue = CeleryQueue(max_retries=9, retry_backoff=backoff, retry_backoff_max=5, retry_jitter=False)
            error = RetryableDeliveryError()
            assert [queue.delay(n, error, retry_uncertain=True) for n in range(4)] == pauses

    def test_what_the_provider_asks_for_is_kept_up_to_the_maximum(self) -> None:
        queue = CeleryQueue(retry_backoff_max=60)
        pauses = [queue.delay(0, RetryableDeliveryError(retry_after=s), retry_uncertain=True) for s in (7, 3600, -1)]
        assert pauses == [7, 60, 0]

    @pytest.mark.parametrize("error", [PermanentDeliveryError(), UncertainDeliveryError(), DeliveryError()])
    def test_only_what_surely_did_not_arrive_is_repeated_where_uncertainty_is_not(self, error: DeliveryError) -> None:
        assert CeleryQueue().delay(0, error, retry_uncertain=False) is None

    def test_uncertainty_is_repeated_otherwise(self) -> None:
        assert CeleryQueue().delay(0, UncertainDeliveryError(), retry_uncertain=True) is not None
        assert CeleryQueue().delay(0, PermanentDeliveryError(), retry_uncertain=True) is None


class TestEagerMode:
    """`task_always_eager`, as the tests of applications set it."""

    def test_an_alert_is_delivered_before_the_call_returns(self, make: Any, target: Any, app: Celery) -> None:
        ops = target("ops")
        report = make(ops, app=app).send(Alert("t", "m"))
        assert (report.sent, report.stored, ops.taken) == (("ops",), True, ["t"])

    def test_retries_come_at_once_and_the_end_is_told_once(self, make: Any, watch: Any, app: Celery) -> None:
        flaky = FlakyTransport(name="ops", plan=[RetryableDeliveryError(retry_after=3600)] * 9)
        ticket = make(flaky, app=app).enqueue(Alert("t", "m"))
        assert ticket.report(0).retryable == ("ops",)
        assert [one[:2] for one in watch.told if one[0] != "failed"] == [("dropped", "t"), ("finished", "t")]
        assert [one[3:] for one in watch.told if one[0] == "failed"] == [(1, True), (2, True), (3, True), (4, False)]

    def test_errors_do_not_escape_where_celery_would_let_them(self, make: Any, app: Celery) -> None:
        app.conf.task_eager_propagates = True
        flaky = FlakyTransport(name="ops", plan=[PermanentDeliveryError("no")])
        assert make(flaky, app=app).send(Alert("t", "m")).permanent == ("ops",)

    def test_the_registered_task_delivers_for_whoever_enqueues(self, make: Any, target: Any, app: Celery) -> None:
        worker, ops = target("ops"), target("ops")
        register(app, make(worker, app=app))
        make(ops, app=app).send(Alert("t", "m"))
        assert (worker.taken, ops.taken) == ([], ["t"])

    def test_a_name_of_its_own_is_the_tasks(self, make: Any, app: Celery) -> None:
        dispatcher = make(app=app, task_name="shop.alert")
        assert register(app, dispatcher).name == "shop.alert"
        assert dispatcher.send(Alert("t", "m")).sent == ("ops",)
        assert "alert_core.deliver" not in app.tasks

    def test_an_app_may_be_named(self, make: Any, app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys
        import types

        module = types.ModuleType("a_shop_of_the_tests")
        module.celery_app = app  # type: ignore[attr-defined]  # as its code would
        monkeypatch.setitem(sys.modules, module.__name__, module)
        assert make(app="a_shop_of_the_tests:celery_app").send(Alert("t", "m")).sent == ("ops",)


def test_a_task_is_registered_for_its_app_alone(make: Any, app: Celery) -> None:
    register(app, make(app=app))
    other = Celery("other", set_as_current=False)
    assert "alert_core.deliver" in app.tasks
    assert "alert_core.deliver" not in other.tasks


def test_a_dispatcher_with_another_queue_registers_no_task(app: Celery) -> None:
    with (
        Dispatcher([FlakyTransport(plan=[])], plugins=isolated_plugins()) as dispatcher,
        pytest.raises(ConfigError, match=r"queue\.type"),
    ):
        register(app, dispatcher)


def test_the_task_keeps_what_a_killed_worker_had(make: Any, app: Celery) -> None:
    task = register(app, make(app=app))
    assert (task.acks_late, task.reject_on_worker_lost, task.max_retries, task.serializer) == (True, True, None, "json")


def test_its_own_app_takes_json_alone_and_keeps_tasks_longer_than_they_wait(make: Any) -> None:
    conf = make(broker=NOWHERE, retry_backoff_max=600).queue.celery.conf
    assert (conf.accept_content, conf.task_serializer, conf.task_default_queue) == (["json"], "json", "alerts")
    assert conf.broker_transport_options["visibility_timeout"] == 900


def test_retry_policy_of_a_target_says_whether_uncertainty_is_repeated(make: Any, app: Celery) -> None:
    once = FlakyTransport(name="ops", plan=[UncertainDeliveryError()] * 9, retry=RetryPolicy(retry_uncertain=False))
    report = make(once, app=app).send(Alert("t", "m"))
    assert report.deliveries[0].attempts == 1
