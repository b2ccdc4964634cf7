"""Telegram's markup, as core.telegram.org/bots/api#formatting-options has it."""

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core.text import escape_html, utf16_length
from alert_sandbox.providers.telegram_markup import MarkupError, html, markdown, markdown_v2, parse


def entity(kind: str, offset: int, length: int, **more: str) -> dict[str, object]:
    return {"type": kind, "offset": offset, "length": length, **more}


@pytest.mark.parametrize(
    ("text", "plain", "entities"),
    [
        ("plain & simple", "plain & simple", []),
        ("<b>bold</b>", "bold", [entity("bold", 0, 4)]),
        ("😀 <i>é</i>", "😀 é", [entity("italic", 3, 1)]),
        ("<b>a<i>b</i></b>", "ab", [entity("bold", 0, 2), entity("italic", 1, 1)]),
        ('<a href="https://e.example/?a=1&amp;b=2">x</a>', "x", [entity("text_link", 0, 1, url="https://e.example/?a=1&b=2")]),
        ('<span class="tg-spoiler">x</span>', "x", [entity("spoiler", 0, 1)]),
        ("&lt;b&gt; &amp; &quot;&#65;&#x42; &nbsp;", '<b> & "AB &nbsp;', []),
        ("<pre><code class='language-py'>x</code></pre>", "x", [entity("pre", 0, 1), entity("code", 0, 1)]),
        ("<b></b>", "", []),
    ],
)  # fmt: skip
def test_html_is_read(text: str, plain: str, entities: list[object]) -> None:
    assert html(text) == (plain, entities)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a < b", 'Unsupported start tag "" at byte offset 2'),
        ("é<script>", 'Unsupported start tag "script" at byte offset 2'),
        ("<b>cut", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b>a</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("</b>", "Unexpected end tag at byte offset 0"),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ("<br>", 'Unsupported start tag "br"'),
        ("<b", 'Unsupported start tag ""'),
    ],
)
def test_html_that_does_not_parse_says_where(text: str, why: str) -> None:
    with pytest.raises(MarkupError, match=re.escape(why)):
        html(text)


@given(st.text())
def test_escaped_text_is_read_as_it_was(text: str) -> None:
    assert html(escape_html(text)) == (text, [])


@given(
    st.text(alphabet="<>/&;=\"'abi*_[]()~`|\\.!>-\n é😀", max_size=40),
    st.sampled_from(["html", "markdownv2", "markdown"]),
)
def test_any_text_parses_or_is_refused_and_entities_lie_within_the_text(text: str, mode: str) -> None:
    with suppress(MarkupError):
        plain, entities = parse(text, mode)
        for found in entities:
            assert 0 <= found["offset"] < found["offset"] + found["length"] <= utf16_length(plain)


@pytest.mark.parametrize(
    ("text", "plain", "entities"),
    [
        (r"*bold* \*no\*", "bold *no*", [entity("bold", 0, 4)]),
        ("_i_ __u__ ~s~ ||x||", "i u s x", [
            entity("italic", 0, 1), entity("underline", 2, 1), entity("strikethrough", 4, 1), entity("spoiler", 6, 1)
        ]),
        (r"[a\.b](https://e.example/\))", "a.b", [entity("text_link", 0, 3, url="https://e.example/)")]),
        ("`a.b-c`", "a.b-c", [entity("code", 0, 5)]),
        ("```py\na.b```", "a.b", [entity("pre", 0, 3)]),
        (">quoted", "quoted", []),
    ],
)  # fmt: skip
def test_markdown_v2_is_read(text: str, plain: str, entities: list[object]) -> None:
    assert markdown_v2(text) == (plain, entities)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("98.5 %", "Character '.' is reserved and must be escaped"),
        ("a-b", "Character '-' is reserved"),
        ("*bold", "Can't find end of Bold entity at byte offset 0"),
        ("[a](b", "Can't find end of a URL at byte offset 0"),
        ("`code", "Can't find end of Code entity"),
    ],
)
def test_markdown_v2_that_does_not_parse_says_why(text: str, why: str) -> None:
    with pytest.raises(MarkupError, match=re.escape(why)):
        markdown_v2(text)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r")))
def test_text_escaped_for_markdown_v2_is_read_as_it_was(text: str) -> None:
    escaped = re.sub(r"([_*\[\]()~`>#+\-=|{}.!\\])", r"\\\1", text)
    assert markdown_v2(escaped) == (text, [])


def test_the_legacy_style_is_read_and_says_where_it_ends() -> None:
    assert markdown(r"*b* _i_ `c` [x](https://e.example) 1.5 \_") == (
        "b i c x 1.5 _",
        [
            entity("bold", 0, 1),
            entity("italic", 2, 1),
            entity("code", 4, 1),
            entity("text_link", 6, 1, url="https://e.example"),
        ],
    )
    with pytest.raises(MarkupError, match="byte offset 1"):
        markdown("a_b")
