"""Registered literals: masked wherever they turn up, in any encoding that carries them along."""

import base64
import json
import os
import re
import threading
import urllib.parse
from collections.abc import Iterator

import pytest

from alert_core.redaction import Redactor, literals, mask_token, redact, register_literal

LITERAL = 'pä"ss/w+ord &7'


@pytest.fixture(autouse=True)
def fresh_literals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(literals, "_registered", {})
    literals._indexes.cache_clear()
    yield
    literals._indexes.cache_clear()


ENCODINGS = {
    "raw": LITERAL,
    "quoted": urllib.parse.quote(LITERAL, safe=""),
    "quoted, slash kept": urllib.parse.quote(LITERAL),
    "quoted, lower-case escapes": re.sub("%..", lambda escape: escape.group().lower(), urllib.parse.quote(LITERAL)),
    "form": urllib.parse.quote_plus(LITERAL),
    "json": json.dumps(LITERAL)[1:-1],
    "json, unicode kept": json.dumps(LITERAL, ensure_ascii=False)[1:-1],
    "repr": repr(LITERAL)[1:-1],
    "base64": base64.b64encode(LITERAL.encode()).decode().rstrip("="),
    "base64, url-safe": base64.urlsafe_b64encode(LITERAL.encode()).decode().rstrip("="),
}


@pytest.mark.parametrize("around", ["{}", "before {} after", "{}{}", "xx{}yy"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_literal_is_masked_in_each_encoding(encoding: str, around: str) -> None:
    register_literal(LITERAL)
    text = around.replace("{}", ENCODINGS[encoding])
    masked = redact(text)
    assert "[REDACTED:literal]" in masked
    assert ENCODINGS[encoding][3:-3] not in masked


@pytest.mark.parametrize("lead", [b"", b"a", b"bc", b"user:", b"user1:"])
@pytest.mark.parametrize("trail", [b"", b"x", b"yz", b" and more"])
def test_a_literal_is_masked_inside_other_base64_at_each_alignment(lead: bytes, trail: bytes) -> None:
    register_literal("s3cr3t-value-0")
    encoded = base64.b64encode(lead + b"s3cr3t-value-0" + trail).decode()
    masked = redact(encoded)
    assert "[REDACTED:literal]" in masked
    assert len(encoded) - len(masked.replace("[REDACTED:literal]", "")) >= 14 * 8 // 6 - 2


def test_six_characters_are_enough_and_five_are_too_few() -> None:
    register_literal("abcdef")
    register_literal("uvxyz")
    assert redact("abcdef uvxyz") == "[REDACTED:literal] uvxyz"


def test_a_literal_is_masked_in_keys_and_values_at_any_depth() -> None:
    register_literal("literal-canary")
    assert redact({"a literal-canary": [{"x": "literal-canary!"}]}) == {
        "a [REDACTED:literal]": [{"x": "[REDACTED:literal]!"}]
    }


def test_what_was_clean_before_a_literal_was_registered_is_masked_after() -> None:
    document = {"note literal-later": "uses literal-later"}
    assert redact(document) == document
    register_literal("literal-later")
    assert redact(document) == {"note [REDACTED:literal]": "uses [REDACTED:literal]"}


def test_registering_again_changes_nothing_and_a_new_one_changes_the_token() -> None:
    redactor = Redactor()
    register_literal("first-literal")
    token = mask_token(redactor)
    register_literal("first-literal")
    assert mask_token(redactor) == token
    assert hash(mask_token(redactor)) == hash(token)
    register_literal("second-literal")
    assert mask_token(redactor) != token
    assert mask_token(Redactor(extra_keys=["iban"])) != mask_token(redactor)


def test_a_literal_that_is_a_word_of_the_marker_does_not_tear_markers_up() -> None:
    register_literal("REDACTED")
    once = redact("a REDACTED b token=abc123")
    assert once == "a [REDACTED:literal] b token=[REDACTED:assignment]"
    assert redact(once) == once


def test_registering_from_many_threads_loses_none() -> None:
    def register(part: int) -> None:
        for number in range(50):
            register_literal(f"thread-{part}-literal-{number}")

    threads = [threading.Thread(target=register, args=(part,)) for part in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert redact("thread-7-literal-49 thread-0-literal-0") == "[REDACTED:literal] [REDACTED:literal]"
    assert literals.generation() == 400


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_knows_its_parents_literals() -> None:
    register_literal("parents-literal")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        register_literal("childs-literal")
        os.write(write, redact("parents-literal childs-literal").encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"[REDACTED:literal] [REDACTED:literal]"
    os.close(read)
    os.close(write)
