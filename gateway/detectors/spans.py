"""Spans: from where to where in a text something stands, and blanking what stands there."""

from __future__ import annotations

import re
from collections.abc import Sequence

Span = tuple[int, int]
"""Start and end, in characters; the end is the first character behind it."""


def spans_of(pattern: re.Pattern[str], text: str) -> Sequence[Span]:
    """Return from where to where a pattern is found in a text."""
    return [match.span() for match in pattern.finditer(text)]


def blank(text: str, spans: Sequence[Span]) -> str:
    """Return a text with a `~` in place of each character of some spans."""
    if not spans:
        return text
    parts, done = [], 0
    for start, end in spans:
        parts += [text[done:start], "~" * (end - start)]
        done = end
    return "".join((*parts, text[done:]))
