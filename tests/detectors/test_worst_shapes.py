"""What is made to be dear costs a bounded number of times a plain loop over its characters, however long it is."""

from __future__ import annotations

import pytest

from tests.support.worst_shapes import ADDRESSES, KEYS, TEXTS, cases, reference, seconds, size

CHARS = 10_000
LONG_CHARS = 40_000
TRIES = 5

MOST_TIMES = {"text": 80, "addresses": 115, "keys": 140, "names": 250, "beside": 80}
"""Half as much again as the dearest takes.

A loop takes 0.03 to 0.04 s a MB. Keys are short: what each costs counts for more.
"""

DEAREST = (
    "half addresses, drawn",
    "digits and letters drawn",
    "digits drawn",
    "escapes of each kind",
    "IBANs' countries",
    "hexadecimal",
)

MOST_GROWTH = 1.7
"""How many times as much a character may cost in a text that is four times as long."""

CASES = {name: case for name, case in cases(CHARS).items() if not name.startswith("values")}
LONG = cases(LONG_CHARS)


def test_there_are_shapes_of_each_kind() -> None:
    assert len(TEXTS) >= 60
    assert len(KEYS) >= 5
    assert len(ADDRESSES) >= 5
    assert TEXTS.keys() >= set(DEAREST)


@pytest.mark.parametrize("name", CASES)
def test_no_shape_costs_much_more_than_a_loop_over_its_characters(name: str) -> None:
    (judge, texts), most = CASES[name], MOST_TIMES[name.partition(":")[0]]
    seen: list[float] = []
    while not seen or (min(seen) > most and len(seen) < TRIES):
        seen.append(seconds(judge, texts) / size(texts) / (reference(CHARS) / CHARS))
    assert min(seen) <= most


@pytest.mark.parametrize("name", DEAREST)
def test_the_cost_of_the_dearest_texts_is_linear(name: str) -> None:
    growth: list[float] = []
    while not growth or (min(growth) > MOST_GROWTH and len(growth) < TRIES):
        growth.append(seconds(*LONG[f"text: {name}"]) / seconds(*CASES[f"text: {name}"]) * CHARS / LONG_CHARS)
    assert min(growth) <= MOST_GROWTH
