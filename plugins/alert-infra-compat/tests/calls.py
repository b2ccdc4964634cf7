"""Make calls of alert_infra's names, whichever distribution gives them: `python calls.py < calls.json > outcomes.json`.

A call is `{"call": NAME, …}`; NAME is a function here, and the rest its arguments, written as `doubles.built` reads
them. An outcome is `{"result": …}`, `{"error": …}` or both. It runs in the environment of alert-infra 0.1.5 too:
nothing but its dependencies is imported.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib
import json
import logging
import sys
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import project  # noqa: F401 - sets Django up
from django.core import mail
from django.test import RequestFactory, override_settings
from doubles import Client, Custom, Lines, Provider, Sender, an_alert, an_error, built, failure, surroundings, told

import alert_infra
from alert_infra import celery as queued
from alert_infra import security, transports
from alert_infra.apps import SlackWebhookTransport, TelegramBotTransport
from alert_infra.apps import http as http_module
from alert_infra.django import config, request_metadata, send_alert, tasks
from alert_infra.django.email import DjangoEmailTransport
from alert_infra.email import (
    ResendEmailTransport,
    SendGridEmailTransport,
    SMTPEmailTransport,
    format_alert_body,
    format_alert_subject,
)
from alert_infra.email import services as legacy_services
from alert_infra.email import tasks as legacy_tasks

KINDS: dict[str, Any] = {
    "noop": transports.NoOpTransport,
    "resend": ResendEmailTransport,
    "sendgrid": SendGridEmailTransport,
    "smtp": SMTPEmailTransport,
    "django": DjangoEmailTransport,
    "slack": SlackWebhookTransport,
    "telegram": TelegramBotTransport,
}


def alert(fields: dict[str, Any]) -> Any:
    made = an_alert(fields)
    return {"alert": told(made), "dict": told(made.to_dict())}


def made_now() -> Any:
    first, second = (alert_infra.Alert(title="t", message="m") for _ in range(2))
    age = dt.datetime.now(dt.timezone.utc) - first.created_at  # noqa: UP017
    return [
        first.correlation_id != second.correlation_id,
        len(str(uuid.UUID(first.correlation_id))),
        age < dt.timedelta(minutes=1),
        first.created_at.tzinfo is not None,
    ]


def from_dict(data: Any) -> Any:
    made = alert_infra.Alert.from_dict(built(data))
    known = isinstance(data, dict)
    hidden = {name: None for name in ("created_at", "correlation_id") if not (known and data.get(name))}
    return {**told(made), **hidden}


def round_trip(fields: dict[str, Any]) -> Any:
    made = an_alert(fields)
    again = alert_infra.Alert.from_dict(json.loads(json.dumps(made.to_dict())))
    return {"dict": told(again.to_dict()), "same": again.to_dict() == json.loads(json.dumps(made.to_dict()))}


def redact_metadata(metadata: Any) -> Any:
    return told(security.redact_metadata(built(metadata)))


def redact_value(value: Any) -> Any:
    return told(security.redact_value(built(value)))


def is_sensitive_key(key: Any) -> Any:
    return security.is_sensitive_key(built(key))


def payload(kind: str, options: dict[str, Any], fields: dict[str, Any]) -> Any:
    return told(KINDS[kind](**options).build_payload(an_alert(fields)))


def formats(fields: dict[str, Any]) -> Any:
    made = an_alert(fields)
    return [format_alert_subject(made), format_alert_body(made)]


def transport(kind: str, options: dict[str, Any], env: dict[str, str] | None = None, **from_env: Any) -> Any:
    """Make one, and tell its attributes."""
    with surroundings(env):
        maker = KINDS[kind]
        made = maker(**built(options)) if env is None else maker.from_env(**options, **from_env)
        return described(made)


def described(made: Any) -> Any:
    attributes = {
        name: told(value)
        for name, value in vars(made).items()
        if not name.startswith("_") and name not in ("http_client", "sender", "alerts")
    }
    return {"class": type(made).__name__, "name": made.name, "url": getattr(made, "url", None), **attributes}


def deliver(kind: str, options: dict[str, Any], answer: Any, fields: dict[str, Any], how: str = "send") -> Any:
    """One delivery through an injected client or sender; `how` is `send`, or `dispatch`."""
    double: Any = Sender(answer) if kind == "smtp" else Client(answer)
    made = KINDS[kind](**options, **{"sender" if kind == "smtp" else "http_client": double})
    outcome: dict[str, Any] = {}
    try:
        if how == "dispatch":
            outcome["result"] = told(transports.AlertDispatcher([made]).send(an_alert(fields)))
        else:
            outcome["result"] = made.send(an_alert(fields))
    except Exception as error:  # noqa: BLE001 - compared
        outcome["error"] = failure(error)
    return {**outcome, "calls": told(double.calls)}


def dispatch(
    customs: list[list[Any]], send: list[Any] | None = None, fields: dict[str, Any] | None = None, **options: Any
) -> Any:
    """A dispatcher of the application's own transports: `[name, error]` each."""
    made = [Custom(*custom) for custom in customs]
    for own in [one for one in made if getattr(one, "name", "") == "shared"]:
        own.alerts = made[0].alerts
    lines = Lines()
    logger = logging.getLogger("alert_infra.transports")
    logger.addHandler(lines)
    outcome: dict[str, Any] = {}
    given = an_alert(fields or {"title": "t", "message": "m"})
    try:
        result = transports.AlertDispatcher(made, **options).send(given, *(send or []))
        outcome |= {"result": told(result), "ok": result.ok}
    except Exception as error:  # noqa: BLE001 - compared
        outcome["error"] = failure(error)
    finally:
        logger.removeHandler(lines)
    same = [all(alert is given for alert in own.alerts) and len(own.alerts) for own in made]
    return {**outcome, "got": same, "log": lines.lines}


def post(url: str, body: Any, headers: Any = None, timeout: Any = 30) -> Any:
    return http_module.UrllibHttpClient().post(url, json=body, headers=headers, timeout=timeout)


def https_url(url: str, **options: Any) -> Any:
    return http_module.validate_https_url(url, **options)


def send_for_real(kind: str, options: dict[str, Any], fields: dict[str, Any]) -> Any:
    """Through the transport's own client."""
    return told(transports.AlertDispatcher([KINDS[kind](**options)]).send(an_alert(fields)))


@contextlib.contextmanager
def configured(given: dict[str, Any], env: dict[str, str] | None) -> Iterator[None]:
    mail.outbox.clear()
    with surroundings(env), override_settings(**built(given)):
        yield


def django_settings(given: dict[str, Any], env: dict[str, str] | None = None) -> Any:
    with configured(given, env):
        return told(config.get_alert_infra_settings())


def django_dispatcher(given: dict[str, Any], env: dict[str, str] | None = None, direct: Any = None) -> Any:
    with configured(given, env):
        made = config.build_dispatcher(built(direct))
        return {"enabled": made.enabled, "transports": [described(one) for one in made.transports]}


def a_request(spec: dict[str, Any]) -> Any:
    made: Any = RequestFactory().generic(
        spec.get("method", "POST"), spec.get("path", "/x"), headers=spec.get("headers")
    )
    if "user" in spec:
        made.user = types.SimpleNamespace(**spec["user"])
    if "request_id" in spec:
        made.request_id = spec["request_id"]
    return made if spec.get("kind") != "empty" else object()


def metadata_of_request(spec: dict[str, Any]) -> Any:
    return told(request_metadata(a_request(spec)))


def django_send(
    given: dict[str, Any], arguments: dict[str, Any], request: Any = None, env: dict[str, str] | None = None
) -> Any:
    """send_alert(), and the mail that it made."""
    arguments = built(arguments)
    if request is not None:
        arguments["request"] = a_request(request)
    outcome: dict[str, Any] = {}
    seen: list[Any] = []
    with (
        configured(given, env),
        mock.patch.object(transports.NoOpTransport, "send", lambda _, alert: seen.append(alert)),
    ):
        try:
            outcome["result"] = told(send_alert(**arguments))
        except Exception as error:  # noqa: BLE001 - compared
            outcome["error"] = failure(error)
        mails = [
            [m.subject, m.body, m.from_email, m.to, [list(one)[:2] for one in getattr(m, "alternatives", ())]]
            for m in mail.outbox
        ]
    hidden = ("Correlation ID", "Created at")
    alerts = [{**told(one), "created_at": None, "correlation_id": None} for one in seen]
    return {**outcome, "mail": without(told(mails), hidden), "alerts": alerts}


def without(value: Any, marks: tuple[str, ...]) -> Any:
    """Texts without what is new each time."""
    if isinstance(value, list):
        return [without(item, marks) for item in value]
    if isinstance(value, str):
        separator = "<br>" if "<br>" in value else "\n"
        return separator.join(line for line in value.split(separator) if not line.startswith(marks))
    return {key: without(item, marks) for key, item in value.items()} if isinstance(value, dict) else value


def django_queued(given: dict[str, Any], arguments: dict[str, Any], broker: Any = None) -> Any:
    """send_alert() with ASYNC, through an app that only writes down, or refuses."""
    app = mock.Mock(spec=["send_task"])
    if broker:
        app.send_task.side_effect = an_error(broker)
    outcome: dict[str, Any] = {}
    with configured(given, None), mock.patch("celery.current_app", app):
        try:
            outcome["result"] = told(send_alert(**arguments))
        except Exception as error:  # noqa: BLE001 - compared
            outcome["error"] = failure(error)
    calls = [[list(call.args), call.kwargs] for call in app.send_task.call_args_list]
    for _, kwargs in calls:
        kwargs["args"][0] |= {"created_at": None, "correlation_id": None}
    return {**outcome, "calls": told(calls)}


def patched_dispatcher(given: dict[str, Any]) -> Any:
    """The class that applications' tests put in the place of CeleryAlertDispatcher."""
    with configured(given, None), mock.patch("alert_infra.django.config.CeleryAlertDispatcher") as double:
        double.return_value.send.return_value = "patched"
        return [send_alert(title="t", message="m"), told(double.call_args.kwargs), len(double.call_args.args)]


def is_alias(module: str, name: str) -> Any:
    """Whether feature_flag_infra's module has alert_infra's own object."""
    alias = importlib.import_module(f"feature_flag_infra{module}")
    return getattr(alias, name) is getattr(importlib.import_module(f"alert_infra{module}"), name)


def task_options() -> Any:
    task = tasks.dispatch_alert_task
    return [task.name, task.acks_late, task.reject_on_worker_lost]


def async_config(settings: Any) -> Any:
    return told(queued.normalize_async_config(built(settings)))


def enqueue(how: str, settings: Any, names: Any = None, broker: Any = None, fields: Any = None) -> Any:
    """CeleryAlertDispatcher with an injected `task` or `celery_app`."""
    double = mock.Mock(spec=["apply_async", "send_task"])
    if broker:
        double.apply_async.side_effect = double.send_task.side_effect = an_error(broker)
    outcome: dict[str, Any] = {}
    try:
        made = queued.CeleryAlertDispatcher(**{how: double}, config=built(settings))
        outcome["result"] = told(made.send(an_alert(fields or {"title": "t", "message": "m"}), built(names)))
    except Exception as error:  # noqa: BLE001 - compared
        outcome["error"] = failure(error)
    return {**outcome, "calls": told([[call[0], list(call.args), call.kwargs] for call in double.method_calls])}


def run_task(
    rounds: list[list[list[Any]]], options: Any = None, names: Any = None, given: Any = None, *, patched: bool = False
) -> Any:
    """The task in eager mode, its dispatcher's transports failing by rounds; or with a patched `retry`."""
    attempts: list[Any] = []

    def build(*_: Any) -> Any:
        customs = rounds[min(len(attempts), len(rounds) - 1)]
        made = transports.AlertDispatcher([Custom(*custom) for custom in customs])
        send = made.send

        def recorded(alert: Any, transport_names: Any = None) -> Any:
            attempts.append([told(alert.to_dict()), transport_names])
            return send(alert, transport_names=transport_names)

        return types.SimpleNamespace(send=recorded)

    arguments = {"transport_names": names, "async_options": options}
    data = given or an_alert({"title": "t", "message": "m", "metadata": {"api_key": "k", "n": 1}}).to_dict()
    with mock.patch("alert_infra.django.tasks.build_dispatcher", build), mock.patch("random.randint", lambda _, b: b):
        if patched:
            with mock.patch("alert_infra.django.tasks.dispatch_alert_task.retry", side_effect=KeyError) as retry:
                ended = tasks.dispatch_alert_task.apply(args=(data,), kwargs=arguments)
            return {
                "retry": told([[list(call.args), call.kwargs] for call in retry.call_args_list]),
                "end": ended.state,
            }
        ended = tasks.dispatch_alert_task.apply(args=(data,), kwargs=arguments)
    result = told(ended.result) if ended.state == "SUCCESS" else failure(ended.result)
    return {"state": ended.state, "result": result, "attempts": attempts}


def legacy(email: Any, data: Any, providers: list[list[Any]]) -> Any:
    """The task of the template mails, its providers doubled: `[name, error]` each."""
    calls: list[Any] = []
    service = legacy_services.EmailService([Provider(calls, *one) for one in providers])
    template = {"mail.html": "<p>{{ name }} {{ supportLink }}</p>"}
    engine = {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", template)]},
    }
    retried: list[Any] = []

    def retry(**kwargs: Any) -> Exception:
        retried.append([type(kwargs["exc"]).__name__, kwargs["countdown"]])
        return KeyError("retry")

    with (
        mock.patch("alert_infra.email.tasks.get_email_service", return_value=service),
        mock.patch("alert_infra.email.tasks.send_notify_email_task.retry", retry),
        override_settings(TEMPLATES=[engine]),
    ):
        ended = legacy_tasks.send_notify_email_task.apply(args=(email, "Welcome", "mail.html", built(data)))
    return {"state": ended.state, "result": told(ended.result), "calls": told(calls), "retried": retried}


CALLS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        alert,
        async_config,
        deliver,
        dispatch,
        django_dispatcher,
        django_queued,
        django_send,
        django_settings,
        enqueue,
        formats,
        from_dict,
        https_url,
        is_alias,
        is_sensitive_key,
        legacy,
        made_now,
        metadata_of_request,
        patched_dispatcher,
        payload,
        post,
        redact_metadata,
        redact_value,
        round_trip,
        run_task,
        send_for_real,
        task_options,
        transport,
    )
}


def outcome_of(call: dict[str, Any]) -> dict[str, Any]:
    arguments = dict(call)
    try:
        return {"result": CALLS[arguments.pop("call")](**arguments)}
    except RecursionError as error:
        return {"error": {"type": type(error).__name__}}
    except Exception as error:  # noqa: BLE001 - compared
        return {"error": failure(error)}


if __name__ == "__main__":
    logging.getLogger("celery").addHandler(logging.NullHandler())
    logging.lastResort = None
    json.dump([outcome_of(call) for call in json.load(sys.stdin)], sys.stdout)
