"""`manage.py check` shows what is wrong with the settings of alerts."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.views.debug import ExceptionReporter

from alert_django.checks import check_configuration, check_deployment

Configure = Callable[..., None]
MEMORY: dict[str, Any] = {"ops": {"type": "memory"}}


def shown(*messages: CheckMessage) -> list[tuple[str | None, str]]:
    return [(message.id, message.msg) for message in messages]


def found(alerts: Any = None, *, deploy: bool = False, **changes: Any) -> list[tuple[str | None, str]]:
    return shown(*(check_deployment(None) if deploy else check_configuration(None)))


def test_a_right_configuration_and_none_at_all_are_fine(configure: Configure) -> None:
    assert found() == []
    configure(ALERTS={"targets": MEMORY})
    assert found() == []


def test_every_fault_is_an_error_with_its_place_and_no_value(configure: Configure) -> None:
    secret = "canary-41c7-no-url"
    configure(
        ALERTS={
            "targets": {
                "mail": {"type": "django", "to_emails": ["nobody"], "colour": "red"},
                "chat": {"type": "slack", "webhook_url": secret},
            },
            "deadline": "soon",
        }
    )
    with pytest.raises(SystemCheckError) as raised:
        call_command("check", stdout=io.StringIO(), stderr=io.StringIO())
    told = str(raised.value)
    for place in ("targets.mail.to_emails", "targets.mail.colour", "targets.chat.webhook_url", "deadline"):
        assert f"(alert_django.E001) ALERTS: {place}: " in told
    assert secret not in told


def test_the_old_dictionary_is_checked_too(configure: Configure) -> None:
    configure(
        ALERT_INFRA={"SLAK": {}, "EMAIL": {"ENABLD": True, "HTML_TEMPLATE_NAME": "x"}, "REDACT_SENSITIVE_DATA": False},
        FEATURE_FLAG_INFRA={},
    )
    assert found() == [
        ("alert_django.W001", "FEATURE_FLAG_INFRA: not read, since ALERT_INFRA is set."),
        ("alert_django.W002", 'ALERT_INFRA["SLAK"]: nothing reads this key.'),
        ("alert_django.W002", 'ALERT_INFRA["EMAIL"]["ENABLD"]: nothing reads this key.'),
        ("alert_django.W003", 'ALERT_INFRA["REDACT_SENSITIVE_DATA"]: alerts are masked all the same.'),
    ]
    assert [message.hint for message in check_configuration(None)[1:3]] == [
        "did you mean SLACK?",
        "did you mean ENABLED?",
    ]


@pytest.mark.parametrize("name", ["alerts/broken.txt", "alerts/absent.txt"])
def test_a_template_that_is_not_there_or_broken_is_an_error(configure: Configure, name: str) -> None:
    configure(ALERTS={"targets": {"m": {"type": "django", "to_emails": ["ops@example.org"], "body_template": name}}})
    ((number, text),) = found()
    assert number == "alert_django.E002"
    assert text.startswith("targets.m.body_template: Template")


def test_a_setting_of_another_form_is_an_error(configure: Configure) -> None:
    configure(ALERT_INFRA=["a"])
    assert found() == [("alert_django.E001", "ALERT_INFRA: must be a dict")]


HOOK = "https://hooks.slack.com/services/T1/B1/canary62fe0d1"


def test_a_credential_that_error_pages_and_mails_would_show_is_told(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = {"type": "slack", "webhook_url": HOOK}
    configure(ALERTS={"targets": {"chat": chat, **MEMORY}, "gateway": {"token": "canary-5b1f0d2a9c"}})
    ((number, text),) = found()
    assert number == "alert_django.W005"
    assert text.startswith('ALERTS["targets"]["chat"]["webhook_url"]: a credential, which ')
    assert HOOK in ExceptionReporter(None, ValueError, ValueError(), None).get_traceback_text()
    configure(ALERTS=None, ALERT_INFRA={"SLACK": {"ENABLED": True, "WEBHOOK_URL": HOOK}})
    assert [text.split(":")[0] for _, text in found()] == ['ALERT_INFRA["SLACK"]["WEBHOOK_URL"]']
    monkeypatch.setenv("ALERT_SLACK_WEBHOOK_URL", HOOK)
    for changed in (
        {"ALERT_INFRA": {"SLACK": {"ENABLED": True}}},
        {"ALERTS": {"targets": {"chat": {**chat, "webhook_url": "env:ALERT_SLACK_WEBHOOK_URL"}}}, "ALERT_INFRA": None},
    ):
        configure(**changed)
        assert found() == []
        assert HOOK not in ExceptionReporter(None, ValueError, ValueError(), None).get_traceback_text()


def test_a_hint_names_the_command_for_options_of_targets_alone(configure: Configure) -> None:
    configure(ALERTS={"targets": {"ops": {"type": "memory", "colour": "red"}}, "colour": "red"})
    assert [message.hint for message in check_configuration(None)] == [
        None,
        "See `alertctl plugins KIND` for its options.",
    ]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_sqlite_is_to_take_its_lock_at_once(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import connections

    assert found() == []
    monkeypatch.setitem(connections["default"].settings_dict, "OPTIONS", {})
    assert [number for number, _ in found()] == ["alert_django.W004"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_check_starts_no_worker(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alert_outbox.worker.Worker.start", lambda *_: pytest.fail("a worker started"))
    assert found() == []
    assert found(deploy=True) != []


def test_before_it_is_deployed_somebody_should_hear_of_alerts(
    configure: Configure, use_mail: Callable[..., None]
) -> None:
    configure(ALERTS={"targets": {**MEMORY, "n": {"type": "noop"}}})
    assert [number for number, _ in found(deploy=True)] == ["alert_django.W101"]
    configure(ALERTS={"targets": {"m": {"type": "django", "to_emails": ["ops@example.org"]}}})
    assert [number for number, _ in found(deploy=True)] == ["alert_django.W102"]
    use_mail("smtp", host="mail.example.org")
    assert found(deploy=True) == []


def test_what_the_other_check_tells_the_one_for_deployment_does_not(configure: Configure) -> None:
    assert found(deploy=True) == []
    configure(ALERTS={"targets": {"m": {"type": "pigeon"}}})
    assert found(deploy=True) == []
