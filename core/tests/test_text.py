"""Text for providers: cut in their units and never inside a character, put on one line, printable, escaped."""

import math
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core.text import ELLIPSIS, escape_html, number, one_line, printable, truncate, utf8_length, utf16_length

Measure = Callable[[str], int]
MEASURES: list[Measure] = [len, utf16_length, utf8_length]
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
ANGOLA, BRAZIL = "\U0001f1e6\U0001f1f4", "\U0001f1e7\U0001f1f7"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
CLUSTERS = ["e\u0301", "1\ufe0f\u20e3", "\U0001f44d\U0001f3fd", FAMILY, "\u0915\u093e", "\u2764\ufe0f", ANGOLA, ENGLAND]
PIECES = [*"ab <&>\"'\n", "\xe9", "\u20ac", "\U0001f525", *CLUSTERS, "\u0301", "\u200d"]
RICH = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)


def scalars(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


# truncate


@given(RICH | st.text(), st.integers(-2, 80), st.sampled_from(MEASURES), st.sampled_from([None, escape_html]))
def test_what_is_cut_fits_the_limit_in_every_unit_also_once_rendered(
    text: str, limit: int, measure: Measure, render: Callable[[str], str] | None
) -> None:
    cut = truncate(text, limit, measure=measure, render=render)
    rendered = render(cut) if render else cut
    assert measure(rendered) <= max(limit, 0)


@given(RICH | st.text(), st.integers(0, 80), st.sampled_from(MEASURES), st.sampled_from([None, escape_html]))
def test_what_fits_comes_back_as_it_is_and_cutting_again_changes_nothing(
    text: str, limit: int, measure: Measure, render: Callable[[str], str] | None
) -> None:
    cut = truncate(text, limit, measure=measure, render=render)
    assert truncate(cut, limit, measure=measure, render=render) == cut
    if measure(render(text) if render else text) <= limit:
        assert cut == text


@given(RICH | st.text(), st.integers(0, 80), st.sampled_from(MEASURES))
def test_what_is_cut_is_a_start_of_the_text_and_the_ellipsis(text: str, limit: int, measure: Measure) -> None:
    cut = truncate(text, limit, measure=measure)
    if cut not in (text, ""):
        assert cut.endswith(ELLIPSIS)
        assert text.startswith(cut.removesuffix(ELLIPSIS))


@given(RICH, st.integers(1, 60))
def test_no_cut_comes_before_a_mark_or_beside_a_joiner(text: str, limit: int) -> None:
    cut = truncate(text, limit)
    start = cut.removesuffix(ELLIPSIS)
    if cut != text and start:
        after = text[len(start)]
        assert not unicodedata.category(after).startswith("M")
        assert "\u200d" not in (start[-1], after)


@pytest.mark.parametrize("cluster", CLUSTERS, ids=lambda cluster: "-".join(f"{ord(char):x}" for char in cluster))
@pytest.mark.parametrize("limit", range(2, 9))
def test_a_cluster_is_kept_whole_or_left_out(cluster: str, limit: int) -> None:
    cut = truncate(f"ab{cluster}{'z' * 20}", limit)
    assert cut.removesuffix(ELLIPSIS).rstrip("z") in ("a", "ab", f"ab{cluster}")


def test_a_row_of_flags_is_cut_between_two() -> None:
    assert truncate(ANGOLA + BRAZIL + ANGOLA, 4) == ANGOLA + ELLIPSIS
    assert truncate(ANGOLA + BRAZIL + ANGOLA, 5) == ANGOLA + BRAZIL + ELLIPSIS


@given(st.text("\U0001f525a", max_size=40), st.integers(0, 40))
def test_a_cut_by_utf16_units_keeps_both_halves_of_a_surrogate_pair(text: str, limit: int) -> None:
    assert scalars(truncate(text, limit, measure=utf16_length).encode("utf-16-le").decode("utf-16-le"))


def test_the_cut_is_as_long_as_the_limit_allows() -> None:
    assert truncate("a" * 100, 10) == "a" * 9 + ELLIPSIS
    assert truncate("\U0001f525" * 100, 10, measure=utf16_length) == "\U0001f525" * 4 + ELLIPSIS
    assert truncate("é" * 100, 10, measure=utf8_length) == "é" * 3 + ELLIPSIS
    assert truncate("<" * 100, 10, render=escape_html) == "<<" + ELLIPSIS


def test_a_measure_may_count_in_a_unit_larger_than_a_character() -> None:
    segments = lambda text: math.ceil(len(text) / 10)  # noqa: E731 - a measure in one line
    assert truncate("a" * 100, 2, measure=segments) == "a" * 19 + ELLIPSIS


def test_white_space_before_the_ellipsis_goes() -> None:
    assert truncate("alpha beta", 7) == "alpha" + ELLIPSIS


def test_another_ellipsis_counts_too_and_may_be_empty() -> None:
    assert truncate("a" * 100, 10, ellipsis=" [cut]") == "aaaa [cut]"
    assert truncate("a" * 100, 10, ellipsis="") == "a" * 10


def test_no_room_for_the_ellipsis_leaves_nothing() -> None:
    assert truncate("abc", 0) == truncate("abc", -1) == truncate("abc", 2, measure=utf8_length) == ""


def test_a_million_marks_are_cut_in_bounded_time() -> None:
    assert truncate("a" + "\u0301" * 1_000_000, 100) == ELLIPSIS
    assert len(truncate("\U0001f1e6" * 1_000_000, 1001)) == 1001


# Lengths


@given(st.text())
def test_lengths_are_those_of_the_encodings(text: str) -> None:
    assert utf16_length(text) == len(text.encode("utf-16-le", "replace" if not scalars(text) else "strict")) // 2
    assert utf8_length(text) == len(text.encode("utf-8", "replace"))


# one_line, printable, escape_html


@given(st.text())
def test_one_line_has_no_line_break_no_control_and_no_outer_or_double_space(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert not any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in line)
    assert line == line.strip()
    assert "  " not in line
    assert one_line(line) == line


@pytest.mark.parametrize("gap", ["\r\n", "\n\n", "\t", "\v", "\f", "\0", "\x1b", "\x85", "\u2028", "\u2029", " \r "])
def test_one_line_folds_each_break_into_one_space(gap: str) -> None:
    assert one_line(f"Disk{gap}Bcc: eve@example.org") == "Disk Bcc: eve@example.org"


@given(st.text())
def test_printable_has_no_control_but_line_feed_and_tab(text: str) -> None:
    assert {char for char in printable(text) if unicodedata.category(char) == "Cc"} <= {"\n", "\t"}
    assert printable(printable(text)) == printable(text)


def test_printable_keeps_lines_and_drops_a_terminals_escapes() -> None:
    assert printable("a\r\nb\rc\td\x1b[31m\x07\x9b2J") == "a\nb\nc\td[31m2J"


@given(st.text())
def test_escaped_html_holds_no_markup_and_reads_the_same(text: str) -> None:
    import html

    escaped = escape_html(text)
    assert not set('<>"') & set(escaped)
    if "\r" not in text and "&#" not in text:
        assert html.unescape(escaped) == text


def test_every_ampersand_is_escaped_once() -> None:
    assert escape_html('&lt; <b a="c">') == "&amp;lt; &lt;b a=&quot;c&quot;&gt;"


# number


@pytest.mark.parametrize(("text", "seconds"), [("0", 0.0), ("120", 120.0), (" 1.5 ", 1.5), ("1e3", 1000.0)])
def test_a_number_is_read(text: str, seconds: float) -> None:
    assert number(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "-inf", "soon", "1e999", "0x10"])
def test_what_is_no_finite_number_of_seconds_is_none(text: str) -> None:
    assert number(text) is None
