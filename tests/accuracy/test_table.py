"""Both sides of the judgement, one value a line: what is found wherever it stands, and what stays."""

from __future__ import annotations

import pytest

from tests.accuracy.table import POSITION_LETTERS, Line, faults, lines, masked_texts
from tests.accuracy.vectors import FILE, rendered
from tests.support.decisions import minimised

LINES = list(lines())


@pytest.mark.parametrize("line", LINES, ids=str)
def test_a_value_is_judged_as_its_line_says(line: Line) -> None:
    assert faults(line) == []


def test_the_table_holds_both_sides_in_each_place() -> None:
    assert len(LINES) > 300
    for place in POSITION_LETTERS:
        verdicts = {line.verdicts[place] for line in LINES} - {".", "?"}
        assert "k" in verdicts
        assert len(verdicts) > 1 or place == "C"


def test_no_line_is_there_twice() -> None:
    assert len({str(line) for line in LINES}) == len(LINES)


@pytest.mark.parametrize(("text", "left"), list(masked_texts()))
def test_what_is_found_in_a_text_is_masked_whole(text: str, left: str) -> None:
    assert minimised("free_text", text, "store") == left


def test_the_vectors_are_in_step_with_the_table() -> None:
    """`python -m tests.accuracy.vectors` writes them."""
    assert FILE.read_text(encoding="utf-8") == rendered()
