"""Vendors' token formats, from formats.txt: `tokens.py` finds them, and the documentation's table is made from them."""

from __future__ import annotations

import functools
import re
from typing import Final, NamedTuple

_MACROS: Final = {
    "<w>": "[A-Za-z0-9]",
    "<d>": "[A-Za-z0-9_-]",
    "<h>": "[0-9a-f]",
    "<uuid>": "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
}


class Vendor(NamedTuple):
    """One kind of token: the vendor, the prefixes, the pattern of the rest, where it is documented."""

    name: str
    prefixes: tuple[str, ...]
    tail: str
    source: str


@functools.cache
def vendors() -> tuple[Vendor, ...]:
    """The token formats that the rule `vendor-token` knows."""
    from importlib.resources import files

    rows = files(__package__).joinpath("formats.txt").read_text("utf-8").splitlines()
    return tuple(_read(row) for row in rows if not row.startswith("#"))


def _read(row: str) -> Vendor:
    name, prefixes, tail, source = re.split(" {2,}", row)
    for macro, pattern in _MACROS.items():
        tail = tail.replace(macro, pattern)
    return Vendor(name, tuple(prefixes.split()), tail, source)
