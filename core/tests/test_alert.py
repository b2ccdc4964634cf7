"""The alert: its fields, their rules, its masking, its key, and its way through JSON, pickle and copy."""

import hashlib
import json
import operator
import pickle
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alert_core import REDACTED, Alert, AlertValidationError, Redactor, Secret, Severity, Status
from alert_core.specs import RedactorSpec

ORDER = [Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL]


def made(**fields: Any) -> Alert:
    return Alert(**{"title": "Disk full", "message": "97 % of /var", **fields})


def expected_key(source: str | None, title: str, tags: list[str]) -> str:
    return hashlib.sha256(json.dumps([source, title, sorted(tags)]).encode()).hexdigest()


# Title and message


def test_only_title_and_message_are_positional() -> None:
    alert = Alert("Disk full", "97 % of /var")
    assert (alert.title, alert.message) == ("Disk full", "97 % of /var")
    with pytest.raises(TypeError):
        Alert("Disk full", "97 % of /var", "critical")  # type: ignore[call-arg]  # the fault under test


@pytest.mark.parametrize("field", ["title", "message"])
def test_title_and_message_are_stripped(field: str) -> None:
    assert getattr(made(**{field: " \n both \t"}), field) == "both"


@pytest.mark.parametrize("field", ["title", "message"])
@pytest.mark.parametrize("empty", ["", " ", "\r\n\t"])
def test_an_empty_title_or_message_is_refused_by_its_name(field: str, empty: str) -> None:
    with pytest.raises(AlertValidationError, match=field):
        made(**{field: empty})


@pytest.mark.parametrize(
    "field", ["title", "message", "source", "dedup_key", "url", "id", "correlation_id", "request_id"]
)
def test_a_text_that_is_no_str_is_a_type_error_naming_the_field_and_the_type(field: str) -> None:
    with pytest.raises(TypeError, match=rf"{field}.*bytes"):
        made(**{field: b"bytes"})


# Severity and status


def test_the_defaults_are_those_of_the_contract() -> None:
    alert = made()
    assert alert.severity is Severity.ERROR
    assert alert.status is Status.FIRING
    assert (alert.source, alert.tags, alert.metadata, alert.url, alert.request_id) == (None, (), {}, None, None)


@pytest.mark.parametrize("given_as", ["critical", "CRITICAL", " Critical "])
def test_a_severity_is_taken_as_a_str_in_any_case(given_as: str) -> None:
    assert made(severity=given_as).severity is Severity.CRITICAL


@pytest.mark.parametrize("unknown", ["fatal", "", 3, None, b"error"])
def test_an_unknown_severity_is_refused_naming_the_four(unknown: Any) -> None:
    with pytest.raises(AlertValidationError, match="info, warning, error, critical"):
        made(severity=unknown)


@pytest.mark.parametrize("unknown", ["open", "", None])
def test_an_unknown_status_is_refused_naming_the_three(unknown: Any) -> None:
    with pytest.raises(AlertValidationError, match="firing, acknowledged, resolved"):
        made(status=unknown)


def test_the_refusal_of_a_severity_does_not_show_a_secret_given_in_its_place() -> None:
    with pytest.raises(AlertValidationError) as refused:
        made(severity="password=hunter2xyz")
    assert "hunter2xyz" not in str(refused.value)


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge])
@pytest.mark.parametrize("left", range(4))
@pytest.mark.parametrize("right", range(4))
def test_severities_compare_by_rank_also_with_a_str_on_either_side(
    compare: Callable[[Any, Any], bool], left: int, right: int
) -> None:
    a, b = ORDER[left], ORDER[right]
    assert {compare(a, b), compare(a, b.value), compare(a.value, b)} == {compare(left, right)}


def test_a_severity_equals_its_str_and_hashes_like_it() -> None:
    assert {"error": 1}[Severity("ERROR")] == 1
    assert f"{Severity.ERROR} {json.dumps(Severity.ERROR)}" == 'error "error"'


def test_severities_sort_and_have_a_maximum() -> None:
    assert sorted([ORDER[3], ORDER[0], ORDER[2], ORDER[1]]) == ORDER
    assert max(Severity.WARNING, Severity.CRITICAL, Severity.ERROR) is Severity.CRITICAL


def test_a_severity_compared_with_an_unknown_str_is_refused_naming_the_four() -> None:
    with pytest.raises(AlertValidationError, match="info, warning, error, critical"):
        assert Severity.ERROR < "fatal"


def test_a_severity_does_not_compare_with_what_is_no_str() -> None:
    with pytest.raises(TypeError):
        assert Severity.ERROR < 3


def test_a_severity_survives_pickle() -> None:
    assert pickle.loads(pickle.dumps(Severity.WARNING)) is Severity.WARNING


# Tags


def words() -> Iterator[str]:
    yield from ("b", "a")


@pytest.mark.parametrize("tags", [["b", "a"], ("b", "a"), words(), dict.fromkeys(("b", "a"))])
def test_tags_are_any_iterable_of_str_in_its_order(tags: Any) -> None:
    assert made(tags=tags).tags == ("b", "a")


@pytest.mark.parametrize("kind", [set, frozenset])
def test_tags_of_a_set_are_sorted(kind: type) -> None:
    assert made(tags=kind(["c", "a", "b"])).tags == ("a", "b", "c")


@pytest.mark.parametrize("tags", ["payments", b"bytes", 3, None, ["a", 1], {"a", None}])
def test_tags_that_are_one_str_or_hold_something_else_are_a_type_error(tags: Any) -> None:
    with pytest.raises(TypeError, match="iterable of str"):
        made(tags=tags)


# Metadata


@pytest.mark.parametrize("metadata", [["a"], "a", 3, {("a", 1)}])
def test_metadata_that_is_no_mapping_is_a_type_error(metadata: Any) -> None:
    with pytest.raises(TypeError, match=r"metadata must be a mapping"):
        made(metadata=metadata)


def test_metadata_is_json_safe_once_masked() -> None:
    alert = made(metadata={"when": datetime(2026, 1, 2, tzinfo=UTC), 3: {"x", "y"}, "raw": b"ab", "n": 1.5})
    assert alert.metadata == {"when": "2026-01-02T00:00:00+00:00", "3": ["x", "y"], "raw": "ab", "n": 1.5}


def test_changing_the_mapping_given_does_not_change_the_alert() -> None:
    inner: list[int] = [1]
    given_metadata: dict[str, Any] = {"a": inner}
    alert = made(metadata=given_metadata)
    inner.append(2)
    given_metadata["b"] = 1
    assert alert.metadata == {"a": [1]}


# Dedup key


def test_the_dedup_key_is_computed_of_source_title_and_sorted_tags() -> None:
    alert = made(source="billing", tags=["b", "a"])
    assert alert.dedup_key == expected_key("billing", "Disk full", ["a", "b"])


def test_the_dedup_key_does_not_depend_on_message_severity_status_metadata_or_time() -> None:
    first = made()
    second = made(
        message="other",
        severity="info",
        status="resolved",
        metadata={"a": 1},
        created_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
    assert first.dedup_key == second.dedup_key


@pytest.mark.parametrize("change", [{"source": "b"}, {"title": "b"}, {"tags": ["b"]}])
def test_the_dedup_key_depends_on_source_title_and_tags(change: dict[str, Any]) -> None:
    assert made().dedup_key != made(**change).dedup_key


def test_the_dedup_key_is_computed_after_masking() -> None:
    one, other = made(title="password=hunter2aaa"), made(title="password=hunter2bbb")
    assert one.dedup_key == other.dedup_key == expected_key(None, one.title, [])


def test_a_dedup_key_that_is_given_is_kept() -> None:
    assert made(dedup_key=" disk-var ").dedup_key == "disk-var"


@pytest.mark.parametrize("given_key", [None, "", "  "])
def test_an_empty_dedup_key_counts_as_not_given(given_key: str | None) -> None:
    assert made(dedup_key=given_key).dedup_key == made().dedup_key


def test_a_dedup_key_of_255_characters_is_kept_and_of_256_is_hashed() -> None:
    assert made(dedup_key="k" * 255).dedup_key == "k" * 255
    assert made(dedup_key="k" * 256).dedup_key == hashlib.sha256(b"k" * 256).hexdigest()


def test_a_dedup_key_that_is_given_is_masked() -> None:
    assert "hunter2xyz" not in made(dedup_key="password=hunter2xyz").dedup_key


def test_evolve_recomputes_a_computed_dedup_key() -> None:
    assert made().evolve(title="Disk fine").dedup_key == made(title="Disk fine").dedup_key


def test_evolve_keeps_a_dedup_key_that_was_given() -> None:
    assert made(dedup_key="mine").evolve(title="Disk fine").dedup_key == "mine"


def test_a_key_equal_to_the_computed_one_counts_as_not_given() -> None:
    same = made(dedup_key=made().dedup_key)
    assert same.evolve(source="b").dedup_key == made(source="b").dedup_key


def test_a_computed_key_that_came_through_from_dict_is_still_recomputed() -> None:
    restored = Alert.from_dict(made().to_dict())
    assert restored.evolve(tags=["a"]).dedup_key == made(tags=["a"]).dedup_key


def test_masking_again_recomputes_a_computed_key_and_keeps_a_given_one() -> None:
    redactor = Redactor(extra_detectors=[r"order-\d+"])
    assert (
        made(title="order-77-in-the-shop").masked(redactor).dedup_key
        == made(title="order-78-in-the-shop").masked(redactor).dedup_key
    )
    assert made(title="order-77-in-the-shop", dedup_key="mine").masked(redactor).dedup_key == "mine"


# URL


@pytest.mark.parametrize("url", ["https://example.org/d?a=1#b", "http://10.0.0.1:3000/x", "HTTPS://example.org"])
def test_an_http_url_is_kept(url: str) -> None:
    assert made(url=url).url == url


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "ftp://a/b", "example.org/x", "https://", "https:///x", "https://a b", "https://a\n.b"],
)
def test_a_url_that_is_not_http_is_refused(url: str) -> None:
    with pytest.raises(AlertValidationError, match="http"):
        made(url=url)


def test_a_password_in_the_url_is_masked() -> None:
    url = made(url="https://ops:hunter2xyz@grafana.example.org/d/1").url
    assert url is not None
    assert "hunter2xyz" not in url
    assert "grafana.example.org" in url


def test_a_url_of_which_masking_leaves_nothing_is_none_so_that_the_alert_can_be_taken_back() -> None:
    Secret("https://hooks.example.org/wholly-secret-capability")
    alert = made(url="https://hooks.example.org/wholly-secret-capability")
    assert alert.url is None
    assert Alert.from_dict(alert.to_dict()) == alert


# Time and identifiers


def test_created_at_is_now_in_utc_by_default() -> None:
    before = datetime.now(UTC)
    assert before <= made().created_at <= datetime.now(UTC)
    assert made().created_at.utcoffset() == timedelta(0)


def test_a_naive_time_is_taken_as_utc() -> None:
    naive = datetime(2026, 1, 2, 3)  # noqa: DTZ001 - the case under test
    assert made(created_at=naive).created_at == naive.replace(tzinfo=UTC)


def test_an_aware_time_keeps_its_offset() -> None:
    luanda = datetime(2026, 1, 2, 3, tzinfo=ZoneInfo("Africa/Luanda"))
    assert made(created_at=luanda).created_at == luanda
    assert made(created_at=luanda).created_at.utcoffset() == timedelta(hours=1)


def test_a_time_in_an_hour_that_a_clock_change_repeats_comes_back_equal() -> None:
    repeated = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
    alert = made(created_at=repeated)
    assert alert.created_at.timestamp() == repeated.timestamp()
    assert Alert.from_dict(alert.to_dict()) == alert


@pytest.mark.parametrize("moment", ["2026-01-02", 1700000000])
def test_created_at_that_is_no_datetime_is_a_type_error(moment: Any) -> None:
    with pytest.raises(TypeError, match="created_at"):
        made(created_at=moment)


def test_half_of_a_surrogate_pair_in_an_id_is_replaced_so_that_utf_8_can_hold_it() -> None:
    assert made(id="job\ud800").id == "job\ufffd"


def test_id_and_correlation_id_are_new_uuid4s() -> None:
    first, second = made(), made()
    assert len({first.id, first.correlation_id, second.id, second.correlation_id}) == 4
    assert {uuid.UUID(first.id).version, uuid.UUID(first.correlation_id).version} == {4}


def test_identifiers_that_are_given_are_kept() -> None:
    alert = made(id="i1", correlation_id="c1", request_id="r1")
    assert (alert.id, alert.correlation_id, alert.request_id) == ("i1", "c1", "r1")


# Masking


@pytest.mark.parametrize(
    "field", ["title", "message", "source", "dedup_key", "correlation_id", "request_id", "tags", "metadata"]
)
def test_a_secret_is_masked_in_every_field(field: str) -> None:
    text = "password=hunter2xyz"
    value: Any = {"tags": [text], "metadata": {"note": [text], text: 1}}.get(field, text)
    alert = made(**{field: value})
    assert "hunter2xyz" not in json.dumps(alert.to_dict())
    assert "REDACTED" in json.dumps(alert.to_dict())


def test_a_registered_secret_is_masked_in_every_alert_made_after_it() -> None:
    Secret("plain-word-canary-77")
    alert = made(message="it said plain-word-canary-77 twice", metadata={"a": "plain-word-canary-77"})
    assert "canary-77" not in json.dumps(alert.to_dict())


def test_an_unmasked_alert_keeps_its_values() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    alert = made(message="password=hunter2xyz", metadata={"password": "hunter2xyz", "at": moment}, redact=False)
    assert alert.message == "password=hunter2xyz"
    assert alert.metadata == {"password": "hunter2xyz", "at": moment}
    assert not alert.is_masked


def test_the_repr_of_an_unmasked_alert_is_masked() -> None:
    assert "hunter2xyz" not in repr(made(title="password=hunter2xyz", redact=False))


def test_the_repr_masks_a_secret_that_was_registered_after_the_alert_was_made() -> None:
    alert = made(title="late-word-canary-78")
    Secret("late-word-canary-78")
    assert "canary-78" not in repr(alert)


def test_the_repr_tells_alerts_apart() -> None:
    alert = made(severity="critical")
    assert alert.id in repr(alert)
    assert "critical" in repr(alert)
    assert "Disk full" in repr(alert)


def test_to_dict_of_an_unmasked_alert_is_json_and_from_dict_masks_it() -> None:
    loop: dict[str, Any] = {"password": "hunter2xyz"}
    loop["self"] = loop
    values = made(metadata=loop, redact=False).to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["metadata"]["password"] == "hunter2xyz"
    assert "hunter2xyz" not in json.dumps(Alert.from_dict(values).to_dict())


def test_masked_gives_the_same_alert_where_it_was_done_already() -> None:
    alert = made().masked(Redactor(extra_keys=["iban"]))
    assert alert.masked(Redactor(extra_keys=["iban"])) is alert


def test_masked_applies_another_policy_to_every_field() -> None:
    redactor = Redactor(extra_detectors=[r"order-\d+"])
    fields: dict[str, Any] = dict.fromkeys(
        ("title", "message", "source", "dedup_key", "correlation_id", "request_id"), "order-77-in-the-shop"
    )
    alert = Alert(
        **fields,
        tags=["order-77-in-the-shop"],
        metadata={"order-77-in-the-shop": "order-77-in-the-shop"},
        url="https://a.example/order-77-in-the-shop",
    )
    assert "order-77-in-the-shop" not in json.dumps(alert.masked(redactor).to_dict())


def test_masked_masks_again_once_another_secret_is_known() -> None:
    alert = made(message="it said fresh-word-canary-79")
    Secret("fresh-word-canary-79")
    assert "canary-79" not in alert.masked(Redactor()).message


def test_a_plugin_that_removes_a_whole_text_leaves_a_marker_and_not_the_text() -> None:
    emptied = made(source="a").masked(Redactor().extended([RedactorSpec("all", lambda _: "")]))
    assert (emptied.title, emptied.message, emptied.source) == (REDACTED, REDACTED, REDACTED)
