"""Values as they are written where a vendor reads more than text."""

from __future__ import annotations

from itertools import product
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gateway.exporters.template.markup import ESCAPES, Markup, escape_liquid, holds_liquid

PIECES: Final = ("", "{", "}", "%", "{{", "}}", "{%", "%}", "a", " ", "{{a}}", "{% raw %}", "\\", "<")


@pytest.mark.parametrize("before", PIECES)
def test_no_value_opens_or_closes_liquid_whatever_stands_beside_it(before: str) -> None:
    for first, second, behind in product(PIECES, PIECES, PIECES):
        given = f"{before}{escape_liquid(first)}{escape_liquid(second)}{behind}"
        own = f"{before}{'x' * bool(first)}{'x' * bool(second)}{behind}"
        for delimiter in ("{{", "}}", "{%", "%}"):
            assert given.count(delimiter) == own.count(delimiter)


@pytest.mark.parametrize("markup", [markup for markup in Markup if markup is not Markup.NONE])
@pytest.mark.parametrize("text", ["usr_7Yk2", "sup_00000007", "BILLING", "video.exported", "1.4.0+5c1f2e9", "", "a-b"])
def test_identifiers_are_as_they_were(markup: Markup, text: str) -> None:
    assert ESCAPES[markup](text) == (text if markup is not Markup.URL else text.replace("+", "%2B"))


@pytest.mark.parametrize(
    ("markup", "text", "expected"),
    [
        (Markup.NONE, "{{a}} <b>", "{{a}} <b>"),
        (Markup.LIQUID, "{{a}} 5 % <b>", "\uff5b\uff5ba\uff5d\uff5d 5 % <b>"),
        (Markup.LIQUID, "% if a %", "\uff05 if a \uff05"),
        (Markup.LIQUID, "%", "\uff05"),
        (Markup.HTML, '<b title="a">\'&{', "&lt;b title=&quot;a&quot;&gt;&#x27;&amp;\uff5b"),
        (
            Markup.MARKDOWN,
            "![a](b) <i> `c` *d* # | ~ \\ &lt; e_f",
            "\\!\\[a\\](b) \\<i\\> \\`c\\` \\*d\\* \\# \\| \\~ \\\\ \\&lt; e_f",
        ),
        (Markup.MARKDOWN, "_em_ __b__ a_b_ ~~c~~", "\\_em\\_ \\_\\_b\\_\\_ a_b\\_ \\~\\~c\\~\\~"),
        (Markup.MARKDOWN, "- a\n  + b\n\tc\n---\n===", "\\- a\n\u00a0\u00a0\\+ b\n\u00a0c\n\\---\n\\==="),
        (Markup.MARKDOWN, "1. a\n 12) b\n1.5 -c\n:-", "1\\. a\n\u00a012\\) b\n1.5 -c\n\\:-"),
        (Markup.URL, "a/b?c=d&e#f {", "a%2Fb%3Fc%3Dd%26e%23f%20%7B"),
        (Markup.TAG, "a b,c\n{d}", "a_b_c__d_"),
        (Markup.IDENTITY, "{{a}}", "{{a}}"),
    ],
)
def test_a_value_says_nothing_but_itself(markup: Markup, text: str, expected: str) -> None:
    assert ESCAPES[markup](text) == expected


@pytest.mark.parametrize(
    ("text", "held"), [("{{a}}", True), ("{% a %}", True), ("{a}", False), ("100 %", False), ("a}}", False)]
)
def test_what_would_be_expanded_is_told(text: str, held: bool) -> None:
    assert holds_liquid(text) is held


COMMONMARK: Final = MarkdownIt("commonmark").enable(["table", "strikethrough"])
PLAIN_BLOCKS: Final = frozenset({"paragraph_open", "paragraph_close", "inline"})
PLAIN_INLINES: Final = frozenset({"text", "softbreak", "hardbreak"})
SECTIONS: Final = (
    *(
        "hello\n\n---\n\nAgent note\n===\n\n1. Call me",
        "a\n---",
        "a\n=",
        "a\r---\r",
        "- x",
        "+ x",
        "* x",
        "-\tx",
        " - x",
    ),
    *(
        "a\n\n   - x",
        "-",
        "1.",
        "12) x",
        "  1) x",
        "> x",
        "# x",
        "#",
        "    code",
        "\tcode",
        "a\n\n \tcode",
        "```\nx\n```",
    ),
    *(
        "~~~\nx",
        "***",
        "_ _ _",
        "- - -",
        "_em_",
        "__strong__",
        "*em*",
        "~~x~~",
        "a | b\n--- | ---\nc | d",
        "|a|\n|-|",
        "`x`",
    ),
    *("<b>x</b>", "<!-- x", "&lt;", "[a]: /b\n\n[a]", "![a](b)", "<https://a.example>", "a\\\nb", "\\- x"),
)
HARMLESS: Final = ("a\n:-:", "a  \nb", "\n\n", " ", "1", "a_b_c", "x_", "-x", "1.5", "")
VALUES: Final = st.one_of(
    st.text("-+=:.()1a_*~`#>|<&;\\![]{}% \t\r\n\u00e9", max_size=20),
    st.lists(st.sampled_from(SECTIONS), max_size=3).map("\n".join),
    st.text(max_size=20),
)


def kinds(text: str) -> set[str]:
    """Which blocks and which parts of lines CommonMark finds in a text."""
    return {token.type for block in COMMONMARK.parse(text) for token in (block, *(block.children or ()))}


def shown(text: str) -> str:
    """What a reader sees of a text, but for what is white."""
    children = (child for block in COMMONMARK.parse(text) for child in block.children or ())
    return "".join("".join(child.content for child in children if child.type == "text").split())


@pytest.mark.parametrize("text", SECTIONS)
def test_a_section_is_one_where_nothing_is_escaped(text: str) -> None:
    """What reads the escaped values finds sections, or another text, where there are any."""
    assert not kinds(text) <= PLAIN_BLOCKS | PLAIN_INLINES or shown(text) != "".join(text.split())


@settings(max_examples=500, deadline=None)
@given(first=VALUES, second=VALUES)
@example(first="1", second=". x")
@example(first="-", second=" x")
@example(first="\n", second="    x")
def test_markdown_finds_nothing_but_text_in_values(first: str, second: str) -> None:
    written = ESCAPES[Markup.MARKDOWN](first) + ESCAPES[Markup.MARKDOWN](second)
    assert kinds(written) <= PLAIN_BLOCKS | PLAIN_INLINES
    assert shown(written) == "".join((escape_liquid(first) + escape_liquid(second)).replace("\0", "\ufffd").split())


@pytest.mark.parametrize("text", [*SECTIONS, *HARMLESS])
def test_markdown_finds_no_section_in_a_value(text: str) -> None:
    for before in ("", "a", "a\n", "a\n\n"):
        assert kinds(before + ESCAPES[Markup.MARKDOWN](text)) <= PLAIN_BLOCKS | PLAIN_INLINES
