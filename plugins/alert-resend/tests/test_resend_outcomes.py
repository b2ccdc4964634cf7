"""What each answer of Resend means for a delivery: its page of errors, and the statuses that it does not list."""

import json
from collections.abc import Callable

import pytest

from alert_core import (
    Alert,
    DeliveryError,
    Dispatcher,
    PermanentDeliveryError,
    Receipt,
    RetryableDeliveryError,
    RetryPolicy,
    UncertainDeliveryError,
)
from alert_core.http import HttpResponse
from alert_core.testing import Fault, HttpStandIn, Reply
from alert_resend.transport import ResendTransport

P, R, U = PermanentDeliveryError, RetryableDeliveryError, UncertainDeliveryError
ALERT = Alert("Disk full", "/var is at 98 %")
OK = Reply(json={"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"})

ERRORS = [
    (400, "invalid_idempotency_key", P),
    (400, "validation_error", P),
    (401, "missing_api_key", P),
    (401, "restricted_api_key", P),
    (403, "invalid_api_key", P),
    (403, "validation_error", P),
    (403, "invalid_permission", P),
    (403, "suspended_api_key", P),
    (404, "not_found", P),
    (405, "method_not_allowed", P),
    (409, "concurrent_idempotent_requests", R),
    (409, "invalid_idempotent_request", P),
    (409, "resource_locked", R),
    (422, "invalid_attachment", P),
    (422, "invalid_from_address", P),
    (422, "invalid_parameter", P),
    (422, "missing_required_field", P),
    (422, "missing_required_parameter", P),
    (429, "rate_limit_exceeded", R),
    (429, "daily_quota_exceeded", P),
    (429, "monthly_quota_exceeded", P),
    (451, "security_error", P),
    (500, "application_error", U),
    (500, "internal_server_error", U),
    (503, "service_unavailable", R),
    (409, "a_name_of_tomorrow", P),
    (429, "a_name_of_tomorrow", R),
]
STATUSES = [
    (302, P),
    (401, P),
    (404, P),
    (408, R),
    (409, P),
    (429, R),
    (500, U),
    (501, P),
    (502, U),
    (503, R),
    (504, U),
]


def refused(transport: ResendTransport, response: HttpResponse) -> DeliveryError:
    """The error that an answer becomes."""
    with pytest.raises(DeliveryError) as caught:
        transport.receive(response)
    assert caught.value.__cause__ is None
    assert caught.value.status == response.status
    return caught.value


def answer(status: int, name: object = None, **headers: str) -> HttpResponse:
    """An answer of Resend's."""
    body = {"statusCode": status, "name": name, "message": "re_keyCanary7Qz is no key, said ops@example.com"}
    return HttpResponse(
        status, {key.replace("_", "-"): value for key, value in headers.items()}, json.dumps(body).encode()
    )


def test_200_with_an_id_is_a_yes_with_that_id(resend: ResendTransport) -> None:
    assert resend.receive(HttpResponse(200, content=OK.body)) == Receipt(id="49a3999c-0ce1-4ea6-ab68-afcd6dc2e794")


@pytest.mark.parametrize(
    "body",
    [b"", b"ok", b"null", b"[]", b"1", b'"x"', b"{}", b'{"id":null}', b'{"id":""}', b'{"id":7}', b'{"id":["a"]}',
     b'{"data":{"id":"a"}}', b'{"statusCode":422,"name":"validation_error"}', b"<html>", b"[" * 100_000, b'{"id":"a'],
)  # fmt: skip
def test_a_200_that_is_not_resends_answer_is_uncertain(resend: ResendTransport, body: bytes) -> None:
    assert type(refused(resend, HttpResponse(200, content=body))) is U


@pytest.mark.parametrize("status", [201, 202, 204, 206])
def test_an_id_with_another_2xx_is_uncertain(resend: ResendTransport, status: int) -> None:
    assert type(refused(resend, HttpResponse(status, content=OK.body))) is U


@pytest.mark.parametrize(("status", "name", "outcome"), ERRORS)
def test_each_error_of_resends_page_has_its_outcome_and_is_told_by_its_name(
    resend: ResendTransport, status: int, name: str, outcome: type[DeliveryError]
) -> None:
    error = refused(resend, answer(status, name))
    assert type(error) is outcome
    assert error.code == name
    assert name in str(error)
    assert "Canary" not in str(error)
    assert "ops@" not in str(error)


@pytest.mark.parametrize(("status", "outcome"), STATUSES)
@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"[" * 100_000], ids=["empty", "html", "deep"])
def test_a_status_without_a_name_means_the_same_whatever_its_body(
    resend: ResendTransport, status: int, outcome: type[DeliveryError], body: bytes
) -> None:
    error = refused(resend, HttpResponse(status, content=body))
    assert type(error) is outcome
    assert error.code is None


@pytest.mark.parametrize("name", ["re_key at http://x", "x" * 65, "RE_1", "Invalid", "", 7, None, ["not_found"], {}])
def test_what_is_no_name_of_an_error_is_not_quoted(resend: ResendTransport, name: object) -> None:
    error = refused(resend, answer(400, name))
    assert error.code is None
    assert str(error) == "answered HTTP 400 Bad Request"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after": "3"}, 3.0),
        ({"retry_after": "3", "ratelimit_reset": "1"}, 3.0),
        ({"ratelimit_reset": "1"}, 1.0),
        ({"retry_after": "soon", "ratelimit_reset": "2"}, 2.0),
        ({"ratelimit_reset": "soon"}, None),
        ({"ratelimit_reset": "-1"}, None),
        ({}, None),
    ],
)
def test_a_rate_limit_waits_by_retry_after_or_else_until_its_window_ends(
    resend: ResendTransport, headers: dict[str, str], wait: float | None
) -> None:
    assert refused(resend, answer(429, "rate_limit_exceeded", **headers)).retry_after == wait


@pytest.mark.parametrize("name", ["concurrent_idempotent_requests", "resource_locked"])
def test_a_409_that_passes_waits_as_asked_and_not_for_the_rates_window(resend: ResendTransport, name: str) -> None:
    assert refused(resend, answer(409, name, retry_after="2")).retry_after == 2.0
    assert refused(resend, answer(409, name, ratelimit_reset="1")).retry_after is None


@pytest.mark.parametrize("name", ["daily_quota_exceeded", "monthly_quota_exceeded"])
def test_a_quota_is_not_waited_for(resend: ResendTransport, name: str) -> None:
    assert refused(resend, answer(429, name, retry_after="3600")).retry_after is None


@pytest.mark.parametrize(
    ("status", "name", "advice"),
    [
        (403, "validation_error", "verify the domain of from_email"),
        (403, "invalid_api_key", "check api_key"),
        (404, "not_found", "check api_url"),
        (429, "daily_quota_exceeded", "use another target"),
    ],
)
def test_an_error_that_someone_can_mend_says_how(resend: ResendTransport, status: int, name: str, advice: str) -> None:
    assert advice in str(refused(resend, answer(status, name)))
    assert advice not in str(refused(resend, answer(400, name)))


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(403, json={"statusCode": 403, "name": "invalid_api_key", "message": "re_keyCanary7Qz"}), P),
        (Reply(409, json={"statusCode": 409, "name": "resource_locked", "message": "later"}), R),
        (Reply(429, json={"name": "daily_quota_exceeded"}, headers={"Retry-After": "1"}), P),
        (Reply(429, json={"name": "rate_limit_exceeded"}, headers={"ratelimit-reset": "1"}), R),
        (Reply(302, headers={"Location": "/elsewhere"}), P),
        (Reply(503), R),
        (Reply(500, json={"name": "re_keyCanary7Qz"}), U),
        (Reply(200, text="<html>captive portal</html>"), U),
    ],
)
def test_answers_mean_the_same_over_a_socket(
    provider: HttpStandIn, resend: ResendTransport, reply: Reply, outcome: type[DeliveryError]
) -> None:
    provider.script(reply)
    with pytest.raises(outcome) as caught:
        resend.send(ALERT)
    assert type(caught.value) is outcome
    assert len(provider.received) == 1
    assert "keyCanary" not in repr(caught.value) + repr(resend)


@pytest.mark.parametrize(
    "lost",
    [
        Reply(json={"id": "1"}, fault=Fault.RESET),
        Reply(500, json={"name": "internal_server_error"}),
        Reply(409, json={"name": "concurrent_idempotent_requests"}),
    ],
)
def test_what_may_have_arrived_is_repeated_under_the_same_key(
    provider: HttpStandIn, make: Callable[..., ResendTransport], lost: Reply
) -> None:
    provider.script(lost, OK)
    with Dispatcher([make()], retry=RetryPolicy(initial=0.01)) as dispatcher:
        assert dispatcher.send(ALERT).ok
    first, second = provider.received
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body
