"""What is made to be dear costs a bounded number of times what a loop of plain Python over its characters does, however long it is."""

from __future__ import annotations

import pytest

from tests.bench.worst_shapes import ADDRESSES, KEYS, TEXTS, cases, reference, seconds, size

CHARS = 10_000
LONG_CHARS = 40_000
TRIES = 3

MOST_TIMES = 45
DEARER = {
    "text: half addresses, drawn": 200,
    "keys: digits": 140,
    "text: digits and letters drawn": 130,
    "text: digits drawn": 100,
    "keys: letters": 100,
    "keys: case by case": 90,
    "text: escapes of each kind": 90,
    "text: IBANs' countries": 90,
    "keys: words": 80,
    "text: hexadecimal": 70,
}
"""What costs more, and how much at most; the bench prints what each of them takes."""

MOST_GROWTH = 1.7
"""How many times as much a character may cost in a text that is four times as long."""

CASES = {name: case for name, case in cases(CHARS).items() if not name.startswith("values")}
LONG = cases(LONG_CHARS)


def test_there_are_shapes_of_each_kind() -> None:
    assert len(TEXTS) >= 60
    assert len(KEYS) >= 5
    assert len(ADDRESSES) >= 5
    assert DEARER.keys() <= CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_no_shape_costs_much_more_than_a_loop_over_its_characters(name: str) -> None:
    judge, texts = CASES[name]
    seen: list[float] = []
    while not seen or (min(seen) > DEARER.get(name, MOST_TIMES) and len(seen) < TRIES):
        seen.append(seconds(judge, texts) / size(texts) / (reference(CHARS) / CHARS))
    assert min(seen) <= DEARER.get(name, MOST_TIMES)


@pytest.mark.parametrize("name", DEARER.keys() & {f"text: {text}" for text in TEXTS})
def test_the_cost_of_the_dearest_texts_is_linear(name: str) -> None:
    growth: list[float] = []
    while not growth or (min(growth) > MOST_GROWTH and len(growth) < TRIES):
        growth.append(seconds(*LONG[name]) / seconds(*CASES[name]) * CHARS / LONG_CHARS)
    assert min(growth) <= MOST_GROWTH
