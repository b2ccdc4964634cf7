"""What each answer of Telegram means for a delivery (the design's providers page, section 4)."""

import json

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
from alert_telegram.transport import TelegramTransport

P, R, U = PermanentDeliveryError, RetryableDeliveryError, UncertainDeliveryError
ALERT = Alert("Disk full", "/var is at 98 %")

ERRORS = [
    (400, "Bad Request: chat not found", "chat not found", P),
    (400, "Bad Request: chat_id is empty", "chat_id is empty", P),
    (400, "Bad Request: message is too long", "message is too long", P),
    (400, "Bad Request: message text is empty", "message text is empty", P),
    (400, "Bad Request: can't parse entities: Unsupported start tag", "can't parse entities", P),
    (400, "Bad Request: message thread not found", "message thread not found", P),
    (400, "Bad Request: TOPIC_CLOSED", "TOPIC_CLOSED", P),
    (400, "Bad Request: TOPIC_DELETED", "TOPIC_DELETED", P),
    (400, "Bad Request: PEER_ID_INVALID", "PEER_ID_INVALID", P),
    (400, "Bad Request: CHAT_WRITE_FORBIDDEN", "CHAT_WRITE_FORBIDDEN", P),
    (400, "Bad Request: CHAT_RESTRICTED", "CHAT_RESTRICTED", P),
    (400, "Bad Request: have no rights to send a message", "have no rights to send a message", P),
    (400, "Bad Request: not enough rights to send text messages to the chat", "not enough rights", P),
    (
        400,
        "Bad Request: need administrator rights in the channel chat",
        "need administrator rights in the channel chat",
        P,
    ),
    (
        400,
        "Bad Request: group chat was upgraded to a supergroup chat",
        "group chat was upgraded to a supergroup chat",
        P,
    ),
    (401, "Unauthorized", "Unauthorized", P),
    (403, "Forbidden: bot was blocked by the user", "bot was blocked by the user", P),
    (403, "Forbidden: bot was kicked from the supergroup chat", "bot was kicked from", P),
    (403, "Forbidden: bot is not a member of the channel chat", "bot is not a member of", P),
    (403, "Forbidden: user is deactivated", "user is deactivated", P),
    (403, "Forbidden: the group chat was deleted", "the group chat was deleted", P),
    (403, "Forbidden: group chat was deactivated", "group chat was deactivated", P),
    (403, "Forbidden: bots can't send messages to bots", "bots can't send messages to bots", P),
    (403, "Forbidden: bot can't initiate conversation with a user", "bot can't initiate conversation with a user", P),
    (404, "Not Found", "Not Found", P),
    (409, "Conflict: terminated by other getUpdates request", "Conflict", P),
    (429, "Too Many Requests: retry after 5", "Too Many Requests", R),
]

STATUSES = [(302, P), (401, P), (404, P), (408, R), (413, P), (429, R), (500, U), (502, U), (503, R), (504, U)]


def refused(transport: TelegramTransport, response: HttpResponse) -> DeliveryError:
    """The error that an answer becomes."""
    with pytest.raises(DeliveryError) as caught:
        transport.receive(response)
    assert caught.value.__cause__ is None
    assert caught.value.status == response.status
    return caught.value


def answer(status: int = 200, /, **body: object) -> HttpResponse:
    """An answer of the Bot API."""
    return HttpResponse(status, content=json.dumps(body).encode())


def posted(**result: object) -> HttpResponse:
    """Telegram's yes."""
    return answer(ok=True, result=result)


def test_the_yes_gives_the_message_by_its_id_and_its_chat(bot: TelegramTransport) -> None:
    receipt = bot.receive(posted(message_id=7, date=1, chat={"id": -100500, "type": "supergroup"}))
    assert receipt == Receipt(id="7", detail={"chat_id": -100500})


def test_a_yes_that_names_no_chat_is_one_for_the_configured_chat(bot: TelegramTransport) -> None:
    assert bot.receive(posted(message_id=7)) == Receipt(id="7", detail={"chat_id": -100500})


@pytest.mark.parametrize(("status", "description", "code", "outcome"), ERRORS, ids=[row[1] for row in ERRORS])
def test_an_error_is_judged_by_its_status_and_named_by_the_phrase_that_is_known(
    bot: TelegramTransport, status: int, description: str, code: str, outcome: type[DeliveryError]
) -> None:
    error = refused(bot, answer(status, ok=False, error_code=status, description=description))
    assert type(error) is outcome
    assert error.code == code
    assert str(error).startswith(f"answered HTTP {status}")
    assert str(error).count(code) == 1


@pytest.mark.parametrize(("status", "description", "code", "outcome"), ERRORS, ids=[row[1] for row in ERRORS])
def test_a_no_with_status_200_is_judged_by_its_error_code(
    bot: TelegramTransport, status: int, description: str, code: str, outcome: type[DeliveryError]
) -> None:
    error = refused(bot, answer(ok=False, error_code=status, description=description))
    assert type(error) is outcome
    assert error.code == code
    assert str(error).startswith(f"refused the message: {code}")


@pytest.mark.parametrize("code", [None, "429", 200, 302, 600, True, [], 1e400])
def test_a_no_with_status_200_and_no_code_that_is_one_is_still_a_no(bot: TelegramTransport, code: object) -> None:
    assert type(refused(bot, answer(ok=False, error_code=code))) is P


@pytest.mark.parametrize(("code", "outcome"), [(500, U), (502, U), (503, R)])
def test_a_no_with_status_200_may_be_uncertain_or_passing_too(
    bot: TelegramTransport, code: int, outcome: type[DeliveryError]
) -> None:
    assert type(refused(bot, answer(ok=False, error_code=code))) is outcome


@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize(
    ("header", "body", "wait"), [(None, 5, 5), ("30", None, 30), ("30", 5, 30), ("1", 5, 5), (None, None, None)]
)
def test_of_two_waits_that_telegram_asks_for_the_longer_wins(
    bot: TelegramTransport, status: int, header: str | None, body: int | None, wait: float | None
) -> None:
    told = {"ok": False, "error_code": 429, "parameters": {"retry_after": body}}
    headers = {"Retry-After": header} if header else {}
    error = refused(bot, HttpResponse(status, headers, json.dumps(told).encode()))
    assert type(error) is R
    assert error.retry_after == wait


@pytest.mark.parametrize("wait", ["soon", -1, None, [], True, 1e400])
def test_a_wait_that_is_no_number_of_seconds_is_ignored(bot: TelegramTransport, wait: object) -> None:
    assert refused(bot, answer(429, ok=False, parameters={"retry_after": wait})).retry_after is None


def test_a_wait_means_nothing_where_no_retry_helps(bot: TelegramTransport) -> None:
    assert refused(bot, answer(403, ok=False, parameters={"retry_after": 5})).retry_after is None


@pytest.mark.parametrize(
    "body",
    [b"", b"ok", b"null", b"[]", b"1", b"{}", b'{"ok":true}', b'{"ok":true,"result":{}}', b'{"ok":true,"result":true}',
     b'{"ok":1,"result":{"message_id":7}}', b'{"ok":"true","result":{"message_id":7}}', b'{"result":{"message_id":7}}',
     b'{"ok":true,"result":{"message_id":"7"}}', b'{"ok":true,"result":{"message_id":true}}', b"<html>",
     b"[" * 100_000, b'{"ok":tr'],
)  # fmt: skip
def test_a_200_that_is_not_telegrams_answer_is_uncertain(bot: TelegramTransport, body: bytes) -> None:
    assert type(refused(bot, HttpResponse(200, content=body))) is U


def test_a_yes_with_another_2xx_is_uncertain(bot: TelegramTransport) -> None:
    assert type(refused(bot, answer(202, ok=True, result={"message_id": 7}))) is U


@pytest.mark.parametrize(("status", "outcome"), STATUSES)
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Bad gateway</html>", b"[" * 100_000, b"[]", b'{"description":[],"parameters":7}'],
    ids=["empty", "html", "deep", "list", "other types"],
)
def test_any_other_status_means_the_same_whatever_its_body(
    bot: TelegramTransport, status: int, outcome: type[DeliveryError], body: bytes
) -> None:
    assert type(refused(bot, HttpResponse(status, content=body))) is outcome


@pytest.mark.parametrize(
    "description",
    [
        "Bad Request: user not found",
        "Bad Request: entity URL 'http://grafana/d/1?token=x' is invalid",
        "no chat not found at http://x/y",
        "123456:botCanary7Qz-ABC_def",
        "",
        7,
        None,
        ["chat not found"],
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_what_is_no_known_phrase_is_not_quoted(bot: TelegramTransport, status: int, description: object) -> None:
    error = refused(bot, answer(status, ok=False, error_code=400, description=description))
    assert error.code is None
    assert str(error) == ("refused the message" if status == 200 else "answered HTTP 400 Bad Request")


def test_of_a_known_phrase_nothing_that_follows_is_quoted(bot: TelegramTransport) -> None:
    error = refused(bot, answer(400, ok=False, description="Bad Request: chat not found: Disk full"))
    assert "Disk full" not in str(error)


@pytest.mark.parametrize(
    ("status", "description", "advice"),
    [
        (400, "Bad Request: chat not found", "check chat_id, and add the bot to the chat"),
        (400, "Bad Request: message thread not found", "set none for the topic General"),
        (400, "Bad Request: TOPIC_CLOSED", "reopen the topic"),
        (401, "Unauthorized", "check bot_token"),
        (403, "Forbidden: bot was kicked from the group chat", "add the bot to the chat again"),
        (404, "Not Found", "check bot_token"),
    ],
)
def test_an_error_that_someone_can_mend_says_how(
    bot: TelegramTransport, status: int, description: str, advice: str
) -> None:
    assert advice in str(refused(bot, answer(status, ok=False, error_code=status, description=description)))


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(401, json={"ok": False, "error_code": 401, "description": "Unauthorized"}), P),
        (Reply(302, headers={"Location": "/elsewhere"}), P),
        (Reply(429, json={"ok": False, "parameters": {"retry_after": 1}}, headers={"Retry-After": "1"}), R),
        (Reply(503, text="upstream"), R),
        (Reply(502, text="<html>Bad Gateway</html>"), U),
        (Reply(200, text="<html>captive portal</html>"), U),
        (Reply(400, json={"ok": False, "description": "Bad Request: 123456:botCanary7Qz-ABC_def"}), P),
    ],
)
def test_the_answers_mean_the_same_over_a_socket(
    telegram: HttpStandIn, bot: TelegramTransport, reply: Reply, outcome: type[DeliveryError]
) -> None:
    telegram.script(reply)
    with pytest.raises(outcome) as caught:
        bot.send(ALERT)
    assert type(caught.value) is outcome
    assert len(telegram.received) == 1
    assert "botCanary" not in repr(caught.value) + repr(bot)
