"""Arrays whose elements are parts of one value: the groups of a card or phone number, the two numbers of a place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from gateway.detectors.detect import find
from gateway.errors import Reason
from gateway.model import DETECTORS, Detector
from gateway.plan import FreeText, Scalar, Text

MIN_DIGITS: Final = 6
"""Digits of the shortest value that may come in parts, two coordinates: with fewer, nothing is joined."""

_DECIMAL: Final = re.compile(r"-?[0-9]{1,3}\.[0-9]+")
_SHORT_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,4}")
_MANY: Final = 8
_SOME: Final = 5
_MIN_SIZES: Final = 3
_CARD: Final = (4, 4, 4, 4)
"""How the digits of a card's number are grouped."""

_PLACE: Final = (Detector.COORDINATES,)


def sought_of(rule: Scalar | None) -> tuple[Detector, ...]:
    """Return what is looked for in the joined strings and numbers of an array, by the rule of its strings.

    Identifiers and addresses are told one by one, and what is listed stands for nothing else. Where whole numbers of
    companies are spared, several of them hold no card.
    """
    match rule:
        case Text(one_of=(), detect=detect, spare=spare):
            return tuple(kind for kind in detect if not spare or kind is not Detector.CARD)
        case FreeText():
            return DETECTORS
    return ()


def check_joined(parts: Sequence[str], sought: Sequence[Detector]) -> Reason | None:
    """Return the reason why an array goes though each of its elements may stay; None if it may stay too."""
    if (
        len(parts) < 2
        or not sought
        or sum(char.isdigit() for part in parts for char in part) < MIN_DIGITS
        or _is_row(parts)
    ):
        return None
    return next(filter(None, (find(text, kinds) for text, kinds in _joined(parts, sought))), None)


def _is_row(parts: Sequence[str]) -> bool:
    """Whether whole numbers rise as bounds and ports do, and as the groups of no number are written.

    They are many, or five and more of several lengths, or all of four or of five digits. Four of four digits may be a
    card's; a number that begins with 0 is dialled, but as the first of many.
    """
    if not all(map(_SHORT_NUMBER.fullmatch, parts)) or any(int(one) >= int(other) for one, other in pairwise(parts)):
        return False
    if len(parts) >= _MANY:
        return True
    sizes = set(map(len, parts))
    several = len(parts) >= _SOME and len(sizes) >= _MIN_SIZES
    return parts[0] != "0" and (several or (sizes == {4} and len(parts) != len(_CARD)) or sizes == {5})


def _joined(parts: Sequence[str], sought: Sequence[Detector]) -> Iterator[tuple[str, Sequence[Detector]]]:
    """Yield the texts that the parts may be of, and what is looked for in each.

    Decimals are the parts of nothing but a place, and what has dashes or dots of its own doesn't go on in the next one.
    """
    if any(map(_DECIMAL.fullmatch, parts)):
        yield ",".join(parts), [kind for kind in _PLACE if kind in sought]
        return
    yield " ".join(parts), sought
    yield ",".join(parts), sought
    if all(map(str.isalnum, parts)):
        yield "".join(parts), sought
