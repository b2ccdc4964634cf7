"""The fixture `sandbox` for pytest: `pytest_plugins = ["alert_sandbox.testing"]` in the conftest.py at the root."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alert_sandbox.server import Sandbox

__all__ = ["Sandbox", "sandbox"]


@pytest.fixture(scope="session")
def _running_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def sandbox(_running_sandbox: Sandbox) -> Sandbox:
    """A sandbox on free ports, empty and in order: one for the whole run, cleared before each test."""
    _running_sandbox.clear()
    return _running_sandbox
