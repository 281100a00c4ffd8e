"""Folded text without its separators, as account and identification numbers are compared, and where it stood."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final

from gateway.detectors.spans import Span

FILLER: Final = "\x01"
"""What folded text doesn't have: a separator that doesn't count as one more."""

LINE_END: Final = r"\r?\n(?:[ \t]{0,3}>){0,3}[ \t]{0,3}"
"""A pattern of one line end, with the marks of a quoted mail behind it."""

_SEPARATORS: Final = f" \t.:/_-+()[]{FILLER}"
_SEPARATOR_BYTES: Final = _SEPARATORS.encode()
_BLANKS: Final = dict.fromkeys(map(ord, _SEPARATORS), " ")
# Numbers are written with up to three separators between two characters, as in `) - (`. What more of them keep apart
# stays apart.
_APART: Final = re.compile(r"[ \t.:/_\-+()\[\]]{4,}+")
# What stands inside numbers without being of them: one line end with the marks of a quoted mail, a word before check
# digits.
_LINE_END: Final = re.compile(rf"(?<![\n\r]){LINE_END}(?=[0-9A-Z])")
_KEY_WORD: Final = re.compile(
    r"(?<=[0-9])[ \t,;/(_-]{0,3}(?:cle|key)[ \t:=_-]{0,3}(?=[0-9]{2}(?![0-9]))", re.IGNORECASE
)


_BREAK: Final = "\0"
"""What folded text doesn't have."""


def unwrapped(folded: str) -> str:
    """Return folded text, as long as it is, with blanks in place of single line ends inside it."""
    return _LINE_END.sub(_wrap, folded) if "\n" in folded else folded


def _wrap(gap: re.Match[str]) -> str:
    """Return one blank, and what Compact leaves out however much of it there is."""
    return " ".ljust(len(gap[0]), FILLER)


def _break(gap: re.Match[str]) -> str:
    return _BREAK + gap[0][1:]


def _blank(gap: re.Match[str]) -> str:
    return " " * len(gap[0])


class Compact:
    """Text without separators, and where its characters stood; `spaced` is as long as the text."""

    def __init__(self, folded: str) -> None:
        self.spaced = _KEY_WORD.sub(_blank, _APART.sub(_break, folded))
        # As bytes, several times as fast; no separator is part of another character in UTF-8.
        self.text = self.spaced.encode().translate(None, _SEPARATOR_BYTES).decode()

    def span(self, start: int, end: int) -> Span:
        """Return where in the folded text a span of `text` stands that isn't empty."""
        return self._origins[start], self._origins[end - 1] + 1

    def groups(self, start: int, end: int) -> list[str]:
        """Return what separators divide a span of `text` into."""
        first, last = self.span(start, end)
        return self.spaced[first:last].translate(_BLANKS).split()

    @cached_property
    def _origins(self) -> list[int]:
        return [index for index, char in enumerate(self.spaced) if char not in _SEPARATORS]
