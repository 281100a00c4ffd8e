"""Automata of many patterns, and hints.

Whether something is in a text at all, asked before it is looked for place by place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Protocol

import re2

from gateway.detectors.spans import Span

_MAX_RE_CHARS: Final = 128
"""Up to here `re` has said it before RE2 has begun."""

_MAX_AUTOMATON_BYTES: Final = 1 << 25
"""With RE2's own bound, hostile text makes it build a large automaton again and again.

It was some twenty times as slow.
"""


class Found(Protocol):
    """Where an automaton found its pattern: as much of `re.Match` as both engines have."""

    def __getitem__(self, group: int) -> str: ...

    def start(self) -> int:
        """Return where it starts."""
        ...

    def end(self) -> int:
        """Return where it ends."""
        ...

    def span(self) -> Span:
        """Return from where to where it stands."""
        ...


class Automaton(Protocol):
    """A compiled pattern: as much of `re.Pattern` as both engines have."""

    def search(self, text: str, /) -> Found | None:
        """Return the first place where it is found."""
        ...

    def finditer(self, text: str, /) -> Iterator[Found]:
        """Yield the places where it is found, from left to right; none overlap."""
        ...


def automaton(pattern: str) -> Automaton:
    """Return a pattern for RE2, with memory enough for its states."""
    options = re2.Options()
    options.max_mem = _MAX_AUTOMATON_BYTES
    compiled: Automaton = re2.compile(pattern, options)
    return compiled


class Hint:
    """A pattern that both engines read alike, without anything that looks around."""

    def __init__(self, pattern: str) -> None:
        self._short: Automaton = re.compile(pattern)
        self._long = automaton(pattern)

    def __call__(self, text: str) -> bool:
        """Return whether it is found in folded text."""
        return (self._short if len(text) <= _MAX_RE_CHARS else self._long).search(text) is not None
