"""Where card numbers stand in folded text, and whether a whole number is one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.detectors.digits import Group, numbers

Span = tuple[int, int]

# What issuers' numbers begin with (ISO/IEC 7812; Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay, Maestro, Mir),
# and their lengths. None begins with 1, as the time now does in seconds, milliseconds, microseconds and nanoseconds.
_CARD: Final = re.compile(
    r"4[0-9]{12}(?:[0-9]{3}){0,2}|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}|3[47][0-9]{13}"
    r"|3(?:0[0-59]|[689][0-9])[0-9]{11,16}|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12,15}|35(?:2[89]|[3-8][0-9])[0-9]{12,15}"
    r"|62[0-9]{14,17}|220[0-4][0-9]{12,15}|(?:5[06-9]|6[0-9])[0-9]{14,17}"
)
_SHORTEST: Final = 13
_LONGEST: Final = 19
_MOST_GROUPS: Final = 6
_DOUBLED: Final = dict(zip("0123456789", (0, 2, 4, 6, 8, 1, 3, 5, 7, 9), strict=True))


def cards(text: str, *, loose: bool) -> Iterator[Span]:
    """The card numbers in folded text: on end or in groups, not beside letters; when `loose`, beside anything."""
    return ((groups[0].start, groups[-1].end) for groups in numbers(text, _end, loose=loose))


def is_card(digits: str) -> bool:
    """Whether digits are a number that a card issuer could have given out."""
    return _SHORTEST <= len(digits) <= _LONGEST and _CARD.fullmatch(digits) is not None and _is_luhn(digits)


def _end(groups: Sequence[Group], first: int) -> int | None:
    """The index of the group that ends a card number which starts with group `first`, or None."""
    if not groups[first].starts or groups[first].digits[0] not in "23456":
        return None
    digits = ""
    for last in range(first, min(first + _MOST_GROUPS, len(groups))):
        digits += groups[last].digits
        if groups[last].ends and is_card(digits):
            return last
        if len(digits) >= _LONGEST:
            return None
    return None


def _is_luhn(digits: str) -> bool:
    """The check digit of ISO/IEC 7812."""
    return (sum(map(int, digits[-1::-2])) + sum(_DOUBLED[digit] for digit in digits[-2::-2])) % 10 == 0
