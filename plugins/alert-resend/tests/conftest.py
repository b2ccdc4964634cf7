"""What the tests of this distribution share: Resend on loopback."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from alert_core import Secret
from alert_core.testing import HttpStandIn
from alert_resend.transport import ResendTransport


@pytest.fixture
def provider() -> Iterator[HttpStandIn]:
    """Resend's stand-in; `script()` says what it answers."""
    with HttpStandIn() as server:
        yield server


@pytest.fixture
def make(provider: HttpStandIn) -> Iterator[Callable[..., ResendTransport]]:
    """`make(to_emails=…, …)` makes a transport that reaches the stand-in; closed at the end."""
    with ExitStack() as made:

        def make(**options: Any) -> ResendTransport:
            given: dict[str, Any] = {
                "api_key": Secret("re_keyCanary7Qz"),
                "from_email": "Alerts <alerts@example.com>",
                "to_emails": ("ops@example.com", "Security <security@example.com>"),
                "api_url": f"http://127.0.0.1:{provider.port}",
            }
            transport = ResendTransport(**(given | options))
            made.callback(transport.close)
            return transport

        yield make


@pytest.fixture
def resend(make: Callable[..., ResendTransport]) -> ResendTransport:
    """One of them."""
    return make()
