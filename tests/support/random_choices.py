"""A sequence of choices, which decides how random contracts and messages turn out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class ChoiceSequence:
    """Draws from bytes; without any left, the first of everything."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def below(self, count: int) -> int:
        """A number from 0 to `count` - 1, of at most 256."""
        self._at += 1
        return self._data[self._at - 1] % count if self._at <= len(self._data) else 0

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def rarely(self, one_in: int) -> bool:
        return self.below(one_in) == one_in - 1

    def times(self, most: int) -> range:
        return range(self.below(most + 1))
