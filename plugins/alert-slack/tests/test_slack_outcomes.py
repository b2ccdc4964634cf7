"""What each answer of Slack means for a delivery (the design's providers page, section 3)."""

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
from alert_slack.transport import SlackBotTransport, SlackTransport

P, R, U = PermanentDeliveryError, RetryableDeliveryError, UncertainDeliveryError
HOOK = "/services/T0123/B0123/hookCanary7Qz"
TOKEN = "xoxb-botCanary7Qz"
ALERT = Alert("Disk full", "/var is at 98 %")

WEBHOOK_ERRORS = [
    (400, "invalid_payload", P),
    (400, "user_not_found", P),
    (400, "no_text", P),
    (400, "invalid_blocks", P),
    (400, "invalid_attachments", P),
    (400, "too_many_attachments", P),
    (400, "invalid_token", P),
    (403, "action_prohibited", P),
    (403, "invalid_token", P),
    (403, "posting_to_general_channel_denied", P),
    (403, "team_disabled", P),
    (404, "channel_not_found", P),
    (404, "no_service", P),
    (404, "no_team", P),
    (404, "no_active_hooks", P),
    (410, "channel_is_archived", P),
    (500, "rollup_error", U),
]

BOT_ERRORS = [
    ("ratelimited", R),
    ("rate_limited", R),
    ("service_unavailable", R),
    ("request_timeout", R),
    ("team_added_to_org", R),
    ("internal_error", U),
    ("fatal_error", U),
    ("invalid_auth", P),
    ("not_authed", P),
    ("account_inactive", P),
    ("token_revoked", P),
    ("token_expired", P),
    ("missing_scope", P),
    ("channel_not_found", P),
    ("not_in_channel", P),
    ("is_archived", P),
    ("msg_too_long", P),
    ("no_text", P),
    ("invalid_blocks", P),
    ("restricted_action", P),
    ("too_many_attachments", P),
    ("ekm_access_denied", P),
    ("a_code_of_tomorrow", P),
]

STATUSES = [(302, P), (401, P), (404, P), (408, R), (413, P), (429, R), (500, U), (502, U), (503, R), (504, U)]


@pytest.fixture
def hook(slack: HttpStandIn) -> Iterator[SlackTransport]:
    with closing(SlackTransport(webhook_url=Secret(f"http://127.0.0.1:{slack.port}{HOOK}"))) as transport:
        yield transport


@pytest.fixture
def bot(slack: HttpStandIn) -> Iterator[SlackBotTransport]:
    url = f"http://127.0.0.1:{slack.port}/api"
    with closing(SlackBotTransport(token=Secret(TOKEN), channel="C0123", api_url=url)) as transport:
        yield transport


def refused(transport: SlackTransport | SlackBotTransport, response: HttpResponse) -> DeliveryError:
    """The error that an answer becomes."""
    with pytest.raises(DeliveryError) as caught:
        transport.receive(response)
    assert caught.value.__cause__ is None
    assert caught.value.status == response.status
    return caught.value


def answer(status: int = 200, **body: object) -> HttpResponse:
    """An answer of the Web API."""
    return HttpResponse(status, content=json.dumps(body).encode())


def test_the_webhooks_body_ok_is_a_yes_without_an_id(hook: SlackTransport) -> None:
    assert hook.receive(HttpResponse(200, content=b"ok")) == Receipt()


@pytest.mark.parametrize("body", [b"", b"OK", b"ok\n", b'{"ok":true}', b"<html>ok</html>", b"invalid_payload", b"\xff"])
def test_any_other_body_with_200_is_uncertain_for_the_webhook(hook: SlackTransport, body: bytes) -> None:
    assert type(refused(hook, HttpResponse(200, content=body))) is U


def test_ok_with_another_2xx_is_uncertain_for_the_webhook(hook: SlackTransport) -> None:
    assert type(refused(hook, HttpResponse(202, content=b"ok"))) is U


@pytest.mark.parametrize(("status", "code", "outcome"), WEBHOOK_ERRORS)
def test_the_webhooks_errors_are_judged_by_status_and_named_by_code(
    hook: SlackTransport, status: int, code: str, outcome: type[DeliveryError]
) -> None:
    error = refused(hook, HttpResponse(status, content=code.encode()))
    assert type(error) is outcome
    assert error.code == code
    assert code in str(error)


def test_the_webhooks_429_waits_as_its_json_asks(hook: SlackTransport) -> None:
    error = refused(hook, answer(429, retry_after=3, ok=False, error="rate_limited"))
    assert type(error) is R
    assert (error.code, error.retry_after) == ("rate_limited", 3.0)


@pytest.mark.parametrize("kind", ["hook", "bot"])
def test_the_header_retry_after_comes_before_the_bodys(kind: str, request: pytest.FixtureRequest) -> None:
    response = HttpResponse(429, {"Retry-After": "30"}, b'{"ok":false,"error":"rate_limited","retry_after":1}')
    assert refused(request.getfixturevalue(kind), response).retry_after == 30.0


@pytest.mark.parametrize("wait", ["soon", -1, None, [], True, 1e400])
def test_a_wait_that_is_no_number_of_seconds_is_ignored(hook: SlackTransport, wait: object) -> None:
    assert refused(hook, answer(429, error="rate_limited", retry_after=wait)).retry_after is None


def test_the_bots_yes_gives_the_message_by_ts_and_channel(bot: SlackBotTransport) -> None:
    receipt = bot.receive(answer(ok=True, channel="C9", ts="1503435956.000247", message={}))
    assert receipt == Receipt(id="1503435956.000247", detail={"channel": "C9"})


@pytest.mark.parametrize(("code", "outcome"), BOT_ERRORS)
def test_the_bots_ok_false_is_judged_by_its_code(
    bot: SlackBotTransport, code: str, outcome: type[DeliveryError]
) -> None:
    error = refused(bot, answer(ok=False, error=code))
    assert type(error) is outcome
    assert error.code == code
    assert str(error).startswith(f"refused the message: {code}")


def test_the_bots_ok_false_without_a_code_is_still_a_no(bot: SlackBotTransport) -> None:
    assert type(refused(bot, answer(ok=False))) is P


def test_the_bots_rate_limit_in_a_200_waits_too(bot: SlackBotTransport) -> None:
    response = HttpResponse(200, {"Retry-After": "12"}, b'{"ok":false,"error":"ratelimited"}')
    assert refused(bot, response).retry_after == 12.0


@pytest.mark.parametrize(
    "body",
    [b"", b"ok", b"null", b"[]", b"1", b"{}", b'{"ok":1,"ts":"1.2"}', b'{"ok":"true"}', b'{"ok":true}',
     b'{"ok":true,"ts":1.2}', b"<html>", b"[" * 100_000, b'{"ok":tr'],
)  # fmt: skip
def test_a_200_that_is_not_the_bots_answer_is_uncertain(bot: SlackBotTransport, body: bytes) -> None:
    assert type(refused(bot, HttpResponse(200, content=body))) is U


@pytest.mark.parametrize(("status", "outcome"), STATUSES)
@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b"[" * 100_000], ids=["empty", "html", "deep"])
@pytest.mark.parametrize("kind", ["hook", "bot"])
def test_any_other_status_means_the_same_whatever_its_body(
    kind: str, status: int, outcome: type[DeliveryError], body: bytes, request: pytest.FixtureRequest
) -> None:
    assert type(refused(request.getfixturevalue(kind), HttpResponse(status, content=body))) is outcome


@pytest.mark.parametrize("code", ["no_service at http://x/y", "x" * 65, "xoxb-1", "Invalid", "", 7, None, ["no_text"]])
@pytest.mark.parametrize("kind", ["hook", "bot"])
def test_what_is_no_code_is_not_quoted(kind: str, code: object, request: pytest.FixtureRequest) -> None:
    for status in (200, 400):
        error = refused(request.getfixturevalue(kind), answer(status, ok=False, error=code))
        assert error.code is None
        assert str(code) not in str(error) or code == ""


def test_an_error_that_someone_can_mend_says_how(hook: SlackTransport, bot: SlackBotTransport) -> None:
    assert "make a new webhook" in str(refused(hook, HttpResponse(404, content=b"no_service")))
    assert "invite the app to the channel" in str(refused(bot, answer(ok=False, error="not_in_channel")))
    assert "install the app again" in str(refused(bot, answer(ok=False, error="token_expired")))


def test_a_channel_that_is_gone_is_a_new_webhook_for_one_kind_and_an_option_for_the_other(
    hook: SlackTransport, bot: SlackBotTransport
) -> None:
    assert str(refused(hook, HttpResponse(404, content=b"channel_not_found"))).endswith("; make a new webhook")
    assert "use the channel's ID" in str(refused(bot, answer(ok=False, error="channel_not_found")))


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(404, text="no_service"), P),
        (Reply(302, headers={"Location": "/elsewhere"}), P),
        (Reply(429, json={"ok": False, "error": "rate_limited"}, headers={"Retry-After": "1"}), R),
        (Reply(503), R),
        (Reply(500, text="rollup_error"), U),
        (Reply(200, text="<html>captive portal</html>"), U),
    ],
)
def test_the_webhooks_answers_mean_the_same_over_a_socket(
    slack: HttpStandIn, hook: SlackTransport, reply: Reply, outcome: type[DeliveryError]
) -> None:
    slack.script(reply)
    with pytest.raises(outcome) as caught:
        hook.send(ALERT)
    assert type(caught.value) is outcome
    assert len(slack.received) == 1
    assert "hookCanary" not in repr(caught.value) + repr(hook)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(json={"ok": False, "error": "invalid_auth"}), P),
        (Reply(json={"ok": False, "error": "fatal_error"}), U),
        (Reply(429, json={"ok": False, "error": "ratelimited"}, headers={"Retry-After": "1"}), R),
        (Reply(503, text="upstream"), R),
        (Reply(json={"ok": False, "error": TOKEN}), P),
    ],
)
def test_the_bots_answers_mean_the_same_over_a_socket(
    slack: HttpStandIn, bot: SlackBotTransport, reply: Reply, outcome: type[DeliveryError]
) -> None:
    slack.script(reply)
    with pytest.raises(outcome) as caught:
        bot.send(ALERT)
    assert type(caught.value) is outcome
    assert len(slack.received) == 1
    assert "botCanary" not in repr(caught.value) + repr(bot)
