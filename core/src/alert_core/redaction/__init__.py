"""Masking: `redact()`, the policy `Redactor`, and the literals that every `Secret` registers."""

from __future__ import annotations

from typing import Any, Final

from alert_core.redaction.describe import RuleInfo, rules
from alert_core.redaction.formats import Vendor, vendors
from alert_core.redaction.literals import generation, register_literal
from alert_core.redaction.markers import REDACTED
from alert_core.redaction.redactor import Match, Redactor
from alert_core.redaction.walk import Limits, Verdict, Walk, clean

__all__ = [
    "REDACTED",
    "Limits",
    "Match",
    "Redactor",
    "RuleInfo",
    "Vendor",
    "json_safe",
    "mask_token",
    "redact",
    "register_literal",
    "rules",
    "vendors",
]

BUILT_IN: Final = Redactor()
"""The policy of `redact()` and of every new alert: one, since it remembers what it has looked at."""


def redact(value: Any, redactor: Redactor | None = None) -> Any:
    """The JSON form of `value` with every secret masked, by `redactor` or the built-in rules. Never raises."""
    return (redactor or BUILT_IN).redact(value)


def json_safe(value: Any) -> Any:
    """The JSON form of `value`, with nothing masked."""
    return Walk(clean, _as_it_is, _kept, Limits()).value(value)


def mask_token(redactor: Redactor) -> object:
    """Equal at two moments where `redactor` would mask alike; changes with its rules and the registered literals."""
    return redactor, generation()


def _as_it_is(key: str) -> tuple[str, Verdict]:
    return clean(key), Verdict.KEEP


def _kept(value: Any, _verdict: Verdict) -> Any:
    return value  # never asked: no key is sensitive here
