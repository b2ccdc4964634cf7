"""It needs a library that is not installed."""

import no_such_library  # type: ignore[import-not-found]  # as where a dependency was uninstalled

from alert_core import TransportSpec, hookimpl


@hookimpl
def alert_register() -> list[TransportSpec]:
    """Never called."""
    return [TransportSpec("broken", no_such_library.Transport)]
