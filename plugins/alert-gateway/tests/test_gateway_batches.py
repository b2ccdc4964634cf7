"""Posts that share a commit: each has its own answer, and none waits for another's."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import alert_outbox.plugin
from alert_core import QueueError
from alert_gateway.batches import Batches
from alert_gateway.gateway import Gateway
from alert_gateway.messages import Request, Response

Make = Callable[..., Any]
Serve = Callable[..., Any]


@pytest.fixture
def kept(make: Make, tmp_path: Path) -> Any:
    """A gateway whose alerts are kept in an outbox."""
    return make({"queue": {"type": "outbox", "path": str(tmp_path / "alerts.db")}}, alert_outbox.plugin)


class Slow:
    """An outbox's put_many() that waits until it may go on, and counts."""

    def __init__(self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began, self.go_on = threading.Semaphore(0), threading.Event()
        self.sizes: list[int] = []
        queue: Any = gateway.dispatcher.queue
        self._put_many = queue.put_many
        monkeypatch.setattr(queue, "put_many", self.put_many)

    def put_many(self, dispatches: Sequence[Any]) -> Any:
        self.sizes.append(len(dispatches))
        self.began.release()
        assert self.go_on.wait(60)
        return self._put_many(dispatches)


@pytest.fixture
def slow(kept: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    made = Slow(kept.gateway, monkeypatch)
    yield made
    made.go_on.set()


def post(body: bytes, **more: Any) -> Request:
    return Request(method="POST", path="/alerts", body=body, **more)


def test_each_request_of_a_batch_has_the_answer_that_it_would_have_alone(kept: Any) -> None:
    bodies = (b'{"title": "a"}', b"nonsense", b'[{"title": "b"}, {"title": "c"}]', b'{"title": ""}', b"[]")
    strange = post(b'{"title": "d"}', peer="192.0.2.1")
    answers = kept.gateway.handle_many([*map(post, bodies), strange])
    assert [answer.status for answer in answers] == [202, 400, 202, 422, 202, 403]
    ids = [[one["id"] for one in json.loads(answers[place].body)["accepted"]] for place in (0, 2, 4)]
    titles = {alert.id: alert.title for alert in kept.alerts}
    assert [[titles[one] for one in found] for found in ids] == [["a"], ["b", "c"], []]
    assert kept.metrics()['alert_gateway_requests_total{status="202"}'] == 3


def test_where_the_commit_fails_every_sender_of_the_batch_comes_again(
    kept: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> Any:
        raise QueueError("the disk is full")

    monkeypatch.setattr(kept.dispatcher.queue, "put_many", refuse)
    answers = kept.gateway.handle_many([post(b'{"title": "a"}'), post(b"nonsense"), post(b'{"title": "b"}')])
    assert [answer.status for answer in answers] == [503, 400, 503]
    assert json.loads(answers[2].body) == {"error": "the disk is full"}


def test_more_alerts_than_one_transaction_takes_are_accepted_all_the_same(kept: Any) -> None:
    many = [post(json.dumps([{"title": f"{name} {n}"} for n in range(300)]).encode()) for name in "ab"]
    answers = kept.gateway.handle_many(many)
    found = [one["status"] for answer in answers for one in json.loads(answer.body)["accepted"]]
    assert found == ["accepted"] * 600
    assert "alert_gateway_summarised_total" not in str(kept.metrics().keys())


def test_what_came_during_a_commit_shares_the_next(kept: Any, serve: Serve, slow: Slow) -> None:
    server = serve(kept.gateway)
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(server.ask("POST", "/alerts", b'{"title": "a"}')[0]))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for _ in range(2):
        assert slow.began.acquire(timeout=60)
    while len(server.application._batches._waiting) + sum(slow.sizes) < 12:  # nothing else tells that all have come
        threads[-1].join(0.01)
    slow.go_on.set()
    for thread in threads:
        thread.join(60)
    assert answers == [202] * 12
    assert len(slow.sizes) <= 3  # the first, what came until a second thread began, and all the others
    assert len(kept.alerts) == 12


def test_what_no_thread_has_begun_can_be_taken_back() -> None:
    began, go_on = threading.Semaphore(0), threading.Event()

    def handle(requests: Sequence[Request]) -> list[Response]:
        began.release()
        assert go_on.wait(60)
        return [Response(body=request.body) for request in requests]

    async def run() -> None:
        batches = Batches(handle)
        answers = []
        for body in (b"1", b"2"):
            answers.append(batches.submit(post(body)))
            assert await asyncio.to_thread(began.acquire, timeout=60)
        answers += [batches.submit(post(b"3")), batches.submit(post(b"4"))]
        assert [batches.withdraw(answer) for answer in answers[:3]] == [False, False, True]
        go_on.set()
        found = await asyncio.wait_for(asyncio.gather(*answers[:2], answers[3]), 60)
        assert [response.body for response in found] == [b"1", b"2", b"4"]
        assert not answers[2].done()
        batches.close()

    asyncio.run(run())


def test_a_fault_of_the_gateways_own_is_told_to_each_and_the_thread_goes_on() -> None:
    def handle(requests: Sequence[Request]) -> list[Response]:
        if any(request.body == b"0" for request in requests):
            raise SystemExit
        return [Response(body=request.body) for request in requests]

    async def run() -> None:
        batches = Batches(handle)
        for _ in range(4):
            with pytest.raises(RuntimeError):
                await asyncio.wait_for(batches.submit(post(b"0")), 60)
            assert (await asyncio.wait_for(batches.submit(post(b"1")), 60)).body == b"1"
        batches.close()

    asyncio.run(run())


def test_a_post_that_waits_for_a_report_holds_up_no_other(kept: Any) -> None:
    assert not kept.gateway.shares(post(b"{}", query={"wait": "5"}))
    assert kept.gateway.shares(post(b"{}"))


def test_a_queue_without_transactions_takes_each_post_by_itself(asked: Any) -> None:
    assert not asked.gateway.shares(post(b"{}"))
