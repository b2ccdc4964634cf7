"""The outbox on the project's own database: an alert commits or rolls back with the business change."""

import asyncio
import itertools
import logging
import threading
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test import SimpleTestCase
from django.test.utils import setup_test_environment, teardown_test_environment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import alert_core
from alert_core import Alert, ConfigError, DeliveryReport
from alert_django import alert_on_error, asend_alert, get_dispatcher, send_alert
from alert_django.logging import AlertHandler

Configure = Callable[..., None]
POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.needs("postgres"))
MEMORY: dict[str, Any] = {"ops": {"type": "memory"}}


class RefusedError(Exception):
    pass


@contextmanager
def rolled_back() -> Iterator[None]:
    """A transaction whose business fails at its end."""
    with suppress(RefusedError), transaction.atomic():
        yield
        raise RefusedError


def pay(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO invoices VALUES (%s)", [number])


def paid() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT number FROM invoices ORDER BY number")
        return [row[0] for row in cursor.fetchall()]


def arrived() -> list[str]:
    """The titles, sorted: a target's workers take several at a time."""
    dispatcher = get_dispatcher()
    assert dispatcher.flush(60)
    return sorted(alert.title for alert in dispatcher.targets["ops"].alerts)


def rows() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM alert_outbox_alerts")
        return int(cursor.fetchone()[0])


def send(title: str, **more: Any) -> DeliveryReport:
    return send_alert(title=title, message="An invoice", **more)


def test_an_alert_is_delivered_once_its_transaction_commits(database: str) -> None:
    with transaction.atomic():
        pay(1)
        report = send("Paid")
        assert report.stored
        assert report.queued == ("ops",)
    assert arrived() == ["Paid"]
    assert paid() == [1]


def test_an_alert_of_a_transaction_that_is_rolled_back_is_sent_to_nobody(database: str) -> None:
    with rolled_back():
        pay(1)
        send("Paid")
    assert arrived() == []
    assert paid() == []
    assert rows() == 0


def test_an_alert_of_a_block_within_that_is_rolled_back_is_sent_to_nobody(database: str) -> None:
    with transaction.atomic():
        send("first")
        with rolled_back():
            send("second")
        send("third")
    assert arrived() == ["first", "third"]


def test_in_a_transaction_that_can_only_be_rolled_back_an_alert_is_dropped_and_not_stored(database: str) -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        report = send("Paid")
        assert (report.dropped, report.stored) == ("rolled_back: default", False)
    assert arrived() == []


def test_outside_of_a_transaction_the_report_tells_of_the_delivery(database: str) -> None:
    report = send("Paid")
    assert report.stored
    assert report.sent == ("ops",)


def test_what_alert_core_sends_is_part_of_the_transaction_too(database: str) -> None:
    with rolled_back():
        alert_core.send("Paid", "Invoice 1")
        alert_core.enqueue("Paid", "Invoice 1")
        get_dispatcher().enqueue_many([Alert("Paid", "Invoice 1"), Alert("Paid", "Invoice 2")])
    assert rows() == 0


numbers = itertools.count()
BLOCKS: st.SearchStrategy[Any] = st.recursive(
    st.just([]), lambda inner: st.lists(st.tuples(inner, st.booleans()), max_size=3), max_leaves=8
)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(BLOCKS)
def test_of_any_nesting_of_transactions_those_alerts_arrive_whose_blocks_all_commit(database: str, plan: Any) -> None:
    wanted = arrived()

    def run(plan: Any, commits: bool) -> None:
        title = f"alert {next(numbers)}"
        send(title)
        if commits:
            wanted.append(title)
        for inner, fails in plan:
            with suppress(RefusedError), transaction.atomic():
                run(inner, commits and not fails)
                if fails:
                    raise RefusedError

    with transaction.atomic():
        run(plan, True)
    assert arrived() == sorted(wanted)


def test_an_alert_that_survives_is_sent_at_once(database: str) -> None:
    with rolled_back():
        pay(1)
        report = send("Refused", survives_rollback=True)
        assert report.sent == ("ops",)
        assert report.stored == (database == "postgresql")  # SQLite has one writer: it goes from memory
    assert arrived() == ["Refused"]


def test_a_log_record_is_told_even_if_its_transaction_is_rolled_back(database: str) -> None:
    logger = logging.getLogger("shop")
    handler = AlertHandler()
    logger.addHandler(handler)
    try:
        with rolled_back():
            pay(1)
            logger.error("no answer from the bank")
    finally:
        logger.removeHandler(handler)
    assert arrived() == ["no answer from the bank"]


def test_an_exception_is_told_even_though_it_rolls_the_transaction_back(database: str) -> None:
    @transaction.atomic
    @alert_on_error("The payment failed")
    def failing() -> None:
        pay(1)
        raise RefusedError

    with pytest.raises(RefusedError):
        failing()
    assert arrived() == ["The payment failed"]


def test_in_a_transaction_that_can_only_be_rolled_back_an_alert_is_dropped_and_says_so(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        report = send("Paid")
    assert report.dropped == "rolled_back: default"
    assert get_dispatcher().drops == {"rolled_back": 1}
    assert "survives_rollback=True" in caplog.text
    assert arrived() == []


@pytest.mark.parametrize("database", [POSTGRESQL], indirect=True)
def test_a_statement_that_failed_has_ended_the_transaction_for_alerts_too(database: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        with suppress(Exception):
            cursor.execute("SELECT nonsense")
        assert send("Paid").dropped == "rolled_back: default"
        assert send("Refused", survives_rollback=True).sent == ("ops",)
        transaction.set_rollback(True)


def test_where_the_tables_refuse_the_change_goes_on_and_the_alert_from_memory(database: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE alert_outbox_intake")
    with transaction.atomic():
        pay(1)
        report = send("Paid")
    assert paid() == [1]
    assert not report.stored
    assert report.sent == ("ops",)
    assert rows() == 0
    with pytest.raises(alert_core.QueueError, match="refused"), transaction.atomic():
        alert_core.enqueue("Paid", "Invoice 1")


def test_tables_that_are_not_there_are_made_in_the_transaction(database: str) -> None:
    with connection.cursor() as cursor:
        for table in ("schema", "alerts", "deliveries", "events", "silences", "buckets", "rates", "intake"):
            cursor.execute(f"DROP TABLE alert_outbox_{table}")
    with transaction.atomic():
        send("Paid")
    assert arrived() == ["Paid"]


def test_migrate_makes_the_tables_once_and_leaves_what_is_in_them(database: str, configure: Configure) -> None:
    configure(ALERTS={"targets": MEMORY, "queue": {"type": "django", "worker": False}})
    send("Paid")
    call_command("migrate", verbosity=0)
    assert rows() == 1


def test_another_process_delivers_what_one_has_left(database: str, configure: Configure) -> None:
    configure(ALERTS={"targets": MEMORY, "queue": {"type": "django", "worker": False}})
    report = send("Paid")
    assert report.queued == ("ops",)
    assert get_dispatcher().targets["ops"].alerts == []
    configure(ALERTS={"targets": MEMORY, "queue": {"type": "django"}})
    assert arrived() == ["Paid"]


def test_what_is_rolled_back_does_not_count_as_told(database: str, configure: Configure) -> None:
    routes = [{"name": "all", "targets": ["ops"], "repeat_every": "1h"}]
    configure(ALERTS={"targets": MEMORY, "queue": {"type": "django"}, "routes": routes})
    with rolled_back():
        send("Disk full")
    assert send("Disk full").sent == ("ops",)
    with transaction.atomic():
        assert send("Disk full").queued == ("ops",)  # only its commit tells that this is known
    assert arrived() == ["Disk full"]


def test_an_alert_that_survives_is_told_although_its_own_transaction_holds_its_dedup_key(
    database: str, configure: Configure
) -> None:
    routes = [{"name": "all", "targets": ["ops"], "repeat_every": "1h"}]
    configure(ALERTS={"targets": MEMORY, "queue": {"type": "django"}, "routes": routes})
    with rolled_back():
        assert send("Disk full").queued == ("ops",)
        report = send("Disk full", survives_rollback=True)
        assert report.sent == ("ops",)
        assert report.stored == (database == "postgresql")
    assert arrived() == ["Disk full"]


@pytest.mark.parametrize("database", [POSTGRESQL], indirect=True)
@pytest.mark.parametrize("more", [{"repeat_every": "1h"}, {"group_by": ["source"], "group_wait": "1s"}, {}])
def test_a_long_transaction_that_has_sent_an_alert_holds_up_nobody(
    database: str, configure: Configure, caplog: pytest.LogCaptureFixture, more: dict[str, Any]
) -> None:
    routes = [{"name": "all", "targets": ["ops"], **more}]
    configure(ALERTS={"targets": MEMORY, "queue": {"type": "django"}, "routes": routes})
    sent, goes_on = threading.Event(), threading.Event()

    def work() -> None:
        try:
            with transaction.atomic():
                send("Disk full", metadata={"long": True})
                sent.set()
                assert goes_on.wait(60)
        finally:
            connection.close()

    before = alert_core.enqueue("Disk full", "An invoice")  # open, perhaps, while the transaction sends
    long = threading.Thread(target=work)
    long.start()
    try:
        assert sent.wait(60)
        others = alert_core.enqueue("Something else", "m")
        with transaction.atomic():  # another one of the same key neither waits for it
            send("Disk full")
        assert before.wait(60)
        assert others.wait(60)
    finally:
        goes_on.set()
        long.join(60)
    assert get_dispatcher().flush(60)
    assert caplog.messages == []


def test_what_is_told_already_is_left_out_when_the_transaction_commits(database: str, configure: Configure) -> None:
    routes = [{"name": "all", "targets": ["ops"], "repeat_every": "1h"}]
    configure(ALERTS={"targets": MEMORY, "queue": {"type": "django"}, "routes": routes})
    assert send("Disk full").sent == ("ops",)
    with transaction.atomic():
        ticket = alert_core.enqueue("Disk full", "An invoice")
        assert ticket.report(0).queued == ("ops",)
    assert ticket.wait(60)
    assert ticket.report(0).dropped == "deduplicated: all"
    assert get_dispatcher().drops == {"deduplicated": 1}
    assert arrived() == ["Disk full"]


def test_where_the_plan_is_refused_after_the_commit_a_worker_sees_to_it(
    database: str, configure: Configure, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: object) -> None:
        raise alert_core.QueueError("the disk is full")

    configure(ALERTS={"targets": MEMORY, "queue": {"type": "django", "worker": False}})
    with monkeypatch.context() as patched:
        patched.setattr("alert_django.outbox.DjangoOutbox.plan_intake", refuse)
        with transaction.atomic():
            send("Paid")
    assert "a worker will see to what has just been committed: the disk is full" in caplog.messages
    assert rows() == 0
    configure(ALERTS={"targets": MEMORY, "queue": {"type": "django"}})
    assert arrived() == ["Paid"]


def test_with_autocommit_off_an_alert_is_part_of_the_transaction_too(database: str, configure: Configure) -> None:
    configure(ALERTS={"targets": MEMORY, "queue": {"type": "django", "worker": False}})
    get_dispatcher().queue.make_tables()  # type: ignore[union-attr]  # the outbox has it
    transaction.set_autocommit(False)
    try:
        send("Refused")
        pay(1)
        transaction.rollback()
        pay(2)
        report = send("Paid")
        with transaction.atomic():
            send("Paid too")
        transaction.commit()
    finally:
        transaction.set_autocommit(True)
    assert report.queued == ("ops",)
    configure(ALERTS={"targets": MEMORY, "queue": {"type": "django"}})
    assert arrived() == ["Paid", "Paid too"]
    assert paid() == [2]


def test_a_connection_that_was_closed_has_ended_the_transaction_for_alerts_too(database: str) -> None:
    with suppress(Exception), transaction.atomic():
        connection.close()
        assert send("Paid").dropped == "rolled_back: default"
    assert arrived() == []


def test_in_coroutines_it_is_stored_and_delivered(database: str) -> None:
    async def view() -> DeliveryReport:
        return await asend_alert(title="Paid", message="Invoice 1")

    report = asyncio.run(view())
    assert report.stored
    assert report.sent == ("ops",)


def test_in_an_event_loop_send_alert_stores_and_waits_for_nothing(database: str) -> None:
    async def view() -> DeliveryReport:
        return send("Paid")

    assert asyncio.run(view()).stored
    assert arrived() == ["Paid"]


def test_the_transaction_of_another_database_is_none_of_its_business(database: str, tmp_path: Path) -> None:
    other = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "other.db")}
    connections.databases["other"] = connections.configure_settings({"default": {}, "other": other})["other"]
    try:
        with transaction.atomic(using="other"):
            assert send("Paid").sent == ("ops",)
            transaction.set_rollback(True, using="other")
        with transaction.atomic(using="other"):
            assert send("Paid", using="other", on_commit=True).deliveries == ()
            assert arrived() == ["Paid"]
    finally:
        connections["other"].close()
        del connections["other"]
        del connections.databases["other"]
    assert arrived() == ["Paid", "Paid"]


@pytest.fixture
def testing() -> Iterator[None]:
    """As within `manage.py test`."""
    setup_test_environment()
    yield
    teardown_test_environment()


@pytest.mark.parametrize("worker", [True, False])
def test_in_tests_no_worker_runs_and_no_connection_stays(
    database: str, testing: None, configure: Configure, worker: bool
) -> None:
    configure(ALERTS={"targets": MEMORY, "queue": {"type": "django", "worker": worker}})
    queue: Any = get_dispatcher().queue
    with transaction.atomic():
        assert send("Paid").queued == ("ops",)
    assert send("Paid").queued == ("ops",)
    assert not queue.delivers_here
    assert queue.database._writer is None
    assert rows() == 2


def test_in_tests_nothing_outlives_a_rollback_and_nothing_is_sent(database: str, testing: None) -> None:
    with rolled_back():
        assert send("Refused", survives_rollback=True).queued == ("ops",)
        with suppress(RefusedError), alert_on_error("Refused"):
            raise RefusedError
    assert rows() == 0
    assert get_dispatcher().targets["ops"].alerts == []


def test_in_tests_what_the_database_refuses_is_dropped_rather_than_sent(database: str, testing: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE alert_outbox_alerts")
    assert send("Paid").dropped == "testing: default"
    assert get_dispatcher().targets["ops"].alerts == []


def test_a_test_that_may_not_use_the_database_stores_nothing_in_it(database: str, testing: None) -> None:
    class ShopTest(SimpleTestCase):
        def test_it(self) -> None:
            assert send("Paid").dropped == "testing: default"
            assert get_dispatcher().targets["ops"].alerts == []

    connection.close()
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(ShopTest).run(result)
    assert [text for _, text in result.failures + result.errors] == []
    assert rows() == 0


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"using": "elsewhere"}, r"queue.using: DATABASES has no such database; there are: default"),
        ({"path": "alerts.db"}, r"queue.path: unknown option; there are: "),
        ({"poll": "soon"}, r"queue.poll: "),
    ],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_wrong_option_is_told_with_its_place(database: str, configure: Configure, options: Any, fault: str) -> None:
    configure(ALERTS={"targets": MEMORY, "queue": {"type": "django", **options}})
    with pytest.raises(ConfigError, match=f"ALERTS: {fault}"):
        get_dispatcher()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_database_of_another_kind_is_refused(
    database: str, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(connections["default"]), "vendor", "mysql")
    with pytest.raises(ConfigError, match="is a mysql database; the outbox needs PostgreSQL or SQLite"):
        get_dispatcher()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_its_text_names_the_database_alone(database: str) -> None:
    assert repr(get_dispatcher().queue) == "DjangoOutbox(using='default')"


def test_many_threads_store_in_transactions_of_their_own(database: str) -> None:
    def work(number: int) -> None:
        try:
            with suppress(RefusedError), transaction.atomic():
                pay(number)
                send(f"Paid {number}")
                if number % 2:
                    raise RefusedError
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert arrived() == ["Paid 0", "Paid 2", "Paid 4", "Paid 6"]
    assert paid() == [0, 2, 4, 6]
