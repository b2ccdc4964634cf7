"""`send_alert()`: an alert with what is known of its request, with or without the transaction."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict, Unpack

from django.db import DEFAULT_DB_ALIAS, transaction

import alert_core
from alert_core import Alert, DeliveryReport, Severity, Status
from alert_django import configuration, transactions
from alert_django.dispatchers import get_dispatcher
from alert_django.requests import as_id, request_metadata
from alert_django.transactions import in_transaction, outside_transaction


class MoreFields(TypedDict, total=False):
    """The fields of an alert that few give by hand."""

    correlation_id: str
    status: Status | str
    dedup_key: str
    url: str


def send_alert(  # noqa: PLR0913 - the fields of an alert
    *,
    title: str,
    message: str,
    severity: Severity | str | None = None,
    source: str | None = None,
    tags: Iterable[str] = (),
    metadata: Mapping[str, Any] | None = None,
    request: Any = None,
    request_id: str | None = None,
    targets: Iterable[str] | None = None,
    on_commit: bool = False,
    survives_rollback: bool = False,
    using: str | None = None,
    **more: Unpack[MoreFields],
) -> DeliveryReport:
    """Send an alert as the settings say, and wait for it, at most the deadline (10 s by default).

    In a transaction of the database that the outbox is on, the alert becomes part of it: the report says `queued`, and
    it is delivered once the transaction commits, or not at all. In an event loop nothing is waited for: use
    `asend_alert()` there.

    Args:
        title: what happened, in a line.
        message: the text.
        severity: default: the configuration's, else error.
        source: which part of the application says so.
        tags: of the alert.
        metadata: of the alert; masked.
        request: adds `metadata["request"]`, and its id as the alert's `request_id`.
        request_id: instead of the request's.
        targets: names; they bypass the routes.
        on_commit: send only once the transaction commits, whatever the queue; the report is empty until then.
        survives_rollback: send at once, whatever becomes of the transaction: where the alert tells of a failure.
        using: the database whose transaction is meant; default: the outbox's, else the default one.
        more: `status`, `dedup_key`, `url`, `correlation_id`, as of `Alert`.

    Returns:
        For each target what happened. A transport's failure is in it, not raised.

    Raises:
        ConfigError: the settings are wrong; or a target does not exist.
        AlertValidationError: a field of the alert is wrong.
        QueueError: the queue did not accept it, and the old settings say `FAIL_SILENTLY: False`.
        TypeError: `on_commit` and `survives_rollback` together; a field of a wrong type, as `tags` that are one text.
    """
    if on_commit and survives_rollback:
        raise TypeError("on_commit and survives_rollback exclude each other")
    told = None if request is None else request_metadata(request)
    alert = _alert(title, message, severity, source, tags, metadata, told, request_id, more)
    outbox = transactions.captured or getattr(get_dispatcher().queue, "using", None)
    using = using or outbox or DEFAULT_DB_ALIAS
    waits = on_commit and in_transaction(using)
    if using == transactions.captured and not survives_rollback:  # as the outbox would by itself
        waits = waits or in_transaction(using, but_tests=True)
    if waits:
        transaction.on_commit(lambda: _send(alert, targets), using=using, robust=True)
        return DeliveryReport(alert_id=alert.id)
    with outside_transaction() if survives_rollback else contextlib.nullcontext():
        return _send(alert, targets)


async def asend_alert(  # noqa: PLR0913 - the fields of an alert
    *,
    title: str,
    message: str,
    severity: Severity | str | None = None,
    source: str | None = None,
    tags: Iterable[str] = (),
    metadata: Mapping[str, Any] | None = None,
    request: Any = None,
    request_id: str | None = None,
    targets: Iterable[str] | None = None,
    **more: Unpack[MoreFields],
) -> DeliveryReport:
    """As `send_alert()`, for async views: the event loop goes on meanwhile. Django has no transactions there."""
    told = None
    if request is not None:
        told = request_metadata(request)
        with contextlib.suppress(Exception):  # whatever a backend raises: the alert matters more than who
            told["user_id"] = as_id((await request.auser()).pk)
        told = {key: value for key, value in told.items() if value is not None}
    alert = _alert(title, message, severity, source, tags, metadata, told, request_id, more)
    if not configuration.fails_silently():
        return await asyncio.to_thread(_send, alert, targets)
    return await alert_core.asend(alert, targets=targets)


def _alert(  # noqa: PLR0913, PLR0917 - the fields of an alert
    title: str,
    message: str,
    severity: Severity | str | None,
    source: str | None,
    tags: Iterable[str],
    metadata: Mapping[str, Any] | None,
    request: Mapping[str, Any] | None,
    request_id: str | None,
    more: MoreFields,
) -> Alert:
    defaults = get_dispatcher().defaults
    return Alert(
        title,
        message,
        severity=severity or defaults.get("severity", Severity.ERROR),
        source=source,
        tags=tags,
        metadata={**(metadata or {}), **({"request": request} if request is not None else {})},
        request_id=request_id or (request or {}).get("request_id"),
        **more,
    )


def _send(alert: Alert, targets: Iterable[str] | None) -> DeliveryReport:
    if not configuration.fails_silently():
        ticket = alert_core.enqueue(alert, targets=targets)
        return ticket.report(0 if ticket.stored else get_dispatcher().deadline)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return alert_core.send(alert, targets=targets)
    return alert_core.enqueue(alert, targets=targets).report(0)
