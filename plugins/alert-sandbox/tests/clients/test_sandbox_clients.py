"""The vendors' official clients send through the sandbox, and take its answers for their provider's."""

import asyncio
import importlib
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from alert_sandbox.environment import BOT, FROM_EMAIL, PHONE
from alert_sandbox.testing import Sandbox

pytestmark = pytest.mark.needs(
    modules=["castbrick", "pagerduty", "resend", "sendgrid", "slack_sdk", "telegram", "twilio"]
)


def module(name: str) -> Any:
    """A client's module, which only the dependency group `clients` installs."""
    return importlib.import_module(name)


@pytest.fixture
def at(sandbox: Sandbox) -> Mapping[str, str]:
    """Where each client finds its provider."""
    return sandbox.environment()


def castbrick(at: Mapping[str, str], text: str) -> object:
    client = module("castbrick").CastBrick(api_key=at["CASTBRICK_API_KEY"], base_url=at["ALERT_CASTBRICK_API_URL"])
    return client.sms.send(to=[PHONE], content=text, sender_id="Alerts").message_id


def resend(at: Mapping[str, str], text: str) -> object:
    client = module("resend")
    before = client.api_key, client.api_url
    client.api_key, client.api_url = at["ALERT_RESEND_API_KEY"], at["ALERT_RESEND_API_URL"]
    try:
        return client.Emails.send({"from": FROM_EMAIL, "to": ["o@example.com"], "subject": text, "text": text})["id"]
    finally:
        client.api_key, client.api_url = before


def sendgrid(at: Mapping[str, str], text: str) -> object:
    mail = module("sendgrid.helpers.mail")
    host = at["ALERT_SENDGRID_API_URL"].removesuffix("/v3")
    client = module("sendgrid").SendGridAPIClient(at["ALERT_SENDGRID_API_KEY"], host=host)
    message = mail.Mail("a@example.com", "o@example.com", text or None, plain_text_content=text or None)
    answer = client.send(message)
    assert (answer.status_code, answer.body) == (202, b"")
    return answer.headers["X-Message-Id"]


def slack_webhook(at: Mapping[str, str], text: str) -> object:
    answer = module("slack_sdk.webhook").WebhookClient(at["ALERT_SLACK_WEBHOOK_URL"]).send(text=text)
    if (answer.status_code, answer.body) != (200, "ok"):
        raise RuntimeError(answer.body)
    return answer.body


def slack_bot(at: Mapping[str, str], text: str) -> object:
    client = module("slack_sdk").WebClient(at["ALERT_SLACK_BOT_TOKEN"], base_url=at["ALERT_SLACK_BOT_API_URL"] + "/")
    return client.chat_postMessage(channel="#alerts", text=text)["ts"]


def telegram(at: Mapping[str, str], text: str) -> object:
    async def send() -> object:
        async with module("telegram").Bot(BOT, base_url=f"{at['ALERT_TELEGRAM_API_URL']}/bot") as bot:
            assert bot.first_name == "Alerts"
            sent = await bot.send_message(-1001234567890, text, parse_mode="HTML")
            assert sent.text == text
            return sent.message_id

    return asyncio.run(send())


def pagerduty(at: Mapping[str, str], text: str) -> object:
    def without_tls(request: Any) -> None:  # the client takes https:// alone until the request is made
        request.url = request.url.copy_with(scheme="http")

    url = at["ALERT_PAGERDUTY_API_URL"].removesuffix("/v2").replace("http://", "https://")
    client = module("pagerduty").EventsApiV2Client(
        at["ALERT_PAGERDUTY_ROUTING_KEY"], base_url=url, event_hooks={"request": [without_tls]}
    )
    with client:
        return client.trigger(text, "db1", severity="critical")


def twilio(at: Mapping[str, str], text: str) -> object:
    client = module("twilio.rest").Client(
        at["TWILIO_ACCOUNT_SID"], at["TWILIO_AUTH_TOKEN"], http_client=_twilio_http(at["ALERT_TWILIO_API_URL"])
    )
    with closing(client.http_client.session):
        return client.messages.create(to=PHONE, from_="Alerts", body=text).sid


def _twilio_http(url: str) -> Any:
    """Twilio's documented `http_client`: the same requests, at another address."""
    place = urlsplit(url)

    class Redirected(module("twilio.http.http_client").TwilioHttpClient):  # type: ignore[misc]  # a class only then
        def request(self, method: str, url: str, *given: Any, **more: Any) -> Any:
            path = urlsplit(url).path
            return super().request(method, f"{place.scheme}://{place.netloc}{place.path}{path}", *given, **more)

    return Redirected()


CLIENTS: Mapping[str, Callable[[Mapping[str, str], str], object]] = {
    "castbrick": castbrick,
    "pagerduty": pagerduty,
    "resend": resend,
    "sendgrid": sendgrid,
    "slack": slack_webhook,
    "slack-bot": slack_bot,
    "telegram": telegram,
    "twilio": twilio,
}


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_vendors_client_sends_through_the_sandbox_and_gets_an_id(
    sandbox: Sandbox, at: Mapping[str, str], kind: str
) -> None:
    assert CLIENTS[kind](at, "Disk full")
    messages = sandbox.messages()
    assert [(m.kind, m.accepted, m.broken) for m in messages] == [(kind, True, ())]
    assert "Disk full" in messages[-1].text


REFUSED = {
    "castbrick": ("castbrick", "CastBrickApiError"),
    "pagerduty": ("pagerduty", "HttpError"),
    "resend": ("resend.exceptions", "ResendError"),
    "sendgrid": ("python_http_client.exceptions", "BadRequestsError"),
    "slack": ("builtins", "RuntimeError"),
    "slack-bot": ("slack_sdk.errors", "SlackApiError"),
    "telegram": ("telegram.error", "BadRequest"),
    "twilio": ("twilio.base.exceptions", "TwilioRestException"),
}


@pytest.mark.filterwarnings("ignore:The top-level `text` argument:UserWarning")  # Slack's client, of what is meant
@pytest.mark.parametrize("kind", CLIENTS)
def test_a_vendors_client_raises_its_own_error_for_a_refusal(
    sandbox: Sandbox, at: Mapping[str, str], kind: str
) -> None:
    where, name = REFUSED[kind]
    with pytest.raises(getattr(module(where), name)):
        CLIENTS[kind](at, "")
    assert [m.accepted for m in sandbox.messages() if m.broken] == [False]


def test_the_vendors_clients_understand_the_providers_words_for_a_fault(
    sandbox: Sandbox, at: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")  # else that client warns of its next version
    sandbox.fail("telegram", "ok,429:7")
    with pytest.raises(module("telegram.error").RetryAfter, match="7"):
        telegram(at, "Disk full")
    sandbox.fail("slack-bot", "error:channel_not_found")
    with pytest.raises(module("slack_sdk.errors").SlackApiError, match="channel_not_found"):
        slack_bot(at, "Disk full")
    sandbox.fail("resend", "429:7")
    with pytest.raises(module("resend.exceptions").RateLimitError):
        resend(at, "Disk full")
    sandbox.fail("twilio", "429")
    with pytest.raises(module("twilio.base.exceptions").TwilioRestException, match="429"):
        twilio(at, "Disk full")
