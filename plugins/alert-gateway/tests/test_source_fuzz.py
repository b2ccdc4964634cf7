import ast
import importlib
import inspect
import json
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_core import Secret
from alert_gateway.config import SourceTable
from alert_gateway.documents import BodyError
from alert_gateway.events import Parsed, UnknownShapeError
from alert_gateway.plugin import SOURCES

CONTENT_TYPES = [
    "",
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "text/plain",
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["ok", "resolve", "Closed", "1", "https://", "http://a b", "9" * 5000, "2026-13-01", "\ud800", "{X}", "$X"]
    )
)
TABLES = st.builds(
    SourceTable, token=st.just(Secret("fuzzed-token")), secret=st.none() | st.just(Secret("fuzzed-secret"))
)


@cache
def documents(module: ModuleType) -> st.SearchStrategy[Any]:
    """Bodies of which many have what the source looks for: the names in them are the texts of its own code."""
    constants = (
        node.value for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Constant)
    )
    names = {
        part for text in constants if isinstance(text, str) and " " not in text for part in text.split(".") if part
    }
    keys = st.sampled_from(sorted(names)) | st.text(max_size=5)
    return st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=8), max_leaves=30
    )


def outcome(call: Callable[..., Any], *arguments: object) -> Any:
    try:
        return call(*arguments)
    except (UnknownShapeError, BodyError) as error:
        return error


@pytest.mark.parametrize("source", SOURCES)
@settings(max_examples=25)
@given(st.data())
def test_whatever_is_sent_is_alerts_or_an_unknown_shape_or_the_senders_fault(source: str, data: st.DataObject) -> None:
    module = importlib.import_module(f"alert_gateway.sources.{source}")
    body = data.draw(documents(module).map(lambda found: json.dumps(found).encode()) | st.binary(max_size=50))
    headers = {"content-type": data.draw(st.sampled_from(CONTENT_TYPES))}
    query, table = data.draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3)), data.draw(TABLES)
    parsed = outcome(module.parse, body, headers, query, table)
    assert isinstance(parsed, Parsed | UnknownShapeError | BodyError)
    if isinstance(parsed, Parsed):
        assert all(alert.to_dict() for alert in parsed)
    if authenticate := getattr(module, "authenticate", None):
        assert outcome(authenticate, body, headers, query, table) is not True
    if delivery_id := getattr(module, "delivery_id", None):
        assert isinstance(outcome(delivery_id, body, headers), str | None | BodyError)
