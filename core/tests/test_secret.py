"""A credential shows itself to nobody who did not ask."""

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable

import pytest

from alert_core import REDACTED, Alert, Secret, redact

CANARY = "secret-canary-Wm52k"


def raised_beside(secret: Secret) -> Exception:
    try:
        [][len(str(secret))]
    except IndexError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "shown",
    [
        repr,
        str,
        ascii,
        "{}".format,
        "{!r:>40}".format,
        "{:>40}".format,
        "%s".__mod__,
        "%r".__mod__,
        lambda secret: f"{[secret]} { {'a': secret} }",
        lambda secret: json.dumps(secret, default=str),
        lambda secret: json.dumps(redact({"a": secret})),
        lambda secret: "".join(
            traceback.TracebackException.from_exception(raised_beside(secret), capture_locals=True).format()
        ),
    ],
    ids=["repr", "str", "ascii", "format", "format r", "width", "%s", "%r", "nested", "json", "redact", "locals"],
)
def test_a_secret_shows_a_marker_and_not_its_value(shown: Callable[[Secret], str]) -> None:
    text = shown(Secret(CANARY))
    assert CANARY not in text
    assert "REDACTED" in text


def test_reveal_gives_the_value() -> None:
    assert Secret(CANARY).reveal() == CANARY


def test_a_secret_is_formatted_with_a_width_as_its_marker_is() -> None:
    assert f"{Secret(CANARY):>20}" == f"{REDACTED:>20}"


def test_a_secret_is_not_pickled_and_the_error_says_what_to_do() -> None:
    with pytest.raises(TypeError, match="configure the other process") as refused:
        pickle.dumps(Secret(CANARY))
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_secret_is_the_secret(again: Callable[[Secret], Secret]) -> None:
    secret = Secret(CANARY)
    assert again(secret) is secret


def test_secrets_are_equal_by_value_and_unequal_to_a_str() -> None:
    assert Secret(CANARY) == Secret(CANARY)
    assert len({Secret(CANARY), Secret(CANARY)}) == 1
    assert Secret(CANARY) != Secret("another-canary")
    assert (Secret(CANARY) == CANARY) is False
    assert Secret("\ud800-lone") == Secret("\ud800-lone")


def test_secrets_that_differ_in_a_lone_surrogate_differ() -> None:
    assert Secret("canary-\ud800") != Secret("canary-?")


def test_a_secret_cannot_be_changed() -> None:
    secret = Secret(CANARY)
    with pytest.raises(AttributeError):
        secret._value = "other"
    with pytest.raises(AttributeError):
        del secret._value
    with pytest.raises(AttributeError):
        secret.note = "more"
    assert secret.reveal() == CANARY


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert Secret("a")


@pytest.mark.parametrize("value", [b"bytes", 3, None])
def test_a_secret_of_what_is_no_str_is_a_type_error_without_the_value(value: object) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        Secret(value)  # type: ignore[arg-type]  # the fault under test


def test_a_secret_has_no_dict_and_its_attributes_show_nothing() -> None:
    with pytest.raises(TypeError):
        vars(Secret(CANARY))
    assert CANARY not in repr(dir(Secret(CANARY)))


def test_the_value_of_a_secret_is_masked_in_every_alert_from_then_on() -> None:
    word = "literal-canary-Vb90"
    assert word in Alert("t", f"it said {word}").message
    Secret(word)
    assert word not in Alert("t", f"it said {word}").message


def test_a_secret_of_five_characters_is_not_masked_in_texts_since_that_would_tear_innocent_words() -> None:
    Secret("table")
    assert Alert("t", "the table is full").message == "the table is full"


def test_a_log_record_shows_the_marker(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("with %s and %r", Secret(CANARY), Secret(CANARY))
    assert CANARY not in caplog.text
    assert REDACTED in caplog.text
