"""The end of the process, and its forks: whoever is watched is told of both, for as long as it lives."""

from __future__ import annotations

import atexit
import os
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")
_watched: weakref.WeakKeyDictionary[Any, tuple[Callable[[Any, float], object], Callable[[Any], object]]]
_watched = weakref.WeakKeyDictionary()
_exiting = False


def watch(one: _T, on_exit: Callable[[_T, float], object], on_fork: Callable[[_T], object]) -> None:
    """Call these with `one` at the process's end and in the child of a fork.

    Args:
        one: is not kept alive by this.
        on_exit: gets `time.monotonic()` of the end's beginning, too: it is the same for all.
        on_fork: is called in the child.
    """
    _watched[one] = (on_exit, on_fork)


def is_exiting() -> bool:
    """Whether the process's end has begun."""
    return _exiting


@atexit.register
def _at_exit() -> None:
    global _exiting  # noqa: PLW0603 - the process has one end
    _exiting = True
    began = time.monotonic()
    for one, (on_exit, _) in list(_watched.items()):
        on_exit(one, began)


def _after_fork() -> None:
    for one, (_, on_fork) in list(_watched.items()):
        on_fork(one)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
