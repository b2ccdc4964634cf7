"""The options of the kind: from Python, a configuration and the environment."""

import json
from pathlib import Path
from typing import Any

import pytest

from alert_core import Alert, ConfigError, Dispatcher, Secret
from alert_core.testing import HttpStandIn, Reply
from alert_telegram.transport import TelegramTransport

PAGE = Path(__file__).parents[3] / "docs" / "transports" / "telegram.md"
TOKEN = "123456:botCanary7Qz-ABC_def"


def made(**options: Any) -> TelegramTransport:
    """A transport with these options, and the others right."""
    return TelegramTransport(**{"bot_token": Secret(TOKEN), "chat_id": -1, **options})


@pytest.mark.parametrize(
    "token",
    ["canary", "123456:", "123456:canary canary", "123456:canary\n", "bot123456:canary", "https://x/bot1:canary", ""],
)
def test_a_token_that_is_none_is_told_and_not_quoted(token: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(bot_token=Secret(token))
    ((path, told),) = caught.value.faults
    assert path == "bot_token"
    assert "as @BotFather gives it" in told
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "chat", ["", "ops", "@", "@1ops", "-", "-100 500", "0", 0, True, "+1", "https://t.me/ops", 10**16], ids=repr
)
def test_a_chat_that_is_none_is_told_what_one_looks_like(chat: object) -> None:
    with pytest.raises(ConfigError, match=r"chat_id: must be a chat's number \(-1001234567890"):
        made(chat_id=chat)


@pytest.mark.parametrize("topic", [0, -1, True])
def test_a_topic_that_is_none_is_told(topic: int) -> None:
    with pytest.raises(ConfigError, match="message_thread_id: must be the number of a topic"):
        made(message_thread_id=topic)


def test_every_wrong_option_is_told_at_once_and_no_token_quoted() -> None:
    with pytest.raises(ConfigError) as caught:
        made(bot_token=Secret("canary"), chat_id="", message_thread_id=0, api_url="http://api.telegram.org")
    assert [fault.path for fault in caught.value.faults] == ["bot_token", "chat_id", "message_thread_id", "api_url"]
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("chat", ["-1001234567890", "@ops_alerts"])
def test_the_environment_configures_it(chat: str, telegram: HttpStandIn) -> None:
    telegram.script(Reply(json={"ok": True, "result": {"message_id": 7, "chat": {"id": -100500}}}))
    environ = {
        "ALERT_TELEGRAM_BOT_TOKEN": TOKEN,
        "ALERT_TELEGRAM_CHAT_ID": chat,
        "ALERT_TELEGRAM_MESSAGE_THREAD_ID": "42",
        "ALERT_TELEGRAM_API_URL": f"http://127.0.0.1:{telegram.port}",
    }
    with Dispatcher.from_env(environ) as dispatcher:
        report = dispatcher.send(Alert("Disk full", "/var is at 98 %"))
    report.raise_for_failures()
    body = json.loads(telegram.received[0].body)
    assert str(body["chat_id"]) == chat
    assert body["message_thread_id"] == 42
    assert report.deliveries[0].receipt is not None
    assert report.deliveries[0].receipt.detail == {"chat_id": -100500}


@pytest.mark.parametrize("chat", [-1001234567890, "-1001234567890", "@ops_alerts"], ids=repr)
def test_a_configuration_may_give_the_chat_as_a_number_or_as_text(chat: int | str) -> None:
    table = {"type": "telegram", "bot_token": TOKEN, "chat_id": chat}
    Dispatcher.from_config({"targets": {"ops": table}}).close()


@pytest.mark.parametrize("chat", [True, 1.5, ["-100"]])
def test_a_chat_of_another_type_is_a_fault_of_its_option(chat: object) -> None:
    table = {"type": "telegram", "bot_token": TOKEN, "chat_id": chat}
    with pytest.raises(ConfigError, match=r"targets\.ops\.chat_id: must be"):
        Dispatcher.from_config({"targets": {"ops": table}})


def test_the_options_are_named_by_their_environment_variables() -> None:
    assert {o.name: o.env for o in TelegramTransport.options() if o.env} == {
        "bot_token": "ALERT_TELEGRAM_BOT_TOKEN",
        "chat_id": "ALERT_TELEGRAM_CHAT_ID",
        "message_thread_id": "ALERT_TELEGRAM_MESSAGE_THREAD_ID",
        "api_url": "ALERT_TELEGRAM_API_URL",
    }


def test_telegrams_rate_for_groups_is_kept_but_not_on_loopback(bot: TelegramTransport) -> None:
    assert TelegramTransport.provider_rate == "5/20s"
    assert bot.is_loopback()
    assert not made().is_loopback()


def test_the_token_is_in_no_repr(bot: TelegramTransport) -> None:
    assert "botCanary" not in repr(bot) + repr(bot.build_request(Alert("Disk full", "/var")))


@pytest.mark.skipif(not PAGE.exists(), reason="the page is in the repository alone")
def test_the_page_lists_every_option_as_the_class_declares_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for option in TelegramTransport.options():
        if option.env:
            default = "required |" if option.required else f"`{option.default}` |" if option.default else "|"
            assert f"| `telegram` | `{option.name}` | `{option.env}` | {default} {option.help} |" in page
