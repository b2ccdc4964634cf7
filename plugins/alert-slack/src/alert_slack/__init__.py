"""Slack for alert-core: the kinds `slack` (incoming webhook) and `slack-bot` (chat.postMessage)."""
