"""The alert's copies: evolve, equality, copy and pickle, and the way through JSON and back."""

import copy
import json
import pickle
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import Alert, AlertValidationError, Redactor, Secret, Severity, Status
from alert_core.specs import RedactorSpec


def made(**fields: Any) -> Alert:
    return Alert(**{"title": "Disk full", "message": "97 % of /var", **fields})


# evolve


def test_evolve_copies_with_the_changes_and_leaves_the_original() -> None:
    alert = made(severity="info")
    changed = alert.evolve(severity="critical", tags=["a"])
    assert (changed.severity, changed.tags, changed.id) == (Severity.CRITICAL, ("a",), alert.id)
    assert (alert.severity, alert.tags) == (Severity.INFO, ())


def test_evolve_masks_what_is_new() -> None:
    assert "hunter2xyz" not in made().evolve(message="password=hunter2xyz").message


def test_evolve_validates_what_is_new() -> None:
    with pytest.raises(AlertValidationError, match="title"):
        made().evolve(title=" ")
    with pytest.raises(TypeError):
        made().evolve(colour="red")


def test_evolve_to_another_status_gives_an_alert_of_its_own_for_the_same_event() -> None:
    alert = made()
    resolved = alert.evolve(status="resolved")
    assert resolved.id != alert.id
    assert (resolved.dedup_key, resolved.correlation_id) == (alert.dedup_key, alert.correlation_id)
    assert alert.evolve(status="firing").id == alert.id


def test_evolve_of_an_unmasked_alert_stays_unmasked() -> None:
    alert = made(message="password=hunter2xyz", redact=False).evolve(severity="info")
    assert alert.message == "password=hunter2xyz"
    assert not alert.is_masked


# Immutability, equality, copies


@pytest.mark.parametrize("field", [field.name for field in attrs.fields(Alert)])
def test_no_field_can_be_set_or_deleted(field: str) -> None:
    alert = made()
    with pytest.raises(AttributeError):
        setattr(alert, field, "other")
    with pytest.raises(AttributeError):
        delattr(alert, field)


def test_no_attribute_can_be_added() -> None:
    with pytest.raises(AttributeError):
        made().colour = "red"  # type: ignore[attr-defined]  # the fault under test


def test_alerts_are_equal_by_every_field_and_hash_by_it() -> None:
    alert = made(metadata={"a": [1]})
    twin = Alert.from_dict(alert.to_dict())
    assert alert == twin
    assert len({alert, twin}) == 1
    assert alert != alert.evolve(message="other")
    assert alert != made(metadata={"a": [1]})


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda alert: pickle.loads(pickle.dumps(alert))])
def test_a_copy_equals_its_original(again: Callable[[Alert], Alert]) -> None:
    alert = made(metadata={"a": [1]}, tags=["x"], dedup_key="mine", url="https://example.org/")
    assert again(alert) == alert


def test_an_alert_masked_by_a_policy_with_a_plugin_can_be_pickled() -> None:
    alert = made().masked(Redactor().extended([RedactorSpec("none", lambda text: text)]))
    assert pickle.loads(pickle.dumps(alert)) == alert


def test_an_unpickled_alert_is_masked_with_the_secrets_known_where_it_arrives() -> None:
    pickled = pickle.dumps(made(message="it said moved-word-canary-80"))
    Secret("moved-word-canary-80")
    assert "canary-80" not in pickle.loads(pickled).message


def test_a_pickled_alert_that_was_not_masked_stays_so() -> None:
    alert = pickle.loads(pickle.dumps(made(message="password=hunter2xyz", redact=False)))
    assert (alert.message, alert.is_masked) == ("password=hunter2xyz", False)


# JSON

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TEXTS = st.text(st.characters(), max_size=40)  # lone surrogates too
OFFSETS = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)
ALERTS = st.builds(
    Alert,
    TEXTS.filter(str.strip),
    TEXTS.filter(str.strip),
    severity=st.sampled_from(Severity),
    status=st.sampled_from(Status),
    source=st.none() | TEXTS,
    tags=st.lists(TEXTS, max_size=3),
    metadata=st.dictionaries(TEXTS, JSON_VALUES, max_size=4),
    dedup_key=st.none() | TEXTS | st.text("k", min_size=250, max_size=260),
    url=st.none() | st.just("https://example.org/d?a=1"),
    created_at=st.datetimes(timezones=st.none() | st.timezones() | OFFSETS).filter(lambda when: 1 < when.year < 9999),
    correlation_id=st.none() | TEXTS,
    request_id=st.none() | TEXTS,
    redact=st.booleans(),
)


@given(ALERTS)
def test_from_dict_takes_back_what_to_dict_gave_through_json(alert: Alert) -> None:
    values = alert.to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    restored = Alert.from_dict(json.loads(json.dumps(values)))
    if alert.is_masked:
        assert restored == alert
    assert restored.to_dict() == Alert.from_dict(restored.to_dict()).to_dict()


@given(ALERTS)
def test_to_dict_of_an_unmasked_alert_is_utf8_json_with_strict_numbers(alert: Alert) -> None:
    if alert.is_masked:
        json.dumps(alert.to_dict(), ensure_ascii=False, allow_nan=False).encode("utf-8")


def test_to_dict_has_every_field_in_order_with_json_types() -> None:
    alert = made(tags=["a"], created_at=datetime(2026, 1, 2, tzinfo=UTC), metadata={"a": {"b": 1}})
    values = alert.to_dict()
    assert list(values) == [
        *("title", "message", "severity", "source", "tags", "metadata", "status", "dedup_key", "url"),
        *("created_at", "id", "correlation_id", "request_id"),
    ]
    assert (type(values["severity"]), type(values["status"])) == (str, str)
    assert values["tags"] == ["a"]
    assert values["created_at"] == "2026-01-02T00:00:00+00:00"


def test_changing_what_to_dict_gave_does_not_change_the_alert() -> None:
    alert = made(metadata={"a": {"b": [1]}}, tags=["x"])
    values = alert.to_dict()
    values["metadata"]["a"]["b"].append(2)
    values["tags"].append("y")
    assert (alert.metadata, alert.tags) == ({"a": {"b": [1]}}, ("x",))


def test_from_dict_gives_missing_and_null_fields_their_defaults() -> None:
    alert = Alert.from_dict({"title": "a", "message": "b", "severity": None, "tags": None, "id": None})
    assert (alert.severity, alert.tags, alert.status) == (Severity.ERROR, (), Status.FIRING)
    assert alert.id


def test_from_dict_ignores_what_it_does_not_know() -> None:
    values = {"title": "a", "message": "password=hunter2xyz", "redact": False, "colour": "red"}
    assert "hunter2xyz" not in Alert.from_dict(values).message


@pytest.mark.parametrize(
    "change", [{"title": None}, {"message": " "}, {"severity": "x"}, {"status": "x"}, {"url": "x"}, {"created_at": "x"}]
)
def test_from_dict_refuses_values_that_no_alert_can_have(change: Mapping[str, Any]) -> None:
    with pytest.raises(AlertValidationError):
        Alert.from_dict({"title": "a", "message": "b", **change})


@pytest.mark.parametrize(
    "change", [{"title": 1}, {"tags": "abc"}, {"tags": [1]}, {"metadata": [1]}, {"created_at": 3}, {"source": {}}]
)
def test_from_dict_refuses_fields_of_a_wrong_type(change: Mapping[str, Any]) -> None:
    with pytest.raises(TypeError):
        Alert.from_dict({"title": "a", "message": "b", **change})


@pytest.mark.parametrize("values", [[], "title", None, 3])
def test_from_dict_of_what_is_no_mapping_is_a_type_error(values: Any) -> None:
    with pytest.raises(TypeError, match="mapping"):
        Alert.from_dict(values)


def test_from_dict_reads_a_time_that_ends_in_z() -> None:
    alert = Alert.from_dict({"title": "a", "message": "b", "created_at": "2026-01-02T03:04:05Z"})
    assert alert.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
