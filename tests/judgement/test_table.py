"""Both sides of the judgement, one value a line: what is found wherever it stands, and what stays."""

from __future__ import annotations

import pytest

from tests.judgement.table import PLACES, Line, faults, lines

LINES = list(lines())


@pytest.mark.parametrize("line", LINES, ids=str)
def test_a_value_is_judged_as_its_line_says(line: Line) -> None:
    assert faults(line) == []


def test_the_table_holds_both_sides_in_each_place() -> None:
    assert len(LINES) > 300
    for place in PLACES:
        told = {line.verdicts[place] for line in LINES} - {".", "?"}
        assert "k" in told
        assert len(told) > 1 or place == "C"


def test_no_line_is_there_twice() -> None:
    assert len({str(line) for line in LINES}) == len(LINES)
