"""Alertmanager's webhook, version 4 of its body: a group of alerts, each with a status of its own.

Fields are Alertmanager's (prometheus.io/docs/alerting/latest/configuration/#webhook_config).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alert_gateway.config import SourceTable
from alert_gateway.documents import document
from alert_gateway.events import Parsed, UnknownShapeError
from alert_gateway.labels import labelled, plain

NAME: Final = "alertmanager"


def parse(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """The alerts of a group, or what a template (since 0.32) makes of them, where it has a title or a text.

    Raises:
        UnknownShapeError: it is neither.
    """
    found = document(body, headers)
    parsed = labelled(NAME, settings, found)
    if parsed is None:
        parsed = plain(NAME, settings, found)
    if parsed is None:
        raise UnknownShapeError
    return parsed
