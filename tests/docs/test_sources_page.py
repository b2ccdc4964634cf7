"""The page of the sources tells what their code does: its bodies become its text messages, its templates are read."""

import itertools
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from alert_core import Severity
from alert_gateway.config import SourceTable
from alert_gateway.events import Parsed
from alert_gateway.plugin import SOURCES
from alert_gateway.registry import Module
from alert_sms.payload import text

PAGE = Path(__file__).parents[2] / "docs" / "sources.md"
VARIABLE = re.compile(r"\$([A-Z_]+)")
# What the tool puts into the template that the page has for it, and the dedup key that is then expected.
TEMPLATES = {
    "datadog": ({"ALERT_CYCLE_KEY": "8473", "ALERT_TRANSITION": "Recovered", "ALERT_PRIORITY": "P1"}, "datadog:8473"),
    "healthchecks": ({"NAME_JSON": '"the \\"big\\" backup"', "STATUS": "up", "CODE": "6b14"}, "healthchecks:6b14"),
}


def sections() -> dict[str, list[tuple[str, str]]]:
    """The code blocks of each source, as language and text, by the name in its URL."""
    found = {}
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[2:]:
        names = re.findall(r"alerts\.example\.com/alerts/(\w+)", section)
        assert len({*names}) == 1, section.partition("\n")[0]
        found[names[0]] = [
            (token.info, token.content) for token in MarkdownIt().parse(section) if token.type == "fence"
        ]
    return found


SECTIONS = sections()


def table(source: str) -> SourceTable:
    """`[sources.NAME]` as the page has it."""
    blocks = "\n".join(content for language, content in SECTIONS[source] if language == "toml")
    read: dict[str, Any] = tomllib.loads(blocks).get("sources", {}).get(source, {})
    severities = {name: Severity(word) for name, word in read.get("severities", {}).items()}
    return SourceTable(fields=read.get("fields", {}), severities=severities, verify=False)


def parsed(source: str, body: str) -> Parsed:
    form = "application/json" if body.startswith(("{", "[")) else "application/x-www-form-urlencoded"
    found = Module(f"alert_gateway.sources.{source}").parse(body.encode(), {"content-type": form}, {}, table(source))
    assert isinstance(found, Parsed)
    return found


# Each text block is the message that the block before it, JSON or a form, leads to.
EXAMPLES = [
    (source, body.strip(), said.strip())
    for source, blocks in SECTIONS.items()
    for (language, body), (follows, said) in itertools.pairwise(blocks)
    if language in {"json", "text"} and follows == "text"
]


@pytest.mark.parametrize(("source", "body", "said"), EXAMPLES, ids=[f"{n}-{one[0]}" for n, one in enumerate(EXAMPLES)])
def test_each_body_of_the_page_is_the_text_message_below_it(source: str, body: str, said: str) -> None:
    assert "\n".join(text(alert, max_segments=10) for alert in parsed(source, body)) == said


@pytest.mark.parametrize("source", TEMPLATES)
def test_each_template_of_the_page_is_read_once_it_is_filled_in(source: str) -> None:
    filled, key = TEMPLATES[source]
    (template,) = (content for language, content in SECTIONS[source] if language in {"json", "text"} and "$" in content)
    (alert,) = parsed(source, VARIABLE.sub(lambda name: filled.get(name[1], name[0]), template))
    assert (alert.dedup_key, alert.status) == (key, "resolved")
    (json.loads if source == "datadog" else str)(template)


def test_every_source_has_a_section_with_an_example() -> None:
    assert {source for source, _, _ in EXAMPLES} == {*SOURCES}
