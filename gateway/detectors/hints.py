"""Hints: whether something is in a text at all, asked before it is looked for place by place."""

from __future__ import annotations

import re
from typing import Final

import re2

_SHORT_CHARS: Final = 128
"""Up to here `re` has said it before RE2 has begun."""


class Hint:
    """A pattern that both engines read alike, without anything that looks around."""

    def __init__(self, pattern: str) -> None:
        self._short = re.compile(pattern)
        self._long = re2.compile(pattern)

    def __call__(self, text: str) -> bool:
        """Whether it is found in folded text."""
        return (self._short if len(text) <= _SHORT_CHARS else self._long).search(text) is not None
