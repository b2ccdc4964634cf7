"""The kind `resend`: its options, how it is found, and what it puts on the wire."""

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
from alert_resend.payload import idempotency_key, message
from alert_resend.transport import ResendTransport

PAGE = Path(__file__).parents[3] / "docs" / "transports" / "resend.md"
ALERT = Alert("Disk full", "/var is at 98 %", severity="critical")
OK = Reply(json={"id": "49a3999c"})
ENVIRONMENT = {
    "ALERT_RESEND_API_KEY": "re_keyCanary7Qz",
    "ALERT_FROM_EMAIL": "alerts@example.com",
    "ALERT_TO_EMAILS": "ops@example.com, security@example.com",
}


def test_the_entry_point_contributes_the_kind_that_is_preferred_for_mail() -> None:
    (entry,) = importlib.metadata.entry_points(group="alert_core.plugins", name="resend")
    (spec,) = entry.load().alert_register()
    assert (spec.kind, spec.family, spec.preference) == ("resend", "email", 30)


def test_the_plugins_module_loads_nothing_heavy() -> None:
    code = "import sys, alert_resend.plugin as p; list(p.alert_register()); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    loaded = set(done.stdout.split())
    assert "alert_resend.plugin" in loaded
    assert not loaded & {"alert_resend.transport", "alert_core.http", "httpx", "cattrs", "click"}


def test_an_alert_is_one_post_to_all_recipients(provider: HttpStandIn, resend: ResendTransport) -> None:
    provider.script(OK)
    assert resend.send(ALERT).id == "49a3999c"
    (received,) = provider.received
    assert (received.method, received.path) == ("POST", "/emails")
    assert received.headers["content-type"] == "application/json; charset=utf-8"
    assert received.headers["authorization"] == "Bearer re_keyCanary7Qz"
    assert received.headers["user-agent"].startswith("alert-core/")
    assert received.headers["idempotency-key"] == idempotency_key(ALERT, "resend")
    recipients = (Mailbox("ops@example.com"), Mailbox("security@example.com", "Security"))
    sender = Mailbox("alerts@example.com", "Alerts")
    assert json.loads(received.body) == message(ALERT, sender=sender, recipients=recipients)


def test_two_requests_of_one_alert_are_the_same_byte_for_byte(resend: ResendTransport) -> None:
    assert resend.build_request(ALERT) == resend.build_request(ALERT)


def test_another_target_has_another_key(make: Callable[..., ResendTransport]) -> None:
    keys = {make(name=name).build_request(ALERT).headers["Idempotency-Key"] for name in ("mail", "mail-2")}
    assert len(keys) == 2


def test_resends_own_address_is_the_default() -> None:
    transport = ResendTransport(api_key=Secret("re_1"), from_email="a@b.c", to_emails=("d@e.f",))
    assert transport.build_request(ALERT).url == "https://api.resend.com/emails"
    assert not transport.is_loopback()


def test_a_path_in_the_url_is_kept(make: Callable[..., ResendTransport]) -> None:
    assert make(api_url="http://localhost:1/resend/").build_request(ALERT).url == "http://localhost:1/resend/emails"


def test_a_recipient_named_twice_is_written_once(make: Callable[..., ResendTransport]) -> None:
    request = make(to_emails=("ops@example.com", "Ops <OPS@example.com>")).build_request(ALERT)
    assert json.loads(request.content)["to"] == ["ops@example.com"]


@pytest.mark.parametrize(
    ("options", "path", "said"),
    [
        ({"api_key": Secret("re_key Canary7Qz")}, "api_key", "without white space"),
        ({"api_key": Secret("")}, "api_key", "must be an API key"),
        ({"from_email": "nobody"}, "from_email", "must be an e-mail address"),
        ({"from_email": "jürgen@example.com"}, "from_email", "only the kind smtp"),
        ({"to_emails": ()}, "to_emails", "at least one"),
        ({"to_emails": "ops@example.com"}, "to_emails", "a list"),
        ({"to_emails": ("ops@example.com", "nobody")}, "to_emails", "must be an e-mail address"),
        ({"to_emails": ("jürgen@example.com",)}, "to_emails", "only the kind smtp"),
        ({"to_emails": [f"a{n}@b.c" for n in range(51)]}, "to_emails", "names 51 addresses, and one mail goes to 50"),
        ({"api_url": "http://api.resend.com"}, "api_url", "must begin with https://"),
    ],
)
def test_a_wrong_option_is_told_by_its_name(
    make: Callable[..., ResendTransport], options: dict[str, Any], path: str, said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**options)
    ((found, told),) = caught.value.faults
    assert found == path
    assert said in told
    assert "Canary" not in str(caught.value)


def test_fifty_recipients_are_taken(make: Callable[..., ResendTransport]) -> None:
    request = make(to_emails=[f"a{n}@b.c" for n in range(50)]).build_request(ALERT)
    assert len(json.loads(request.content)["to"]) == 50


def test_the_options_are_named_by_their_environment_variables() -> None:
    assert {o.name: (o.env, o.shared) for o in ResendTransport.options() if o.env} == {
        "api_key": ("ALERT_RESEND_API_KEY", False),
        "from_email": ("ALERT_FROM_EMAIL", True),
        "to_emails": ("ALERT_TO_EMAILS", True),
        "api_url": ("ALERT_RESEND_API_URL", False),
    }
    assert [option.name for option in ResendTransport.options() if option.secret] == ["api_key"]


def test_the_environment_alone_makes_a_target() -> None:
    with Dispatcher.from_env(ENVIRONMENT) as dispatcher:
        resend = dispatcher.targets["resend"]
    assert isinstance(resend, ResendTransport)
    assert resend.to_emails == ("ops@example.com", "security@example.com")


def test_resend_is_taken_before_any_other_kind_of_mail() -> None:
    with Dispatcher.from_env(ENVIRONMENT | {"ALERT_SMTP_HOST": "mail.example.com"}) as dispatcher:
        assert list(dispatcher.targets) == ["resend"]


def test_the_lowest_rate_that_resend_documents_is_kept_but_not_on_loopback(resend: ResendTransport) -> None:
    assert ResendTransport.provider_rate == "2/s"
    assert resend.is_loopback()


@pytest.mark.skipif(not PAGE.exists(), reason="the page is in the repository alone")
def test_the_page_lists_every_option_as_the_class_declares_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for option in ResendTransport.options():
        if option.env:
            default = "required" if option.required else f"`{option.default}`"
            assert f"| `resend` | `{option.name}` | `{option.env}` | {default} | {option.help} |" in page
