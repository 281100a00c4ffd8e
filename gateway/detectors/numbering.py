"""The world's telephone numbering plans: whether digits are a valid number, a possible one, a mobile's.

Plans are data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final, NamedTuple

import msgspec

from gateway.detectors import data

MAX_DIGITS: Final = 15
"""Digits of an international number with its country calling code (E.164)."""

MAX_CODE_DIGITS: Final = 3


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The national numbers of one country calling code.

    A valid one matches both `general` and `valid`, what numbers of any kind look like; a mobile's also `mobile`, where
    that is known. A possible one has as many digits as `lengths` says. `trunk` is dialled before one.
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
    """Return digits as an international number, or None if they start with no country calling code.

    No code starts another.
    """
    code = _code(digits[:MAX_CODE_DIGITS])
    return International(code, digits[len(code) :]) if code else None


def is_international(digits: str) -> bool:
    """Whether digits are a country calling code and a valid number there; a 0 between the two is ignored."""
    number = international(digits)
    if number is None:
        return False
    return is_valid(*number) or (number.national.startswith("0") and is_valid(number.code, number.national[1:]))


def is_possible(digits: str) -> bool:
    """Whether digits are a country calling code and as many more as numbers have there.

    A 0 between the two is ignored.
    """
    number = international(digits)
    if number is None:
        return False
    lengths, size = _plans()[number.code].lengths, len(number.national)
    return size in lengths or (number.national.startswith("0") and size - 1 in lengths)


def is_valid(code: str, national: str) -> bool:
    """Whether digits are a valid number of the countries with a country calling code. Raises KeyError."""
    check = _check(code)
    if len(national) not in check.lengths or not check.valid.fullmatch(national):
        return False
    return check.general.fullmatch(national) is not None


def is_valid_somewhere(codes: tuple[str, ...], national: str) -> bool:
    """Whether digits are a valid number with one of these country calling codes. Raises KeyError."""
    return _any_valid(codes).fullmatch(national) is not None and any(is_valid(code, national) for code in codes)


def is_mobile(code: str, national: str) -> bool:
    """Whether digits are a mobile's number, of a country calling code whose plan tells these from others.

    Raises KeyError.
    """
    return is_valid(code, national) and _mobile(code).fullmatch(national) is not None


def lengths(code: str) -> frozenset[int]:
    """Return how many digits a national number can have. Raises KeyError."""
    return _plans()[code].lengths


def trunk(code: str) -> str:
    """Return what is dialled before a national number, as the 0 of 06 12 34 56 78; nothing in some countries.

    Raises KeyError.
    """
    return _plans()[code].trunk


@cache
def _plans() -> Mapping[str, Plan]:
    return data.table("phones", dict[str, Plan])


@lru_cache(maxsize=10**MAX_CODE_DIGITS)
def _code(first: str) -> str | None:
    """Return the country calling code with which a number starts that starts with these digits."""
    return next((first[:size] for size in range(1, len(first) + 1) if first[:size] in _plans()), None)


class _Check(NamedTuple):
    """A plan that was made ready."""

    lengths: frozenset[int]
    valid: re.Pattern[str]
    general: re.Pattern[str]


# A plan's patterns take up to some milliseconds to compile: that is done when the first such number is met.
@cache
def _check(code: str) -> _Check:
    plan = _plans()[code]
    return _Check(plan.lengths, re.compile(plan.valid), re.compile(plan.general))


@cache
def _any_valid(codes: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(_plans()[code].valid for code in codes))


@cache
def _mobile(code: str) -> re.Pattern[str]:
    return re.compile(_plans()[code].mobile)
