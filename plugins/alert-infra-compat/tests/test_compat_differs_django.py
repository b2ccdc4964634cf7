"""Django's settings, send_alert, Celery's tasks, by alert-infra 0.1.5 and by this distribution."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.needs("alert-infra"), pytest.mark.once]

Call = dict[str, Any]
Compare = Callable[[list[Call]], list[tuple[Any, Any]]]

MAIL = {"ENABLED": True, "FROM_EMAIL": "a@example.com", "TO_EMAILS": ["ops@example.com"]}
DJANGO_MAIL = {**MAIL, "BACKEND": "django"}
ENV = {
    "ALERT_FROM_EMAIL": "env@example.com",
    "ALERT_TO_EMAILS": "one@example.com, two@example.com",
    "ALERT_RESEND_API_KEY": "env-resend",
    "ALERT_SENDGRID_API_KEY": "env-sendgrid",
    "ALERT_SMTP_HOST": "env.example.com",
    "ALERT_SMTP_PORT": "2525",
    "ALERT_SMTP_USERNAME": "env-user",
    "ALERT_SMTP_PASSWORD": "env-pass",
    "ALERT_SLACK_WEBHOOK_URL": "https://env.example.com/hook",
    "ALERT_TELEGRAM_BOT_TOKEN": "1:env",
    "ALERT_TELEGRAM_CHAT_ID": "-1",
}
NO_KEYS = {name: value for name, value in ENV.items() if "API_KEY" not in name}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"ENABLED": False},
    {"ENABLED": False, "SLACK": {"ENABLED": True}},
    {"EMAIL": {"ENABLED": False}, "SLACK": {}, "TELEGRAM": None},
    *({"EMAIL": {**MAIL, "BACKEND": backend}} for backend in ("auto", "resend", "sendgrid", "smtp", "django", "SMTP")),
    {"EMAIL": {**MAIL, "BACKEND": "pigeon"}},
    {"EMAIL": MAIL},
    {"EMAIL": {"ENABLED": True}},
    {"EMAIL": {**MAIL, "RESEND_API_KEY": "re"}},
    {"EMAIL": {**MAIL, "SENDGRID_API_KEY": "sg", "TIMEOUT": 3}},
    {"EMAIL": {**MAIL, "RESEND_API_KEY": "re", "SENDGRID_API_KEY": "sg", "RESEND_API_URL": "https://r.example.com/m"}},
    {"EMAIL": {**MAIL, "BACKEND": "sendgrid", "SENDGRID_API_KEY": "sg", "SENDGRID_API_URL": "https://s.example.com"}},
    {"EMAIL": {**MAIL, "SMTP_HOST": "h", "SMTP_PORT": "26", "SMTP_USERNAME": "u", "SMTP_PASSWORD": "pw"}},
    {"EMAIL": {**MAIL, "SMTP_HOST": "h", "SMTP_USE_TLS": False, "TIMEOUT": "2.5"}},
    {"EMAIL": {**MAIL, "SMTP_HOST": "h", "SMTP_USE_TLS": True, "TO_EMAILS": "x@example.com,,y@example.com "}},
    {"EMAIL": {**MAIL, "TO_EMAILS": []}},
    {"EMAIL": {**MAIL, "FROM_EMAIL": ""}},
    {"EMAIL": {**DJANGO_MAIL, "SUBJECT_TEMPLATE": "s", "BODY_TEMPLATE_NAME": "b", "HTML_TEMPLATE": "h"}},
    {"EMAIL": {**DJANGO_MAIL, "SUBJECT_TEMPLATE_NAME": "s", "TEMPLATE_CONTEXT": {"product": "Portal"}}},
    {"SLACK": {"ENABLED": True}},
    {"SLACK": {"ENABLED": True, "WEBHOOK_URL": "https://hooks.example.com/x", "TIMEOUT": 2}},
    {"SLACK": {"ENABLED": True, "WEBHOOK_URL": "http://hooks.example.com/x"}},
    {"TELEGRAM": {"ENABLED": True}},
    {"TELEGRAM": {"ENABLED": True, "BOT_TOKEN": "1:t", "CHAT_ID": -7, "TIMEOUT": "4"}},
    {"TELEGRAM": {"ENABLED": True, "BOT_TOKEN": "1:t"}},
    {"EMAIL": MAIL, "SLACK": {"ENABLED": True}, "TELEGRAM": {"ENABLED": True}},
]


NAMES = ("ALERT_INFRA", "FEATURE_FLAG_INFRA")


def named(settings: dict[str, Any], name: str = "ALERT_INFRA") -> dict[str, Any]:
    return {name: settings}


def test_settings_and_their_fallbacks_make_the_same_dispatcher(compare: Compare) -> None:
    calls: list[Call] = [
        {"call": "django_dispatcher", "given": named(settings, name), "env": env}
        for settings, env, name in itertools.product(
            SETTINGS, ({}, ENV, NO_KEYS), ("ALERT_INFRA", "FEATURE_FLAG_INFRA")
        )
    ]
    both = {"ALERT_INFRA": {"SLACK": {"ENABLED": False}}, "FEATURE_FLAG_INFRA": SETTINGS[-1]}
    none = {"ALERT_INFRA": None, "FEATURE_FLAG_INFRA": {"ENABLED": False}}
    for given in (both, none, {}, {"ALERT_INFRA": None, "FEATURE_FLAG_INFRA": None}):
        calls += [{"call": name, "given": given, "env": ENV} for name in ("django_dispatcher", "django_settings")]
    calls += [{"call": "django_settings", "given": named(settings)} for settings in SETTINGS]
    calls += [{"call": "django_dispatcher", "given": {}, "direct": settings, "env": ENV} for settings in SETTINGS]
    wrong = [("SMTP_PORT", "smtp"), ("TIMEOUT", "soon")]
    calls += [
        {
            "call": "django_dispatcher",
            "given": named({"EMAIL": {**MAIL, name: value}}),
            "env": NO_KEYS,
            "differs": "setting",
        }
        for name, value in wrong
    ]
    plain = NO_KEYS | {"ALERT_SMTP_USE_TLS": "false"}
    calls += [{"call": "django_dispatcher", "given": named({"EMAIL": MAIL}), "env": plain, "differs": "tls-variable"}]
    on = {"EMAIL": {**MAIL, "SMTP_USE_TLS": True}}
    calls += [{"call": "django_dispatcher", "given": named(on), "env": plain}]
    compare(calls)


def test_send_alert_sends_and_mails_the_same(compare: Compare) -> None:
    basic = {"title": "Stock low", "message": "Only 3 left\nof A-7", "tags": ["stock", "a"], "metadata": {"invoice": 7}}
    arguments: list[dict[str, Any]] = [
        basic,
        {**basic, "severity": "critical", "source": "shop", "request_id": "r-1"},
        {**basic, "metadata": {"token": "t", "n": {"!": "tuple", "of": [1]}}},
        {**basic, "tags": {"!": "tuple", "of": []}, "metadata": None},
        {**basic, "severity": "fatal"},
        {"title": "", "message": "m"},
        {"title": "t"},
        {**basic, "unknown": 1},
    ]
    templates = {"SUBJECT_TEMPLATE": "subject.txt", "BODY_TEMPLATE": "body.txt", "HTML_TEMPLATE": "body.html"}
    settings: list[dict[str, Any]] = [
        {},
        {"ENABLED": False},
        {"DEFAULT_SEVERITY": "warning"},
        {"REDACT_SENSITIVE_DATA": False},
        {"EMAIL": DJANGO_MAIL},
        {"EMAIL": {**DJANGO_MAIL, **templates, "TEMPLATE_CONTEXT": {"product": "Portal", "alert": "not this"}}},
        {"EMAIL": {**DJANGO_MAIL, "SUBJECT_TEMPLATE": "subject.txt", "BODY_TEMPLATE": "body.txt"}},
        {"EMAIL": {**DJANGO_MAIL, "BODY_TEMPLATE": "missing.txt"}},
        {"EMAIL": {**DJANGO_MAIL, "BODY_TEMPLATE": "broken.txt"}},
        {"EMAIL": {"ENABLED": True}},
    ]
    calls: list[Call] = [
        {"call": "django_send", "given": named(given), "arguments": item}
        for given, item in itertools.product(settings, arguments)
    ]
    markup = {**basic, "title": "a < b", "message": "it's <b>"}
    escaped = {"EMAIL": {**DJANGO_MAIL, **templates}}
    calls += [{"call": "django_send", "given": named(escaped), "arguments": markup}]
    calls += [{"call": "django_send", "given": named({"EMAIL": DJANGO_MAIL}), "arguments": markup, "differs": "markup"}]
    backend = {"EMAIL_BACKEND": "django.core.mail.backends.nowhere.EmailBackend"}
    calls += [{"call": "django_send", "given": {**named({"EMAIL": DJANGO_MAIL}), **backend}, "arguments": basic}]
    refused = {"EMAIL_BACKEND": "doubles.RefusingBackend"}
    calls += [
        {"call": "django_send", "given": {**named({"EMAIL": DJANGO_MAIL}), **refused}, "arguments": item, **differs}
        for item, differs in (({**basic, "title": "554"}, {"differs": "refused"}), ({**basic, "title": "451"}, {}))
    ]
    one_tag = {**basic, "tags": "stock"}
    calls += [{"call": "django_send", "given": named({}), "arguments": one_tag, "differs": "one-tag"}]
    secret = {"EMAIL": {**DJANGO_MAIL, "SMTP_PASSWORD": "correct-horse-first"}}
    told = {**basic, "title": "no login with correct-horse-first"}
    calls += [{"call": "django_send", "given": named(secret), "arguments": told, "differs": "secret-configured"}]
    assert "correct-horse" not in str(compare(calls)[-1][1])


def test_a_request_is_told_alike(compare: Compare) -> None:
    rng = random.Random(5)
    names = ["Authorization", "Cookie", "X-CSRFToken", "X-Api-Key", "X-Auth-Token", "User-Agent", "Accept", "X-Keyword"]
    calls: list[Call] = [{"call": "metadata_of_request", "spec": {"kind": "empty"}}]
    for _ in range(60):
        spec: dict[str, Any] = {"method": rng.choice(["GET", "POST"]), "path": rng.choice(["/", "/invoices/7/", "/ü"])}
        spec["headers"] = dict.fromkeys(rng.sample(names, rng.randint(0, 5)), "value")
        if rng.random() < 0.3:
            spec["headers"]["X-Request-ID"] = "header-id"
        if rng.random() < 0.3:
            spec["request_id"] = rng.choice(["own-id", ""])
        if rng.random() < 0.5:
            spec["user"] = rng.choice([{"pk": 7}, {"id": 8}, {"pk": None, "id": 9}, {"pk": None}, {"pk": "u-1"}])
        calls.append({"call": "metadata_of_request", "spec": spec})
        arguments = {"title": "t", "message": "m", "metadata": {"request": "mine"}, "request_id": "argument"}
        calls.append({"call": "django_send", "given": named({}), "arguments": arguments, "request": spec})
    signed = {"headers": {"X-Signing-Key": "value"}}
    calls.append({"call": "metadata_of_request", "spec": signed, "differs": "secret-key"})
    compare(calls)


def test_celery_is_asked_alike_and_its_faults_are_told_alike(compare: Compare) -> None:
    brokers: list[Any] = [None, ["OSError", "no broker"], ["ConnectionError", "x"], ["RuntimeError", "x"]]
    brokers += [["AlertConfigError", "x"], ["AlertConfigurationError", "x"], ["AlertDeliveryError", "x"]]
    configs: list[Any] = [None, {}, {"FAIL_SILENTLY": False}, {"TASK_NAME": "ops.alert", "QUEUE": None}]
    configs += [{"MAX_RETRIES": 0, "RETRY_BACKOFF": 7, "RETRY_BACKOFF_MAX": "60", "RETRY_JITTER": 0}]
    configs += [{"BACKEND": "CELERY"}, {"BACKEND": "rq"}, {"ENABLED": 1, "QUEUE": "q"}]
    calls: list[Call] = [
        {"call": "enqueue", "how": how, "settings": config, "broker": broker}
        for how, config, broker in itertools.product(("task", "celery_app"), configs, brokers)
    ]
    names: list[Any] = [["slack"], [], {"!": "tuple", "of": ["a", "b"]}]
    calls += [{"call": "enqueue", "how": "task", "settings": {}, "names": item} for item in names]
    calls += [{"call": "enqueue", "how": "task", "settings": {}, "names": "slack", "differs": "one-name"}]
    secret = {"title": "t", "message": "m", "metadata": {"token": "visible"}, "redact_sensitive_data": False}
    calls += [{"call": "enqueue", "how": "task", "settings": {}, "fields": secret}]
    calls += [{"call": "async_config", "settings": config} for config in configs]
    calls += [
        {"call": "async_config", "settings": {name: "many"}, "differs": "setting"}
        for name in ("MAX_RETRIES", "RETRY_BACKOFF_MAX")
    ]
    arguments = {"title": "t", "message": "m", "metadata": {"api_key": "k"}}
    calls += [
        {
            "call": "django_queued",
            "given": named({"ASYNC": {"ENABLED": True, **more}}),
            "arguments": arguments,
            "broker": b,
        }
        for more in ({}, {"FAIL_SILENTLY": False}, {"QUEUE": "q", "TASK_NAME": "n", "MAX_RETRIES": 9})
        for b in (None, ["OSError", "x"])
    ]
    off = {"ENABLED": False, "ASYNC": {"ENABLED": True}}
    for given in (off, {"ASYNC": None}, {"ASYNC": {"ENABLED": True, "BACKEND": "rq"}}):
        calls += [{"call": "django_queued", "given": named(given), "arguments": arguments}]
    calls += [{"call": "patched_dispatcher", "given": named({"ASYNC": {"ENABLED": True, "QUEUE": "q"}})}]
    compare(calls)


def test_the_task_retries_alike(compare: Compare) -> None:
    good, bad = ["a", None], ["b", ["OSError", "x"]]
    worse, late = ["c", ["ValueError", "x"]], ["d", ["RetryableAlertTransportError", "x"]]
    rounds: list[list[list[list[Any]]]] = [
        [[good]],
        [[good, worse]],
        [[good, bad, worse, late], [bad, late]],
        [[bad], [["b", None]]],
        [[bad, late], [["b", None], late], [["d", None]]],
        [[good, bad]],
    ]
    rounds[2][1], rounds[5] = [["b", None], ["d", None]], [[good, bad], [bad]]
    options: list[Any] = [
        None, {}, {"MAX_RETRIES": 0}, {"MAX_RETRIES": 1}, {"RETRY_BACKOFF": 7}, {"RETRY_BACKOFF": False},
        {"RETRY_BACKOFF": 0}, {"RETRY_BACKOFF": 100, "RETRY_BACKOFF_MAX": 150}, {"RETRY_JITTER": False},
        {"RETRY_BACKOFF_MAX": 0}, {"RETRY_BACKOFF": False, "RETRY_BACKOFF_MAX": 5, "RETRY_JITTER": False},
    ]  # fmt: skip
    calls: list[Call] = [
        {"call": "run_task", "rounds": item, "options": option, "patched": patched}
        for item, option, patched in itertools.product(rounds, options, (False, True))
    ]
    calls += [{"call": "run_task", "rounds": [[good, bad]], "names": ["a"]}]
    unknown = {"call": "run_task", "rounds": [[good, bad], [["b", None]]], "names": ["b", "nobody"]}
    calls += [unknown, {**unknown, "patched": True}, {**unknown, "rounds": [[good]], "differs": "unknown-name"}]
    data = {"title": "t", "message": "m", "created_at": "2026-03-04T05:06:07", "correlation_id": "c"}
    calls += [{"call": "run_task", "rounds": [[good]], "given": item} for item in (data, {"title": "t", "message": ""})]
    calls += [
        {
            "call": "task_options",
            "differs": "worker-lost",
            "new": {"result": ["alert_infra.dispatch_alert", True, True]},
        }
    ]
    compare(calls)


def test_the_template_mails_go_alike(compare: Compare) -> None:
    down, up = ["down", ["OSError", "x"]], ["up", None]
    calls: list[Call] = [
        {"call": "legacy", "email": email, "data": data, "providers": providers}
        for email in ("ops@example.com", ["a@example.com", "b@example.com"], "nobody", ["a@example.com", "x"])
        for data in (None, {"context": {"name": "Ana", "year": 1}, "plain_text": "Hello"})
        for providers in ([up], [down, up], [down, ["last", ["ValueError", "x"]]])
    ]
    compare(calls)


def test_the_older_name_is_there(compare: Compare) -> None:
    names = {
        "": "Alert", ".alert": "Alert", ".security": "redact_value", ".transports": "is_retryable_exception",
        ".exceptions": "AlertConfigError", ".email": "SMTPEmailTransport", ".email.transports": "ResendEmailTransport",
        ".email.tasks": "send_notify_email_task", ".email.services": "EmailService", ".email.providers": "SMTPProvider",
        ".email.interfaces": "EmailProvider", ".apps": "SlackWebhookTransport", ".apps.http": "UrllibHttpClient",
        ".celery": "AsyncAlertConfig", ".django": "send_alert", ".django.config": "build_dispatcher",
        ".django.tasks": "dispatch_alert_task",
    }  # fmt: skip
    calls: list[Call] = [
        {"call": "is_alias", "module": module, "name": name, "differs": "older-name", "new": {"result": True}}
        for module, name in names.items()
    ]
    compare(calls)
