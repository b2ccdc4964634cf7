"""What each answer of PagerDuty means for a delivery (the design's providers page, section 5)."""

import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from alert_core import (
    Alert,
    DeliveryError,
    PermanentDeliveryError,
    Receipt,
    RetryableDeliveryError,
    Secret,
    UncertainDeliveryError,
)
from alert_core.http import HttpResponse
from alert_core.testing import HttpStandIn, Reply
from alert_pagerduty.transport import PagerDutyTransport

P, R, U = PermanentDeliveryError, RetryableDeliveryError, UncertainDeliveryError
KEY = "R0utingKeyCanary0123456789abcdef"
ALERT = Alert("Disk full", "/var is at 98 %")

REASONS = [
    ("Length of 'routing_key' is incorrect (should be 32 characters)", "Length of 'routing_key' is incorrect"),
    ("'routing_key' cannot contain non-alphanumeric characters.",) * 2,
    ("Invalid routing key",) * 2,
    ("'summary' is too long (maiximum is 1024 characters)", "'summary' is too long"),
    ("'payload.source' is missing or blank",) * 2,
    ("'payload.severity' is invalid (must be one of the following: 'critical', …)", "'payload.severity' is invalid"),
    ("'event_action' is missing or blank",) * 2,
    ("JSON parse error",) * 2,
]

STATUSES = [
    (302, P),
    (400, P),
    (401, P),
    (403, P),
    (404, P),
    (408, R),
    (413, P),
    (425, R),
    (429, R),
    (500, U),
    (501, P),
    (502, U),
    (503, R),
    (504, U),
]


@pytest.fixture
def transport(pagerduty: HttpStandIn) -> Iterator[PagerDutyTransport]:
    url = f"http://127.0.0.1:{pagerduty.port}/pagerduty/v2"
    with closing(PagerDutyTransport(routing_key=Secret(KEY), api_url=url)) as made:
        yield made


def refused(transport: PagerDutyTransport, response: HttpResponse) -> DeliveryError:
    """The error that an answer becomes."""
    with pytest.raises(DeliveryError) as caught:
        transport.receive(response)
    assert caught.value.__cause__ is None
    assert caught.value.status == response.status
    return caught.value


def answer(code: int, /, **body: object) -> HttpResponse:
    """An answer of the Events API: HTTP's status, and the fields of its body."""
    return HttpResponse(code, content=json.dumps(body).encode())


def invalid(*errors: object) -> HttpResponse:
    """PagerDuty's no."""
    return answer(400, status="invalid event", message="Event object is invalid", errors=list(errors))


def test_a_yes_gives_the_dedup_key(transport: PagerDutyTransport) -> None:
    yes = answer(202, status="success", message="Event processed", dedup_key="disk-db1")
    assert transport.receive(yes) == Receipt(id="disk-db1")


@pytest.mark.parametrize("key", [{}, {"dedup_key": None}, {"dedup_key": 7}])
def test_a_yes_is_a_yes_without_a_key_too(transport: PagerDutyTransport, key: dict[str, object]) -> None:
    assert transport.receive(answer(202, status="success", **key)) == Receipt()


@pytest.mark.parametrize(
    "body",
    [b"", b"ok", b"null", b"[]", b"1", b"{}", b'{"status":1}', b'{"status":["success"]}', b'{"status":"Success"}',
     b'{"status":"accepted"}', b"<html>", b"[" * 100_000, b'{"status":"succ', b"\xff"],
)  # fmt: skip
def test_a_202_that_is_not_pagerdutys_answer_is_uncertain(transport: PagerDutyTransport, body: bytes) -> None:
    assert type(refused(transport, HttpResponse(202, content=body))) is U


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_success_with_another_2xx_is_uncertain(transport: PagerDutyTransport, status: int) -> None:
    assert type(refused(transport, answer(status, status="success"))) is U


@pytest.mark.parametrize("status", [200, 202])
@pytest.mark.parametrize("word", ["invalid event", "Unrecognized object"])
def test_a_no_in_a_2xx_is_permanent(transport: PagerDutyTransport, status: int, word: str) -> None:
    error = refused(transport, answer(status, status=word, message="Event object is invalid", errors=[]))
    assert type(error) is P
    assert error.code == word


@pytest.mark.parametrize(("error", "told"), REASONS)
def test_what_pagerduty_finds_wrong_is_told_in_its_words(transport: PagerDutyTransport, error: str, told: str) -> None:
    found = refused(transport, invalid(error))
    assert type(found) is P
    assert found.code == "invalid event"
    assert told.removesuffix(".") in str(found)
    assert "maiximum" not in str(found)


def test_several_reasons_are_all_told_once(transport: PagerDutyTransport) -> None:
    told = str(
        refused(transport, invalid("'summary' is too long (1)", "'summary' is too long (2)", "JSON parse error"))
    )
    assert told == "answered HTTP 400 Bad Request: invalid event; 'summary' is too long; JSON parse error"


@pytest.mark.parametrize("error", [error for error, _ in REASONS if "routing" in error])
def test_a_wrong_key_says_which_is_the_right_one(transport: PagerDutyTransport, error: str) -> None:
    told = str(refused(transport, invalid(error)))
    assert told.endswith("use the Integration Key of an Events API v2 integration, and the region of its account")


@pytest.mark.parametrize(
    "error",
    [f"Length of '{KEY}' is incorrect", "'Disk full' is too long", "Disk full", f"unknown key {KEY}", "", 7, None,
     ["x"], {"a": 1}, "is missing or blank", "Disk full: JSON parse error"],
)  # fmt: skip
def test_a_reason_in_other_words_is_not_quoted(transport: PagerDutyTransport, error: object) -> None:
    assert str(refused(transport, invalid(error))) == "answered HTTP 400 Bad Request: invalid event"


@pytest.mark.parametrize("word", [KEY, "Disk full", "success", "", 7, None, ["invalid event"]])
def test_a_status_in_other_words_is_no_code(transport: PagerDutyTransport, word: object) -> None:
    error = refused(transport, answer(400, status=word, errors="'summary' is too long"))
    assert (error.code, str(error)) == (None, "answered HTTP 400 Bad Request")


@pytest.mark.parametrize(("status", "outcome"), STATUSES)
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Bad gateway</html>", b"[" * 100_000, b'{"status":"invalid event","errors":["JSON parse error"]}'],
    ids=["empty", "html", "deep", "no"],
)
def test_any_other_status_means_the_same_whatever_its_body(
    transport: PagerDutyTransport, status: int, outcome: type[DeliveryError], body: bytes
) -> None:
    assert type(refused(transport, HttpResponse(status, content=body))) is outcome


def test_the_rate_limit_waits_only_where_it_is_told_to(transport: PagerDutyTransport) -> None:
    limited = HttpResponse(429, content=b"Request Limit Exceeded")
    assert refused(transport, limited).retry_after is None
    assert refused(transport, HttpResponse(429, {"Retry-After": "30"})).retry_after == 30.0


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(400, json={"status": "invalid event", "errors": ["Invalid routing key"]}), P),
        (Reply(404, text=f"no such key {KEY}"), P),
        (Reply(413), P),
        (Reply(302, headers={"Location": "/elsewhere"}), P),
        (Reply(429, text="Request Limit Exceeded"), R),
        (Reply(503), R),
        (Reply(500, json={"status": "Unrecognized object", "message": KEY, "errors": [KEY]}), U),
        (Reply(200, text="<html>captive portal</html>"), U),
        (Reply(202, json={"status": KEY}), U),
    ],
)
def test_the_answers_mean_the_same_over_a_socket(
    pagerduty: HttpStandIn, transport: PagerDutyTransport, reply: Reply, outcome: type[DeliveryError]
) -> None:
    pagerduty.script(reply)
    with pytest.raises(outcome) as caught:
        transport.send(ALERT)
    assert type(caught.value) is outcome
    assert len(pagerduty.received) == 1
    assert "KeyCanary" not in repr(caught.value) + repr(transport)
