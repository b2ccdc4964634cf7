"""The dictionaries of alert-infra as our configuration."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import Alert, ConfigError, QueueError
from alert_django import asend_alert, get_dispatcher, legacy, send_alert
from alert_django.configuration import task_name

Configure = Callable[..., None]
MAIL: dict[str, Any] = {"ENABLED": True, "FROM_EMAIL": "alerts@example.org", "TO_EMAILS": ["ops@example.org"]}
SLACK = {"ENABLED": True, "WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/abcdefghijklmnop"}


def tables(given: dict[str, Any], **environ: str) -> dict[str, Any]:
    return legacy.tables(legacy.merged(given), environ)


def test_every_key_of_the_seeds_mail_table_has_its_option() -> None:
    smtp = {
        "SMTP_HOST": "smtp.example.org",
        "SMTP_PORT": "2525",
        "SMTP_USERNAME": "alerts",
        "SMTP_PASSWORD": "secret-4711",
        "SMTP_USE_TLS": "no",
        "TIMEOUT": "7",
    }
    assert tables({"EMAIL": {**MAIL, **smtp}})["targets"] == {
        "email.smtp": {
            "type": "smtp",
            "host": "smtp.example.org",
            "port": 2525,
            "username": "alerts",
            "password": "secret-4711",
            "use_tls": False,
            "from_email": "alerts@example.org",
            "to_emails": ["ops@example.org"],
            "timeout": 7.0,
        }
    }


@pytest.mark.parametrize(
    ("mail", "environ", "target"),
    [
        ({"RESEND_API_KEY": "r", "SENDGRID_API_KEY": "s"}, {}, "email.resend"),
        ({"SENDGRID_API_KEY": "s", "SMTP_HOST": "h"}, {}, "email.sendgrid"),
        ({}, {"ALERT_RESEND_API_KEY": "r"}, "email.resend"),
        ({"RESEND_API_KEY": ""}, {"ALERT_SENDGRID_API_KEY": "s"}, "email.sendgrid"),
        ({}, {}, "email.smtp"),
        ({"BACKEND": "SMTP", "RESEND_API_KEY": "r"}, {}, "email.smtp"),
        ({"BACKEND": "django"}, {}, "email.django"),
        ({"BACKEND": None}, {}, "email.smtp"),
    ],
)
def test_auto_takes_resend_then_sendgrid_then_smtp(mail: Any, environ: dict[str, str], target: str) -> None:
    assert list(tables({"EMAIL": {**MAIL, **mail}}, **environ)["targets"]) == [target]


def test_what_is_left_out_comes_from_the_environment() -> None:
    found = tables(
        {"EMAIL": {"ENABLED": True, "FROM_EMAIL": ""}, "SLACK": {"ENABLED": True}, "TELEGRAM": {"ENABLED": True}},
        ALERT_FROM_EMAIL="alerts@example.org",
        ALERT_TO_EMAILS="ops@example.org, boss@example.org,",
        ALERT_SMTP_HOST="smtp.example.org",
        ALERT_SMTP_PORT="465",
        ALERT_SMTP_USERNAME="alerts",
        ALERT_SMTP_PASSWORD="secret-4711",
        ALERT_SMTP_USE_TLS="false",
        ALERT_SLACK_WEBHOOK_URL="https://hooks.slack.com/services/x",
        ALERT_TELEGRAM_BOT_TOKEN="1:t",
        ALERT_TELEGRAM_CHAT_ID="-100",
    )
    assert found["targets"] == {
        "email.smtp": {
            "type": "smtp",
            "host": "smtp.example.org",
            "port": 465,
            "username": "alerts",
            "password": "secret-4711",
            "use_tls": False,
            "from_email": "alerts@example.org",
            "to_emails": ["ops@example.org", "boss@example.org"],
            "timeout": 8.0,
        },
        "slack": {"type": "slack", "webhook_url": "https://hooks.slack.com/services/x", "timeout": 5.0},
        "telegram": {"type": "telegram", "bot_token": "1:t", "chat_id": "-100", "timeout": 5.0},
    }


def test_templates_have_both_their_names_and_the_apis_their_urls() -> None:
    templates = {"SUBJECT_TEMPLATE_NAME": "s.txt", "BODY_TEMPLATE": "b.txt", "HTML_TEMPLATE_NAME": "h.html"}
    mail = {**MAIL, "BACKEND": "django", **templates, "TEMPLATE_CONTEXT": {"product": "Billing"}}
    target = tables({"EMAIL": mail})["targets"]["email.django"]
    assert (target["subject_template"], target["body_template"], target["html_template"]) == (
        "s.txt",
        "b.txt",
        "h.html",
    )
    assert target["template_context"] == {"product": "Billing"}
    mail = {**MAIL, "RESEND_API_KEY": "r", "RESEND_API_URL": "https://api.resend.com/emails"}
    assert tables({"EMAIL": mail})["targets"]["email.resend"]["api_url"] == "https://api.resend.com"


def test_the_async_table_is_the_celery_queue() -> None:
    assert tables({"ASYNC": {"ENABLED": True, "MAX_RETRIES": 5, "RETRY_BACKOFF": 10}})["queue"] == {
        "type": "celery",
        "queue": "alerts",
        "max_retries": 5,
        "retry_backoff": 10,
        "retry_backoff_max": 300,
        "retry_jitter": True,
    }
    assert tables({"ASYNC": {"ENABLED": True, "TASK_NAME": "shop.alert"}})["queue"]["task_name"] == "shop.alert"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"MAX_RETRIES": "5", "RETRY_BACKOFF_MAX": " 60 "}, {"max_retries": 5, "retry_backoff_max": 60}),
        ({"RETRY_BACKOFF": 0}, {"retry_backoff": False}),
        ({"RETRY_BACKOFF": "0"}, {"retry_backoff": False}),
        ({"RETRY_BACKOFF": "7", "RETRY_JITTER": 0}, {"retry_backoff": 7, "retry_jitter": False}),
        ({"QUEUE": None}, {"queue": "alerts"}),
    ],
)
def test_what_the_async_table_could_have_is_read_as_it_was(
    configure: Configure, given: dict[str, Any], read: dict[str, Any]
) -> None:
    configure(ALERT_INFRA={"ASYNC": {"ENABLED": True, **given}})
    queue = get_dispatcher().queue
    assert {name: getattr(queue, name) for name in read} == read
    assert all(type(getattr(queue, name)) is type(value) for name, value in read.items())


def test_the_tasks_name_is_read_from_whatever_is_set_and_faults_are_left_to_the_checks(
    configure: Configure, tmp_path: Path
) -> None:
    document = tmp_path / "alerts.toml"
    document.write_text('[queue]\ntask_name = "shop.alert"\n')
    for right in ({"queue": {"type": "celery", "task_name": "shop.alert"}}, document, str(document)):
        configure(ALERTS=right)
        assert task_name() == "shop.alert"
    for wrong in ({}, {"queue": 3}, {"queue": {"task_name": 3}}, 3, "no file"):
        configure(ALERTS=wrong)
        assert task_name() is None
    configure(ALERTS=None, ALERT_INFRA={"ASYNC": {"ENABLED": True, "TASK_NAME": "old.alert"}})
    assert task_name() == "old.alert"
    configure(ALERT_INFRA={"ASYNC": {"ENABLED": True}})
    assert task_name() is None


def test_the_translation_is_a_configuration_that_sends(configure: Configure) -> None:
    configure(ALERT_INFRA={"DEFAULT_SEVERITY": "warning", "EMAIL": {**MAIL, "BACKEND": "django"}})
    from django.core import mail

    mail.outbox = []
    try:
        report = send_alert(title="Disk full", message="No space left")
        assert report.sent == ("email.django",)
        assert [message.subject for message in mail.outbox] == ["[WARNING] Disk full"]
    finally:
        del mail.outbox


def test_of_both_names_the_newer_one_counts(configure: Configure) -> None:
    configure(FEATURE_FLAG_INFRA={"SLACK": SLACK})
    assert list(get_dispatcher().targets) == ["slack"]
    configure(ALERT_INFRA={})
    assert list(get_dispatcher().targets) == ["noop"]
    configure(ALERTS={"targets": {"ops": {"type": "memory"}}})
    assert list(get_dispatcher().targets) == ["ops"]


def test_nothing_enabled_goes_nowhere_and_disabled_is_a_silence(configure: Configure) -> None:
    configure(ALERT_INFRA={})
    assert send_alert(title="t", message="m").sent == ("noop",)
    configure(ALERT_INFRA={"ENABLED": False, "SLACK": SLACK})
    report = send_alert(title="t", message="m", metadata={"token": "secret-4711"})
    assert report.ok
    assert (report.sent, report.failed) == ((), {})


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"EMAIL": {**MAIL, "BACKEND": "smtp"}}, r'ALERT_INFRA\["EMAIL"\]\["SMTP_HOST"\]: required option missing'),
        ({"EMAIL": {**MAIL, "BACKEND": "pigeon"}}, r'ALERT_INFRA\["EMAIL"\]\["BACKEND"\]: '),
        ({"EMAIL": {**MAIL, "SMTP_HOST": "h", "SMTP_PORT": "x"}}, r'ALERT_INFRA\["EMAIL"\]\["SMTP_PORT"\]: '),
        ({"SLACK": {**SLACK, "WEBHOOK_URL": "http://x.example/"}}, r'ALERT_INFRA\["SLACK"\]\["WEBHOOK_URL"\]: '),
        ({"TELEGRAM": {"ENABLED": True}}, r'ALERT_INFRA\["TELEGRAM"\]\["BOT_TOKEN"\]: required option missing'),
        ({"DEFAULT_SEVERITY": "urgent"}, r'ALERT_INFRA\["DEFAULT_SEVERITY"\]: '),
        ({"ASYNC": {"ENABLED": True, "BACKEND": "rq"}}, r'ALERT_INFRA\["ASYNC"\]\["BACKEND"\]: '),
    ],
)
def test_a_fault_names_the_key_of_the_dictionary(configure: Configure, given: dict[str, Any], place: str) -> None:
    configure(ALERT_INFRA=given)
    with pytest.raises(ConfigError, match=place):
        get_dispatcher()


@pytest.mark.parametrize("silently", [True, False])
def test_fail_silently_decides_what_becomes_of_a_broker_that_is_down(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, silently: bool
) -> None:
    def refuse(*_: object) -> None:
        raise QueueError("the broker is down")

    monkeypatch.setattr("alert_celery.queue.CeleryQueue.put", refuse)
    configure(ALERT_INFRA={"ASYNC": {"ENABLED": True, "FAIL_SILENTLY": silently}})
    if silently:
        report = send_alert(title="t", message="m")
        assert (report.sent, report.stored) == (("noop",), False)
    else:
        with pytest.raises(QueueError, match="the broker is down"):
            send_alert(title="t", message="m")
        with pytest.raises(QueueError, match="the broker is down"):
            asyncio.run(asend_alert(title="t", message="m"))


values = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=3), max_size=2)
keys = st.sampled_from([*legacy.DEFAULTS, "colour"])
inner = st.sampled_from(["ENABLED", "BACKEND", "TO_EMAILS", "SMTP_PORT", "TIMEOUT", "SMTP_USE_TLS", "CHAT_ID", "QUEUE"])
tables_of_it = st.dictionaries(inner, values, max_size=4).map(lambda table: {"ENABLED": True, **table})
DICTIONARIES = st.dictionaries(keys, values | tables_of_it, max_size=5)


@given(DICTIONARIES, DICTIONARIES)
def test_whatever_a_dictionary_has_it_is_translated(given: dict[str, Any], environ: dict[str, Any]) -> None:
    found = legacy.tables(legacy.merged(given), dict.fromkeys(environ, "x"))
    assert "targets" in found or "routes" in found
    assert list(legacy.unknown_keys(given)) or "colour" not in given
    assert isinstance(legacy.fails_silently(given), bool)


def test_an_alert_is_masked_whatever_the_dictionary_says(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Alert] = []
    monkeypatch.setattr("alert_core.builtin.NoopTransport.send", lambda _, alert: seen.append(alert))
    configure(ALERT_INFRA={"REDACT_SENSITIVE_DATA": False})
    send_alert(title="t", message="m", metadata={"password": "secret-4711"})
    assert "secret-4711" not in str(seen[0].to_dict())
