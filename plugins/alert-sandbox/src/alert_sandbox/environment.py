"""What points every transport at the sandbox: environment variables, and the same as a configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any, Final

import attrs

BOT: Final = "123456789:AASandboxSandboxSandboxSandboxSandbox"
ACCOUNT: Final = "AC" + "5a" * 16
PHONE: Final = "+244923000000"
FROM_EMAIL: Final = "Alerts <alerts@example.com>"
TO_EMAILS: Final = ("ops@example.com",)


@attrs.frozen(kw_only=True)
class Addresses:
    """Where the sandbox listens.

    Attributes:
        url: of the HTTP side: `http://127.0.0.1:8225`.
        ca_bundle: path of the certificate that vouches for the mail server's; "" where only the URL is known.
    """

    url: str
    host: str
    smtp_port: int
    smtps_port: int
    ca_bundle: str = ""


@attrs.frozen
class Option:
    """One option of a kind: its name in alerts.toml, its variable ("" where it has none), its value."""

    name: str
    variable: str
    value: Any


PACKAGES: Final = {
    "slack": "alert_slack",
    "slack-bot": "alert_slack",
    "telegram": "alert_telegram",
    "resend": "alert_resend",
    "sendgrid": "alert_sendgrid",
    "pagerduty": "alert_pagerduty",
    "castbrick": "alert_sms",
    "twilio": "alert_sms",
    "vonage": "alert_sms",
    "smtp": "alert_smtp",
}


def options(at: Addresses) -> Mapping[str, list[Option]]:
    """Every option of every kind."""
    mail = [Option("from_email", "ALERT_FROM_EMAIL", FROM_EMAIL), Option("to_emails", "ALERT_TO_EMAILS", TO_EMAILS)]
    phone = [Option("to", "ALERT_SMS_TO", (PHONE,))]
    sender = Option("sender", "ALERT_SMS_SENDER", "Alerts")
    return {
        "slack": [
            Option("webhook_url", "ALERT_SLACK_WEBHOOK_URL", f"{at.url}/slack/services/T0SANDBOX/B0SANDBOX/sandbox")
        ],
        "slack-bot": [
            Option("token", "ALERT_SLACK_BOT_TOKEN", "xoxb-sandbox"),
            Option("channel", "ALERT_SLACK_CHANNEL", "#alerts"),
            Option("api_url", "ALERT_SLACK_BOT_API_URL", f"{at.url}/slack/api"),
        ],
        "telegram": [
            Option("bot_token", "ALERT_TELEGRAM_BOT_TOKEN", BOT),
            Option("chat_id", "ALERT_TELEGRAM_CHAT_ID", "-1001234567890"),
            Option("api_url", "ALERT_TELEGRAM_API_URL", f"{at.url}/telegram"),
        ],
        "resend": [
            Option("api_key", "ALERT_RESEND_API_KEY", "re_sandbox_0123456789"),
            Option("api_url", "ALERT_RESEND_API_URL", f"{at.url}/resend"),
            *mail,
        ],
        "sendgrid": [
            Option("api_key", "ALERT_SENDGRID_API_KEY", "SG.sandbox.0123456789"),
            Option("api_url", "ALERT_SENDGRID_API_URL", f"{at.url}/sendgrid/v3"),
            *mail,
        ],
        "pagerduty": [
            Option("routing_key", "ALERT_PAGERDUTY_ROUTING_KEY", "5a" * 16),
            Option("api_url", "ALERT_PAGERDUTY_API_URL", f"{at.url}/pagerduty/v2"),
        ],
        "castbrick": [
            Option("api_key", "CASTBRICK_API_KEY", "cb_test_sandbox0123456789"),
            Option("sender_id", "ALERT_SMS_SENDER", "Alerts"),
            Option("api_url", "ALERT_CASTBRICK_API_URL", f"{at.url}/castbrick/v1"),
            *phone,
        ],
        "twilio": [
            Option("account_sid", "TWILIO_ACCOUNT_SID", ACCOUNT),
            Option("auth_token", "TWILIO_AUTH_TOKEN", "sandbox0123456789sandbox01234567"),
            Option("api_url", "ALERT_TWILIO_API_URL", f"{at.url}/twilio"),
            sender,
            *phone,
        ],
        "vonage": [
            Option("api_key", "VONAGE_API_KEY", "5a5a5a5a"),
            Option("api_secret", "VONAGE_API_SECRET", "sandbox-secret-0123"),
            Option("api_url", "ALERT_VONAGE_API_URL", f"{at.url}/vonage"),
            sender,
            *phone,
        ],
        "smtp": [Option("host", "ALERT_SMTP_HOST", at.host), Option("port", "ALERT_SMTP_PORT", at.smtp_port), *mail],
    }


def environment(at: Addresses) -> dict[str, str]:
    """The variables of every kind. Mail goes in plain text: no variable says which certificate to trust."""
    found = {o.variable: o for chosen in options(at).values() for o in chosen}
    told = {name: ",".join(o.value) if isinstance(o.value, tuple) else str(o.value) for name, o in found.items()}
    return {**told, "ALERT_SMTP_SECURITY": "none"}


def targets(at: Addresses) -> dict[str, dict[str, Any]]:
    """A target of each kind that is installed, each called by its kind, as in alerts.toml; mail by STARTTLS."""
    told = {}
    for kind in installed():
        told[kind] = {"type": kind, **{o.name: _plain(o.value) for o in options(at)[kind]}}
    if "smtp" in told:
        told["smtp"] |= {"security": "starttls", "ca_bundle": at.ca_bundle, "host": "localhost"}
    return told


def installed() -> Iterator[str]:
    """The kinds whose distribution is installed."""
    for kind, package in PACKAGES.items():
        if find_spec(package) is not None:
            yield kind


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
