"""send_alert() and asend_alert(), and the dispatcher that the settings make."""

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.test import AsyncClient, Client, RequestFactory, override_settings

import alert_core
from alert_core import Alert, AlertValidationError, ConfigError, PluginError, default
from alert_django import asend_alert, get_dispatcher, send_alert

Configure = Callable[..., None]
Sent = Callable[[], list[Alert]]
MEMORY: dict[str, Any] = {"targets": {"ops": {"type": "memory"}}}


def test_every_argument_of_the_seed_arrives(sent: Sent) -> None:
    request = RequestFactory().post("/invoices/7/", headers={"X-Request-ID": "req-1", "Authorization": "Bearer secret"})
    report = send_alert(
        title="Suspicious invoice update",
        message="Invoice status transition was blocked.",
        severity="warning",
        source="invoice-view",
        tags=("invoice", "security"),
        metadata={"invoice_id": 7, "authorization": "Bearer secret"},
        request=request,
    )
    assert report.ok
    assert report.sent == ("ops",)
    (alert,) = sent()
    assert (alert.title, alert.severity, alert.source) == ("Suspicious invoice update", "warning", "invoice-view")
    assert alert.tags == ("invoice", "security")
    assert alert.request_id == "req-1"
    assert alert.metadata["invoice_id"] == 7
    assert alert.metadata["request"]["path"] == "/invoices/7/"
    assert "secret" not in str(alert.to_dict())


def test_its_parameters_are_those_of_the_seed_and_more() -> None:
    parameters = inspect.signature(send_alert).parameters
    seed = ["title", "message", "severity", "source", "tags", "metadata", "request", "request_id"]
    assert list(parameters)[: len(seed)] == seed
    assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in seed)


def test_the_other_fields_of_an_alert_may_be_given(sent: Sent) -> None:
    send_alert(title="t", message="m", status="resolved", dedup_key="k", url="https://example.org/", correlation_id="c")
    (alert,) = sent()
    assert (alert.status, alert.dedup_key, alert.url, alert.correlation_id) == (
        "resolved", "k", "https://example.org/", "c",
    )  # fmt: skip


def test_a_wrong_field_is_an_error_and_nothing_is_sent(sent: Sent) -> None:
    wrong: dict[str, Any] = {"colour": "red"}
    with pytest.raises(AlertValidationError):
        send_alert(title="t", message="m", severity="urgent")
    with pytest.raises(TypeError, match="colour"):
        send_alert(title="t", message="m", **wrong)
    with pytest.raises(ConfigError, match="targets"):
        send_alert(title="t", message="m", targets=["nobody"])
    with pytest.raises(TypeError, match="exclude each other"):
        send_alert(title="t", message="m", on_commit=True, survives_rollback=True)
    assert sent() == []


def test_the_severity_is_the_settings_where_none_is_given(configure: Configure) -> None:
    configure(ALERTS={**MEMORY, "defaults": {"severity": "warning"}})
    send_alert(title="t", message="m")
    send_alert(title="t", message="m", severity="info")
    assert [alert.severity for alert in get_dispatcher().targets["ops"].alerts] == ["warning", "info"]


def test_alert_core_sends_by_the_settings_too(sent: Sent) -> None:
    assert alert_core.send("Disk full").ok
    assert [alert.title for alert in sent()] == ["Disk full"]
    assert default.get() is get_dispatcher()


def test_alert_core_finds_the_settings_without_a_call_of_alert_django(configure: Configure) -> None:
    configure(ALERTS=MEMORY)
    assert alert_core.send("Disk full").sent == ("ops",)


def test_changed_settings_make_another_dispatcher_and_close_the_one_before(sent: Sent) -> None:
    before = get_dispatcher()
    with override_settings(ALERTS={"targets": {"night": {"type": "memory"}}}):
        assert send_alert(title="t", message="m").sent == ("night",)
        with pytest.raises(alert_core.QueueError, match="closed"):
            before.enqueue(Alert("t", "m"))
    assert send_alert(title="t", message="m").sent == ("ops",)
    assert len(sent()) == 1


def test_other_settings_leave_the_dispatcher_alone(sent: Sent) -> None:
    before = get_dispatcher()
    with override_settings(DEFAULT_FROM_EMAIL="others@example.org"):
        assert get_dispatcher() is before


def test_the_settings_may_name_a_file(configure: Configure, tmp_path: Path) -> None:
    path = tmp_path / "alerts.toml"
    path.write_text('[targets.file]\ntype = "memory"\n')
    configure(ALERTS=path)
    assert send_alert(title="t", message="m").sent == ("file",)


def test_without_settings_it_is_configured_as_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "alerts.toml"
    path.write_text('[targets.file]\ntype = "memory"\n')
    monkeypatch.setenv("ALERT_CONFIG", str(path))
    assert send_alert(title="t", message="m").sent == ("file",)


def test_nothing_at_all_is_an_error_that_names_the_setting() -> None:
    with pytest.raises(ConfigError, match="ALERTS: is not set in Django's settings either"):
        send_alert(title="t", message="m")


@pytest.mark.parametrize(
    ("alerts", "message"),
    [
        ({"targets": {"ops": {"type": "django", "to_emails": ["nobody"]}}}, r"ALERTS: targets\.ops\.to_emails: "),
        ({"targets": {}}, "ALERTS: has no targets"),
        ({"queues": {}}, "ALERTS: queues: unknown"),
        (7, "ALERTS: must be a dict, or the path of an alerts.toml"),
    ],
)
def test_a_fault_is_told_with_its_place(configure: Configure, alerts: Any, message: str) -> None:
    configure(ALERTS=alerts)
    with pytest.raises(ConfigError, match=message):
        get_dispatcher()


def test_a_missing_plugin_is_told_as_such(configure: Configure) -> None:
    configure(ALERTS={"targets": {"ops": {"type": "carrier-pigeon"}}})
    with pytest.raises(PluginError, match=r"ALERTS: targets\.ops\.type"):
        get_dispatcher()


def test_no_frame_of_a_fault_has_a_value_of_the_settings(configure: Configure) -> None:
    configure(ALERTS={"targets": {"ops": {"type": "django", "api_key": "cd1f97b0e2f34a55"}}})
    with pytest.raises(ConfigError) as raised:
        get_dispatcher()
    frames, trace = [], raised.value.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename != __file__:
            frames.append(str(trace.tb_frame.f_locals))
        trace = trace.tb_next
    assert frames
    assert "cd1f97b0e2f34a55" not in "".join(frames) + str(raised.value)
    assert raised.value.__cause__ is None


def test_on_commit_sends_once_the_transaction_commits(database: str, sent: Sent) -> None:
    with transaction.atomic():
        report = send_alert(title="t", message="m", on_commit=True)
        assert report.ok
        assert report.deliveries == ()
        assert sent() == []
    assert [alert.id for alert in sent()] == [report.alert_id]


def test_on_commit_sends_nothing_if_the_transaction_is_rolled_back(database: str, sent: Sent) -> None:
    with transaction.atomic():
        send_alert(title="t", message="m", on_commit=True)
        transaction.set_rollback(True)
    assert sent() == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_on_commit_sends_at_once_outside_of_a_transaction(database: str, sent: Sent) -> None:
    assert send_alert(title="t", message="m", on_commit=True).sent == ("ops",)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_without_on_commit_what_waits_in_memory_is_sent_within_the_transaction(database: str, sent: Sent) -> None:
    with transaction.atomic():
        assert send_alert(title="t", message="m").sent == ("ops",)
        transaction.set_rollback(True)
    assert len(sent()) == 1


def test_a_view_sends(sent: Sent) -> None:
    response = Client().get("/block/7/", headers={"X-Request-ID": "req-1"})
    assert response.json()["ok"]
    (alert,) = sent()
    assert alert.metadata["request"]["view"] == "block"
    assert alert.request_id == "req-1"


def test_an_async_view_sends(sent: Sent) -> None:
    async def ask() -> Any:
        return (await AsyncClient().get("/ablock/7/", headers={"X-Request-ID": "req-1"})).json()

    assert asyncio.run(ask())["deliveries"][0]["outcome"] == "delivered"
    assert sent()[0].request_id == "req-1"


def test_an_async_view_tells_the_user_that_only_a_coroutine_may_ask_for(sent: Sent) -> None:
    class User:
        pk = 7

    async def auser() -> User:
        return User()

    request: Any = RequestFactory().get("/")
    request.auser = auser
    asyncio.run(asend_alert(title="t", message="m", request=request))
    assert sent()[0].metadata["request"]["user_id"] == 7


def test_in_an_event_loop_nothing_is_waited_for(sent: Sent) -> None:
    async def view() -> tuple[str, ...]:
        return (send_alert(title="t", message="m").failed == {} and ("fine",)) or ()

    assert asyncio.run(view()) == ("fine",)
    assert len(sent()) == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_view_in_a_transaction_of_its_own_tells_only_what_was_committed(database: str, configure: Configure) -> None:
    client = Client(raise_request_exception=False)
    assert client.get("/pay/12/").json()["stored"]
    assert client.get("/pay/13/").status_code == 500
    dispatcher = get_dispatcher()
    assert dispatcher.flush(60)
    assert [alert.message for alert in dispatcher.targets["ops"].alerts] == ["Invoice 12"]
    assert settings.ALERTS["queue"] == {"type": "django"}
