"""docs/testing.md tells of everything that the kit has."""

import re
from pathlib import Path

import attrs
import pytest

import alert_core.testing
from alert_core.testing import Fault, ProviderReplies, Reply
from alert_core.testing.contract.base import ContractBase

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
NAMES = [
    *alert_core.testing.__all__,
    *(fault.name for fault in Fault),
    *(field.name for cls in (ProviderReplies, Reply) for field in attrs.fields(cls)),
    *ContractBase.__annotations__,
    "endpoint",
    "strings",
    "shown",
    "check_request",
    "same_message",
]


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("_")])
def test_the_page_tells_of_it(name: str) -> None:
    assert re.search(rf"`[^`\n]*\b{name}\b[^`\n]*`", PAGE)
