"""Alerts to chats."""

from alert_infra.apps.slack import SlackWebhookTransport
from alert_infra.apps.telegram import TelegramBotTransport

__all__ = ["SlackWebhookTransport", "TelegramBotTransport"]
