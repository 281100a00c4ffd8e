"""The world's telephone numbering plans: whether digits are a valid number, a possible one, a mobile's. Plans are data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final, NamedTuple

import msgspec

from gateway.detectors import data

MAX_DIGITS: Final = 15
"""Digits of an international number with its country calling code (E.164)."""

_CODE_DIGITS: Final = (1, 2, 3)


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The national numbers of one country calling code.

    A valid one matches both `general` and `valid`, what numbers of any kind look like; a mobile's also `mobile`, where that is known.
    A possible one has as many digits as `lengths` says. `trunk` is dialled before one.
    """

    regions: str
    general: str
    valid: str
    lengths: frozenset[int]
    trunk: str
    mobile: str = ""


class International(NamedTuple):
    """A country calling code and the digits after it."""

    code: str
    national: str


def international(digits: str) -> International | None:
    """Return digits as an international number, or None if they start with no country calling code. No code starts another."""
    plans = _plans()
    return next((International(digits[:size], digits[size:]) for size in _CODE_DIGITS if digits[:size] in plans), None)


def is_international(digits: str) -> bool:
    """Whether digits are a country calling code and a valid number there; a 0 between the two is ignored."""
    number = international(digits)
    if number is None:
        return False
    return is_valid(*number) or (number.national.startswith("0") and is_valid(number.code, number.national[1:]))


def is_possible(digits: str) -> bool:
    """Whether digits are a country calling code and as many more as numbers have there; a 0 between the two is ignored."""
    number = international(digits)
    if number is None:
        return False
    lengths, size = _plans()[number.code].lengths, len(number.national)
    return size in lengths or (number.national.startswith("0") and size - 1 in lengths)


def is_valid(code: str, national: str) -> bool:
    """Whether digits are a valid number of the countries with a country calling code. Raises KeyError."""
    if len(national) not in _plans()[code].lengths or not _valid(code).fullmatch(national):
        return False
    return _general(code).fullmatch(national) is not None


def is_mobile(code: str, national: str) -> bool:
    """Whether digits are a mobile's number, of a country calling code whose plan tells these from others. Raises KeyError."""
    return is_valid(code, national) and _mobile(code).fullmatch(national) is not None


def trunk(code: str) -> str:
    """Return what is dialled before a national number, as the 0 of 06 12 34 56 78; nothing in some countries. Raises KeyError."""
    return _plans()[code].trunk


@cache
def _plans() -> Mapping[str, Plan]:
    return data.table("phones", dict[str, Plan])


# A plan's pattern takes up to some milliseconds to compile: that is done when the first such number is met.
@cache
def _valid(code: str) -> re.Pattern[str]:
    return re.compile(_plans()[code].valid)


@cache
def _general(code: str) -> re.Pattern[str]:
    return re.compile(_plans()[code].general)


@cache
def _mobile(code: str) -> re.Pattern[str]:
    return re.compile(_plans()[code].mobile)
