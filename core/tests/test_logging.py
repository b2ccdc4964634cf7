"""Alerts from log records and exceptions."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from alert_core import Alert, Dispatcher, alert_on_error, default, hookimpl
from alert_core.builtin import MemoryTransport
from alert_core.logging import AlertHandler
from alert_core.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "hunter2hunter2"


@pytest.fixture
def memory() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture
def dispatcher(memory: MemoryTransport) -> Iterator[Dispatcher]:
    with Dispatcher([memory], plugins=Plugins()) as d:
        yield d


@pytest.fixture
def log(dispatcher: Dispatcher) -> Iterator[logging.Logger]:
    logger, handler = logging.getLogger("shop.orders"), AlertHandler(dispatcher=dispatcher)
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


class TestHandler:
    def test_a_record_becomes_an_alert(
        self, log: logging.Logger, dispatcher: Dispatcher, memory: MemoryTransport
    ) -> None:
        log.error("order %s failed\nsecond line", 7)
        assert dispatcher.flush(10)
        (alert,) = memory.alerts
        assert (alert.title, alert.message) == ("order 7 failed", "order 7 failed\nsecond line")
        assert (alert.severity, alert.source) == ("error", "shop.orders")
        assert alert.metadata["function"] == "test_a_record_becomes_an_alert"

    def test_records_of_one_line_share_a_dedup_key(
        self, log: logging.Logger, dispatcher: Dispatcher, memory: MemoryTransport
    ) -> None:
        for number in range(2):
            log.critical("order %s failed", number)
        log.critical("another")
        assert dispatcher.flush(10)
        keys = {alert.title: alert.dedup_key for alert in memory.alerts}
        assert keys["order 0 failed"] == keys["order 1 failed"] != keys["another"]

    def test_below_its_level_nothing_happens(
        self, log: logging.Logger, dispatcher: Dispatcher, memory: MemoryTransport
    ) -> None:
        log.warning("careful")
        assert dispatcher.flush(10)
        assert memory.alerts == []

    def test_an_exception_is_formatted_without_locals_and_masked(
        self, log: logging.Logger, dispatcher: Dispatcher, memory: MemoryTransport
    ) -> None:
        def fail(local: str) -> None:
            raise ValueError("password=" + local)

        try:
            fail(PASSWORD)
        except ValueError:
            log.exception("order failed")
        assert dispatcher.flush(10)
        message = memory.alerts[0].message
        assert "ValueError" in message
        assert "in fail" in message
        assert PASSWORD not in message

    def test_records_of_the_project_itself_of_lanes_and_of_observers_never_become_alerts(self) -> None:
        root = logging.getLogger()
        sent: list[str] = []

        class Chatty:
            name = "chatty"

            def send(self, alert: Alert) -> None:
                sent.append(alert.title)
                logging.getLogger("some.library").error("sending")

        class Watch:
            @hookimpl
            def alert_delivery_started(self) -> None:
                logging.getLogger("some.plugin").error("started")

        with Dispatcher([Chatty()], plugins=Plugins([Watch()])) as d:
            handler = AlertHandler(dispatcher=d)
            root.addHandler(handler)
            try:
                logging.getLogger("shop").error("first")
                logging.getLogger("alert_core.lanes").error("own")
                assert d.flush(10)
            finally:
                root.removeHandler(handler)
        assert sent == ["first"]

    def test_a_lane_that_logs_does_not_wait_for_a_thread_that_enqueues(self) -> None:
        """The classic deadlock: the thread has the handler's lock and waits for a lane; the lane logs."""
        logged = threading.Event()
        logger = logging.getLogger("deadlock")

        class Chatty:
            name = "chatty"

            def send(self, alert: Alert) -> None:
                logger.error("from the lane")
                logged.set()

        class Waits:
            @hookimpl
            def alert_delivery_started(self) -> None:
                pass

        def wait_for_the_lane(alert: Alert) -> Alert:
            if alert.title == "second":
                assert logged.wait(10)
            return alert

        with Dispatcher([Chatty()], plugins=Plugins([Waits()]), processors=[wait_for_the_lane]) as d:
            handler = AlertHandler(dispatcher=d)
            logger.addHandler(handler)
            try:
                logger.error("first")
                logger.error("second")  # inside emit() until the lane has logged
                assert d.flush(10)
            finally:
                logger.removeHandler(handler)

    def test_a_record_that_cannot_be_an_alert_is_told_and_nothing_raised(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Broken:
            def enqueue(self, *_: object) -> None:
                raise RuntimeError(PASSWORD)

        logger, handler = logging.getLogger("broken"), AlertHandler(dispatcher=Broken())  # type: ignore[arg-type]
        logger.addHandler(handler)
        try:
            logger.error("order failed")
        finally:
            logger.removeHandler(handler)
        told = [r.getMessage() for r in caplog.records if r.name == "alert_core.logging"]
        assert told == ["a record of broken is no alert: RuntimeError"]


class TestOnError:
    def test_a_block_reports_and_the_exception_goes_on(self, dispatcher: Dispatcher, memory: MemoryTransport) -> None:
        with (
            pytest.raises(ZeroDivisionError),
            alert_on_error("Import failed", severity="critical", source="nightly", dispatcher=dispatcher),
        ):
            raise ZeroDivisionError
        assert dispatcher.flush(10)
        (alert,) = memory.alerts
        assert (alert.title, alert.severity, alert.source) == ("Import failed", "critical", "nightly")
        assert "ZeroDivisionError" in alert.message

    @pytest.mark.parametrize("flavour", ["function", "coroutine", "generator"])
    def test_a_decorated_one_reports_under_its_name(
        self, flavour: str, dispatcher: Dispatcher, memory: MemoryTransport
    ) -> None:
        report = alert_on_error(dispatcher=dispatcher)

        @report
        def function() -> None:
            raise KeyError("k")

        @report
        async def coroutine() -> None:
            raise KeyError("k")

        @report
        def generator() -> Iterator[int]:
            yield 1
            raise KeyError("k")

        calls: dict[str, Any] = {
            "function": function,
            "coroutine": lambda: asyncio.run(coroutine()),
            "generator": lambda: list(generator()),
        }
        with pytest.raises(KeyError):
            calls[flavour]()
        assert dispatcher.flush(10)
        assert memory.alerts[0].title.endswith("failed: KeyError")
        assert flavour in memory.alerts[0].title

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
    def test_an_end_that_is_no_error_is_not_reported(
        self, error: type[BaseException], dispatcher: Dispatcher, memory: MemoryTransport
    ) -> None:
        with pytest.raises(error), alert_on_error(dispatcher=dispatcher):
            raise error
        assert dispatcher.flush(10)
        assert memory.alerts == []

    def test_a_report_that_fails_does_not_hide_the_exception(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def nothing() -> Dispatcher:
            raise RuntimeError

        monkeypatch.setattr(default, "get", nothing)
        with pytest.raises(ZeroDivisionError), alert_on_error():
            raise ZeroDivisionError

    def test_a_function_that_succeeds_gives_its_value(self, dispatcher: Dispatcher) -> None:
        @alert_on_error(dispatcher=dispatcher)
        def answer(question: str) -> int:
            return len(question)

        assert answer("six") == 3
