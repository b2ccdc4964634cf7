"""The options of the kind `smtp`, and how the environment and the loader find them."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alert_core import ConfigError, Dispatcher, Secret
from alert_smtp.transport import SmtpTransport

PAGE = Path(__file__).parents[3] / "docs" / "transports" / "smtp.md"
OPTIONS = {"host": "mail.example.com", "from_email": "a@example.com", "to_emails": ("ops@example.com",)}


def make(**options: Any) -> SmtpTransport:
    return SmtpTransport(**(OPTIONS | options))


@pytest.mark.parametrize(
    ("options", "security"),
    [
        ({}, "starttls"),
        ({"port": 25}, "starttls"),
        ({"port": 465}, "tls"),
        ({"port": 465, "security": "starttls"}, "starttls"),
        ({"port": 8465, "security": "tls"}, "tls"),
        ({"security": "none"}, "none"),
        ({"use_tls": False}, "none"),
        ({"port": 465, "use_tls": False}, "none"),
        ({"use_tls": False, "security": "none"}, "none"),
        ({"use_tls": True, "security": "none"}, "none"),
    ],
)
def test_tls_is_used_unless_it_is_turned_off(options: dict[str, Any], security: str) -> None:
    assert make(**options)._security == security


@pytest.mark.parametrize(
    ("options", "path", "said"),
    [
        ({"host": ""}, "host", "host name"),
        ({"host": "mail example"}, "host", "host name"),
        ({"host": "https://mail.example.com"}, "host", "host name"),
        ({"host": "." * 70}, "host", "host name"),
        ({"port": 0}, "port", "1 to 65535"),
        ({"port": 65536}, "port", "1 to 65535"),
        ({"security": "ssl"}, "security", "one of starttls, tls, none"),
        ({"security": "tls", "use_tls": False}, "use_tls", "remove one"),
        ({"from_email": "nobody"}, "from_email", "must be an e-mail address"),
        ({"to_emails": ()}, "to_emails", "at least one"),
        ({"to_emails": "ops@example.com"}, "to_emails", "a list"),
        ({"to_emails": ("ops@example.com", "nobody")}, "to_emails", "must be an e-mail address"),
        ({"username": "a"}, "password", "set both"),
        ({"password": Secret("smtp-canary-Kp3x")}, "username", "set both"),
        ({"username": "a", "password": "smtp-canary-\ud800"}, "password", "UTF-8"),
        ({"ca_bundle": "/no/such/file.pem"}, "ca_bundle", "FileNotFoundError"),
        ({"ca_bundle": __file__}, "ca_bundle", "SSLError"),
    ],
)
def test_a_wrong_option_is_told_by_its_name(options: dict[str, Any], path: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**options)
    ((found, message),) = caught.value.faults
    assert found == path
    assert said in message
    assert "canary" not in str(caught.value)


def test_every_wrong_option_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        make(host="", port=0, from_email="x", to_emails=())
    assert [fault.path for fault in caught.value.faults] == ["host", "port", "from_email", "to_emails"]


def test_options_have_their_environment_variables() -> None:
    found = {option.name: (option.env, option.shared) for option in SmtpTransport.options() if option.env}
    assert found == {
        "host": ("ALERT_SMTP_HOST", False),
        "port": ("ALERT_SMTP_PORT", False),
        "username": ("ALERT_SMTP_USERNAME", False),
        "password": ("ALERT_SMTP_PASSWORD", False),
        "security": ("ALERT_SMTP_SECURITY", False),
        "use_tls": ("ALERT_SMTP_USE_TLS", False),
        "from_email": ("ALERT_FROM_EMAIL", True),
        "to_emails": ("ALERT_TO_EMAILS", True),
    }


def test_only_the_password_is_secret() -> None:
    assert [option.name for option in SmtpTransport.options() if option.secret] == ["password"]


def test_the_entry_point_contributes_the_kind_of_least_preference() -> None:
    (entry,) = importlib.metadata.entry_points(group="alert_core.plugins", name="smtp")
    (spec,) = entry.load().alert_register()
    assert (spec.kind, spec.family, spec.preference) == ("smtp", "email", 10)


def test_the_plugin_module_loads_nothing_heavy() -> None:
    program = (
        "import sys, alert_smtp.plugin; print(*{'smtplib', 'ssl', 'httpx', 'alert_smtp.transport'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


SEEDS_ENVIRONMENT = {
    "ALERT_FROM_EMAIL": "alerts@example.com",
    "ALERT_TO_EMAILS": "ops@example.com, security@example.com",
    "ALERT_SMTP_HOST": "smtp.example.com",
    "ALERT_SMTP_PORT": "587",
    "ALERT_SMTP_USERNAME": "alerts@example.com",
    "ALERT_SMTP_PASSWORD": "smtp-canary-Kp3x",
}


@pytest.mark.parametrize(
    ("word", "security"), [("true", "starttls"), ("1", "starttls"), ("false", "none"), ("0", "none"), ("No", "none")]
)
def test_the_environment_alone_makes_a_target(word: str, security: str) -> None:
    with Dispatcher.from_env(SEEDS_ENVIRONMENT | {"ALERT_SMTP_USE_TLS": word}) as dispatcher:
        smtp = dispatcher.targets["smtp"]
    assert isinstance(smtp, SmtpTransport)
    assert smtp.to_emails == ("ops@example.com", "security@example.com")
    assert smtp.port == 587
    assert smtp._security == security


def test_the_shared_addresses_alone_choose_no_transport() -> None:
    shared = {name: value for name, value in SEEDS_ENVIRONMENT.items() if not name.startswith("ALERT_SMTP")}
    with Dispatcher.from_env(shared) as dispatcher:
        assert dispatcher.targets == {}


@pytest.mark.skipif(not PAGE.exists(), reason="the page is in the repository alone")
def test_the_page_lists_every_option_as_the_class_declares_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for option in SmtpTransport.options():
        if option.env:
            default = "required |" if option.required else f"`{option.default}` |".lower() if option.default else "|"
            assert f"| `smtp` | `{option.name}` | `{option.env}` | {default} {option.help} |" in page
