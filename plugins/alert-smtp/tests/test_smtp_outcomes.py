"""What each reply and each fault means, against a server that fails by script."""

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from alert_core import Alert, DeliveryError, PermanentDeliveryError, RetryableDeliveryError, UncertainDeliveryError
from alert_smtp.transport import SmtpTransport

Servers = Callable[..., Any]
Transports = Callable[..., SmtpTransport]

ALERT = Alert("Disk full", "the-body-of-the-alert", severity="critical")
STAGES = ["greeting", "ehlo", "mail", "rcpt", "data"]
FAULTS = ["HANG", "CLOSE", "RESET", "DRIP"]


def failure(transport: Transports, server: Any, **options: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        transport(port=server.port, timeout=0.4, **options).send(ALERT, "ops@example.com")
    return caught.value


@pytest.mark.parametrize("step", ["greeting", "mail", "rcpt", "data", "message"])
@pytest.mark.parametrize(
    ("reply", "outcome", "status", "code"),
    [
        ("421 4.3.2 shutting down", RetryableDeliveryError, 421, "4.3.2"),
        ("450 4.2.0 greylisted", RetryableDeliveryError, 450, "4.2.0"),
        ("451-4.3.0 two\r\n451 4.3.0 lines", RetryableDeliveryError, 451, "4.3.0"),
        ("452 4.5.3 too many recipients", RetryableDeliveryError, 452, "4.5.3"),
        ("454 4.7.0 later", RetryableDeliveryError, 454, "4.7.0"),
        ("530 5.7.0 authenticate", PermanentDeliveryError, 530, "5.7.0"),
        ("550 5.1.1 no such user", PermanentDeliveryError, 550, "5.1.1"),
        ("552 5.3.4 too big", PermanentDeliveryError, 552, "5.3.4"),
        ("554 no", PermanentDeliveryError, 554, None),
        ("554 5.7.1", PermanentDeliveryError, 554, "5.7.1"),
    ],
)
def test_a_reply_of_4yz_is_retryable_and_of_5yz_permanent(
    scripted_server: Servers,
    transport: Transports,
    step: str,
    reply: str,
    outcome: type[DeliveryError],
    status: int,
    code: str | None,
) -> None:
    error = failure(transport, scripted_server(**{step: reply}))
    assert type(error) is outcome
    assert (error.status, error.code) == (status, code)
    assert str(status) in str(error)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("552 too many recipients", RetryableDeliveryError),
        ("552 5.5.3 too many recipients", RetryableDeliveryError),
        ("552 5.2.2 mailbox full", PermanentDeliveryError),
    ],
)
def test_552_to_a_recipient_once_meant_too_many_of_them(
    scripted_server: Servers, transport: Transports, reply: str, outcome: type[DeliveryError]
) -> None:
    assert type(failure(transport, scripted_server(rcpt=reply))) is outcome


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("454 4.7.0 temporary failure", RetryableDeliveryError),
        ("535 5.7.8 wrong", PermanentDeliveryError),
        ("534 5.7.9 mechanism too weak", PermanentDeliveryError),
    ],
)
def test_a_login_refused_for_now_is_retryable_and_wrong_credentials_are_permanent(
    scripted_server: Servers, transport: Transports, reply: str, outcome: type[DeliveryError]
) -> None:
    server = scripted_server(ehlo="250-scripted\r\n250 AUTH PLAIN LOGIN", auth=reply)
    error = failure(transport, server, username="alerts", password="smtp-canary-Kp3x")
    assert type(error) is outcome
    assert sum(command.startswith("AUTH") for command in server.commands) == 1


def test_a_server_without_a_known_login_is_permanent(scripted_server: Servers, transport: Transports) -> None:
    server = scripted_server(ehlo="250-scripted\r\n250 AUTH XOAUTH2")
    error = failure(transport, server, username="alerts", password="smtp-canary-Kp3x")
    assert type(error) is PermanentDeliveryError
    assert "no AUTH by PLAIN or LOGIN" in str(error)


def test_starttls_refused_for_now_is_retryable(scripted_server: Servers, transport: Transports) -> None:
    server = scripted_server(ehlo="250-scripted\r\n250 STARTTLS", starttls="454 4.7.0 TLS not available")
    error = failure(transport, server, security="starttls")
    assert type(error) is RetryableDeliveryError
    assert error.status == 454
    assert not [command for command in server.commands if command.startswith("MAIL")]


@pytest.mark.parametrize("step", STAGES)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_before_the_message_is_retryable_and_ends_in_time(
    scripted_server: Servers, transport: Transports, step: str, fault: str
) -> None:
    started = time.monotonic()
    error = failure(transport, scripted_server(**{step: fault}))
    assert type(error) is RetryableDeliveryError
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_tls_handshake_is_retryable_and_ends_in_time(
    scripted_server: Servers, transport: Transports, fault: str
) -> None:
    started = time.monotonic()
    error = failure(transport, scripted_server(greeting=fault), security="tls")
    assert type(error) is RetryableDeliveryError
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_after_the_final_dot_is_uncertain_and_ends_in_time(
    scripted_server: Servers, transport: Transports, fault: str
) -> None:
    server = scripted_server(message=fault)
    started = time.monotonic()
    error = failure(transport, server)
    assert type(error) is UncertainDeliveryError
    assert time.monotonic() - started < 5
    assert len(server.messages) == 1


def test_a_server_that_stops_reading_before_the_final_dot_is_retryable(
    scripted_server: Servers, transport: Transports
) -> None:
    server = scripted_server(content="HANG")
    smtp = transport(port=server.port, timeout=0.5)
    huge = Alert("Disk full", "é" * 100_000, metadata={f"k{i}": "é" * 2000 for i in range(200)})
    with pytest.raises(RetryableDeliveryError, match="could not be handed over"):
        smtp.send(huge, "ops@example.com")
    assert server.messages == []


@pytest.mark.parametrize("step", STAGES)
def test_garbage_before_the_message_is_retryable(scripted_server: Servers, transport: Transports, step: str) -> None:
    error = failure(transport, scripted_server(**{step: "HTTP/1.1 400 Bad Request"}))
    assert type(error) is RetryableDeliveryError


@pytest.mark.parametrize("reply", ["HTTP/1.1 200 OK", "354 go on", "2", "250-never ending"])
def test_garbage_after_the_final_dot_is_uncertain(scripted_server: Servers, transport: Transports, reply: str) -> None:
    assert type(failure(transport, scripted_server(message=reply))) is UncertainDeliveryError


def test_a_reply_that_has_no_end_is_not_read_to_it(scripted_server: Servers, transport: Transports) -> None:
    error = failure(transport, scripted_server(mail="250-" + "x" * 200_000))
    assert type(error) is RetryableDeliveryError


def test_two_replies_to_one_command_are_never_a_yes_to_the_next(
    scripted_server: Servers, transport: Transports
) -> None:
    server = scripted_server(rcpt="250 ok\r\n354 go on\r\n250 delivered")
    error = failure(transport, server)
    assert type(error) is RetryableDeliveryError
    assert server.messages == []


def test_a_refused_connection_is_retryable(transport: Transports) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(RetryableDeliveryError, match="ConnectionRefusedError"):
        transport(port=port).send(ALERT, "ops@example.com")


def test_a_name_that_does_not_resolve_is_retryable(transport: Transports) -> None:
    with pytest.raises(RetryableDeliveryError, match="gaierror: the host's name cannot be resolved"):
        transport(host="mail.invalid").send(ALERT, "ops@example.com")


def test_a_connection_that_nobody_accepts_is_retryable_and_ends_in_time(transport: Transports) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(3)]  # fill the queue of connections not yet accepted
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        started = time.monotonic()
        with pytest.raises(RetryableDeliveryError, match="TimeoutError"):
            transport(port=full.getsockname()[1], timeout=0.4).send(ALERT, "ops@example.com")
        assert time.monotonic() - started < 5
        for client in waiting:
            client.close()


def test_a_recipient_that_is_no_address_is_permanent(transport: Transports) -> None:
    with pytest.raises(PermanentDeliveryError, match="not an e-mail address"):
        transport(port=1).send(ALERT, "ops@example.com>\r\nRCPT TO:<evil@example.com")


def test_an_error_quotes_no_words_of_the_server_and_none_of_the_alert(
    scripted_server: Servers, transport: Transports
) -> None:
    server = scripted_server(rcpt="550 5.1.1 <ops@example.com> unknown, said the-body-of-the-alert")
    error = failure(transport, server)
    assert str(error) == "RCPT was answered 550 5.1.1"


def test_the_password_is_in_no_error_and_in_no_repr(scripted_server: Servers, transport: Transports) -> None:
    canary = "smtp-canary-Kp3x"
    server = scripted_server(ehlo="250-scripted\r\n250 AUTH PLAIN", auth=f"535 5.7.8 not {canary}")
    smtp = transport(port=server.port, username="alerts", password=canary)
    with pytest.raises(PermanentDeliveryError) as caught:
        smtp.send(ALERT, "ops@example.com")
    chain: BaseException | None = caught.value
    while chain is not None:
        assert canary not in f"{chain!r} {chain.args}"
        chain = chain.__cause__ or chain.__context__
    assert canary not in repr(smtp)


def test_a_queue_id_with_a_secret_in_it_is_masked(scripted_server: Servers, transport: Transports) -> None:
    server = scripted_server(
        ehlo="250-scripted\r\n250 AUTH PLAIN", message="250 2.0.0 queued for smtp-canary-Kp3x " + "x" * 500
    )
    smtp = transport(port=server.port, username="alerts", password="smtp-canary-Kp3x")
    reply = smtp.send(ALERT, "ops@example.com").detail["reply"]
    assert reply.startswith("2.0.0 queued for ")
    assert "canary" not in reply
    assert len(reply) <= 200
