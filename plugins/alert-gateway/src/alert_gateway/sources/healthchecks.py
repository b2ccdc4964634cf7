"""Healthchecks' webhook integration, with the request body that docs/sources.md has.

Placeholders are Healthchecks' (`$NAME_JSON`, …).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from alert_core import Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import BodyError, document, first
from alert_gateway.events import Parsed, UnknownShapeError, event, moment

NAME: Final = "healthchecks"
_MESSAGES: Final = {"up": "The check is up again.", "down": "The check is down."}
_KEY: Final = re.compile(r'(?:^\s*\{|,)\s*"([A-Za-z_]\w*)"\s*:', re.ASCII)


def parse(body: bytes, headers: Mapping[str, str], query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """What became of a check.

    Raises:
        UnknownShapeError: it has no name, or no status.
    """
    found = _document(body, headers) if body.strip() or "status" not in query else dict(query)
    name, state = first(found, "name", "slug"), (first(found, "status") or "").lower()
    code = first(found, "code", "uuid", "unique_key")
    if not ((title := name or code) and state):
        raise UnknownShapeError
    return Parsed(
        [
            event(
                NAME,
                settings,
                title=title,
                message=_MESSAGES.get(state, f"The check's status is {state}."),
                severity=first(found, "severity"),
                status=Status.RESOLVED if state == "up" else Status.FIRING,
                key=code or name,
                url=first(found, "url", "details_url"),
                at=moment(first(found, "now")),
                tags=(first(found, "tags") or "").split(),
                metadata={"description": first(found, "desc"), "exit_status": first(found, "exitstatus")},
            )
        ]
    )


def _document(body: bytes, headers: Mapping[str, str]) -> Any:
    """The body; one that a name has broken is repaired."""
    try:
        return document(body, headers)
    except BodyError:
        if repaired := _repaired(body.decode("utf-8", "replace")):
            return repaired
        raise


def _repaired(text: str) -> dict[str, str]:
    r"""The fields of a flat template in which a `$NAME` was not escaped: a text ends where the next key begins.

    An older Healthchecks knows no `$NAME_JSON`: it fills in `$NAME`, and leaves `_JSON` behind, without quotes.
    """
    keys = list(_KEY.finditer(text))
    ends = [*(key.start() for key in keys[1:]), len(text)]
    return {key[1]: _text(text[key.end() : end].strip()) for key, end in zip(keys, ends, strict=False)}


def _text(raw: str) -> str:
    raw = raw.removesuffix("}").strip()
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        return raw.removesuffix("_JSON").removeprefix('"').removesuffix('"')
    return said if isinstance(said, str) else raw
