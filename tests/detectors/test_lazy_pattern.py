"""A pattern that is compiled when it is first used finds what it would have found at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.lazy_pattern import LazyPattern

PATTERNS = (r"[a-c]+", r"(?<![0-9])([0-9]{2})\.?", r"\b(?P<word>ab|ba)\b", "")


USES: Final[Mapping[str, Callable[[Any], object]]] = {
    "search": lambda pattern: pattern.search("0ab"),
    "match": lambda pattern: pattern.match("0ab", 1),
    "fullmatch": lambda pattern: pattern.fullmatch("0ab", 1, 3),
    "finditer": lambda pattern: next(pattern.finditer("0ab", 1)),
    "sub": lambda pattern: pattern.sub("", "0ab", 1),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_the_first_use_finds_it_too(use: Callable[[Any], object]) -> None:
    assert str(use(LazyPattern("ab"))) == str(use(re.compile("ab")))


def test_once_compiled_it_is_the_patterns_own_method() -> None:
    lazy = LazyPattern("ab")
    lazy.search("")
    for name in USES:
        assert getattr(lazy, name) == getattr(re.compile("ab"), name)


@given(st.sampled_from(PATTERNS), st.text("abAB01. "), st.integers(0, 4))
def test_it_finds_what_the_pattern_finds(pattern: str, text: str, start: int) -> None:
    lazy, plain = LazyPattern(pattern, re.IGNORECASE), re.compile(pattern, re.IGNORECASE)
    for _ in range(2):
        assert [match.span() for match in lazy.finditer(text)] == [match.span() for match in plain.finditer(text)]
        assert lazy.sub("-", text) == plain.sub("-", text)
        for found, expected in (
            (lazy.search(text, start), plain.search(text, start)),
            (lazy.match(text, start), plain.match(text, start)),
            (lazy.fullmatch(text, start), plain.fullmatch(text, start)),
        ):
            assert (found and (found.span(), found.groupdict())) == (
                expected and (expected.span(), expected.groupdict())
            )


def test_it_reads_bytes_as_well() -> None:
    found = LazyPattern(b"b+").search(b"abba")
    assert found is not None
    assert found.span() == (1, 3)
