"""What each answer of the three providers means for a delivery."""

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
from alert_core.http import HttpResponse, HttpTransport
from alert_core.testing import HttpStandIn, Reply
from alert_sms.castbrick import CastBrickTransport
from alert_sms.twilio import TwilioTransport
from alert_sms.vonage import VonageTransport

P, R, U = PermanentDeliveryError, RetryableDeliveryError, UncertainDeliveryError
ALERT = Alert("Disk full", "/var is at 98 %")
TO = ("+244923000000", "+244912000001")
KEY = "keyCanary7Qz"
EVERY_KIND = pytest.mark.parametrize("kind", ["castbrick", "twilio", "vonage"])

STATUSES = [
    (302, P),
    (401, P),
    (402, P),
    (404, P),
    (408, R),
    (413, P),
    (422, P),
    (429, R),
    (500, U),
    (502, U),
    (503, R),
]

CASTBRICK_ERRORS = [
    (401, "Unauthorized", P, "check api_key"),
    (402, "PaymentRequired", P, "top it up"),
    (403, "Forbidden", P, "the scope send:sms"),
    (404, "NotFound", P, "check that api_url ends in the API's version"),
    (422, "UnprocessableEntity", P, "check the numbers"),
    (429, "TooManyRequests", R, ""),
    (500, "InternalServerError", U, ""),
]

TWILIO_ERRORS = [
    (400, 21211, P, "the recipient's number is not valid"),
    (400, 21408, P, "geographic permissions"),
    (400, 21602, P, "was empty"),
    (400, 21605, P, "lower max_segments"),
    (400, 21606, P, "choose another of the account's numbers"),
    (400, 21610, P, "has replied STOP"),
    (400, 21612, P, "choose another of the account's numbers"),
    (400, 21614, P, "not a mobile number"),
    (400, 21617, P, "lower max_segments"),
    (400, 21619, P, "was empty"),
    (400, 21658, P, "lower max_segments"),
    (400, 29999, P, ""),
    (401, 20003, P, "check account_sid and auth_token"),
    (404, 20404, P, "check account_sid"),
    (429, 20429, R, "lower concurrency"),
    (429, 21611, P, "use another target"),
    (500, 20500, U, ""),
    (503, 20503, U, ""),
]

VONAGE_STATUSES = [
    ("1", R, "faster than the account's limit"),
    ("2", P, "was missing"),
    ("3", P, "was not valid"),
    ("4", P, "wrong api_key or api_secret"),
    ("5", R, "internal error"),
    ("6", P, "not recognised"),
    ("7", P, "barred"),
    ("8", P, "suspended"),
    ("9", P, "top it up"),
    ("10", R, "too many connections"),
    ("11", P, "not enabled"),
    ("12", P, "too long"),
    ("14", P, "signature"),
    ("15", P, "may not use this sender"),
    ("22", P, "network code"),
    ("23", P, "callback"),
    ("29", P, "demo account"),
    ("32", P, "signed request"),
    ("33", P, "not in use"),
    ("99", P, "status 99"),
]


@pytest.fixture
def castbrick(provider: HttpStandIn) -> Iterator[CastBrickTransport]:
    url = f"http://127.0.0.1:{provider.port}/v1"
    with closing(CastBrickTransport(api_key=Secret(KEY), to=TO, api_url=url)) as transport:
        yield transport


@pytest.fixture
def twilio(provider: HttpStandIn) -> Iterator[TwilioTransport]:
    url = f"http://127.0.0.1:{provider.port}"
    with closing(
        TwilioTransport(account_sid="AC" + "0" * 32, auth_token=Secret(KEY), sender="Alerts", to=TO, api_url=url)
    ) as transport:
        yield transport


@pytest.fixture
def vonage(provider: HttpStandIn) -> Iterator[VonageTransport]:
    url = f"http://127.0.0.1:{provider.port}"
    with closing(
        VonageTransport(api_key=Secret(KEY), api_secret=Secret(KEY), sender="Alerts", to=TO, api_url=url)
    ) as transport:
        yield transport


@pytest.fixture
def transport(kind: str, request: pytest.FixtureRequest) -> HttpTransport:
    """The one of this kind."""
    found = request.getfixturevalue(kind)
    assert isinstance(found, HttpTransport)
    return found


def answer(status: int = 200, /, **body: object) -> HttpResponse:
    """An answer in JSON."""
    return HttpResponse(status, content=json.dumps(body).encode())


def segments(*statuses: str) -> HttpResponse:
    """Vonage's answer, an entry a segment."""
    entries = [{"status": status, "message-id": f"0A{place}"} for place, status in enumerate(statuses)]
    return HttpResponse(200, content=json.dumps({"message-count": str(len(entries)), "messages": entries}).encode())


def queued(**body: object) -> HttpResponse:
    """CastBrick's yes, with these fields instead."""
    fields = {"messageId": "a0", "status": "Queued", "recipientCount": 2, "error": None, **body}
    return answer(200, **fields)


def refused(transport: HttpTransport, response: HttpResponse) -> DeliveryError:
    """The error that an answer becomes."""
    with pytest.raises(DeliveryError) as caught:
        transport.receive(response)
    assert caught.value.__cause__ is None
    assert caught.value.status == response.status
    return caught.value


@pytest.mark.parametrize("status", ["Queued", "queued", "scheduled", "Scheduled"])
def test_castbricks_yes_gives_the_id_of_the_batch(castbrick: CastBrickTransport, status: str) -> None:
    assert castbrick.receive(queued(status=status)) == Receipt("a0", detail={"status": status, "recipients": 2})


def test_castbricks_id_may_be_called_id_and_its_count_be_left_out(castbrick: CastBrickTransport) -> None:
    assert castbrick.receive(answer(id="a1", status="queued")).id == "a1"


def test_castbricks_200_with_an_error_is_a_no(castbrick: CastBrickTransport) -> None:
    error = refused(castbrick, queued(error="insufficient_credits"))
    assert type(error) is P
    assert error.code == "insufficient_credits"
    assert str(error) == "refused the message: insufficient_credits"


def test_castbricks_error_in_words_is_not_quoted_and_tells_where_to_look(castbrick: CastBrickTransport) -> None:
    error = refused(castbrick, queued(error="no way to +244923000000"))
    assert str(error) == "refused the message; CastBrick's console says why"


@pytest.mark.parametrize("status", ["failed", "Failed", "REJECTED", "cancelled"])
def test_castbricks_200_with_a_failed_status_is_a_no(castbrick: CastBrickTransport, status: str) -> None:
    error = refused(castbrick, queued(status=status))
    assert (type(error), error.code) == (P, status)


@pytest.mark.parametrize("taken", [0, 1])
def test_a_batch_that_castbrick_took_for_fewer_recipients_has_failed(castbrick: CastBrickTransport, taken: int) -> None:
    error = refused(castbrick, queued(recipientCount=taken))
    assert type(error) is P
    assert f"for {taken} of 2 recipients" in str(error)


@pytest.mark.parametrize("body", [b"", b"ok", b"null", b"[]", b"{}", b'{"messageId":"a0"}', b'{"status":"queued"}',
                                  b'{"messageId":7,"status":"queued"}', b'{"messageId":"a0","sta'])  # fmt: skip
def test_a_200_that_is_not_castbricks_answer_is_uncertain(castbrick: CastBrickTransport, body: bytes) -> None:
    assert type(refused(castbrick, HttpResponse(200, content=body))) is U


@pytest.mark.parametrize(("status", "code", "outcome", "advice"), CASTBRICK_ERRORS)
def test_castbricks_errors_are_judged_by_status_and_named_by_code(
    castbrick: CastBrickTransport, status: int, code: str, outcome: type[DeliveryError], advice: str
) -> None:
    error = refused(castbrick, answer(status, error=code, message="no +244923000000"))
    assert (type(error), error.code) == (outcome, code)
    assert code in str(error)
    assert advice in str(error)
    assert "+244" not in str(error)


def test_twilios_201_gives_the_sid(twilio: TwilioTransport) -> None:
    response = answer(201, sid="SM1", status="queued", num_segments="2", error_code=None, error_message=None)
    assert twilio.receive(response) == Receipt("SM1", detail={"status": "queued", "num_segments": "2"})


@pytest.mark.parametrize("status", ["accepted", "scheduled", "sending", "sent"])
def test_any_status_that_has_not_failed_is_twilios_yes(twilio: TwilioTransport, status: str) -> None:
    assert twilio.receive(answer(201, sid="SM1", status=status)).id == "SM1"


@pytest.mark.parametrize(
    ("status", "code"), [("failed", None), ("undelivered", None), ("canceled", None), ("failed", 30007), ("queued", 1)]
)
def test_a_message_that_twilio_failed_at_once_is_a_no(twilio: TwilioTransport, status: str, code: int | None) -> None:
    error = refused(twilio, answer(201, sid="SM1", status=status, error_code=code))
    assert (type(error), error.code) == (P, None if code is None else str(code))


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"sid":null,"status":"queued"}', b'{"sid":"SM1"}',
                                  b'{"sid":"SM1","status":["failed"]}', b"<html>", b'{"sid":"SM'])  # fmt: skip
def test_a_2xx_that_is_not_twilios_answer_is_uncertain(twilio: TwilioTransport, body: bytes) -> None:
    assert type(refused(twilio, HttpResponse(201, content=body))) is U


@pytest.mark.parametrize(("status", "code", "outcome", "advice"), TWILIO_ERRORS)
def test_twilios_errors_are_judged_by_status_and_code(
    twilio: TwilioTransport, status: int, code: int, outcome: type[DeliveryError], advice: str
) -> None:
    error = refused(twilio, answer(status, code=code, message="no +244923000000", more_info="https://…", status=status))
    assert (type(error), error.code) == (outcome, str(code))
    assert str(code) in str(error)
    assert advice in str(error)
    assert "+244" not in str(error)


def test_a_full_queue_is_not_waited_for(twilio: TwilioTransport) -> None:
    response = HttpResponse(429, {"Retry-After": "7"}, b'{"code":21611}')
    assert refused(twilio, response).retry_after is None
    assert refused(twilio, HttpResponse(429, {"Retry-After": "7"}, b'{"code":20429}')).retry_after == 7.0


@pytest.mark.parametrize("code", ["21211", "x at http://y", KEY, 10**7, -1, 0, 1.5, True, None, [21211]])
def test_what_is_no_code_of_twilio_is_not_quoted(twilio: TwilioTransport, code: object) -> None:
    error = refused(twilio, answer(400, code=code))
    assert error.code is None
    assert str(error) == "answered HTTP 400 Bad Request"


def test_vonages_zero_is_a_yes_for_every_segment(vonage: VonageTransport) -> None:
    assert vonage.receive(segments("0")) == Receipt("0A0", detail={"message_ids": ["0A0"]})
    assert vonage.receive(segments("0", "0")) == Receipt("0A0", detail={"message_ids": ["0A0", "0A1"]})


@pytest.mark.parametrize(("status", "outcome", "reason"), VONAGE_STATUSES)
def test_vonages_200_with_another_status_is_judged_by_it(
    vonage: VonageTransport, status: str, outcome: type[DeliveryError], reason: str
) -> None:
    for response in (segments(status), segments(status, status)):
        error = refused(vonage, response)
        assert (type(error), error.code) == (outcome, status)
        assert str(error).startswith(f"refused the message: status {status}")
        assert reason in str(error)


@pytest.mark.parametrize("statuses", [("0", "1"), ("9", "0"), ("0", "0", "5")])
def test_where_some_of_vonages_segments_went_the_delivery_is_uncertain(
    vonage: VonageTransport, statuses: tuple[str, ...]
) -> None:
    error = refused(vonage, segments(*statuses))
    assert type(error) is U
    assert f"sent {statuses.count('0')} of {len(statuses)} segments" in str(error)


def test_where_vonage_refused_all_segments_the_gravest_refusal_counts(vonage: VonageTransport) -> None:
    error = refused(vonage, segments("1", "9"))
    assert (type(error), error.code) == (P, "9")


@pytest.mark.parametrize("body", [b"", b"ok", b"null", b"[]", b"{}", b'{"messages":[]}', b'{"messages":[{}]}',
                                  b'{"messages":[{"status":null}]}', b'{"messages":[{"status":"no"}]}',
                                  b'{"messages":["0"]}', b'{"messages":[{"status":"0"'])  # fmt: skip
def test_a_200_that_is_not_vonages_answer_is_uncertain(vonage: VonageTransport, body: bytes) -> None:
    assert type(refused(vonage, HttpResponse(200, content=body))) is U


@pytest.mark.parametrize(("status", "outcome"), STATUSES)
@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"[" * 100_000, b"[]"])
@EVERY_KIND
def test_any_other_status_means_the_same_whatever_its_body(
    transport: HttpTransport, status: int, outcome: type[DeliveryError], body: bytes
) -> None:
    assert type(refused(transport, HttpResponse(status, content=body))) is outcome


@EVERY_KIND
def test_retry_after_is_kept(transport: HttpTransport) -> None:
    assert refused(transport, HttpResponse(429, {"Retry-After": "12"})).retry_after == 12.0


@pytest.mark.parametrize("code", ["no such at http://x/y", "x" * 65, KEY, "", 7, ["failed"], {"a": 1}])
def test_what_is_no_word_of_castbricks_is_not_quoted(castbrick: CastBrickTransport, code: object) -> None:
    for response in (queued(error=code), answer(400, error=code)):
        if code == "" and response.status == 200:
            continue
        error = refused(castbrick, response)
        assert error.code is None
        assert code == "" or str(code) not in str(error).replace("HTTP 400", "")


@pytest.mark.parametrize(
    ("kind", "reply", "outcome"),
    [
        ("castbrick", Reply(402, json={"error": "PaymentRequired", "message": KEY}), P),
        ("castbrick", Reply(json={"messageId": "a0", "status": "Queued", "error": KEY}), P),
        ("castbrick", Reply(200, text="<html>captive portal</html>"), U),
        ("twilio", Reply(400, json={"code": 21211, "message": KEY}), P),
        ("twilio", Reply(429, json={"code": 20429}, headers={"Retry-After": "1"}), R),
        ("twilio", Reply(503, json={"code": 20503}), U),
        ("vonage", Reply(json={"messages": [{"status": "4", "error-text": KEY}]}), P),
        ("vonage", Reply(json={"messages": [{"status": "1", "error-text": "Throttled"}]}), R),
        ("vonage", Reply(json={"messages": [{"status": "0", "message-id": "0A"}, {"status": "1"}]}), U),
    ],
)
def test_the_answers_mean_the_same_over_a_socket(
    provider: HttpStandIn, transport: CastBrickTransport | TwilioTransport | VonageTransport, reply: Reply,
    outcome: type[DeliveryError],
) -> None:  # fmt: skip
    provider.script(reply)
    with pytest.raises(outcome) as caught:
        transport.send(ALERT) if isinstance(transport, CastBrickTransport) else transport.send(ALERT, TO[0])
    assert type(caught.value) is outcome
    assert len(provider.received) == 1
    assert "keyCanary" not in repr(caught.value) + repr(transport)
