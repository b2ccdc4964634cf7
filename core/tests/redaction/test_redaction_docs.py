"""The documentation's tables are the code's."""

import runpy
from pathlib import Path


def test_the_tables_of_the_documentation_are_made_from_the_rules() -> None:
    script = Path(__file__).with_name("redaction_tables.py")
    made = runpy.run_path(str(script))
    assert "| `assignment` |" in made["NOW"]
    assert made["MADE"] == made["NOW"], f"docs/redaction.md is out of date: run python {script.name}"
