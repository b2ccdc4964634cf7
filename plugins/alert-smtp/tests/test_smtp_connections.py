"""Connections are kept, and one that the server closed meanwhile costs nothing."""

import os
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from alert_core import Alert, PermanentDeliveryError, RetryableDeliveryError
from alert_smtp import pool
from alert_smtp.transport import SmtpTransport

Servers = Callable[..., Any]
Transports = Callable[..., SmtpTransport]

ALERT = Alert("Disk full", "x", severity="critical")


def send(smtp: SmtpTransport) -> None:
    smtp.send(ALERT, "ops@example.com")


def test_one_connection_serves_many_messages(scripted_server: Servers, transport: Transports) -> None:
    server = scripted_server()
    smtp = transport(port=server.port)
    for _ in range(5):
        send(smtp)
    assert server.connections == 1
    assert len(server.messages) == 5
    assert len(set(server.messages)) == 1


@pytest.mark.parametrize("goodbye", ["CLOSE", "RESET", "421 4.4.2 idle for too long"])
def test_a_kept_connection_that_the_server_closed_is_replaced(
    scripted_server: Servers, transport: Transports, goodbye: str
) -> None:
    server = scripted_server(mail=["250 ok", goodbye, "250 ok"])
    smtp = transport(port=server.port)
    send(smtp)
    send(smtp)
    assert server.connections == 2
    assert len(server.messages) == 2


@pytest.mark.parametrize("step", ["rcpt", "data"])
@pytest.mark.parametrize("fault", ["CLOSE", "421 4.3.2 shutting down"])
def test_a_kept_connection_that_ends_before_the_message_is_replaced(
    scripted_server: Servers, transport: Transports, step: str, fault: str
) -> None:
    yes = "354 go on" if step == "data" else "250 ok"
    server = scripted_server(**{step: [yes, fault, yes]})
    smtp = transport(port=server.port)
    send(smtp)
    send(smtp)
    assert len(server.messages) == 2


def test_a_server_that_said_421_while_idle_is_not_asked_again(scripted_server: Servers, transport: Transports) -> None:
    server = scripted_server(message=["250 ok\r\n421 4.4.2 closing", "250 ok"])
    smtp = transport(port=server.port)
    send(smtp)
    send(smtp)
    assert server.connections == 2
    assert sum(command.startswith("MAIL") for command in server.commands) == 2


def test_a_new_connection_that_ends_at_once_is_not_replaced(scripted_server: Servers, transport: Transports) -> None:
    server = scripted_server(mail="CLOSE")
    with pytest.raises(RetryableDeliveryError):
        send(transport(port=server.port))
    assert server.connections == 1


def test_a_connection_idle_for_too_long_is_not_used(
    scripted_server: Servers, transport: Transports, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = scripted_server()
    smtp = transport(port=server.port)
    send(smtp)
    monkeypatch.setattr(pool, "MAX_IDLE", 0)
    send(smtp)
    assert server.connections == 2


def test_after_a_refused_recipient_the_connection_is_reset_and_kept(
    scripted_server: Servers, transport: Transports
) -> None:
    server = scripted_server(rcpt=["550 5.1.1 no such user", "250 ok"])
    smtp = transport(port=server.port)
    with pytest.raises(PermanentDeliveryError):
        send(smtp)
    send(smtp)
    assert server.connections == 1
    assert [command.split()[0] for command in server.commands] == "EHLO MAIL RCPT RSET MAIL RCPT DATA".split()


@pytest.mark.parametrize("fault", ["CLOSE", "503 5.5.1 no", "HANG"])
def test_a_connection_that_cannot_be_reset_is_closed(
    scripted_server: Servers, transport: Transports, fault: str
) -> None:
    server = scripted_server(rcpt=["550 5.1.1 no such user", "250 ok"], rset=fault)
    smtp = transport(port=server.port, timeout=0.4)
    with pytest.raises(PermanentDeliveryError, match="550"):
        send(smtp)
    send(smtp)
    assert server.connections == 2


def test_after_a_refused_message_the_connection_is_reset_and_kept(
    scripted_server: Servers, transport: Transports
) -> None:
    server = scripted_server(message=["554 5.7.1 spam", "250 ok"])
    smtp = transport(port=server.port)
    with pytest.raises(PermanentDeliveryError):
        send(smtp)
    send(smtp)
    assert server.connections == 1
    assert "RSET" in server.commands  # Postfix leaves the transaction of a message that it refused open


def test_close_says_quit_and_a_send_after_it_connects_again(scripted_server: Servers, transport: Transports) -> None:
    server = scripted_server()
    smtp = transport(port=server.port)
    send(smtp)
    smtp.close()
    smtp.close()
    send(smtp)
    assert server.connections == 2
    server.threads[1].join(10)
    assert server.commands.count("QUIT") == 1


def test_close_does_not_wait_for_a_server_that_hangs(scripted_server: Servers, transport: Transports) -> None:
    server = scripted_server(quit="HANG")
    smtp = transport(port=server.port, timeout=60)
    send(smtp)
    started = time.monotonic()
    smtp.close()
    assert time.monotonic() - started < 20


def test_what_is_brought_back_after_close_is_closed(scripted_server: Servers, transport: Transports) -> None:
    smtp = transport(port=scripted_server().port)
    send(smtp)
    old = smtp._pool
    connection = old.take()
    assert connection is not None
    smtp.close()
    old.give(connection)
    assert connection.sock is None


def test_two_transports_share_no_connection(scripted_server: Servers, transport: Transports) -> None:
    server = scripted_server()
    send(transport(port=server.port))
    send(transport(port=server.port))
    assert server.connections == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_the_child_of_a_fork_connects_anew_and_leaves_the_parents_connection_open(
    scripted_server: Servers, transport: Transports
) -> None:
    server = scripted_server()
    smtp = transport(port=server.port)
    send(smtp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: fork with threads, which is the point
        child = os.fork()
    if child == 0:
        try:
            smtp._forget()
            send(smtp)
        finally:
            os._exit(len(smtp._pool._idle))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    send(smtp)
    assert server.connections == 2
    assert len(server.messages) == 3
    assert "QUIT" not in server.commands


def test_an_attempt_ends_with_the_time_that_the_lane_gave(scripted_server: Servers, transport: Transports) -> None:
    from alert_core.transport import attempt_ends

    smtp = transport(port=scripted_server(mail="HANG").port, timeout=60)
    started = time.monotonic()
    token = attempt_ends.set(started + 0.3)
    try:
        with pytest.raises(RetryableDeliveryError):
            send(smtp)
    finally:
        attempt_ends.reset(token)
    assert time.monotonic() - started < 5
