"""Webhooks of monitoring tools in, alerts out."""
