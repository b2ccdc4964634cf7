"""The kind: what it puts on the wire, its second requests, and its replies."""

import json
import os
import subprocess
import sys
import threading
from contextlib import closing
from typing import Any

import pytest

from alert_core import (
    Alert,
    Dispatcher,
    PermanentDeliveryError,
    RetryableDeliveryError,
    RetryPolicy,
    Secret,
    UncertainDeliveryError,
)
from alert_core.testing import Fault, HttpStandIn, Received, Reply
from alert_telegram.payload import message, plain
from alert_telegram.plugin import alert_register
from alert_telegram.transport import TelegramTransport

TOKEN = "123456:botCanary7Qz-ABC_def"
FIRING = Alert("Disk full", "/var is at 98 %", severity="critical", url="https://grafana.example.org/d/1")
RESOLVED = FIRING.evolve(status="resolved", message="/var is at 40 %")
NOT_FOUND = "Bad Request: chat not found"
ENTITIES = "Bad Request: can't parse entities: Unsupported start tag"


def posted(message_id: int, chat: int = -100500) -> Reply:
    """Telegram's yes."""
    return Reply(json={"ok": True, "result": {"message_id": message_id, "date": 1, "chat": {"id": chat}}})


def refusal(description: str, status: int = 400, **parameters: object) -> Reply:
    """Telegram's no."""
    body = {"ok": False, "error_code": status, "description": description, "parameters": parameters}
    return Reply(status, json=body)


def migrated(chat: object) -> Reply:
    """Telegram's no to an old number of a chat."""
    return refusal("Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat)


def bodies(telegram: HttpStandIn) -> list[dict[str, Any]]:
    """What Telegram got."""
    return [json.loads(received.body) for received in telegram.received]


def made(**options: Any) -> TelegramTransport:
    """A transport with these options, and the others right."""
    return TelegramTransport(**{"bot_token": Secret(TOKEN), "chat_id": -1, **options})


def test_the_plugin_contributes_the_kind() -> None:
    assert [spec.kind for spec in alert_register()] == ["telegram"]


def test_the_plugins_module_loads_nothing_heavy() -> None:
    code = "import sys, alert_telegram.plugin as p; list(p.alert_register()); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    loaded = set(done.stdout.split())
    assert "alert_telegram.plugin" in loaded
    assert not loaded & {"alert_telegram.transport", "alert_core.http", "httpx", "cattrs", "click"}


# What goes out.


def test_the_bot_posts_to_its_chat_with_its_token_in_the_path(telegram: HttpStandIn, bot: TelegramTransport) -> None:
    telegram.script(posted(7))
    bot.send(FIRING)
    (received,) = telegram.received
    assert (received.method, received.path) == ("POST", f"/bot{TOKEN}/sendMessage")
    assert received.headers["content-type"] == "application/json; charset=utf-8"
    assert json.loads(received.body) == {"chat_id": -100500, **message(FIRING)}


def test_a_topic_is_named_where_one_is_set() -> None:
    content = made(message_thread_id=42).build_request(FIRING).content
    assert json.loads(content) == {"chat_id": -1, "message_thread_id": 42, **message(FIRING)}


@pytest.mark.parametrize(
    ("chat", "sent"),
    [(-1001234567890, -1001234567890), ("-1001234567890", -1001234567890), ("42", 42), ("@ops", "@ops")],
    ids=repr,
)
def test_a_chat_is_a_number_however_it_was_written_or_a_username(chat: int | str, sent: int | str) -> None:
    assert json.loads(made(chat_id=chat).build_request(FIRING).content)["chat_id"] == sent


def test_telegrams_own_address_is_the_default() -> None:
    assert made().build_request(FIRING).url == f"https://api.telegram.org/bot{TOKEN}/sendMessage"


def test_two_requests_of_one_alert_are_the_same_byte_for_byte(bot: TelegramTransport) -> None:
    assert bot.build_request(FIRING) == bot.build_request(FIRING)


# Second requests.


@pytest.mark.parametrize(
    "description",
    [
        ENTITIES,
        "Bad Request: can't parse MessageEntity: Unsupported type specified",
        "Bad Request: entity URL 'https://grafana.example.org/d/1' is invalid: Wrong HTTP URL",
        "Bad Request: ENTITIES_TOO_LONG",
    ],
)
def test_where_entities_are_refused_the_alert_goes_plain_in_the_same_attempt(
    telegram: HttpStandIn, bot: TelegramTransport, description: str
) -> None:
    telegram.script(refusal(description), posted(7))
    assert bot.send(FIRING).id == "7"
    first, second = bodies(telegram)
    assert "entities" in first
    assert second == {"chat_id": -100500, **plain(message(FIRING))}
    assert "https://grafana.example.org/d/1" in second["text"]


def test_what_is_refused_plain_too_is_not_sent_a_third_time(telegram: HttpStandIn, bot: TelegramTransport) -> None:
    telegram.script(refusal(ENTITIES))
    with pytest.raises(PermanentDeliveryError, match="can't parse entities"):
        bot.send(FIRING)
    assert len(telegram.received) == 2


def test_a_plain_message_whose_answer_is_lost_is_uncertain(telegram: HttpStandIn, bot: TelegramTransport) -> None:
    telegram.script(refusal(ENTITIES), Reply(fault=Fault.RESET))
    with pytest.raises(UncertainDeliveryError):
        bot.send(FIRING)
    assert len(telegram.received) == 2


@pytest.mark.parametrize("status", [403, 429, 500])
def test_only_a_400_is_refused_surely_enough_for_a_second_request(
    telegram: HttpStandIn, bot: TelegramTransport, status: int
) -> None:
    for reply in (refusal(ENTITIES, status), refusal(NOT_FOUND, status, migrate_to_chat_id=-100999)):
        telegram.received.clear()
        telegram.script(reply)
        with pytest.raises((PermanentDeliveryError, RetryableDeliveryError, UncertainDeliveryError)):
            bot.send(FIRING)
        assert len(telegram.received) == 1


def test_both_requests_have_the_time_of_one_attempt(telegram: HttpStandIn) -> None:
    telegram.script(refusal(ENTITIES), Reply(fault=Fault.HANG))
    bot = made(api_url=f"http://127.0.0.1:{telegram.port}", timeout=0.3)
    with Dispatcher([bot], retry=RetryPolicy(attempts=1), deadline=60) as dispatcher:
        report = dispatcher.send(FIRING)
    assert report.uncertain == ("telegram",)
    assert len(telegram.received) == 2


def test_a_group_that_became_a_supergroup_gets_the_alert_in_the_same_attempt(
    telegram: HttpStandIn, bot: TelegramTransport
) -> None:
    telegram.script(migrated(-100999), posted(1, chat=-100999))
    receipt = bot.send(FIRING)
    assert (receipt.id, receipt.detail) == ("1", {"chat_id": -100999, "migrate_to_chat_id": -100999})
    assert bodies(telegram) == [{"chat_id": chat, **message(FIRING)} for chat in (-100500, -100999)]


def test_the_new_number_is_remembered_and_every_receipt_names_it(telegram: HttpStandIn, bot: TelegramTransport) -> None:
    telegram.script(migrated(-100999), posted(1, chat=-100999))
    bot.send(FIRING)
    assert bot.send(FIRING).detail["migrate_to_chat_id"] == -100999
    assert [body["chat_id"] for body in bodies(telegram)] == [-100500, -100999, -100999]


def test_the_new_number_is_remembered_though_the_message_was_refused_there(
    telegram: HttpStandIn, bot: TelegramTransport
) -> None:
    telegram.script(migrated(-100999), refusal("Too Many Requests: retry after 3", 429), posted(1))
    with pytest.raises(RetryableDeliveryError):
        bot.send(FIRING)
    bot.send(FIRING)
    assert [body["chat_id"] for body in bodies(telegram)] == [-100500, -100999, -100999]


def test_a_supergroup_too_may_refuse_the_entities(telegram: HttpStandIn, bot: TelegramTransport) -> None:
    telegram.script(migrated(-100999), refusal(ENTITIES), posted(1))
    bot.send(FIRING)
    assert bodies(telegram)[-1] == {"chat_id": -100999, **plain(message(FIRING))}


def test_chats_that_name_each_other_are_not_followed_for_ever(telegram: HttpStandIn, bot: TelegramTransport) -> None:
    telegram.script(migrated(-100999), migrated(-100500), migrated(-100999))
    with pytest.raises(PermanentDeliveryError, match="set chat_id to the supergroup's"):
        bot.send(FIRING)
    assert len(telegram.received) == 3


@pytest.mark.parametrize("chat", ["-100999", None, 1.5, True, [], -100500], ids=repr)
def test_a_number_that_is_none_or_the_same_is_no_reason_for_a_second_request(
    telegram: HttpStandIn, bot: TelegramTransport, chat: object
) -> None:
    telegram.script(migrated(chat))
    with pytest.raises(PermanentDeliveryError):
        bot.send(FIRING)
    assert len(telegram.received) == 1


def test_the_migration_is_each_instances_own(telegram: HttpStandIn, bot: TelegramTransport) -> None:
    telegram.script(migrated(-100999), posted(1))
    bot.send(FIRING)
    assert json.loads(made(chat_id=-100500).build_request(FIRING).content)["chat_id"] == -100500


class Group(HttpStandIn):
    """A group that became a supergroup: it refuses the old number, whoever asks."""

    asked = threading.local()

    def record(self, received: Received) -> None:
        """Each connection has a thread of its own."""
        self.asked.chat = json.loads(received.body)["chat_id"]
        super().record(received)

    def take(self) -> Reply:
        """By the number that this connection asked for."""
        return posted(1, chat=-100999) if self.asked.chat == -100999 else migrated(-100999)


def test_threads_that_learn_of_the_migration_at_once_all_deliver() -> None:
    start, ended = threading.Barrier(4), []

    def deliver(transport: TelegramTransport) -> None:
        start.wait(10)
        ended.append(transport.send(FIRING).detail)

    with Group() as group, closing(made(chat_id=-100500, api_url=f"http://127.0.0.1:{group.port}")) as transport:
        threads = [threading.Thread(target=deliver, args=(transport,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert ended == [{"chat_id": -100999, "migrate_to_chat_id": -100999}] * 4


# Replies.


def test_a_resolve_replies_to_its_firing(telegram: HttpStandIn, bot: TelegramTransport) -> None:
    telegram.script(posted(7), posted(8))
    bot.send(FIRING)
    bot.send(RESOLVED)
    firing, resolve = bodies(telegram)
    assert "reply_parameters" not in firing
    assert resolve["reply_parameters"] == {"message_id": 7, "allow_sending_without_reply": True}


def replied(telegram: HttpStandIn) -> list[int | None]:
    """The message that each replied to."""
    return [body.get("reply_parameters", {}).get("message_id") for body in bodies(telegram)]


def test_an_acknowledgement_replies_and_leaves_the_firing_open(telegram: HttpStandIn, bot: TelegramTransport) -> None:
    telegram.script(posted(7), posted(8))
    for alert in (FIRING, FIRING.evolve(status="acknowledged"), RESOLVED):
        bot.send(alert)
    assert replied(telegram) == [None, 7, 7]


def test_a_firing_replies_to_nothing_and_the_latest_is_replied_to(
    telegram: HttpStandIn, bot: TelegramTransport
) -> None:
    telegram.script(posted(7), posted(8), posted(9))
    for alert in (FIRING, FIRING, RESOLVED):
        bot.send(alert)
    assert replied(telegram) == [None, None, 8]


def test_after_a_resolve_there_is_nothing_to_reply_to(telegram: HttpStandIn, bot: TelegramTransport) -> None:
    telegram.script(posted(7))
    for alert in (FIRING, RESOLVED, RESOLVED):
        bot.send(alert)
    assert replied(telegram) == [None, 7, None]


def test_a_resolve_of_something_else_replies_to_nothing(telegram: HttpStandIn, bot: TelegramTransport) -> None:
    telegram.script(posted(7))
    bot.send(FIRING)
    bot.send(Alert("Another", "m", status="resolved"))
    assert replied(telegram) == [None, None]


def test_a_resolve_that_was_not_delivered_is_the_same_when_it_is_tried_again(
    telegram: HttpStandIn, bot: TelegramTransport
) -> None:
    telegram.script(posted(7), refusal("Forbidden: bot was kicked from the group chat", 403), posted(8))
    bot.send(FIRING)
    with pytest.raises(PermanentDeliveryError):
        bot.send(RESOLVED)
    bot.send(RESOLVED)
    assert telegram.received[1].body == telegram.received[2].body
    assert replied(telegram) == [None, 7, 7]


def test_a_supergroup_counts_anew_so_what_was_posted_before_is_not_replied_to(
    telegram: HttpStandIn, bot: TelegramTransport
) -> None:
    other = FIRING.evolve(dedup_key="other")
    telegram.script(posted(7), posted(8), migrated(-100999), posted(1, chat=-100999))
    for alert in (FIRING, other, RESOLVED, other.evolve(status="resolved")):
        bot.send(alert)
    assert replied(telegram) == [None, None, 7, None, None]


def test_replies_work_in_the_child_of_a_fork_that_happened_under_their_lock(bot: TelegramTransport) -> None:
    bot._threads._lock.acquire()
    bot._forget()
    bot._threads.remember("a", "1")
    assert bot._threads.get("a") == "1"
