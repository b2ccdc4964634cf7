"""Telegram for alert-core: the kind `telegram` (a bot's sendMessage)."""
