"""The words and numbers of every tool, folded to our four severities."""

from __future__ import annotations

from typing import Final

from alert_core import Severity

_FOLDED: Final = {
    Severity.CRITICAL: "critical fatal disaster p1 sev0 page emergency",
    Severity.ERROR: "error high major p2 sev1 severe failure",
    Severity.WARNING: "warning warn average medium minor p3 sev2",
    Severity.INFO: "info low p4 p5 sev3 sev4 debug none ok",
}
_WORDS: Final = {word: severity for severity, words in _FOLDED.items() for word in words.split()}


def fold(raw: object, default: Severity = Severity.WARNING) -> Severity:
    """The severity that a sender's word stands for, in any case of letters; an unknown one is `default`."""
    return _WORDS.get(str(raw).strip().lower(), default) if isinstance(raw, str) else default
