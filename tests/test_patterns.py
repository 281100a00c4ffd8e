"""Patterns: what loads, what doesn't, and what a match means."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.patterns import MAX_PATTERN, TOKEN, compile_pattern, max_chars


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"usr_[A-Za-z0-9]{1,32}", "usr_8f3kq2"),
        (r"[*+]{1,3}", "*+"),
        (r"\*\+\{2,\}", "*+{2,}"),
        (r"[]*]", "*"),
        (r"[^]*]", "x"),
        (r"[[:alpha:]*+]{2}", "a*"),
        (r"[\]*]", "*"),
        (r"a{,3}", "a{,3}"),
        (r"\p{Greek}{1,3}", "\u03b1\u03b2"),
        (r"(?i)GET|POST", "post"),
        (r"x?y??", "x"),
        (r"\x{41}", "A"),
        ("", ""),
    ],
)
def test_a_bounded_pattern_loads_and_matches(pattern: str, text: str) -> None:
    assert compile_pattern(pattern).fullmatch(text)


@pytest.mark.parametrize(
    "pattern",
    [".*", "a+", "a*?", "a++", "a{2,}", "a{2,}?", "(ab)*", "[a]+", "[[:alpha:]]+", r"\\*", "(?:a{1,3})+", "[*]*"],
)
def test_a_pattern_of_any_length_does_not_load(pattern: str) -> None:
    with pytest.raises(ValueError, match="bounded in length"):
        compile_pattern(pattern)


@pytest.mark.parametrize("pattern", [r"\Qa\E", r"\C", r"a\Qb"])
def test_what_hides_a_quantifier_or_splits_characters_does_not_load(pattern: str) -> None:
    with pytest.raises(ValueError, match="not supported"):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["(", "[a", "a{1001}", r"(a)\1", "(?=a)", r"[a-\d]", "(a{1,1000}){2}", "\ud800", r"(?:\pL{500}){2}\pN{999}"],
)
def test_what_is_not_re2_does_not_load(pattern: str) -> None:
    with pytest.raises(ValueError, match="not a valid RE2 pattern"):
        compile_pattern(pattern)


def test_a_pattern_has_a_length_of_its_own() -> None:
    with pytest.raises(ValueError, match="longer than"):
        compile_pattern("a" * (MAX_PATTERN + 1))


@pytest.mark.parametrize("text", ["GET\n", "\nGET", "GET ", "GETx", "xGET"])
def test_all_of_a_value_must_match(text: str) -> None:
    assert not compile_pattern("GET").fullmatch(text)
    assert not compile_pattern("(?m)^GET$").fullmatch(text)


@pytest.mark.parametrize(
    "text", ["h264", "v1.2.3", "application/json", "kannelle.video.v1", "2026-11-23T10:15:30Z", "x" * 64]
)
def test_a_token_is_what_operational_values_look_like(text: str) -> None:
    assert compile_pattern(TOKEN).fullmatch(text)


@pytest.mark.parametrize("text", ["", "-x", "a b", "a@b", "\u00e9", "x" * 65, "x\n"])
def test_other_text_is_no_token(text: str) -> None:
    assert not compile_pattern(TOKEN).fullmatch(text)


@settings(deadline=None)
@given(st.text("ab*+{},0123?()[]^|\\.-:Q", max_size=12))
def test_what_loads_matches_no_long_value(pattern: str) -> None:
    """A pattern of n characters can repeat at most 1,000 characters, the most that RE2 repeats, for each."""
    try:
        compiled = compile_pattern(pattern)
    except ValueError:
        return
    assert not any(compiled.fullmatch(char * 20_000) for char in "ab*+")


@pytest.mark.parametrize(
    ("pattern", "most"),
    [
        ("a", 1),
        ("ab{2,5}", 6),
        ("(ab|cde){3}", 9),
        ("[^]a]{4}x?", 5),
        ("(?:a|b(c|d){2}){0,7}", 21),
        (r"\.{3}\(", 4),
        (r"[)(|{}\]]{2}", 2),
        ("a{2}{3}", 6),
        ("|a", 1),
        ("(a{2}|b)(c|d{9})", 11),
    ],
)
def test_how_long_a_match_may_be(pattern: str, most: int) -> None:
    assert max_chars(pattern) == most


PARTS: Final = st.sampled_from(
    ["a", "[ab]", r"\d", "a?", "b{2}", "[0-9]{1,3}", "(a|bc)", "(?:a|b{2}){1,2}", "|", r"\."]
)


@given(st.lists(PARTS, min_size=1, max_size=6).map("".join), st.data())
def test_no_match_is_longer_than_it_may_be(pattern: str, data: st.DataObject) -> None:
    """Python's own reader of patterns makes the matches."""
    text = data.draw(st.from_regex(pattern, fullmatch=True, alphabet="ab.0123456789c"))
    assert len(text) <= max_chars(pattern)
