"""What tests of several distributions share: an observer that tells everything, and certificate authorities."""

from __future__ import annotations

import json
import ssl
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
import trustme

from alert_core import Alert, DeliveryReport, hookimpl


class Watch:
    """An observer that keeps what a careless one would print."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def keep(self, *arguments: object) -> None:
        for argument in arguments:
            self.seen.append(repr(argument))
            if isinstance(argument, BaseException):
                self.seen.append(self.whole(argument))
            if isinstance(argument, Alert | DeliveryReport):
                self.seen.append(json.dumps(argument.to_dict()))

    @hookimpl
    def alert_dropped(self, alert: Alert, reason: str, dropped_by: str) -> None:
        self.keep(alert, reason, dropped_by)

    @hookimpl
    def alert_delivery_started(self, alert: Alert, target: str, attempt: int) -> None:
        self.keep(alert, target, attempt)

    @hookimpl
    def alert_delivery_succeeded(self, alert: Alert, target: str, attempt: int, receipt: object) -> None:
        self.keep(alert, target, attempt, receipt)

    @hookimpl
    def alert_delivery_failed(self, alert: Alert, target: str, attempt: int, error: Exception) -> None:
        self.keep(alert, target, attempt, error)

    @hookimpl
    def alert_dispatch_finished(self, alert: Alert, report: DeliveryReport) -> None:
        self.keep(alert, report)

    @staticmethod
    def whole(error: BaseException) -> str:
        """An exception with its chain, as the most talkative crash reporter shows it: every frame with its locals."""
        told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        return told + repr(error.__cause__) + repr(error.__context__)


@pytest.fixture
def watch() -> Watch:
    """An observer; give it to a dispatcher by `Plugins([watch])`."""
    return Watch()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[ssl.SSLContext, str]]:
    """`authority("localhost", expired=False)`: a server's context for the name, and the bundle that vouches for it."""

    @cache
    def make(*names: str, expired: bool = False) -> tuple[ssl.SSLContext, str]:
        ca, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        past = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC))
        terms: dict[str, Any] = dict(zip(("not_before", "not_after"), past, strict=True)) if expired else {}
        ca.issue_cert(*names, **terms).configure_cert(context)
        path = tmp_path_factory.mktemp("authority") / "ca.pem"
        ca.cert_pem.write_to_path(str(path))
        return context, str(path)

    return make
