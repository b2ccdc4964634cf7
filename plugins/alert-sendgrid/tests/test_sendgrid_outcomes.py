"""What each answer of SendGrid means for a delivery: what it documents, and the statuses that it does not list."""

import json
import time
from typing import Any

import pytest

from alert_core import (
    Alert,
    DeliveryError,
    PermanentDeliveryError,
    Receipt,
    RetryableDeliveryError,
    UncertainDeliveryError,
)
from alert_core.http import HttpResponse
from alert_core.testing import HttpStandIn, Reply
from alert_sendgrid.transport import SendGridTransport

P, R, U = PermanentDeliveryError, RetryableDeliveryError, UncertainDeliveryError
ALERT = Alert("Disk full", "/var is at 98 %")
NOW = 1_800_000_000.0

STATUSES = [
    (302, P),
    (400, P),
    (401, P),
    (403, P),
    (404, P),
    (405, P),
    (406, P),
    (408, R),
    (413, P),
    (415, P),
    (429, R),
    (500, U),
    (501, P),
    (502, U),
    (503, R),
    (504, U),
]
FIELDS = [
    "from",
    "from.email",
    "personalizations",
    "personalizations.0.to",
    "personalizations.17.to.0.email",
    "personalizations.0.custom_args",
    "subject",
    "content.0.value",
    "headers",
    "categories.3",
]


def refused(transport: SendGridTransport, response: HttpResponse) -> DeliveryError:
    """The error that an answer becomes."""
    with pytest.raises(DeliveryError) as caught:
        transport.receive(response)
    assert caught.value.__cause__ is None
    assert caught.value.status == response.status
    return caught.value


def answer(status: int, field: Any = None, **headers: str) -> HttpResponse:
    """An answer of SendGrid's, which quotes what must not be told."""
    error = {"message": "SG.keyCanary7Qz and ops@example.com", "field": field, "help": "http://sendgrid.com/x"}
    body = {"errors": [error, {"message": "another", "field": "subject"}], "id": "e-1"}
    return HttpResponse(
        status, {key.replace("_", "-"): value for key, value in headers.items()}, json.dumps(body).encode()
    )


def test_202_without_a_body_is_a_yes_with_the_id_of_the_header(sendgrid: SendGridTransport) -> None:
    assert sendgrid.receive(HttpResponse(202, {"X-Message-Id": "14c5d75ce93.dfd"})) == Receipt(id="14c5d75ce93.dfd")


def test_202_without_a_body_and_without_an_id_is_a_yes_all_the_same(sendgrid: SendGridTransport) -> None:
    assert sendgrid.receive(HttpResponse(202)) == Receipt()


def test_202_with_an_id_is_a_yes_whatever_its_body(sendgrid: SendGridTransport) -> None:
    assert sendgrid.receive(HttpResponse(202, {"X-Message-Id": "m1"}, b"{}")) == Receipt(id="m1")


def test_202_with_a_body_and_no_id_is_uncertain(sendgrid: SendGridTransport) -> None:
    assert type(refused(sendgrid, HttpResponse(202, content=b"<html>captive portal</html>"))) is U


@pytest.mark.parametrize("status", [200, 201, 204])
def test_another_2xx_is_uncertain_since_200_is_for_a_mail_that_was_only_checked(
    sendgrid: SendGridTransport, status: int
) -> None:
    assert type(refused(sendgrid, HttpResponse(status, {"X-Message-Id": "m1"}))) is U


@pytest.mark.parametrize(("status", "outcome"), STATUSES)
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[" * 100_000, b"null", b"[]", b'{"errors":[]}', b'{"errors":{}}', b'{"errors":[null]}', b"{}"],
    ids=["empty", "html", "deep", "null", "list", "none", "object", "null in it", "no errors"],
)
def test_a_status_means_the_same_whatever_its_body(
    sendgrid: SendGridTransport, status: int, outcome: type[DeliveryError], body: bytes
) -> None:
    assert type(refused(sendgrid, HttpResponse(status, content=body))) is outcome


@pytest.mark.parametrize("field", FIELDS)
def test_the_field_that_is_wrong_is_told_and_nothing_else_of_the_answer(
    sendgrid: SendGridTransport, field: str
) -> None:
    assert str(refused(sendgrid, answer(400, field))) == f"answered HTTP 400 Bad Request: {field}"


@pytest.mark.parametrize(
    "field",
    ["SG.keyCanary7Qz", "ops@example.com", "null", "", "from.SG", "from.email ", "subject\n", "to.0", 7, None, [], {},
     "personalizations.0.substitutions.-name-", "personalizations." + "1" * 9],
)  # fmt: skip
def test_what_is_no_field_of_a_mail_is_not_quoted(sendgrid: SendGridTransport, field: object) -> None:
    assert str(refused(sendgrid, answer(400, field))) == "answered HTTP 400 Bad Request"


def test_an_error_has_no_code_since_sendgrid_gives_none(sendgrid: SendGridTransport) -> None:
    assert refused(sendgrid, answer(400, "subject")).code is None


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "check api_key"), (403, "verify from_email"), (404, "check api_url")]
)
def test_an_error_that_someone_can_mend_says_how(sendgrid: SendGridTransport, status: int, advice: str) -> None:
    assert advice in str(refused(sendgrid, answer(status, "from")))
    assert advice not in str(refused(sendgrid, answer(400)))


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"x_ratelimit_reset": f"{NOW + 30:.0f}"}, 30.0),
        ({"x_ratelimit_reset": f"{NOW - 30:.0f}"}, 0.0),
        ({"x_ratelimit_reset": f"{NOW + 30:.0f}", "retry_after": "7"}, 7.0),
        ({"x_ratelimit_reset": f"{NOW + 30:.0f}", "retry_after": "soon"}, 30.0),
        ({"x_ratelimit_reset": "soon"}, None),
        ({"x_ratelimit_reset": "nan"}, None),
        ({"x_ratelimit_reset": ""}, None),
        ({}, None),
    ],
)
def test_a_rate_limit_waits_by_retry_after_or_else_until_the_moment_of_its_reset(
    sendgrid: SendGridTransport, headers: dict[str, str], wait: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    assert refused(sendgrid, answer(429, **headers)).retry_after == wait


def test_the_rates_reset_which_every_answer_has_is_no_wait_for_another_error(sendgrid: SendGridTransport) -> None:
    assert refused(sendgrid, answer(503, x_ratelimit_reset=f"{NOW + 30:.0f}")).retry_after is None
    assert refused(sendgrid, answer(503, retry_after="9")).retry_after == 9.0


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(400, json={"errors": [{"message": "SG.keyCanary7Qz", "field": "SG.keyCanary7Qz"}]}), P),
        (Reply(401, json={"errors": [{"message": "Maximum credits exceeded", "field": None}]}), P),
        (Reply(302, headers={"Location": "/elsewhere"}), P),
        (Reply(429, headers={"X-RateLimit-Reset": "1"}), R),
        (Reply(503), R),
        (Reply(500), U),
        (Reply(200), U),
        (Reply(202, text="<html>captive portal</html>"), U),
    ],
)
def test_answers_mean_the_same_over_a_socket(
    provider: HttpStandIn, sendgrid: SendGridTransport, reply: Reply, outcome: type[DeliveryError]
) -> None:
    provider.script(reply)
    with pytest.raises(outcome) as caught:
        sendgrid.send(ALERT)
    assert type(caught.value) is outcome
    assert len(provider.received) == 1
    assert "keyCanary" not in repr(caught.value) + repr(sendgrid)
