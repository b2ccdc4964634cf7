"""The two kinds: their options, what they put on the wire, and the bot's threads."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from alert_core import Alert, ConfigError, PermanentDeliveryError, Secret
from alert_core.http import HttpTransport
from alert_core.testing import HttpStandIn, Reply
from alert_slack.payload import message
from alert_slack.plugin import alert_register
from alert_slack.transport import SlackBotTransport, SlackTransport

PAGE = Path(__file__).parents[3] / "docs" / "transports" / "slack.md"
FIRING = Alert("Disk full", "/var is at 98 %", severity="critical")
RESOLVED = FIRING.evolve(status="resolved", message="/var is at 40 %")


@pytest.fixture
def bot(slack: HttpStandIn) -> Iterator[SlackBotTransport]:
    url = f"http://127.0.0.1:{slack.port}/api/"
    with closing(SlackBotTransport(token=Secret("xoxb-1"), channel="#ops", api_url=url)) as transport:
        yield transport


def posted(ts: str) -> Reply:
    """Slack's yes."""
    return Reply(json={"ok": True, "channel": "C9", "ts": ts, "message": {}})


def bodies(slack: HttpStandIn) -> list[dict[str, Any]]:
    """What Slack got."""
    return [json.loads(received.body) for received in slack.received]


def test_the_plugin_contributes_the_two_kinds() -> None:
    assert [spec.kind for spec in alert_register()] == ["slack", "slack-bot"]


def test_the_plugins_module_loads_nothing_heavy() -> None:
    code = "import sys, alert_slack.plugin as p; list(p.alert_register()); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    loaded = set(done.stdout.split())
    assert "alert_slack.plugin" in loaded
    assert not loaded & {"alert_slack.transport", "alert_core.http", "httpx", "cattrs", "click"}


def test_the_webhook_gets_one_post_of_the_message(slack: HttpStandIn) -> None:
    hook = SlackTransport(webhook_url=Secret(f"http://127.0.0.1:{slack.port}/services/T0/B0/x"))
    slack.script(Reply(text="ok"))
    with closing(hook):
        hook.send(FIRING)
    (received,) = slack.received
    assert (received.method, received.path) == ("POST", "/services/T0/B0/x")
    assert received.headers["content-type"] == "application/json; charset=utf-8"
    assert json.loads(received.body) == message(FIRING)


def test_the_bot_posts_with_its_token_to_its_channel(slack: HttpStandIn, bot: SlackBotTransport) -> None:
    slack.script(posted("1.0"))
    bot.send(FIRING)
    (received,) = slack.received
    assert (received.method, received.path) == ("POST", "/api/chat.postMessage")
    assert received.headers["content-type"] == "application/json; charset=utf-8"
    assert received.headers["authorization"] == "Bearer xoxb-1"
    assert json.loads(received.body) == {"channel": "#ops", **message(FIRING)}


def test_slacks_own_address_is_the_default() -> None:
    request = SlackBotTransport(token=Secret("xoxb-1"), channel="C1").build_request(FIRING)
    assert request.url == "https://slack.com/api/chat.postMessage"


def test_two_requests_of_one_alert_are_the_same_byte_for_byte(bot: SlackBotTransport) -> None:
    assert bot.build_request(FIRING) == bot.build_request(FIRING)


def test_a_resolve_replies_to_its_firing_and_is_shown_in_the_channel(
    slack: HttpStandIn, bot: SlackBotTransport
) -> None:
    slack.script(posted("1.0"), posted("2.0"))
    bot.send(FIRING)
    bot.send(RESOLVED)
    firing, resolve = bodies(slack)
    assert "thread_ts" not in firing
    assert (resolve["thread_ts"], resolve["reply_broadcast"]) == ("1.0", True)


def test_an_acknowledgement_joins_the_thread_and_leaves_it_open(slack: HttpStandIn, bot: SlackBotTransport) -> None:
    slack.script(posted("1.0"), posted("2.0"))
    for alert in (FIRING, FIRING.evolve(status="acknowledged"), RESOLVED):
        bot.send(alert)
    assert [body.get("thread_ts") for body in bodies(slack)] == [None, "1.0", "1.0"]


def test_a_firing_is_never_hidden_in_a_thread(slack: HttpStandIn, bot: SlackBotTransport) -> None:
    slack.script(posted("1.0"), posted("2.0"), posted("3.0"))
    for alert in (FIRING, FIRING, RESOLVED):
        bot.send(alert)
    assert [body.get("thread_ts") for body in bodies(slack)] == [None, None, "2.0"]


def test_a_resolve_ends_the_thread(slack: HttpStandIn, bot: SlackBotTransport) -> None:
    slack.script(posted("1.0"))
    for alert in (FIRING, RESOLVED, RESOLVED):
        bot.send(alert)
    assert "thread_ts" not in bodies(slack)[-1]


def test_a_resolve_of_something_else_starts_no_thread(slack: HttpStandIn, bot: SlackBotTransport) -> None:
    slack.script(posted("1.0"))
    bot.send(FIRING)
    bot.send(Alert("Another", "m", status="resolved"))
    assert "thread_ts" not in bodies(slack)[-1]


def test_a_resolve_that_was_not_delivered_keeps_its_thread_for_the_retry(
    slack: HttpStandIn, bot: SlackBotTransport
) -> None:
    slack.script(posted("1.0"), Reply(json={"ok": False, "error": "is_archived"}), posted("2.0"))
    bot.send(FIRING)
    with pytest.raises(PermanentDeliveryError):
        bot.send(RESOLVED)
    bot.send(RESOLVED)
    assert slack.received[1].body == slack.received[2].body
    assert bodies(slack)[2]["thread_ts"] == "1.0"


def test_where_the_thread_is_gone_the_resolve_is_posted_without_it(slack: HttpStandIn, bot: SlackBotTransport) -> None:
    slack.script(posted("1.0"), Reply(json={"ok": False, "error": "thread_not_found"}), posted("2.0"))
    bot.send(FIRING)
    assert bot.send(RESOLVED).id == "2.0"
    assert [body.get("thread_ts") for body in bodies(slack)] == [None, "1.0", None]


def test_a_refused_thread_that_was_not_asked_for_is_no_reason_to_try_again(
    slack: HttpStandIn, bot: SlackBotTransport
) -> None:
    slack.script(posted("1.0"), Reply(json={"ok": False, "error": "thread_not_found"}))
    bot.send(FIRING)
    for alert in (FIRING, Alert("Another", "m", status="resolved")):
        with pytest.raises(PermanentDeliveryError):
            bot.send(alert)
    assert len(slack.received) == 3


def test_threads_work_in_the_child_of_a_fork_that_happened_under_their_lock(bot: SlackBotTransport) -> None:
    bot._threads._lock.acquire()
    bot._forget()
    assert not bot._threads.forget("a")


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://hooks.slack.com/services/T0/B0/canary", "must begin with https://"),
        ("hooks.slack.com/services/T0/B0/canary", "absolute https:// URL"),
        ("https://user:canary@hooks.slack.com/x", "no user or password"),
        ("https://hooks.slack.com/canary\n", "without white space"),
        ("", "absolute https:// URL"),
    ],
)
def test_a_webhooks_url_that_is_wrong_is_told_and_not_quoted(url: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SlackTransport(webhook_url=Secret(url))
    ((path, told),) = caught.value.faults
    assert path == "webhook_url"
    assert fault in told
    assert "canary" not in str(caught.value)


def test_every_wrong_option_of_the_bot_is_told_at_once_and_no_token_quoted() -> None:
    with pytest.raises(ConfigError) as caught:
        SlackBotTransport(token=Secret("xoxb canary"), channel="", api_url="http://slack.com/api")
    assert [fault.path for fault in caught.value.faults] == ["token", "channel", "api_url"]
    assert "canary" not in str(caught.value)


def test_the_options_are_named_by_their_environment_variables() -> None:
    assert {o.name: o.env for o in SlackTransport.options() if o.env} == {"webhook_url": "ALERT_SLACK_WEBHOOK_URL"}
    assert {o.name: o.env for o in SlackBotTransport.options() if o.env} == {
        "token": "ALERT_SLACK_BOT_TOKEN",
        "channel": "ALERT_SLACK_CHANNEL",
        "api_url": "ALERT_SLACK_BOT_API_URL",
    }


def test_slacks_rate_is_kept_but_not_on_loopback(slack: HttpStandIn, bot: SlackBotTransport) -> None:
    assert SlackTransport.provider_rate == SlackBotTransport.provider_rate == "5/5s"
    assert bot.is_loopback()
    assert SlackTransport(webhook_url=Secret(f"http://localhost:{slack.port}/x")).is_loopback()
    assert not SlackTransport(webhook_url=Secret("https://hooks.slack.com/services/T0/B0/x")).is_loopback()


@pytest.mark.skipif(not PAGE.exists(), reason="the page is in the repository alone")
@pytest.mark.parametrize("transport", [SlackTransport, SlackBotTransport])
def test_the_page_lists_every_option_as_the_class_declares_it(transport: type[HttpTransport]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    for option in transport.options():
        if option.env:
            default = "required" if option.required else f"`{option.default}`"
            row = f"| `{transport.kind}` | `{option.name}` | `{option.env}` | {default} | {option.help} |"
            assert row in page
