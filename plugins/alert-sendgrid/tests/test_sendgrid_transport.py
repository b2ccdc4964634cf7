"""The kind `sendgrid`: its options, how it is found, and what it puts on the wire."""

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alert_core import Alert, ConfigError, Dispatcher, Secret
from alert_core.mail import Mailbox
from alert_core.testing import HttpStandIn, Reply
from alert_sendgrid.payload import message
from alert_sendgrid.transport import SendGridTransport

PAGE = Path(__file__).parents[3] / "docs" / "transports" / "sendgrid.md"
ALERT = Alert("Disk full", "/var is at 98 %", severity="critical")
OK = Reply(202, headers={"X-Message-Id": "14c5d75ce93.dfd"})
URL_BELOW = "http://localhost:1/sendgrid/v3/mail/send"
ENVIRONMENT = {
    "ALERT_SENDGRID_API_KEY": "SG.keyCanary7Qz",
    "ALERT_FROM_EMAIL": "alerts@example.com",
    "ALERT_TO_EMAILS": "ops@example.com, security@example.com",
}


def test_the_entry_point_contributes_the_kind_that_is_preferred_to_smtp_for_mail() -> None:
    (entry,) = importlib.metadata.entry_points(group="alert_core.plugins", name="sendgrid")
    (spec,) = entry.load().alert_register()
    assert (spec.kind, spec.family, spec.preference) == ("sendgrid", "email", 20)


def test_the_plugins_module_loads_nothing_heavy() -> None:
    code = "import sys, alert_sendgrid.plugin as p; list(p.alert_register()); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    loaded = set(done.stdout.split())
    assert "alert_sendgrid.plugin" in loaded
    assert not loaded & {"alert_sendgrid.transport", "alert_core.http", "httpx", "cattrs", "click"}


def test_an_alert_is_one_post_to_all_recipients(provider: HttpStandIn, sendgrid: SendGridTransport) -> None:
    provider.script(OK)
    assert sendgrid.send(ALERT).id == "14c5d75ce93.dfd"
    (received,) = provider.received
    assert (received.method, received.path) == ("POST", "/v3/mail/send")
    assert received.headers["content-type"] == "application/json; charset=utf-8"
    assert received.headers["accept"] == "application/json"
    assert received.headers["authorization"] == "Bearer SG.keyCanary7Qz"
    assert received.headers["user-agent"].startswith("alert-core/")
    recipients = (Mailbox("ops@example.com"), Mailbox("security@example.com", "Security"))
    sender = Mailbox("alerts@example.com", "Alerts")
    assert json.loads(received.body) == message(ALERT, sender=sender, recipients=recipients)


def test_two_requests_of_one_alert_are_the_same_byte_for_byte(sendgrid: SendGridTransport) -> None:
    assert sendgrid.build_request(ALERT) == sendgrid.build_request(ALERT)


def test_sendgrids_own_address_is_the_default() -> None:
    transport = SendGridTransport(api_key=Secret("SG.1"), from_email="a@b.c", to_emails=("d@e.f",))
    assert transport.build_request(ALERT).url == "https://api.sendgrid.com/v3/mail/send"
    assert not transport.is_loopback()


def test_a_path_in_the_url_is_kept(make: Callable[..., SendGridTransport]) -> None:
    assert make(api_url="http://localhost:1/sendgrid/v3/").build_request(ALERT).url == URL_BELOW


def test_a_recipient_named_twice_in_any_case_gets_one_mail(make: Callable[..., SendGridTransport]) -> None:
    request = make(to_emails=("ops@example.com", "Ops <OPS@example.com>")).build_request(ALERT)
    assert len(json.loads(request.content)["personalizations"]) == 1


@pytest.mark.parametrize(
    ("options", "path", "said"),
    [
        ({"api_key": Secret("SG.key Canary7Qz")}, "api_key", "without white space"),
        ({"api_key": Secret("")}, "api_key", "must be an API key"),
        ({"from_email": "nobody"}, "from_email", "must be an e-mail address"),
        ({"from_email": "jürgen@example.com"}, "from_email", "only the kind smtp"),
        ({"to_emails": ()}, "to_emails", "at least one"),
        ({"to_emails": "ops@example.com"}, "to_emails", "a list"),
        ({"to_emails": ("ops@example.com", "nobody")}, "to_emails", "must be an e-mail address"),
        ({"to_emails": ("jürgen@example.com",)}, "to_emails", "only the kind smtp"),
        (
            {"to_emails": [f"a{n}@b.c" for n in range(1001)]},
            "to_emails",
            "names 1001 addresses, and one mail goes to 1000",
        ),
        ({"api_url": "http://api.sendgrid.com"}, "api_url", "must begin with https://"),
    ],
)
def test_a_wrong_option_is_told_by_its_name(
    make: Callable[..., SendGridTransport], options: dict[str, Any], path: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**options)
    ((found, told),) = caught.value.faults
    assert found == path
    assert said in told
    assert "Canary" not in str(caught.value)


def test_a_thousand_recipients_are_taken(make: Callable[..., SendGridTransport]) -> None:
    request = make(to_emails=[f"a{n}@b.c" for n in range(1000)]).build_request(ALERT)
    assert len(json.loads(request.content)["personalizations"]) == 1000


def test_the_options_are_named_by_their_environment_variables() -> None:
    assert {o.name: (o.env, o.shared) for o in SendGridTransport.options() if o.env} == {
        "api_key": ("ALERT_SENDGRID_API_KEY", False),
        "from_email": ("ALERT_FROM_EMAIL", True),
        "to_emails": ("ALERT_TO_EMAILS", True),
        "api_url": ("ALERT_SENDGRID_API_URL", False),
    }
    assert [option.name for option in SendGridTransport.options() if option.secret] == ["api_key"]


def test_the_environment_alone_makes_a_target() -> None:
    with Dispatcher.from_env(ENVIRONMENT) as dispatcher:
        sendgrid = dispatcher.targets["sendgrid"]
    assert isinstance(sendgrid, SendGridTransport)
    assert sendgrid.to_emails == ("ops@example.com", "security@example.com")


def test_sendgrid_is_taken_before_smtp() -> None:
    with Dispatcher.from_env(ENVIRONMENT | {"ALERT_SMTP_HOST": "mail.example.com"}) as dispatcher:
        assert list(dispatcher.targets) == ["sendgrid"]


def test_sendgrid_documents_no_rate_to_keep() -> None:
    assert SendGridTransport.provider_rate is None
    assert SendGridTransport.idempotency is None


@pytest.mark.skipif(not PAGE.exists(), reason="the page is in the repository alone")
def test_the_page_lists_every_option_as_the_class_declares_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for option in SendGridTransport.options():
        if option.env:
            default = "required" if option.required else f"`{option.default}`"
            assert f"| `sendgrid` | `{option.name}` | `{option.env}` | {default} | {option.help} |" in page
