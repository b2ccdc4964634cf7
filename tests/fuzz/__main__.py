"""Fuzz every entry that takes foreign input; `nox -s fuzz -- SECONDS` runs this. Exit status 1: something broke."""

from __future__ import annotations

import argparse
import secrets
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # run as a folder, whose modules are found by their short names
    from tests.fuzz.runner import run
    from tests.fuzz.targets import TARGETS
else:
    from runner import run
    from targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/fuzz", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=600.0, help="for all targets together; default: 600")
    parser.add_argument("--seed", type=int, help="repeat a run; default: a new one, which is printed")
    parser.add_argument("--only", default="", help="only targets whose name has this in it")
    options = parser.parse_args()
    targets = [target for target in TARGETS if options.only in target.name]
    if not targets:
        parser.error(f"the targets are {', '.join(target.name for target in TARGETS)}")
    chosen = options.seed if options.seed is not None else secrets.randbelow(1 << 32)
    return 0 if run(targets, options.seconds, chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
