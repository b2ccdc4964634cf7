"""alert_django.testing, as a project's tests use it."""

import unittest
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client, SimpleTestCase, TestCase, override_settings

import alert_core
from alert_core import Alert
from alert_core.testing import MemoryTransport
from alert_django import get_dispatcher, send_alert
from alert_django.testing import AlertsMixin, alerts, capture_alerts

__all__ = ["alerts"]  # the fixture

Configure = Callable[..., None]
Sent = Callable[[], list[Alert]]


def run(case: type[unittest.TestCase]) -> None:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun
    assert [text for _, text in result.failures + result.errors] == []


def test_it_collects_what_would_have_been_sent_and_sends_nothing(sent: Sent) -> None:
    with capture_alerts() as captured:
        Client().get("/block/7/")
        alert_core.send("Disk full")
    captured.assert_sent(title="Blocked", target="ops", times=1)
    captured.assert_sent(title="Disk full")
    assert sent() == []


def test_without_settings_everything_is_collected() -> None:
    with capture_alerts() as captured:
        send_alert(title="t", message="m", targets=["anybody"])
        send_alert(title="u", message="m")
    assert [(one.target, one.alert.title) for one in captured.sent] == [("anybody", "t"), ("captured", "u")]


def test_the_routes_and_defaults_are_those_of_the_settings(configure: Configure) -> None:
    routes = [{"match": {"source": "db"}, "targets": ["night"]}, {"targets": []}]
    targets = {"night": {"type": "memory"}}
    configure(ALERTS={"targets": targets, "routes": routes, "defaults": {"source": "db", "severity": "info"}})
    with capture_alerts() as captured:
        send_alert(title="t", message="m")
    captured.assert_sent(target="night", severity="info", times=1)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_routes_that_need_the_outbox_are_routes_here_too(database: str, configure: Configure) -> None:
    routes = [{"name": "all", "targets": ["ops"], "repeat_every": "1h"}]
    configure(ALERTS={"targets": {"ops": {"type": "memory"}}, "routes": routes, "queue": {"type": "django"}})
    with capture_alerts() as captured:
        send_alert(title="t", message="m")
    captured.assert_sent(target="ops")


def test_settings_that_change_meanwhile_change_nothing(sent: Sent, configure: Configure) -> None:
    with capture_alerts() as captured:
        with override_settings(ALERTS={"targets": {"other": {"type": "memory"}}}):
            send_alert(title="t", message="m")
        send_alert(title="u", message="m")
    assert len(captured.alerts) == 2
    assert sent() == []


def test_a_dispatcher_of_before_is_made_anew_after_it(sent: Sent) -> None:
    before = get_dispatcher()
    with capture_alerts():
        assert get_dispatcher() is not before
    assert send_alert(title="t", message="m").ok
    assert isinstance(get_dispatcher().targets["ops"], MemoryTransport)
    assert len(sent()) == 1


def test_the_fixture_is_there_by_its_name(alerts: Any) -> None:
    send_alert(title="t", message="m")
    alerts.assert_sent(title="t")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_what_waits_for_a_transaction_is_collected_once_it_commits(database: str) -> None:
    with capture_alerts() as captured:
        with transaction.atomic():
            send_alert(title="rolled back", message="m")
            transaction.set_rollback(True)
        with transaction.atomic():
            send_alert(title="survives", message="m", survives_rollback=True)
            captured.assert_sent(title="survives")
            transaction.set_rollback(True)
        with transaction.atomic():
            send_alert(title="committed", message="m")
            assert len(captured.alerts) == 1
    assert [alert.title for alert in captured.alerts] == ["survives", "committed"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_in_a_test_case_it_follows_the_transactions_of_the_code_under_test(database: str) -> None:
    class ShopTest(AlertsMixin, TestCase):
        def test_a_blocked_invoice_alerts(self) -> None:
            self.client.get("/block/7/")
            self.alerts.assert_sent(title="Blocked", times=1)

        def test_a_payment_alerts_once_it_is_committed(self) -> None:
            with self.captureOnCommitCallbacks(execute=True):
                self.client.get("/pay/7/")
                self.alerts.assert_nothing_sent()
            self.alerts.assert_sent(title="Paid", times=1)

        def test_a_payment_that_fails_alerts_nobody(self) -> None:
            with self.captureOnCommitCallbacks(execute=True), pytest.raises(RuntimeError):
                self.client.get("/pay/13/")
            self.alerts.assert_nothing_sent()

        def test_on_commit_is_as_everywhere_in_django(self) -> None:
            with self.captureOnCommitCallbacks(execute=True):
                send_alert(title="t", message="m", on_commit=True)
                self.alerts.assert_nothing_sent()
            self.alerts.assert_sent(title="t")

    run(ShopTest)


def test_a_simple_test_case_needs_no_database(configure: Configure) -> None:
    configure(ALERTS={"targets": {"ops": {"type": "memory"}}})

    class ShopTest(AlertsMixin, SimpleTestCase):
        def test_it(self) -> None:
            send_alert(title="t", message="m")
            self.alerts.assert_sent(target="ops")

    run(ShopTest)
