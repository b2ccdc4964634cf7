"""What the tests of this distribution share: a provider on loopback."""

from collections.abc import Iterator

import pytest

from alert_core.testing import HttpStandIn


@pytest.fixture
def provider() -> Iterator[HttpStandIn]:
    """A provider's stand-in; `script()` says what it answers."""
    with HttpStandIn() as server:
        yield server
