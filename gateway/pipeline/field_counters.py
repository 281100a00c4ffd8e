"""Of which items the fields that a plan doesn't have are counted: of all, or of a sample by category."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Final

from gateway.model import Category

EXACT_ITEMS: Final = 1_024
"""Items of which each is counted by category; small numbers are exact."""

SAMPLING_STRIDE: Final = 32
"""From then on one item in so many is counted, and stands for all of them.

Telling fields apart costs more than minimising does.
"""

Numbers = Callable[[str], Mapping[int, Category]]
"""The categories of a message type's fields, by number."""


class TotalCounter:
    """Of each item, how many fields there are."""

    def weight(self) -> int:
        """Each stands for itself."""
        return 1

    @staticmethod
    def categories(_type: str, /) -> None:
        """Fields are counted in `unplanned` alone."""
        return


class CategorySampler:
    """Of some items, how many fields there are of each category.

    Items 0 to 1,023 stand for themselves, 1,024 for itself and the 31 that follow, which aren't counted; so does 1,056.
    """

    def __init__(self, numbers: Numbers) -> None:
        self.categories = numbers
        self._items = count()

    def weight(self) -> int:
        """Each of the first ones for itself, then one in `SAMPLING_STRIDE` for all."""
        number = next(self._items)
        return 1 if number < EXACT_ITEMS else 0 if number % SAMPLING_STRIDE else SAMPLING_STRIDE
