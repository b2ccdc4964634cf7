"""The kind: its options, and what it puts on the wire."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from alert_core import Alert, ConfigError, Dispatcher, Secret
from alert_core.testing import HttpStandIn, Reply
from alert_pagerduty.payload import event
from alert_pagerduty.plugin import alert_register
from alert_pagerduty.transport import PagerDutyTransport

PAGE = Path(__file__).parents[3] / "docs" / "transports" / "pagerduty.md"
KEY = "R0utingKeyCanary0123456789abcdef"
ALERT = Alert("Disk full", "/var is at 98 %", severity="critical")
YES = Reply(202, json={"status": "success", "message": "Event processed", "dedup_key": "k"})


def made(**options: str) -> PagerDutyTransport:
    """A transport with these options."""
    return PagerDutyTransport(**{"routing_key": Secret(KEY), **options})  # type: ignore[arg-type]


def test_the_plugin_contributes_the_kind() -> None:
    assert [spec.kind for spec in alert_register()] == ["pagerduty"]


def test_the_plugins_module_loads_nothing_heavy() -> None:
    code = "import sys, alert_pagerduty.plugin as p; list(p.alert_register()); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    loaded = set(done.stdout.split())
    assert "alert_pagerduty.plugin" in loaded
    assert not loaded & {"alert_pagerduty.transport", "alert_core.http", "httpx", "cattrs", "click"}


def test_pagerduty_gets_one_post_of_the_event_with_the_routing_key(pagerduty: HttpStandIn) -> None:
    pagerduty.script(YES)
    with closing(made(api_url=f"http://127.0.0.1:{pagerduty.port}/pagerduty/v2/")) as transport:
        assert transport.send(ALERT).id == "k"
    (received,) = pagerduty.received
    assert (received.method, received.path) == ("POST", "/pagerduty/v2/enqueue")
    assert received.headers["content-type"] == "application/json; charset=utf-8"
    assert json.loads(received.body) == {"routing_key": KEY, **event(ALERT)}
    assert KEY not in str({**received.headers, "path": received.path})


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "https://events.pagerduty.com/v2/enqueue"),
        ({"region": "us"}, "https://events.pagerduty.com/v2/enqueue"),
        ({"region": "eu"}, "https://events.eu.pagerduty.com/v2/enqueue"),
        ({"region": "eu", "api_url": "https://pd.example/v2"}, "https://pd.example/v2/enqueue"),
    ],
)
def test_the_region_gives_the_address_unless_api_url_does(options: dict[str, str], url: str) -> None:
    assert made(**options).build_request(ALERT).url == url


def test_two_requests_of_one_alert_are_the_same_byte_for_byte() -> None:
    assert made().build_request(ALERT) == made().build_request(ALERT)


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("", "Length of 'routing_key' is incorrect (should be 32 characters)"),
        ("u+CanaryOfTheRESTAPI", "Length of 'routing_key' is incorrect (should be 32 characters)"),
        (KEY + "\n", "Length of 'routing_key' is incorrect (should be 32 characters)"),
        ("R0utingKeyCanary-123456789abcdef", "'routing_key' cannot contain non-alphanumeric characters"),
        ("R0utingKeyCanary0123456789abcdé²", "'routing_key' cannot contain non-alphanumeric characters"),
    ],
)
def test_a_wrong_routing_key_is_told_in_pagerdutys_words_and_not_quoted(key: str, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PagerDutyTransport(routing_key=Secret(key))
    ((path, told),) = caught.value.faults
    assert path == "routing_key"
    assert told.startswith(fault)
    assert told.endswith("use the Integration Key of an Events API v2 integration, and the region of its account")
    assert "Canary" not in str(caught.value)


def test_every_wrong_option_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        made(routing_key="short", region="uk", api_url="http://events.pagerduty.com/v2")
    assert [fault.path for fault in caught.value.faults] == ["routing_key", "region", "api_url"]
    assert "region: must be one of us, eu" in str(caught.value)


def test_the_options_are_named_by_their_environment_variables() -> None:
    assert {option.name: option.env for option in PagerDutyTransport.options() if option.env} == {
        "routing_key": "ALERT_PAGERDUTY_ROUTING_KEY",
        "region": "ALERT_PAGERDUTY_REGION",
        "api_url": "ALERT_PAGERDUTY_API_URL",
    }


def test_the_environment_alone_is_enough(pagerduty: HttpStandIn) -> None:
    pagerduty.script(YES)
    environment = {
        "ALERT_PAGERDUTY_ROUTING_KEY": KEY,
        "ALERT_PAGERDUTY_API_URL": f"http://127.0.0.1:{pagerduty.port}/pagerduty/v2",
    }
    with Dispatcher.from_env(environment) as dispatcher:
        assert dispatcher.send(ALERT).ok
    assert json.loads(pagerduty.received[0].body)["routing_key"] == KEY


def test_pagerdutys_rate_is_kept_but_not_on_loopback() -> None:
    assert not made().is_loopback()
    assert not made(api_url="https://pd.example/v2").is_loopback()
    assert made(api_url="http://localhost:8025/pagerduty/v2").is_loopback()


def test_the_rate_lets_at_most_120_events_through_in_any_minute() -> None:
    count, _, minute = str(PagerDutyTransport.provider_rate).partition("/")
    assert minute == "1m"
    assert 2 * int(count) <= 120, "a full bucket, and as much again that it fills with while it is emptied"


@pytest.mark.skipif(not PAGE.exists(), reason="the page is in the repository alone")
def test_the_page_lists_every_option_as_the_class_declares_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for option in PagerDutyTransport.options():
        if option.env:
            default = "required" if option.required else f"`{option.default}`" if option.default else "the region's"
            row = f"| `pagerduty` | `{option.name}` | `{option.env}` | {default} | {option.help} |"
            assert row in page
