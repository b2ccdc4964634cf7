"""Make the tables of docs/redaction.md from the code: `python core/tests/redaction/redaction_tables.py`."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from alert_core.redaction import rules, vendors

PAGE = Path(__file__).parents[3] / "docs" / "redaction.md"


def cell(text: str) -> str:
    """Text for a table's cell, on one line."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """An example for a table's cell."""
    return f"`{cell(text)}`".replace("\\|", "&#124;") if "|" not in text else f"<code>{cell(text)}</code>"


def rules_table() -> list[str]:
    """A row a rule."""
    rows = [f"| `{rule.name}` | {cell(rule.masks)} | {code(rule.example)} | {cell(rule.source)} |" for rule in rules()]
    return ["| rule | masks | for example | after |", "|---|---|---|---|", *rows]


def vendors_table() -> list[str]:
    """A row a vendor, its prefixes together."""
    ordered = sorted(vendors(), key=lambda vendor: vendor.name.casefold())
    rows = []
    for name, group in itertools.groupby(ordered, key=lambda vendor: vendor.name):
        kinds = list(group)
        prefixes = " ".join(f"`{prefix}`" for vendor in kinds for prefix in vendor.prefixes)
        sources = ", ".join(dict.fromkeys(vendor.source for vendor in kinds))
        rows.append(f"| {name} | {prefixes} | {sources} |")
    return ["| vendor | begins with | told by |", "|---|---|---|", *rows]


def page(text: str) -> str:
    """The page with its tables made anew."""
    for name, rows in (("rules", rules_table()), ("vendors", vendors_table())):
        text = re.sub(
            rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end of {name} -->)",
            lambda match, rows=rows: match.group(1) + "\n" + "\n".join(rows) + "\n\n" + match.group(2),  # type: ignore[misc]
            text,
            flags=re.DOTALL,
        )
    return text


NOW = PAGE.read_text()
MADE = page(NOW)

if __name__ == "__main__":
    PAGE.write_text(MADE)
