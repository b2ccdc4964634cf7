"""A transport over HTTP: what it asks, what each answer means, and how each fault ends in its outcome in time."""

from __future__ import annotations

import json
import os
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from socket import SHUT_RDWR
from typing import Any

import httpx
import pytest
import trustme

from alert_core import (
    Alert,
    ConfigError,
    DeliveryError,
    PermanentDeliveryError,
    Receipt,
    RetryableDeliveryError,
    Secret,
    UncertainDeliveryError,
    option,
)
from alert_core.http import MAX_BODY, HttpRequest, HttpResponse, HttpTransport, error_for, secure_url
from alert_core.testing.httpserver import HttpStandIn
from alert_core.testing.replies import Fault, Reply
from alert_core.testing.standin import refusing_port, silent_port
from alert_core.transport import attempt_ends

pytestmark = pytest.mark.usefixtures("closing")

TOKEN = "http-canary-token-7Qx2"
PATH = "/services/http-canary-path-9Lk4"
OK = Reply(200, json={"ok": True, "id": "m1"})
ALERT = Alert("Disk full", "97 % of /var")
SHORT = 0.4  # seconds: a timeout that a test waits for
SOON = 5.0  # seconds: a generous bound for what takes SHORT


class Example(HttpTransport):
    """What a plugin's author writes."""

    kind = "example"
    api_url: Secret = option(validator=secure_url)
    token: Secret = option(default=Secret(TOKEN))

    def build_request(self, alert: Alert) -> HttpRequest:
        headers = {"Authorization": f"Bearer {self.token.reveal()}"}
        return HttpRequest.json(self.api_url.reveal(), {"text": alert.title}, headers=headers)

    def read_response(self, response: HttpResponse) -> Receipt:
        body = response.json()
        if not body["ok"]:
            raise PermanentDeliveryError("refused", code=body["error"])
        return Receipt(id=body["id"])


def url_of(server: HttpStandIn, scheme: str = "http", host: str = "127.0.0.1") -> Secret:
    return Secret(f"{scheme}://{host}:{server.port}{PATH}")


@pytest.fixture
def example(provider: HttpStandIn) -> Example:
    provider.script(OK)
    return Example(api_url=url_of(provider))


def failure(transport: HttpTransport) -> DeliveryError:
    """The error of one attempt, which took no longer than its timeout by far."""
    began = time.monotonic()
    with pytest.raises(DeliveryError) as raised:
        transport.send(ALERT)
    assert time.monotonic() - began < SOON
    return raised.value


# The request


def test_one_attempt_is_one_request_as_built(example: Example, provider: HttpStandIn) -> None:
    assert example.send(ALERT).id == "m1"
    (request,) = provider.received
    assert (request.method, request.path) == ("POST", PATH)
    assert json.loads(request.body) == {"text": "Disk full"}
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert request.headers["host"] == f"127.0.0.1:{provider.port}"


def test_the_user_agent_names_alert_core_and_its_version(example: Example, provider: HttpStandIn) -> None:
    example.send(ALERT)
    assert provider.received[0].headers["user-agent"].startswith("alert-core/0.")


@pytest.mark.parametrize("name", ["User-Agent", "user-agent"])
def test_a_subclass_may_send_another_user_agent_under_any_spelling(provider: HttpStandIn, name: str) -> None:
    class Named(Example):
        def build_request(self, alert: Alert) -> HttpRequest:
            return HttpRequest("POST", self.api_url.reveal(), {name: "acme/1"})

    provider.script(OK)
    Named(api_url=url_of(provider)).send(ALERT)
    assert provider.received[0].headers["user-agent"] == "acme/1"


def test_two_requests_of_one_alert_are_the_same_byte_for_byte(example: Example) -> None:
    assert example.build_request(ALERT) == example.build_request(ALERT)


def test_a_request_that_cannot_be_built_is_permanent_and_nothing_is_sent(provider: HttpStandIn) -> None:
    class Broken(Example):
        def build_request(self, alert: Alert) -> HttpRequest:
            raise KeyError(TOKEN)

    error = failure(Broken(api_url=url_of(provider)))
    assert isinstance(error, PermanentDeliveryError)
    assert str(error) == "could not build the request: KeyError"
    assert error.__context__ is None
    assert provider.connections == 0


def test_a_delivery_error_while_building_goes_through(provider: HttpStandIn) -> None:
    class Refusing(Example):
        def build_request(self, alert: Alert) -> HttpRequest:
            raise PermanentDeliveryError("too long for anybody")

    assert str(failure(Refusing(api_url=url_of(provider)))) == "too long for anybody"


@pytest.mark.parametrize("token", ["a\r\nX-Injected: 1", "a\nb", "a\0b", "ключ"])
def test_an_option_cannot_inject_a_header(provider: HttpStandIn, token: str) -> None:
    provider.script(OK)
    error = failure(Example(api_url=url_of(provider), token=Secret(token)))
    assert isinstance(error, PermanentDeliveryError)
    assert "cannot be sent" in str(error)
    assert provider.received == []


# The answer

OUTCOMES: dict[type[DeliveryError], list[int]] = {
    PermanentDeliveryError: [301, 302, 303, 307, 308, 304, 400, 401, 402, 403, 404, 405, 409, 410, 413, 422, 451, 501],
    RetryableDeliveryError: [408, 425, 429, 503],
    UncertainDeliveryError: [500, 502, 504, 505, 507, 520, 599],
}
STATUSES = [(status, kind) for kind, statuses in OUTCOMES.items() for status in statuses]


@pytest.mark.parametrize(("status", "kind"), STATUSES, ids=[str(status) for status, _ in STATUSES])
def test_each_status_has_its_outcome(
    example: Example, provider: HttpStandIn, status: int, kind: type[DeliveryError]
) -> None:
    provider.script(Reply(status, text="" if status == 304 else "no"))
    error = failure(example)
    assert type(error) is kind
    assert error.status == status
    assert str(status) in str(error)


def test_a_2xx_in_which_the_provider_says_no_is_what_the_transport_says(
    example: Example, provider: HttpStandIn
) -> None:
    provider.script(Reply(200, json={"ok": False, "error": "channel_not_found"}))
    error = failure(example)
    assert isinstance(error, PermanentDeliveryError)
    assert error.code == "channel_not_found"


@pytest.mark.parametrize(
    "body", [b"", b"ok", b"<html>", b"\xff\xfe\x00", b"[]", b'{"ok": true}', b"null", b"[" * 100_000]
)
def test_a_2xx_that_is_not_understood_is_uncertain(example: Example, provider: HttpStandIn, body: bytes) -> None:
    provider.script(Reply(200, content=body))
    error = failure(example)
    assert isinstance(error, UncertainDeliveryError)
    assert error.status == 200
    assert "not as documented" in str(error)
    assert error.__context__ is None


def test_an_error_body_that_the_transport_cannot_read_is_uncertain(provider: HttpStandIn) -> None:
    class Detailed(Example):
        def read_error(self, response: HttpResponse) -> DeliveryError:
            return error_for(response, response.json()["code"])

    provider.script(Reply(400, text="<html>"))
    assert isinstance(failure(Detailed(api_url=url_of(provider))), UncertainDeliveryError)


def test_a_redirect_is_not_followed(example: Example, provider: HttpStandIn) -> None:
    provider.script(Reply(307, headers={"Location": f"http://127.0.0.1:{provider.port}/elsewhere"}))
    assert isinstance(failure(example), PermanentDeliveryError)
    assert len(provider.received) == 1


def test_a_body_over_one_mebibyte_is_uncertain_and_not_read_to_its_end(example: Example, provider: HttpStandIn) -> None:
    provider.script(Reply(200, content=b" " * (MAX_BODY + 1)))
    assert "longer" in str(failure(example))
    provider.script(Reply(200, text="x", fault=Fault.ENDLESS))
    assert isinstance(failure(example), UncertainDeliveryError)


def test_a_body_of_one_mebibyte_is_read(example: Example, provider: HttpStandIn) -> None:
    body = json.dumps({"ok": True, "id": "m1"}).encode()
    provider.script(Reply(200, content=body + b" " * (MAX_BODY - len(body))))
    assert example.send(ALERT).id == "m1"


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_reaches_the_error(example: Example, provider: HttpStandIn, status: int) -> None:
    provider.script(Reply(status, headers={"Retry-After": "7"}))
    assert failure(example).retry_after == 7.0


# Faults of the network


@pytest.mark.parametrize(
    "fault",
    [Fault.HANG, Fault.HANG_BEFORE, Fault.DRIP_HEAD, Fault.DRIP_BODY, Fault.TRUNCATE, Fault.GARBAGE, Fault.RESET],
)
def test_what_may_have_arrived_is_uncertain_within_the_timeout(provider: HttpStandIn, fault: Fault) -> None:
    provider.script(Reply(200, text='{"ok": true', fault=fault))
    error = failure(Example(api_url=url_of(provider), timeout=SHORT))
    assert isinstance(error, UncertainDeliveryError)
    assert error.__context__ is None


def test_a_body_larger_than_the_socket_takes_is_written_within_the_timeout(provider: HttpStandIn) -> None:
    class Large(Example):
        def build_request(self, alert: Alert) -> HttpRequest:
            return HttpRequest("POST", self.api_url.reveal(), content=bytes(50_000_000))

    provider.script(Reply(fault=Fault.HANG_BEFORE))
    assert isinstance(failure(Large(api_url=url_of(provider), timeout=SHORT)), UncertainDeliveryError)


def test_a_refused_connection_is_retryable() -> None:
    with refusing_port() as port:
        error = failure(Example(api_url=Secret(f"http://127.0.0.1:{port}{PATH}")))
    assert type(error) is RetryableDeliveryError
    assert str(error) == "could not connect (ConnectError: nothing listens there)"


def test_a_connection_that_nobody_takes_is_retryable_within_the_timeout() -> None:
    with silent_port() as port:
        error = failure(Example(api_url=Secret(f"http://127.0.0.1:{port}{PATH}"), timeout=SHORT))
    assert type(error) is RetryableDeliveryError


def test_a_name_that_does_not_resolve_is_retryable() -> None:
    assert type(failure(Example(api_url=Secret("https://provider.invalid/")))) is RetryableDeliveryError


def test_a_host_that_can_be_no_name_is_permanent() -> None:
    assert type(failure(Example(api_url=Secret(f"https://{'a' * 80}.invalid/")))) is PermanentDeliveryError


def test_a_lane_that_gives_less_time_than_the_timeout_is_obeyed(provider: HttpStandIn) -> None:
    provider.script(Reply(fault=Fault.HANG))
    token = attempt_ends.set(time.monotonic() + SHORT)
    try:
        assert isinstance(failure(Example(api_url=url_of(provider), timeout=60.0)), UncertainDeliveryError)
    finally:
        attempt_ends.reset(token)


# Connections


def test_a_connection_is_kept_for_the_next_attempt(example: Example, provider: HttpStandIn) -> None:
    for _ in range(3):
        example.send(ALERT)
    assert [request.connection for request in provider.received] == [1, 1, 1]


def test_a_kept_connection_that_the_server_has_closed_is_replaced(example: Example, provider: HttpStandIn) -> None:
    example.send(ALERT)
    for connection in list(provider._open):
        connection.shutdown(SHUT_RDWR)
    example.send(ALERT)
    assert [request.connection for request in provider.received] == [1, 2]


def test_a_failed_attempt_does_not_spoil_the_next(example: Example, provider: HttpStandIn) -> None:
    provider.script(Reply(fault=Fault.RESET), Reply(text="x", fault=Fault.TRUNCATE), Reply(fault=Fault.GARBAGE), OK)
    for _ in range(3):
        failure(example)
    assert example.send(ALERT).id == "m1"


def test_close_may_be_called_twice_and_a_send_after_it_connects_again(example: Example, provider: HttpStandIn) -> None:
    example.close()
    example.send(ALERT)
    example.close()
    example.close()
    example.send(ALERT)
    assert [request.connection for request in provider.received] == [1, 2]


def test_eight_threads_send_at_once(example: Example, provider: HttpStandIn) -> None:
    receipts: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: receipts.extend(example.send(ALERT).id for _ in range(10))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert receipts == ["m1"] * 80
    assert len(provider.received) == 80


def test_two_instances_share_no_connection(provider: HttpStandIn) -> None:
    provider.script(OK)
    for _ in range(2):
        Example(api_url=url_of(provider)).send(ALERT)
    assert [request.connection for request in provider.received] == [1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_of_a_fork_connects_anew_and_leaves_the_parents_connection_alone(
    example: Example, provider: HttpStandIn
) -> None:
    example.send(ALERT)
    child = os.fork()
    if child == 0:
        example._forget()
        os._exit(0 if example.send(ALERT).id == "m1" else 1)
    assert os.waitpid(child, 0)[1] == 0
    example.send(ALERT)
    assert [request.connection for request in provider.received] == [1, 2, 1]


def test_any_httpx_transport_can_take_the_networks_place() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"ok": True, "id": "m2"})

    transport = Example(api_url=Secret("https://api.example.com/v1"), transport=httpx.MockTransport(answer))
    assert transport.send(ALERT).id == "m2"
    assert str(seen[0].url) == "https://api.example.com/v1"


def test_an_injected_transport_that_raises_ends_in_an_outcome_too() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise OSError(TOKEN)

    error = failure(Example(api_url=Secret("https://a.example"), transport=httpx.MockTransport(answer)))
    assert type(error) is UncertainDeliveryError
    assert TOKEN not in str(error)


# TLS


def test_a_certificate_of_an_authority_in_the_ca_bundle_is_accepted(
    secure_provider: HttpStandIn, authority: Any
) -> None:
    secure_provider.script(OK)
    for host in ("127.0.0.1", "localhost"):
        transport = Example(api_url=url_of(secure_provider, "https", host), ca_bundle=authority.bundle)
        assert transport.send(ALERT).id == "m1"


def test_a_certificate_that_does_not_verify_is_permanent(secure_provider: HttpStandIn) -> None:
    error = failure(Example(api_url=url_of(secure_provider, "https")))
    assert type(error) is PermanentDeliveryError
    assert "certificate" in str(error)
    assert secure_provider.received == []


def test_a_certificate_of_another_host_is_permanent(tmp_path: Path) -> None:
    ca, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("other.example").configure_cert(context)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with HttpStandIn(tls=context) as server:
        transport = Example(api_url=url_of(server, "https"), ca_bundle=str(tmp_path / "ca.pem"))
        assert type(failure(transport)) is PermanentDeliveryError
        assert server.received == []


def test_a_server_that_speaks_no_tls_is_retryable_since_nothing_was_sent(provider: HttpStandIn) -> None:
    error = failure(Example(api_url=url_of(provider, "https"), timeout=SHORT))
    assert type(error) is RetryableDeliveryError


def test_a_handshake_that_hangs_is_bounded_by_the_timeout(provider: HttpStandIn) -> None:
    provider.script(Reply(fault=Fault.HANG_BEFORE))
    error = failure(Example(api_url=url_of(provider, "https"), timeout=SHORT))
    assert type(error) is RetryableDeliveryError


def test_a_slow_drip_over_tls_is_bounded_by_the_timeout(secure_provider: HttpStandIn, authority: Any) -> None:
    secure_provider.script(Reply(fault=Fault.DRIP_HEAD))
    url = url_of(secure_provider, "https")
    assert isinstance(failure(Example(api_url=url, ca_bundle=authority.bundle, timeout=SHORT)), UncertainDeliveryError)


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_ca_bundle_that_cannot_be_read_is_a_fault_of_the_configuration(tmp_path: Path, text: str | None) -> None:
    bundle = tmp_path / "ca.pem"
    if text:
        bundle.write_text(text)
    with pytest.raises(ConfigError, match=r"^ca_bundle: cannot be read"):
        Example(api_url=Secret("https://a.example"), ca_bundle=str(bundle))


# Proxies


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)

    def setting(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return setting


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_https_proxy_is_honoured(provider: HttpStandIn, environment: Callable[..., None], scheme: str) -> None:
    environment(HTTPS_PROXY=f"{scheme}127.0.0.1:{provider.port}")
    provider.script(Reply(403))
    error = failure(Example(api_url=Secret("https://provider.invalid/hook")))
    assert type(error) is RetryableDeliveryError
    assert [(request.method, request.path) for request in provider.received] == [("CONNECT", "provider.invalid:443")]


def test_no_proxy_is_honoured(provider: HttpStandIn, environment: Callable[..., None]) -> None:
    environment(HTTPS_PROXY=f"http://127.0.0.1:{provider.port}", NO_PROXY="example.org,.invalid")
    failure(Example(api_url=Secret("https://provider.invalid/hook")))
    assert provider.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_loopback_host_is_never_asked_through_a_proxy(
    provider: HttpStandIn, environment: Callable[..., None], host: str
) -> None:
    with refusing_port() as port:
        environment(HTTP_PROXY=f"http://127.0.0.1:{port}", HTTPS_PROXY=f"http://127.0.0.1:{port}")
        provider.script(OK)
        assert Example(api_url=url_of(provider, host=host)).send(ALERT).id == "m1"


@pytest.mark.parametrize("proxy", ["nonsense://127.0.0.1:1", "http://127.0.0.1:port"])
def test_a_proxy_that_cannot_be_used_is_permanent_and_its_url_not_shown(
    environment: Callable[..., None], proxy: str
) -> None:
    environment(HTTPS_PROXY=proxy)
    error = failure(Example(api_url=Secret("https://provider.invalid/hook")))
    assert type(error) is PermanentDeliveryError
    assert "127.0.0.1" not in str(error)


def test_a_transport_knows_whether_its_endpoint_is_on_this_machine() -> None:
    assert Example(api_url=Secret("http://localhost:1/")).is_loopback()
    assert not Example(api_url=Secret("https://example.org/")).is_loopback()
