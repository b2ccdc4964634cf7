"""The vendors' official clients from PyPI: each sends what a request of ours said, by the client's own words for it.

`body` is the decoded body of our request, so that the content is the same; the form is the client's.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.wire.exchange import OPTIONS

Body = Mapping[str, Any]
Headers = Mapping[str, str]


def module(name: str) -> Any:
    """A client's module, which only the session `wire` installs."""
    return importlib.import_module(name)


def castbrick(origin: str, body: Body, _: Headers) -> None:
    """PyPI's castbrick."""
    client = module("castbrick").CastBrick(api_key=OPTIONS["castbrick"]["api_key"], base_url=f"{origin}/v1")
    client.sms.send(
        to=body["recipients"],
        content=body["content"],
        sender_id=body["senderId"],
        scheduled_at=body["scheduledAt"],
        fallback=body["fallback"],
    )


def pagerduty(origin: str, body: Body, _: Headers) -> None:
    """PyPI's pagerduty, which takes https:// alone until the request is made."""

    def without_tls(request: Any) -> None:
        request.url = request.url.copy_with(scheme="http")

    properties = {name: body[name] for name in ("payload", "client", "client_url", "links") if name in body}
    url = origin.replace("http://", "https://")
    hooks = {"request": [without_tls]}
    client = module("pagerduty").EventsApiV2Client(OPTIONS["pagerduty"]["routing_key"], base_url=url, event_hooks=hooks)
    with client:
        client.send_event(body["event_action"], dedup_key=body["dedup_key"], **properties)


def resend(origin: str, body: Body, headers: Headers) -> None:
    """PyPI's resend."""
    client = module("resend")
    known = module("resend.emails._emails").Emails.SendParams.__annotations__
    before = client.api_key, client.api_url
    client.api_key, client.api_url = OPTIONS["resend"]["api_key"], origin
    try:
        client.Emails.send(
            {name: value for name, value in body.items() if name in known},
            {"idempotency_key": headers["idempotency-key"]},
        )
    finally:
        client.api_key, client.api_url = before


def sendgrid(origin: str, body: Body, _: Headers) -> None:
    """PyPI's sendgrid, which puts each personalization and category before those it has: the last comes first."""
    mail = module("sendgrid.helpers.mail")
    message = mail.Mail(mail.Email(body["from"]["email"], body["from"].get("name")), subject=body["subject"])
    for given in reversed(body["personalizations"]):
        personalization = mail.Personalization()
        for each in given["to"]:
            personalization.add_to(mail.To(each["email"], each.get("name")))
        for name, value in given.get("custom_args", {}).items():
            personalization.add_custom_arg(mail.CustomArg(name, value))
        message.add_personalization(personalization)
    message.content = [mail.Content(each["type"], each["value"]) for each in body["content"]]
    message.header = [mail.Header(name, value) for name, value in body.get("headers", {}).items()]
    for name in reversed(body.get("categories", [])):
        message.add_category(mail.Category(name))
    tracking = {name: setting["enable"] for name, setting in body["tracking_settings"].items()}
    message.tracking_settings = mail.TrackingSettings(
        mail.ClickTracking(tracking["click_tracking"], body["tracking_settings"]["click_tracking"]["enable_text"]),
        mail.OpenTracking(tracking["open_tracking"]),
        mail.SubscriptionTracking(tracking["subscription_tracking"]),
    )
    module("sendgrid").SendGridAPIClient(OPTIONS["sendgrid"]["api_key"], host=origin).send(message)


def slack_webhook(origin: str, body: Body, _: Headers) -> None:
    """slack-sdk's webhooks."""
    client = module("slack_sdk.webhook").WebhookClient(f"{origin}/services/T0/B0/XXXX")
    fields = {name: body[name] for name in ("text", "unfurl_links", "unfurl_media")}
    client.send(**fields, blocks=_blocks(body))


def slack_bot(origin: str, body: Body, _: Headers) -> None:
    """slack-sdk's Web API."""
    client = module("slack_sdk").WebClient(OPTIONS["slack-bot"]["token"], base_url=f"{origin}/api/")
    named = ("channel", "text", "unfurl_links", "unfurl_media", "thread_ts", "reply_broadcast")
    client.chat_postMessage(**{name: body[name] for name in named if name in body}, blocks=_blocks(body))


def _blocks(body: Body) -> Any:
    """The blocks as slack-sdk's own objects, which check themselves."""
    return module("slack_sdk.models.blocks").Block.parse_all(copy.deepcopy(body["blocks"]))


def telegram(origin: str, body: Body, _: Headers) -> None:
    """PyPI's python-telegram-bot."""
    bot = module("telegram")

    async def send() -> None:
        requests = [module("telegram.request").HTTPXRequest() for _ in range(2)]
        client = bot.Bot(
            OPTIONS["telegram"]["bot_token"],
            base_url=f"{origin}/bot",
            request=requests[0],
            get_updates_request=requests[1],
        )
        try:
            await client.send_message(
                chat_id=body["chat_id"],
                text=body["text"],
                entities=[bot.MessageEntity(**entity) for entity in body["entities"]],
                link_preview_options=bot.LinkPreviewOptions(**body["link_preview_options"]),
                message_thread_id=body.get("message_thread_id"),
                reply_parameters=bot.ReplyParameters(**body["reply_parameters"])
                if "reply_parameters" in body
                else None,
            )
        finally:
            for request in requests:
                await request.shutdown()

    asyncio.run(send())


def twilio(origin: str, body: Body, _: Headers) -> None:
    """PyPI's twilio."""
    client = module("twilio.rest").Client(OPTIONS["twilio"]["account_sid"], OPTIONS["twilio"]["auth_token"])
    client.api.base_url = origin
    try:
        client.messages.create(to=body["To"], from_=body["From"], body=body["Body"])
    finally:
        client.http_client.session.close()


CLIENTS: Final[Mapping[str, Callable[[str, Body, Headers], None]]] = {
    "castbrick": castbrick,
    "pagerduty": pagerduty,
    "resend": resend,
    "sendgrid": sendgrid,
    "slack": slack_webhook,
    "slack-bot": slack_bot,
    "telegram": telegram,
    "twilio": twilio,
}
"""By the kind of ours that does the same."""
