"""Alerts to a Slack incoming webhook, with the payload of alert-infra."""

from __future__ import annotations

import os
from typing import Any, Final

from alert_core import Secret
from alert_core.text import truncate, utf16_length
from alert_infra.alert import Alert
from alert_infra.apps.http import HttpClient, UrllibHttpClient, post, validate_https_url
from alert_infra.exceptions import AlertConfigurationError

_SECTION: Final = 3000
"""Slack's limit for the text of a section (docs.slack.dev/reference/block-kit/blocks/section-block)."""


class SlackWebhookTransport:
    """Post to an incoming webhook, whose URL is a credential.

    Args:
        webhook_url: absolute, https.
        timeout: seconds.
        http_client: default: alert-core's.

    Raises:
        AlertConfigurationError: `webhook_url` is missing, or not https.
    """

    name = "slack"

    def __init__(self, webhook_url: str, *, timeout: float = 5.0, http_client: HttpClient | None = None) -> None:
        if not webhook_url:
            raise AlertConfigurationError("Slack webhook_url is required")
        self.webhook_url = validate_https_url(webhook_url, field_name="Slack webhook_url")
        self.timeout = timeout
        self.http_client = http_client or UrllibHttpClient()
        Secret(str(webhook_url))  # so that no alert tells it

    @classmethod
    def from_env(cls, *, env_var: str = "ALERT_SLACK_WEBHOOK_URL", **kwargs: Any) -> SlackWebhookTransport:
        """Take the URL from the environment; `kwargs` are the constructor's."""
        if not (url := os.environ.get(env_var)):
            raise AlertConfigurationError(f"{env_var} is required")
        return cls(url, **kwargs)

    def build_payload(self, alert: Alert) -> dict[str, Any]:
        """Summary, blocks, and the alert's dictionary as `metadata`."""
        data = alert.to_dict()
        summary = f"[{alert.severity.upper()}] {alert.title}"
        return {
            "text": _escape(summary),
            "blocks": [_section(f"*{summary}*\n{alert.message}"), _section(str(data), "```{}```")],
            "metadata": data,
        }

    def send(self, alert: Alert) -> None:
        """Post once.

        Raises:
            AlertTransportError: retryable or not.
        """
        post("Slack", self.http_client, self.webhook_url, json=self.build_payload(alert), timeout=self.timeout)


def _section(text: str, form: str = "{}") -> dict[str, Any]:
    room = _SECTION - len(form.format(""))
    shown = form.format(_escape(truncate(text, room, measure=utf16_length, render=_escape)))
    return {"type": "section", "text": {"type": "mrkdwn", "text": shown}}


def _escape(text: str) -> str:
    """Slack's control characters, so that no alert mentions a channel or makes a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
