"""A long run costs no more for a wrong end, or a wrong beginning: nothing reads it again from each of its places."""

from __future__ import annotations

import pytest

from gateway.detectors.detect import find
from tests.support.worst_shapes import seconds

UNITS = [
    "3a-",
    "3a:",
    "1.",
    "1-",
    "12 ",
    "12.",
    "a.",
    "ab:",
    "0:",
    "A1",
    "a@",
    "@a.",
    "4-",
    "06 ",
    "+33 ",
    "FR76 ",
    "1/",
    "48.8 ",
    "%4",
    "&#6",
    "=3",
    "at_",
]
ENDS = ["3850", "x", "@", ":", "..", "99999999999999999999", "\ufffe"]

CHARS = 6_000
TIMES = 4
MOST_GROWTH = 2.0
"""How many times as much a character may cost in a text that is four times as long."""
TRIES = 4


def run(unit: str, begin: str, end: str, chars: int) -> str:
    return begin + unit * (chars // len(unit)) + end


@pytest.mark.parametrize("unit", UNITS)
def test_a_run_with_a_wrong_end_is_read_once(unit: str) -> None:
    texts = [(begin, end) for end in ENDS for begin in ("", end)]
    growth: list[float] = []
    while not growth or (min(growth) > MOST_GROWTH and len(growth) < TRIES):
        short, long = (seconds(find, [run(unit, *around, CHARS * times) for around in texts]) for times in (1, TIMES))
        growth.append(long / short / TIMES)
    assert min(growth) <= MOST_GROWTH
