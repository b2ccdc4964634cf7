"""Two gateways on one PostgreSQL: each alert is delivered once, and a heartbeat that stays away is told once."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import alert_gateway.plugin
import alert_outbox.plugin
from alert_core import Alert, Dispatcher
from alert_core.plugins import Plugins
from alert_core.testing import VirtualClock
from alert_gateway.gateway import Gateway
from alert_gateway.messages import Request
from alert_gateway.state import Rows

pytestmark = [pytest.mark.needs("postgres", modules=["psycopg"]), pytest.mark.xdist_group("alert-gateway-postgres")]
DAY = 86_400.0


class Ops:
    """The target of both gateways."""

    name = "ops"

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def send(self, alert: Alert) -> None:
        with self._lock:
            self.taken[f"{alert.title} {alert.status}"] += 1


@pytest.fixture
def ops() -> Ops:
    return Ops()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(autojump=False)


@pytest.fixture
def gateways(postgresql_schema: Any, ops: Ops, clock: VirtualClock) -> Iterator[list[Gateway]]:
    tables = {
        "targets": {"ops": {"type": "noop"}},
        "queue": {"type": "outbox", "url": postgresql_schema.url, "poll": 0.05},
        "gateway": {"rate": "2/1m"},
        "heartbeats": {"backup": {"every": DAY, "grace": 60}},
    }
    plugins = Plugins([alert_gateway.plugin, alert_outbox.plugin])
    with ExitStack() as stack:
        made = []
        for _ in range(2):
            dispatcher = stack.enter_context(Dispatcher.from_config(tables, plugins=plugins))
            vars(dispatcher.targets["ops"])["send"] = ops.send
            gateway = Gateway(dispatcher, clock=clock)
            stack.callback(gateway.close)
            made.append(gateway)
        yield made


def post(gateway: Gateway, path: str, body: bytes = b"") -> int:
    return gateway.handle(Request(method="POST", path=path, body=body)).status


def delivered(gateways: list[Gateway], ops: Ops) -> Counter[str]:
    assert all(gateway.dispatcher.flush(60) for gateway in gateways)
    return ops.taken


def test_an_alert_that_one_of_them_took_is_delivered_once(gateways: list[Gateway], ops: Ops) -> None:
    for number in range(20):
        body = b'{"title": "alert %d", "status": "resolved"}' % number
        assert post(gateways[number % 2], "/alerts", body) == 202
    assert delivered(gateways, ops) == {f"alert {number} resolved": 1 for number in range(20)}


def test_a_heartbeat_that_either_of_them_hears_is_told_once(
    gateways: list[Gateway], ops: Ops, clock: VirtualClock
) -> None:
    one, two = gateways
    for step in range(3):
        assert post(gateways[step % 2], "/heartbeat/backup") == 202
        clock.advance(DAY)
        for gateway in gateways:
            gateway.heartbeats.check()
    assert delivered(gateways, ops) == {}
    clock.advance(61)
    looks = [threading.Thread(target=gateway.heartbeats.check) for gateway in (one, two, one, two)]
    for look in looks:
        look.start()
    for look in looks:
        look.join(60)
    assert delivered(gateways, ops) == {"Heartbeat backup is late firing": 1}
    assert post(two, "/heartbeat/backup") == 202
    assert delivered(gateways, ops)["Heartbeat backup is back resolved"] == 1


def test_what_one_of_them_gathered_is_told_once_by_whoever_is_there(
    gateways: list[Gateway], ops: Ops, clock: VirtualClock
) -> None:
    one, two = gateways
    for number in range(5):
        assert post(one, "/alerts", b'{"title": "alert %d"}' % number) == 202
    clock.advance(61)
    looks = [threading.Thread(target=gateway.overflow.flush) for gateway in (two, one, two)]
    for look in looks:
        look.start()
    for look in looks:
        look.join(60)
    expected = {"alert 0 firing": 1, "alert 1 firing": 1, "3 more alerts from alerts within 1 min firing": 1}
    assert delivered(gateways, ops) == expected


def test_what_an_earlier_version_gathered_is_told_too(gateways: list[Gateway], ops: Ops) -> None:
    one, two = gateways

    def earlier(rows: Rows) -> None:
        rows.run("ALTER TABLE alert_gateway_overflow DROP COLUMN targets")
        rows.run("INSERT INTO alert_gateway_overflow VALUES ('1', 'many', 0, 'error', 'old', NULL, 0)")

    one.state.write(earlier)
    two.overflow.flush(at_once=True)
    assert delivered(gateways, ops) == {"1 more alert from many within 1 min firing": 1}


def test_both_of_them_are_ready_and_tell_of_the_same_queue(gateways: list[Gateway]) -> None:
    for gateway in gateways:
        for path in ("/readyz", "/metrics"):
            assert gateway.handle(Request(method="GET", path=path)).status == 200
