"""Which values are sent: seen before by the one that is measured, or fresh, which nobody has sent yet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Final

SEEN: Final = "seen"
MIXED: Final = "5 % fresh"
FRESH: Final = "fresh"
NONE: Final = "–"
"""Of rows that carry no values of anybody."""

EVERY: Final = {SEEN: 0, MIXED: 20, FRESH: 1}
"""Every so many items is fresh; 0: none is."""

SEEN_USERS: Final = 20
"""Of so many users is what was seen before."""

CODE_CHARS: Final = 6
_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_CODES: Final = len(_ALPHABET) ** CODE_CHARS
_STEPS: Final = (1_664_525, 1_103_515_245, 1_812_433_253, 1_566_083_941)
"""Each without a factor of 36, so that no number below 2,000,000,000 has the code of another."""

_fresh = count(1000)


def numbers(values: str, seen_users: int = SEEN_USERS) -> Iterator[int]:
    """Numbers of users without end. Those of fresh ones are given once in this process."""
    every = EVERY[values]
    for index in count():
        yield next_fresh() if every and index % every == 0 else index % seen_users


def next_fresh() -> int:
    """A number above all of users seen before, another one each time."""
    return next(_fresh)


def code(number: int, kind: int = 0) -> str:
    """Letters and digits that look drawn, as an ID's do: others for each number, and for each of four kinds."""
    left, chars = (number + 1) * _STEPS[kind] % _CODES, []
    for _ in range(CODE_CHARS):
        left, digit = divmod(left, len(_ALPHABET))
        chars.append(_ALPHABET[digit])
    return "".join(chars)
