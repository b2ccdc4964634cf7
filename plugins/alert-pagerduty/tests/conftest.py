"""What the tests of this distribution share: PagerDuty on loopback."""

from collections.abc import Iterator

import pytest

from alert_core.testing import HttpStandIn


@pytest.fixture
def pagerduty() -> Iterator[HttpStandIn]:
    """PagerDuty's stand-in; `script()` says what it answers."""
    with HttpStandIn() as server:
        yield server
