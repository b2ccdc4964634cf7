"""The policy: what is added, what is switched off, what plugins bring, and what a wrong configuration is told."""

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from alert_core.errors import ConfigError
from alert_core.redaction import REDACTED, Limits, Redactor, redact
from alert_core.redaction.gates import searcher

TOKEN = "ghp_" + "a1B2" * 9


def spec(name: str, change: Callable[[str], Any]) -> SimpleNamespace:
    return SimpleNamespace(name=name, redact=change)


def test_extra_keys_are_sensitive_in_mappings_and_in_texts_as_words_of_a_name() -> None:
    redactor = Redactor(extra_keys=["iban", "internal code"])
    assert redactor.redact({"iban": "x", "customerIban": "y", "internal_code": "z", "urbanist": "kept"}) == {
        "iban": REDACTED,
        "customerIban": REDACTED,
        "internal_code": REDACTED,
        "urbanist": "kept",
    }
    assert redactor.text("iban=AO06 host=h") == "iban=[REDACTED:assignment] host=h"


def test_safe_keys_are_kept_and_only_they() -> None:
    redactor = Redactor(safe_keys=["session_id"])
    assert redactor.redact({"sessionId": "abc123def", "user_session_id": "x"}) == {
        "sessionId": "abc123def",
        "user_session_id": REDACTED,
    }
    assert redactor.text("session_id=abc123def") == "session_id=abc123def"


@pytest.mark.parametrize("given", [{"ticket": r"TICK-(\d+)"}, [("ticket", r"TICK-(\d+)")]])
def test_an_extra_detector_masks_its_first_group_under_its_name(given: Any) -> None:
    assert Redactor(extra_detectors=given).text("see TICK-42!") == "see TICK-[REDACTED:ticket]!"


def test_an_extra_detector_without_name_or_group_masks_its_match_under_a_number() -> None:
    assert Redactor(extra_detectors=["A-1", "B-2"]).text("A-1 B-2") == "[REDACTED:extra-1] [REDACTED:extra-2]"


def test_a_disabled_rule_is_not_applied_and_the_others_are() -> None:
    redactor = Redactor(disabled_rules=["vendor-token"])
    assert redactor.text(f"{TOKEN} password=hunter2") == f"{TOKEN} password=[REDACTED:assignment]"


def test_matches_says_where_and_by_which_rule_in_order_without_overlaps() -> None:
    text = f'a {TOKEN} and password="{TOKEN} x"'
    assert [(match.rule, text[match.start : match.end]) for match in Redactor().matches(text)] == [
        ("vendor-token", TOKEN),
        ("assignment", f"{TOKEN} x"),
    ]
    assert Redactor().matches("none in it") == ()


def test_on_match_hears_of_each_rule_and_its_fault_stops_nothing() -> None:
    heard: list[str] = []

    def hear(rule: str) -> None:
        heard.append(rule)
        raise RuntimeError

    redactor = Redactor(on_match=hear)
    assert redactor.redact({"password": "x1", "note": f"{TOKEN} token=abc123"})["note"].count("[REDACTED:") == 2
    assert heard == ["key", "vendor-token", "assignment"]


def test_a_plugins_redactor_sees_every_string_keys_too_before_the_built_in_rules() -> None:
    redactor = Redactor().extended([spec("names", lambda text: text.replace("bob", "[person]"))])
    assert redactor.redact({"of bob": ["bob", b"bob", {"password": "bob"}]}) == {
        "of [person]": ["[person]", "[person]", {"password": REDACTED}]
    }
    assert redactor.text(f"bob {TOKEN}") == "[person] [REDACTED:vendor-token]"


@pytest.mark.parametrize("fault", [ValueError("hunter2"), RecursionError(), None, 5, b"x"])
def test_a_plugins_redactor_that_fails_costs_the_field_and_nothing_else(fault: object) -> None:
    def change(text: str) -> Any:
        if "bad" in text:
            if isinstance(fault, Exception):
                raise fault
            return fault
        return text

    redactor = Redactor().extended([spec("brittle", change)])
    assert redactor.redact({"a": "bad hunter2", "b": "good"}) == {"a": "[REDACTED:brittle]", "b": "good"}


def test_a_redactor_without_specs_to_add_is_itself_and_equal_ones_are_equal() -> None:
    redactor = Redactor(extra_keys=["iban"])
    assert redactor.extended([]) is redactor
    assert redactor == Redactor(extra_keys=("iban",))
    assert hash(redactor) == hash(Redactor(extra_keys=("iban",)))
    assert redactor.extended([spec("x", str)]) != redactor
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        redactor.extra_keys = ()  # type: ignore[misc]  # frozen


def test_redact_takes_a_policy() -> None:
    assert redact({"iban": "x"}, Redactor(extra_keys=["iban"])) == {"iban": REDACTED}


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"disabled_rules": ["jwt", "no-such"]}, ["redaction.disabled_rules[1]"]),
        ({"enabled_rules": ["card"]}, ["redaction.enabled_rules[0]"]),
        ({"extra_detectors": ["ok", "(", ""]}, ["redaction.extra_detectors[1]", "redaction.extra_detectors[2]"]),
        (
            {"extra_detectors": {"bad": "[", "empty": "x*"}},
            ["redaction.extra_detectors.bad", "redaction.extra_detectors.empty"],
        ),
        ({"extra_detectors": {"na]me": "x"}}, ["redaction.extra_detectors.na]me"]),
        ({"extra_detectors": "x+"}, ["redaction.extra_detectors"]),
        ({"extra_keys": ["ok", 5, ""]}, ["redaction.extra_keys[1]", "redaction.extra_keys[2]"]),
        ({"safe_keys": "name"}, ["redaction.safe_keys"]),
        (
            {"limits": {"depth": 0, "nodes": "x", "what": 1}},
            ["redaction.limits.depth", "redaction.limits.nodes", "redaction.limits.what"],
        ),
        ({"limits": 5}, ["redaction.limits"]),
    ],
)
def test_a_wrong_configuration_is_told_every_fault_with_its_path(given: dict[str, Any], paths: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        Redactor(**given)
    assert [fault.path for fault in caught.value.faults] == paths


def test_limits_may_be_a_table() -> None:
    assert Redactor(limits={"depth": 5}).limits == Limits(depth=5)


def test_with_re2_installed_a_text_has_the_same_gates() -> None:
    re2 = pytest.importorskip("re2")
    assert re2.Set
    words = ["key", "://", "-----begin ", "?", "$", "pass"]
    text = "a key, a pass? " * 100
    assert searcher(words)(text) == {"key", "?", "pass"}
    assert searcher(words)("nothing of them " * 100) == set()
    assert searcher(words)(text + "\ud800://") == {"key", "?", "pass", "://"}
    assert Redactor().text(text + "password=hunter2").endswith("password=[REDACTED:assignment]")


def test_without_re2_a_text_has_its_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    assert searcher(["key", "://", "pass"])("a key, a pass " * 100) == {"key", "pass"}
