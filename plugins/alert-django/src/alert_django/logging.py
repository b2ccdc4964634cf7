"""Alerts from log records and from exceptions, which outlive the transactions that they happen in."""

from __future__ import annotations

import contextlib
import logging
from types import TracebackType

from alert_core import logging as core

__all__ = ["AlertHandler", "alert_on_error"]


class AlertHandler(core.AlertHandler):
    """`alert_core.logging.AlertHandler`, for `LOGGING` in the settings: `"class": "alert_django.logging.AlertHandler"`.

    It may be made before the apps are ready; the dispatcher is made of the settings with the first record. A record is
    told even if the transaction that it was logged in is rolled back.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Enqueue the record's alert, at once."""
        with _outside():
            super().emit(record)


class alert_on_error(core.alert_on_error):  # noqa: N801 - used as a decorator and in `with`
    """`alert_core.alert_on_error`, whose alert is told even if the exception rolls a transaction back."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _outside():
            super().__exit__(kind, error, trace)


def _outside() -> contextlib.AbstractContextManager[None]:
    """Django's parts are loaded with the first record: `LOGGING` is read before the rest is there."""
    from alert_django import dispatchers
    from alert_django.transactions import outside_transaction

    dispatchers.provide()
    return outside_transaction()
