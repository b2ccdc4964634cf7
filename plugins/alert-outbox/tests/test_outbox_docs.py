"""The page's "What happens to an alert when …": each line names tests, and they are there."""

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "outbox.md"

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not part of this distribution")


def lines() -> list[str]:
    """The list items of the section, each as one line."""
    section = PAGE.read_text().partition("## What happens to an alert when …")[2].partition("\n## ")[0]
    return [" ".join(item.split("\n\n")[0].split()) for item in re.split(r"^- ", section, flags=re.MULTILINE)[1:]]


def defined(path: Path) -> set[str]:
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return found


def test_every_line_names_tests_that_there_are() -> None:
    assert len(lines()) > 15
    for line in lines():
        named = re.findall(r"`(test_\w+\.py)::([\w:]+)`", line)
        assert named, line
        for file, name in named:
            assert name in defined(HERE / file), f"{file}::{name}"
