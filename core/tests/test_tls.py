"""TLS for clients leaves no socket open, and verifies what it talks to."""

import gc
import socket
import ssl
import struct
import warnings

import pytest

from alert_core.tls import client_context


@pytest.fixture
def reset_connection() -> socket.socket:
    """A client's socket whose server has reset the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    return client


def test_a_connection_that_is_reset_before_the_handshake_leaves_no_socket_open(reset_connection: socket.socket) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with pytest.raises(OSError, match="descriptor"):
            client_context(None).wrap_socket(reset_connection, server_hostname="localhost")
        gc.collect()


def test_the_certificate_and_the_name_are_verified() -> None:
    context = client_context(None)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_a_context_is_built_once() -> None:
    assert client_context(None) is client_context(None)
