"""Runs fuzz targets in turns until the time is over, and tells of the smallest example that breaks each."""

from __future__ import annotations

import sys
import time
import traceback
import unittest
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TextIO

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fuzz.targets import Target

TURN: Final = 500
"""Examples of a turn. Fixed, since hypothesis's choice depends on it, and a seed must repeat."""
TURNS: Final = 3
"""Turns that each target gets at least; the time is divided so."""
SHRINKING: Final = 20.0
"""Seconds that may go into making an example smaller, past the end too."""
COLOURS: Final = {"ok": "32", "FAILED": "31"}


@dataclass
class Result:
    """What came of one target. The latest failure is the smallest: hypothesis ends with that."""

    target: Target
    examples: int = 0
    turns: int = 0
    failure: tuple[tuple[Any, ...], Exception] | None = None

    @property
    def word(self) -> str:
        return "FAILED" if self.failure else "ok"


def run(targets: Sequence[Target], seconds: float, chosen: int, out: TextIO = sys.stdout) -> bool:
    """Fuzz all of them in turns; a target that failed has no more turns. Whether none did."""
    print(f"seed {chosen}: {len(targets)} targets, {seconds:g} s", file=out, flush=True)
    live = out.isatty()
    results = [Result(target) for target in targets]
    end = time.monotonic() + seconds
    share = seconds / max(len(targets), 1) / TURNS
    while (going := [one for one in results if one.failure is None]) and time.monotonic() < end:
        for result in going:
            if live:
                left = max(end - time.monotonic(), 0)
                print(f"\r\033[K{left:4.0f} s left: {result.target.name}", end="", file=out, flush=True)
            take_turn(result, chosen, min(time.monotonic() + share, end))
    print("\r\033[K" if live else "", end="", file=out)
    for result in results:
        word = f"\033[{COLOURS[result.word]}m{result.word}\033[0m" if live else result.word
        print(f"{result.target.name:20} {result.examples:9,} examples  {word}", file=out)
    for result in results:
        tell(result, chosen, out)
    return not any(result.failure for result in results)


def take_turn(result: Result, chosen: int, end: float) -> None:
    """Try up to TURN examples, or until `end` (`time.monotonic()`)."""

    @seed(f"{chosen} {result.target.name} {result.turns}")
    @settings(
        max_examples=TURN,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(result.target.arguments)
    def attempt(arguments: tuple[Any, ...]) -> None:
        if result.examples and time.monotonic() > (first_failed or end) + (SHRINKING if first_failed else 0):
            raise unittest.SkipTest("over")  # hypothesis stops at once for it
        result.examples += 1
        try:
            result.target.check(*arguments)
        except Exception as error:
            result.failure = arguments, error
            remember()
            raise

    first_failed = 0.0

    def remember() -> None:
        nonlocal first_failed
        first_failed = first_failed or time.monotonic()

    result.turns += 1
    try:
        attempt()
    except unittest.SkipTest:
        pass
    except Exception as error:  # noqa: BLE001 - the check's, kept already, or hypothesis's own: a flaky check
        result.failure = result.failure or ((), error)


def tell(result: Result, chosen: int, out: TextIO) -> None:
    """The failure of a target, and how to see it again."""
    if result.failure is None:
        return
    arguments, error = result.failure
    print(f"\n{result.target.name} failed with seed {chosen}, turn {result.turns}; the smallest example:", file=out)
    for argument in arguments:
        print(f"    {argument!r}", file=out)
    print("".join(traceback.format_exception(error)).rstrip(), file=out)
    print(f"Again: python tests/fuzz --seed {chosen} --only {result.target.name}", file=out)
