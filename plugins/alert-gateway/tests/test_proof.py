import hashlib
import hmac

import pytest

from alert_core import Secret
from alert_gateway.config import SourceTable
from alert_gateway.proof import is_signed, knows_token

BODY = b'{"action": "completed"}'
SIGNATURE = hmac.new(b"a-secret", BODY, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("shown", ["first-token", "second-token"])
def test_each_of_two_tokens_is_known_while_one_takes_the_place_of_the_other(shown: str) -> None:
    assert knows_token(SourceTable(token=(Secret("first-token"), Secret("second-token"))), shown)


@pytest.mark.parametrize("shown", [None, "", "first-toke", "first-token ", "FIRST-TOKEN", "tökén", "\ud800"])
def test_anything_else_is_not(shown: str | None) -> None:
    assert not knows_token(SourceTable(token=Secret("first-token")), shown)


@pytest.mark.parametrize("shown", [None, "", "a"])
@pytest.mark.parametrize("token", [(), Secret(""), (Secret(""),)])
def test_a_source_without_a_token_knows_none(token: Secret | tuple[Secret, ...], shown: str | None) -> None:
    assert not knows_token(SourceTable(token=token), shown)


@pytest.mark.parametrize("signature", [SIGNATURE, SIGNATURE.upper(), f" {SIGNATURE} "])
def test_a_signature_over_these_bytes_is_one(signature: str) -> None:
    assert is_signed(Secret("a-secret"), BODY, signature)


@pytest.mark.parametrize("signature", ["", SIGNATURE[:-1], "0" * 64, "ß", "\ud800"])
def test_any_other_signature_is_not(signature: str) -> None:
    assert not is_signed(Secret("a-secret"), BODY, signature)


def test_a_signature_of_other_bytes_or_with_another_secret_is_not() -> None:
    assert not is_signed(Secret("a-secret"), BODY + b" ", SIGNATURE)
    assert not is_signed(Secret("another-key-of-41"), BODY, SIGNATURE)


@pytest.mark.parametrize("secret", [None, Secret("")])
def test_without_a_secret_nothing_is_signed(secret: Secret | None) -> None:
    assert not is_signed(secret, BODY, hmac.new(b"", BODY, hashlib.sha256).hexdigest())
