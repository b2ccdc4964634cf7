"""Faults of the network in words. Never in an exception's own: those may have the URL, and so a credential."""

from __future__ import annotations

import socket
from typing import Final

_WORDS: Final = (
    (socket.gaierror, "the host's name cannot be resolved"),
    (ConnectionRefusedError, "nothing listens there"),
    (TimeoutError, "it took too long"),
)


def describe_fault(error: BaseException) -> str:
    """The class of the exception and, where it or a cause of it has a well-known one, what that means."""
    words = next((words for kind, words in _WORDS if has_cause(error, kind)), None)
    return type(error).__name__ + (f": {words}" if words else "")


def has_cause(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether it, or what it was raised from or after, is of this class."""
    while error is not None and not isinstance(error, kind):
        error = error.__cause__ or error.__context__
    return error is not None
