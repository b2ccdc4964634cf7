"""The page of the transports tells what their code does."""

import runpy
from pathlib import Path


def test_the_tables_and_views_of_the_page_are_those_that_the_code_gives() -> None:
    made = runpy.run_path(str(Path(__file__).with_name("transports_page.py")))
    assert made["NOW"] == made["MADE"], "run `python tests/docs/transports_page.py`, and read what changed"


def test_every_transport_has_a_page_of_the_same_headings() -> None:
    folder = Path(__file__).parents[2] / "docs" / "transports"
    headings = {
        path.name: [line for line in path.read_text().splitlines() if line.startswith("## ")]
        for path in folder.glob("*.md")
        if path.name != "index.md"
    }
    assert set(map(tuple, headings.values())) == {tuple(headings["slack.md"])}, headings
