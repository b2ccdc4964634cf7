"""Healthchecks: our request body, and names that break it."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import Alert
from alert_gateway.config import SourceTable
from alert_gateway.documents import BodyError
from alert_gateway.events import UnknownShapeError
from alert_gateway.sources.healthchecks import parse

CODE = "6b1401ee-20a2-49a6-b0cc-f99144eeec38"
DOWN = {
    "name": "Nightly backup",
    "status": "down",
    "code": CODE,
    "tags": "prod db",
    "now": "2026-03-04T05:06:07+00:00",
    "url": f"https://healthchecks.io/checks/{CODE}/details/",
}
TEMPLATE = '{\n  "name": "$NAME",\n  "status": "$STATUS",\n  "code": "$CODE",\n  "tags": "$TAGS"\n}'


def one(body: bytes, query: dict[str, str] | None = None) -> Alert:
    (alert,) = parse(body, {}, query or {}, SourceTable())
    return alert


def sent(body: object) -> Alert:
    return one(json.dumps(body).encode())


def test_a_check_that_is_down_says_what_who_is_woken_needs() -> None:
    alert = sent(DOWN)
    assert (alert.title, alert.message) == ("Nightly backup", "The check is down.")
    assert (alert.severity, alert.status, alert.dedup_key) == ("warning", "firing", f"healthchecks:{CODE}")
    assert alert.url == f"https://healthchecks.io/checks/{CODE}/details/"
    assert alert.tags == ("prod", "db")
    assert alert.created_at == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def test_up_resolves_down() -> None:
    alert = sent({**DOWN, "status": "up"})
    assert (alert.status, alert.message, alert.dedup_key) == (
        "resolved",
        "The check is up again.",
        sent(DOWN).dedup_key,
    )


@pytest.mark.parametrize(
    ("body", "title", "key"),
    [
        ({"name": "a", "status": "down"}, "a", "a"),
        ({"code": CODE, "status": "down"}, CODE, CODE),
        ({"name": "", "slug": "backup", "status": "down", "uuid": CODE}, "backup", CODE),
    ],
    ids=range(3),
)
def test_missing_fields_are_made_up_for(body: dict[str, str], title: str, key: str) -> None:
    assert (sent(body).title, sent(body).dedup_key) == (title, f"healthchecks:{key}")


def test_a_query_says_the_same() -> None:
    assert one(b"", DOWN).dedup_key == sent(DOWN).dedup_key


@pytest.mark.parametrize(
    "name", ['the "big" backup', 'ends with a quote"', "back\\slash", "two\nlines", "a { brace }", 'a": 1}', "ü", ""]
)
def test_a_name_that_was_not_escaped_is_read_all_the_same(name: str) -> None:
    filled = TEMPLATE.replace("$NAME", name).replace("$STATUS", "down").replace("$CODE", CODE).replace("$TAGS", "a b")
    alert = one(filled.encode())
    assert (alert.title, alert.status, alert.dedup_key) == (name or CODE, "firing", f"healthchecks:{CODE}")
    assert alert.tags == ("a", "b")


def test_an_older_healthchecks_without_name_json_is_read_all_the_same() -> None:
    alert = one(b'{"name": Nightly "big" backup_JSON, "status": "down", "code": "c"}')
    assert (alert.title, alert.dedup_key) == ('Nightly "big" backup', "healthchecks:c")


@given(st.text(st.characters(exclude_characters="\\", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_name_is_repaired(name: str) -> None:
    filled = TEMPLATE.replace("$NAME", name).replace("$STATUS", "down").replace("$CODE", "c").replace("$TAGS", "")
    assert one(filled.encode()).dedup_key == "healthchecks:c"


def test_a_repair_takes_no_longer_than_the_body_is_long() -> None:
    began = time.process_time()
    with pytest.raises(UnknownShapeError):
        one(b'{"a":"' + b',"a":"' * 40_000)
    assert time.process_time() - began < 60


@pytest.mark.parametrize("body", [b"", b"not JSON", b"{"])
def test_what_cannot_be_repaired_cannot_be_read(body: bytes) -> None:
    with pytest.raises(BodyError):
        one(body)


@pytest.mark.parametrize("body", [{}, {"name": "a"}, {"status": "down"}, [], "text", None], ids=str)
def test_another_shape_is_unknown(body: object) -> None:
    with pytest.raises(UnknownShapeError):
        sent(body)
