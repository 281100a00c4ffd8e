"""Values as they are written where a vendor reads more than text."""

from __future__ import annotations

from itertools import product
from typing import Final

import pytest

from gateway.policy.markup import ESCAPES, Markup, holds_liquid, liquid

PIECES: Final = ("", "{", "}", "%", "{{", "}}", "{%", "%}", "a", " ", "{{a}}", "{% raw %}", "\\", "<")


@pytest.mark.parametrize("before", PIECES)
def test_no_value_opens_or_closes_liquid_whatever_stands_beside_it(before: str) -> None:
    for first, second, behind in product(PIECES, PIECES, PIECES):
        given = f"{before}{liquid(first)}{liquid(second)}{behind}"
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
        (Markup.MARKDOWN, "![a](b) <i> `c` *d* # | ~ \\ &lt; e_f", "\\!\\[a\\](b) \\<i\\> \\`c\\` \\*d\\* \\# \\| \\~ \\\\ \\&lt; e_f"),
        (Markup.URL, "a/b?c=d&e#f {", "a%2Fb%3Fc%3Dd%26e%23f%20%7B"),
        (Markup.TAG, "a b,c\n{d}", "a_b_c__d_"),
        (Markup.IDENTITY, "{{a}}", "{{a}}"),
    ],
)
def test_a_value_says_nothing_but_itself(markup: Markup, text: str, expected: str) -> None:
    assert ESCAPES[markup](text) == expected


@pytest.mark.parametrize(("text", "held"), [("{{a}}", True), ("{% a %}", True), ("{a}", False), ("100 %", False), ("a}}", False)])
def test_what_would_be_expanded_is_told(text: str, held: bool) -> None:
    assert holds_liquid(text) is held
