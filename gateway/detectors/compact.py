"""Folded text without the separators in it, as account and identification numbers are compared, and where it came from."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final

Span = tuple[int, int]

_SEPARATORS: Final = " \t.:/_-+()[]"
_REMOVED: Final = _SEPARATORS.encode()
_BLANKS: Final = dict.fromkeys(map(ord, _SEPARATORS), " ")
# Numbers are written with up to three separators between two characters, as in `) - (`. What more of them keep apart stays apart.
_APART: Final = re.compile(r"[ \t.:/_\-+()\[\]]{4,}+")


class Compact:
    """Text without separators, and where its characters stood."""

    def __init__(self, folded: str) -> None:
        self._spaced = _APART.sub(lambda gap: "\n" + gap[0][1:], folded)
        # As bytes, several times as fast; no separator is part of another character in UTF-8.
        self.text = self._spaced.encode().translate(None, _REMOVED).decode()

    def span(self, start: int, end: int) -> Span:
        """Return where in the folded text a span of `text` stands that isn't empty."""
        return self._origins[start], self._origins[end - 1] + 1

    def groups(self, start: int, end: int) -> list[str]:
        """Return what separators divide a span of `text` into."""
        first, last = self.span(start, end)
        return self._spaced[first:last].translate(_BLANKS).split()

    @cached_property
    def _origins(self) -> list[int]:
        return [index for index, char in enumerate(self._spaced) if char not in _SEPARATORS]
