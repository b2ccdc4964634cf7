"""TLS for clients: what `ssl` leaves undone when a server resets a connection before its handshake."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable
from typing import Any


class _ClosingSocket(ssl.SSLSocket):
    """Closed when its connection is gone already: `SSLSocket._create` would leave it half-made and open."""

    def getpeername(self) -> Any:
        try:
            return super().getpeername()
        except OSError:
            self.close()
            raise


@functools.cache
def client_context(
    ca_bundle: str | None, default: Callable[[], ssl.SSLContext] = ssl.create_default_context
) -> ssl.SSLContext:
    """Return a context that verifies the server's certificate and name, built once (it takes some 40 ms).

    Args:
        ca_bundle: path of a PEM file of the authorities to trust.
        default: builds the context where there is no bundle; by default, with the system's authorities.

    Raises:
        OSError: the bundle cannot be read.
    """
    context = ssl.create_default_context(cafile=ca_bundle) if ca_bundle else default()
    context.sslsocket_class = _ClosingSocket
    return context
