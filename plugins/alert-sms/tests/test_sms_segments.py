"""How a text is counted: 3GPP's tables, and two other programs that count the same."""

import gsm0338  # type: ignore[import-untyped]
import pytest
import smsutil  # type: ignore[import-untyped]
from hypothesis import example, given
from hypothesis import strategies as st

from alert_sms.segments import GSM_7, UCS_2, Count, capacity, count, is_gsm_7

GSM = gsm0338.Codec()

plain = st.text(alphabet="abc @£ßÇ\n", max_size=700)
extended = st.text(alphabet="a€{}[]~|^\\\f", max_size=700)
wide = st.text(alphabet="aж\u2019\u0301😀🚨👩‍🚒", max_size=500)
mixed = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1b"), max_size=300)
around = st.builds(
    lambda before, odd, between, after: "a" * before + odd + "a" * between + odd + "a" * after,
    st.integers(0, 170),
    st.sampled_from(["€", "😀", "ж", "a", "€€", "😀😀"]),
    st.integers(0, 160),
    st.integers(0, 170),
)
texts = st.one_of(plain, extended, wide, mixed, around)


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("", GSM_7, 0, 1),
        ("a", GSM_7, 1, 1),
        ("a" * 160, GSM_7, 160, 1),
        ("a" * 161, GSM_7, 161, 2),
        ("a" * 306, GSM_7, 306, 2),
        ("a" * 307, GSM_7, 307, 3),
        ("€" * 80, GSM_7, 160, 1),
        ("€" * 81, GSM_7, 162, 2),
        ("ж" * 70, UCS_2, 70, 1),
        ("ж" * 71, UCS_2, 71, 2),
        ("ж" * 134, UCS_2, 134, 2),
        ("ж" * 135, UCS_2, 135, 3),
        ("😀" * 35, UCS_2, 70, 1),
        ("😀" * 36, UCS_2, 72, 2),
        ("a" * 100 + "\u2019", UCS_2, 101, 2),
    ],
)
def test_the_boundaries_are_exact(text: str, encoding: str, units: int, segments: int) -> None:
    assert count(text) == Count(encoding, units, segments)


def test_the_two_septets_of_an_extension_stay_in_one_segment() -> None:
    assert count("a" * 151 + "€" + "a" * 153).segments == 2
    assert count("a" * 152 + "€" + "a" * 152).segments == 3


def test_a_surrogate_pair_stays_in_one_segment() -> None:
    assert count("😀" * 66) == Count(UCS_2, 132, 2)
    assert count("😀" * 67) == Count(UCS_2, 134, 3)
    assert count("a" + "😀" * 66) == Count(UCS_2, 133, 2)


@pytest.mark.parametrize(
    "char", ["`", "\t", "ç", "\u2019", "\u2014", "\u2026", "\u00a0", "á", "\x1b", "\x00", "\ud800"]
)
def test_what_looks_harmless_and_is_not_gsm_7(char: str) -> None:
    assert count(char).encoding == UCS_2


def test_the_alphabet_is_that_of_two_other_programs() -> None:
    chars = [chr(code) for code in range(0x3000) if code != 0x1B]
    mine = {char for char in chars if is_gsm_7(char)}
    assert mine == {char for char in chars if smsutil.is_valid_gsm(char)}
    assert mine == {char for char in chars if encoded(char)}


def encoded(text: str) -> bytes:
    """The septets, each in a byte; none where a character has no code."""
    try:
        return bytes(GSM.encode(text)[0])
    except UnicodeEncodeError:
        return b""


@given(texts)
@example("a" * 152 + "€" + "a" * 152 + "€" + "a" * 152 + "€")
@example("😀" * 200)
def test_any_text_takes_as_many_segments_as_another_program_makes_of_it(text: str) -> None:
    split = smsutil.split(text)
    found = count(text)
    assert found.segments == len(split.parts)
    if text:
        assert (found.encoding == GSM_7) == (split.encoding == "gsm0338")


@given(texts.filter(is_gsm_7))
def test_the_units_of_gsm_7_are_the_septets_that_another_program_encodes(text: str) -> None:
    assert count(text).units == len(encoded(text))


@given(texts, st.characters(exclude_categories=["Cs"]))
def test_a_longer_text_never_takes_fewer_segments(text: str, char: str) -> None:
    assert count(text + char).segments >= count(text).segments


@given(st.sampled_from([GSM_7, UCS_2]), st.integers(1, 10))
def test_the_capacity_is_the_longest_text_of_so_many_segments(encoding: str, segments: int) -> None:
    unit = "a" if encoding == GSM_7 else "ж"
    assert count(unit * capacity(encoding, segments)).segments == segments
    assert count(unit * (capacity(encoding, segments) + 1)).segments == segments + 1
