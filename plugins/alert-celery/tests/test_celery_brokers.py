"""Real workers on real brokers: what happens to an alert when something goes away."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from alert_core import Alert, Dispatcher, QueueError
from alert_core.testing import CANARY

pytestmark = pytest.mark.xdist_group("alert-celery")
MANY = 300
HERE = Path(__file__).parent


def names(count: int, prefix: str) -> list[str]:
    return [f"{prefix} {number}" for number in range(count)]


def deliver(sender: Dispatcher, provider: Any, title: str, *answers: dict[str, Any], target: str = "ops") -> str:
    """Enqueue one alert for a target, for which the provider has these answers."""
    provider.answers[title] = list(answers)
    sender.enqueue(Alert(title, "m"), targets=[target])
    return title


def test_hundreds_of_alerts_are_delivered_once_each_by_several_processes(
    sender: Dispatcher, worker: Any, provider: Any, broker: Any
) -> None:
    titles = names(MANY, f"many-{broker.kind}")
    for title in titles:
        sender.enqueue(Alert(title, "m"), targets=["ops"])
    provider.wait(lambda: all(provider.sent[title] for title in titles))
    assert {provider.sent[title] for title in titles} == {1}
    assert len({one["pid"] for one in provider.events if one["title"] in titles}) == 2


def test_each_target_is_a_task_of_its_own_and_what_failed_is_tried_again_alone(
    sender: Dispatcher, worker: Any, provider: Any, broker: Any
) -> None:
    title = f"alone-{broker.kind}"
    provider.answers[title] = [{"error": "retryable"}]
    report = sender.send(Alert(title, "m"), targets=["ops", "once"])
    assert (report.stored, report.queued, report.ok) == (True, ("ops", "once"), True)
    provider.wait(lambda: len(provider.of(title)) == 3)
    counted = Counter(one["target"] for one in provider.of(title))
    assert sorted(counted.values()) == [1, 2]
    assert len({one["alert"]["id"] for one in provider.of(title)}) == 1


def test_one_that_is_never_taken_is_tried_four_times_and_then_told(
    sender: Dispatcher, worker: Any, provider: Any, broker: Any
) -> None:
    title = deliver(sender, provider, f"exhausted-{broker.kind}", *([{"error": "retryable"}] * 9))
    provider.wait(lambda: provider.of(title, "dropped"))
    failed = [(one["attempt"], one["will_retry"]) for one in provider.of(title, "failed")]
    assert failed == [(1, True), (2, True), (3, True), (4, False)]
    dropped = provider.of(title, "dropped")
    assert [(one["reason"], one["dropped_by"]) for one in dropped] == [("dead_letter", "ops")]


def test_a_refusal_is_never_tried_again_and_uncertainty_only_where_the_target_allows_it(
    sender: Dispatcher, worker: Any, provider: Any, broker: Any
) -> None:
    refused = deliver(sender, provider, f"refused-{broker.kind}", {"error": "permanent"})
    at_most_once = deliver(sender, provider, f"at-most-{broker.kind}", {"error": "uncertain"}, target="once")
    at_least_once = deliver(sender, provider, f"at-least-{broker.kind}", {"error": "uncertain"})
    provider.wait(lambda: provider.of(refused, "dropped") and provider.of(at_most_once, "dropped"))
    provider.wait(lambda: len(provider.of(at_least_once)) == 2)
    assert (len(provider.of(refused)), len(provider.of(at_most_once))) == (1, 1)


def test_the_pause_that_a_provider_asks_for_is_the_tasks_countdown(
    sender: Dispatcher, worker: Any, provider: Any, broker: Any
) -> None:
    title = deliver(sender, provider, f"asked-{broker.kind}", {"error": "retryable", "retry_after": 1})
    provider.wait(lambda: len(provider.of(title)) == 2)
    first, second = (one["at"] for one in provider.of(title))
    assert second - first > 0.5
    worker.wait_for("Retry in 1.0s")


def test_a_process_and_its_fork_enqueue_by_connections_of_their_own(
    worker: Any, provider: Any, broker: Any, shared_queue: str
) -> None:
    title = f"fork-{broker.kind}"
    command = [sys.executable, "-W", "ignore", str(HERE / "celery_fork.py"), broker.url, shared_queue, title]
    subprocess.run(command, check=True, timeout=60)
    provider.wait(lambda: all(provider.of(f"{title} {who}") for who in ("before", "child", "parent")))


def test_recipients_that_only_the_worker_knows_get_a_task_each(
    sender: Dispatcher, worker: Any, provider: Any, broker: Any
) -> None:
    title = deliver(sender, provider, f"team-{broker.kind}", {"error": "retryable"}, target="team")
    provider.wait(lambda: len(provider.of(title)) == 3)
    assert {one["recipient"] for one in provider.of(title)} == {"ana", "rui"}


def test_a_target_that_the_worker_lacks_is_tried_again_and_then_told(
    sender: Dispatcher, worker: Any, provider: Any, broker: Any
) -> None:
    title = deliver(sender, provider, f"gone-{broker.kind}", target="gone")
    provider.wait(lambda: provider.of(title, "dropped"))
    assert [(one["reason"], one["dropped_by"]) for one in provider.of(title, "dropped")] == [("dead_letter", "gone")]
    assert provider.of(title) == []


def test_a_child_that_is_killed_in_the_middle_of_an_attempt_has_its_task_run_again(
    sender: Dispatcher, worker: Any, provider: Any, broker: Any
) -> None:
    title = deliver(sender, provider, f"killed-{broker.kind}", {"die": True})
    provider.wait(lambda: len(provider.of(title)) == 2)
    assert len({one["pid"] for one in provider.of(title)}) == 2
    assert len({one["alert"]["id"] for one in provider.of(title)}) == 1


def test_a_child_that_is_killed_costs_an_alert_that_may_come_once_at_most_but_not_silently(
    sender: Dispatcher, worker: Any, provider: Any, broker: Any
) -> None:
    title = deliver(sender, provider, f"killed-once-{broker.kind}", {"die": True}, target="once")
    provider.wait(lambda: provider.of(title, "dropped"))
    assert len(provider.of(title)) == 1


def test_poison_neither_ends_nor_occupies_a_worker(
    sender: Dispatcher, worker: Any, provider: Any, broker: Any, shared_queue: str
) -> None:
    def headers(**given: Any) -> dict[str, Any]:
        return {"headers": {"task": "alert_core.deliver", "id": "poison", "lang": "py", **given}}

    broker.put(shared_queue, b"no JSON at all", **headers())
    broker.put(shared_queue, b"[[], {}, {}]")
    broker.put(shared_queue, b"\x80\x04N.", content_type="application/x-python-serialize", **headers())
    broker.put(shared_queue, b"[[], {}, {}]", **headers(task="nobody.knows"))
    for arguments in (b"{}", b'{"target": "ops"}', b'{"target": "ops", "alert": "{}"}', b'{"target": 7}'):
        broker.put(shared_queue, b"[[], %s, {}]" % arguments, **headers())
    broker.put(shared_queue, b'[["positional"], {}, {}]', **headers())
    title = deliver(sender, provider, f"after-poison-{broker.kind}")
    provider.wait(lambda: provider.of(title))
    assert worker.log.count("a message is no delivery") == 5


def test_the_broker_goes_and_comes_back_and_nothing_is_lost(
    sender: Dispatcher, worker: Any, provider: Any, broker: Any
) -> None:
    before, during, after = names(3, f"outage-{broker.kind}")
    gate = threading.Event()
    deliver(sender, provider, before, {"release": gate})
    provider.wait(lambda: provider.of(before))
    broker.down()
    try:
        with pytest.raises(QueueError, match="the broker"):
            sender.enqueue(Alert(during, "m"))
    finally:
        broker.up()
    provider.release(gate)
    deliver(sender, provider, after)  # by a connection that was lost meanwhile
    provider.wait(lambda: provider.of(after))
    assert provider.of(during) == []
    assert 1 <= len(provider.of(before)) <= 2


def test_a_dispatcher_may_deliver_from_memory_what_the_broker_cannot_take(
    make: Any, target: Any, broker: Any, queue: str
) -> None:
    ops = target("ops")
    sender = make(ops, broker=broker.url, queue=queue, when_broker_down="memory")
    broker.down()
    try:
        ticket = sender.enqueue(Alert("t", "m"))
        assert (ticket.report(60).stored, ticket.report(60).sent) == (False, ("ops",))
    finally:
        broker.up()
    assert sender.enqueue(Alert("u", "m")).stored
    assert ops.taken == ["t"]


def test_no_byte_at_the_broker_is_of_a_secret(make: Any, broker: Any, queue: str) -> None:
    sender = make(broker=broker.url, queue=queue)
    alert = Alert(
        f"token={CANARY}",
        f"Authorization: Bearer {CANARY}",
        metadata={"password": CANARY, "note": "kept", "url": f"https://user:{CANARY}@example.com/"},
        tags=[f"api_key={CANARY}"],
        redact=False,
    )
    sender.enqueue(alert)
    contents = broker.contents(queue)
    assert b"alert_core.deliver" in contents
    if broker.kind == "redis":  # its messages are base64 in JSON
        contents += b"".join(base64.b64decode(json.loads(one)["body"]) for one in contents.splitlines())
    assert b"kept" in contents
    for secret in (CANARY, "kept-by-the-broker-alone", "guest"):
        assert secret.encode() not in contents


def test_a_worker_that_is_killed_in_the_middle_of_an_attempt_has_its_tasks_taken_by_another(
    sender: Dispatcher, worker: Any, provider: Any, broker: Any, make_worker: Any, shared_queue: str
) -> None:
    gate = threading.Event()
    title = deliver(sender, provider, f"worker-killed-{broker.kind}", {"release": gate})
    provider.wait(lambda: provider.of(title))
    worker.kill()
    provider.release(gate)
    # RabbitMQ gives its tasks back at once; Redis when they have been away for the visibility timeout.
    options = {"visibility_timeout": 1, "unacked_restore_interval": 1, "unacked_restore_throttle": 1}
    conf = {"broker_transport_options": options} if broker.kind == "redis" else {}
    other = make_worker(shared_queue, conf=conf)
    provider.wait(lambda: len(provider.of(title)) == 2)
    other.kill()
    log = worker.log + other.log
    assert "kept-by-the-broker-alone" not in log
    assert "guest:guest" not in log
