"""Fixtures for pytest, for who asks for them: `pytest_plugins = ["alert_core.testing.fixtures"]` in a conftest.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alert_core.testing import HttpStandIn, VirtualClock
from alert_core.testing import capture_alerts as capturing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alert_core.testing.capture import Captured


@pytest.fixture
def capture_alerts() -> Iterator[Captured]:
    """What the test would have sent through the default dispatcher."""
    with capturing() as captured:
        yield captured


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """A clock for `Dispatcher(..., clock=virtual_clock)` and `FlakyTransport(..., clock=virtual_clock)`."""
    return VirtualClock()


@pytest.fixture
def http_stand_in() -> Iterator[HttpStandIn]:
    """A provider on loopback that answers 200 until it is told otherwise by `script()`."""
    with HttpStandIn() as server:
        yield server
