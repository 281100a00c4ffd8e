"""Automata of many patterns, and hints.

Whether something is in a text at all, asked before it is looked for place by place.
"""

from __future__ import annotations

import re
from typing import Any, Final

import re2

_MAX_RE_CHARS: Final = 128
"""Up to here `re` has said it before RE2 has begun."""


_MAX_AUTOMATON_BYTES: Final = 1 << 25
"""With RE2's own bound, hostile text makes it build a large automaton again and again.

It was some twenty times as slow.
"""


def automaton(pattern: str) -> Any:
    """Return a pattern for RE2, with memory enough for its states."""
    options = re2.Options()
    options.max_mem = _MAX_AUTOMATON_BYTES
    return re2.compile(pattern, options)


class Hint:
    """A pattern that both engines read alike, without anything that looks around."""

    def __init__(self, pattern: str) -> None:
        self._short = re.compile(pattern)
        self._long = automaton(pattern)

    def __call__(self, text: str) -> bool:
        """Whether it is found in folded text."""
        return (self._short if len(text) <= _MAX_RE_CHARS else self._long).search(text) is not None
