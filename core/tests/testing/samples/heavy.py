"""A plugin whose module loads its transport, and httpx, in every application."""

from collections.abc import Iterator

from samples.transports import Heavy  # type: ignore[import-not-found]  # conftest.py installs it

from alert_core import TransportSpec, hookimpl


@hookimpl
def alert_register() -> Iterator[TransportSpec]:
    yield TransportSpec("heavy", Heavy)
