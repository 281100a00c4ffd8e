from __future__ import annotations

from tests.style.types import Figures, count, faults

SOURCE = """
from typing import (
    Any,
    cast,
)

def one(value: Any) -> Any:  # Any
    return cast(int, value)  # type: ignore[no-any-return]
"""


def test_lines_with_any_are_counted_apart_from_imports_and_escapes_one_by_one() -> None:
    assert count(iter([SOURCE])) == Figures(lines=8, any_lines=1, escapes=2)


def test_what_exceeds_its_bound_is_told() -> None:
    assert list(faults(Figures(1000, 1, 1))) == []
    assert len(list(faults(Figures(1000, 100, 1000)))) == 2
