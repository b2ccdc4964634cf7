"""Alerts by a Telegram bot, with the payload of alert-infra."""

from __future__ import annotations

import os
from typing import Any, Final

from alert_core import Secret
from alert_core.text import truncate, utf16_length
from alert_infra.alert import Alert
from alert_infra.apps.http import HttpClient, UrllibHttpClient, post, validate_https_url
from alert_infra.exceptions import AlertConfigurationError

_TEXT: Final = 4096
"""Telegram's limit, in UTF-16 units (core.telegram.org/bots/api#sendmessage)."""


class TelegramBotTransport:
    """Post to a chat, by sendMessage and without markup.

    Args:
        bot_token: as @BotFather gives it.
        chat_id: the chat's number or @username.
        timeout: seconds.
        api_base_url: absolute, https.
        http_client: default: alert-core's.

    Raises:
        AlertConfigurationError: `bot_token` or `chat_id` is missing, or `api_base_url` not https.
    """

    name = "telegram"

    def __init__(
        self,
        bot_token: str,
        chat_id: str,
        *,
        timeout: float = 5.0,
        api_base_url: str = "https://api.telegram.org",
        http_client: HttpClient | None = None,
    ) -> None:
        if not bot_token:
            raise AlertConfigurationError("Telegram bot_token is required")
        if not chat_id:
            raise AlertConfigurationError("Telegram chat_id is required")
        self.bot_token = bot_token
        self.chat_id = str(chat_id)
        self.timeout = timeout
        self.api_base_url = validate_https_url(api_base_url.rstrip("/"), field_name="Telegram api_base_url")
        self.http_client = http_client or UrllibHttpClient()
        Secret(str(bot_token))  # so that no alert tells it

    @classmethod
    def from_env(
        cls,
        *,
        token_env: str = "ALERT_TELEGRAM_BOT_TOKEN",  # noqa: S107 - a variable's name
        chat_env: str = "ALERT_TELEGRAM_CHAT_ID",
        **kwargs: Any,
    ) -> TelegramBotTransport:
        """Take token and chat from the environment; `kwargs` are the constructor's."""
        token, chat_id = os.environ.get(token_env), os.environ.get(chat_env)
        if not token:
            raise AlertConfigurationError(f"{token_env} is required")
        if not chat_id:
            raise AlertConfigurationError(f"{chat_env} is required")
        return cls(token, chat_id, **kwargs)

    @property
    def url(self) -> str:
        """The method's URL, which has the token in it."""
        return f"{self.api_base_url}/bot{self.bot_token}/sendMessage"

    def build_payload(self, alert: Alert) -> dict[str, Any]:
        """Four lines of text, cut where Telegram would refuse them."""
        text = (
            f"[{alert.severity.upper()}] {alert.title}\n{alert.message}\n"
            f"Source: {alert.source or 'unknown'}\nRequest ID: {alert.request_id}"
        )
        text = truncate(text, _TEXT, measure=utf16_length)
        return {"chat_id": self.chat_id, "text": text, "disable_web_page_preview": True}

    def send(self, alert: Alert) -> None:
        """Post once.

        Raises:
            AlertTransportError: retryable or not.
        """
        post("Telegram", self.http_client, self.url, json=self.build_payload(alert), timeout=self.timeout)
