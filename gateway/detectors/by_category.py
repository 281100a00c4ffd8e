"""Which kinds are looked for in texts of which category, as data: `data/categories.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from gateway.detectors.data import table
from gateway.model import DETECTORS, Category, Detector, Spare


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A category's row of the file."""

    sought: Literal["all"] | tuple[Detector, ...] = ()
    spare: tuple[Spare, ...] = ()
    counted: tuple[Detector, ...] = ()


class CategoryDetectors(msgspec.Struct, frozen=True):
    """What is looked for in a text: what it may not hold, what it may be all the same, and what is only counted."""

    detectors: tuple[Detector, ...] = ()
    spare: tuple[Spare, ...] = ()
    counted: tuple[Detector, ...] = ()


def detectors_for(category: Category) -> CategoryDetectors:
    """Return what is looked for in texts of a category: nothing, where the file doesn't name it."""
    return _BY_CATEGORY.get(category, _NONE)


def _category_detectors(row: _Row) -> CategoryDetectors:
    return CategoryDetectors(DETECTORS if row.sought == "all" else row.sought, row.spare, row.counted)


_NONE: Final = CategoryDetectors()
_BY_CATEGORY: Final[Mapping[Category, CategoryDetectors]] = {
    Category[name]: _category_detectors(row) for name, row in table("categories", dict[str, _Row]).items()
}
