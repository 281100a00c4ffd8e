"""Where phone numbers stand in folded text, and whether a whole number is one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumber, PhoneNumberType, is_possible_number, is_valid_number, number_type

from gateway.detectors.bounds import Budget, lookups
from gateway.detectors.digits import Group, join, numbers
from gateway.detectors.technical import is_moment

Span = tuple[int, int]

FRANCE: Final = 33
IRELAND: Final = 353
BELGIUM: Final = 32
GERMANY: Final = 49
BRITAIN: Final = 44
AMERICA: Final = 1

_HOME: Final = (FRANCE, IRELAND, BELGIUM, GERMANY)
_TRUNK: Final = (*_HOME, BRITAIN)
"""Countries whose national numbers are dialled with a 0 before them."""

_MOBILE: Final = {FRANCE: "67", IRELAND: "8", BELGIUM: "4", GERMANY: "1"}
"""What mobile numbers begin with."""

_MOBILE_TYPES: Final = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
_LONGEST: Final = 15
"""Digits of an international number (E.164)."""

_PREFIX: Final = re.compile(r"(?:\+[ (]{0,2}|\()\Z")
_AMERICAN_DIGITS: Final = re.compile(r"(?:[2-9][0-9]{2}){2}[0-9]{4}")
_AMERICAN: Final = ((3, 3, 4), (1, 3, 3, 4))
_FRENCH: Final = (1, 2, 2, 2, 2)
_CODES: Final = frozenset(map(str, _TRUNK))
_SHAPED: Final = frozenset({1, 2, 3, *range(9, _LONGEST + 1)})
"""How many digits the first group has, in one of these shapes or on end."""

_SHORTEST: Final = 8
_MOST_GROUPS: Final = 8


def phones(text: str, *, loose: bool) -> Iterator[Span]:
    """The phone numbers in folded text.

    International with `+` or `00`; national with their 0, for France, Ireland, Belgium, Germany and Britain; American; in groups as usual,
    or on end between other characters than letters. When `loose`, letters may be around them. A number must be valid in its country's
    plan, but with `+`, or in five pairs of digits, no more than possible. Raises TooMuch.
    """
    end = partial(_end, budget=lookups(text))
    return ((groups[0].start - len(_prefix(groups[0])), groups[-1].end) for groups in numbers(text, end, loose=loose))


def is_phone(value: int) -> bool:
    """Whether a whole number, whose leading 0 would be lost, is a phone number.

    It is one if it reads as an international number of at least 10 digits, or as a mobile number of France, Ireland, Belgium or Germany.
    Fixed lines are left out of the national readings: almost any 9 digits are one in France, and so any size of some 100 MB would be. So
    are German numbers of 10 digits that begin with 1, which are also the seconds since 1970 of any moment from 2001 to 2033.
    """
    digits = str(value)
    if 10 <= len(digits) <= _LONGEST and _is_international(digits):
        return True
    return len(digits) in (9, 10, 11) and any(_is_mobile(country, digits) for country, starts in _MOBILE.items() if digits[0] in starts)


def _end(groups: Sequence[Group], first: int, budget: Budget) -> int | None:
    """The index of the group that ends a phone number which starts with group `first`, or None."""
    head = groups[first]
    if not head.starts:
        return None
    if "+" in _prefix(head):
        possible = (last for last in _lasts(groups, first) if _is_possible(join(groups[first : last + 1]), budget))
        if (last := next(possible, None)) is not None:
            return last
    fits = _is_trunk if head.digits[0] == "0" else _is_shaped
    lasts = _lasts(groups, first) if head.digits[0] == "0" or len(head.digits) in _SHAPED else ()
    return next((last for last in lasts if groups[last].ends and fits(groups[first : last + 1], budget)), None)


def _prefix(group: Group) -> str:
    """The plus sign and the bracket before a number."""
    found = _PREFIX.search(group.before)
    return found[0] if found else ""


def _lasts(groups: Sequence[Group], first: int) -> list[int]:
    """Which groups may end a number of 8 to 18 digits, the furthest first."""
    lasts, total = [], 0
    for last in range(first, min(first + _MOST_GROUPS, len(groups))):
        total += len(groups[last].digits)
        if total > _LONGEST + 3:
            break
        if total >= _SHORTEST:
            lasts.append(last)
    return lasts[::-1]


def _is_trunk(groups: Sequence[Group], budget: Budget) -> bool:
    """Whether groups that begin with 0 are a phone number: international after 00, else national and grouped as people do."""
    digits = join(groups)
    if digits.startswith("00"):
        return _is_known(digits[2:], budget)
    head = groups[0]
    if head.is_decimals and (len(groups) == 1 or len(head.digits) > 3):
        return False
    bracketed = (head.before[-1:], head.after[:1]) == ("(", ")")
    if [len(group.digits) for group in groups] == [2, 2, 2, 2, 2]:
        return True
    return (len(head.digits) > 1 or bracketed) and _is_national(digits[1:], budget)


def _is_shaped(groups: Sequence[Group], budget: Budget) -> bool:
    """Whether groups that don't begin with 0 are on end or grouped like an American, French or international number, and are one."""
    if len(groups) == 1:
        return _is_whole(groups[0], budget)
    shape, digits = tuple(len(group.digits) for group in groups), join(groups)
    if shape in _AMERICAN or (shape == (3, 7) and ")" in groups[0].after):
        return (len(digits) == 10 or digits[0] == "1") and _is_known(f"1{digits[-10:]}", budget)
    if shape == _FRENCH and digits[0] in _MOBILE[FRANCE]:
        return _is_known(f"{FRANCE}{digits}", budget)
    return len(groups) > 2 and groups[0].digits in _CODES and _is_known(digits, budget)


def _is_whole(group: Group, budget: Budget) -> bool:
    """Whether digits on end that don't begin with 0 are a phone number."""
    if group.is_decimals or group.after == "." or is_moment(group.digits) or not 9 <= len(group.digits) <= _LONGEST:
        return False
    budget.spend(2)
    return is_phone(int(group.digits)) or (len(group.digits) == 10 and _is_valid(AMERICA, group.digits))


def _is_known(digits: str, budget: Budget) -> bool:
    budget.spend(1)
    return len(digits) <= _LONGEST + 1 and _is_international(digits)


def _is_possible(digits: str, budget: Budget) -> bool:
    """Whether digits are a country code and as many more as numbers have there; a 0 between the two is ignored."""
    budget.spend(1)
    for size in (1, 2, 3):
        country, national = int(digits[:size]), digits[size:]
        if country in COUNTRY_CODE_TO_REGION_CODE and len(national) <= _LONGEST:
            return any(is_possible_number(_number(country, each)) for each in (national, national.removeprefix("0")))
    return False


def _is_international(digits: str) -> bool:
    """Whether digits are a country code and a valid number there; a 0 between the two is ignored."""
    for size in (1, 2, 3):
        country, national = int(digits[:size]), digits[size:]
        if country in COUNTRY_CODE_TO_REGION_CODE:
            return _is_valid(country, national) or (national.startswith("0") and _is_valid(country, national[1:]))
    return False


def _is_national(national: str, budget: Budget) -> bool:
    for country in _TRUNK:
        budget.spend(1)
        if _is_valid(country, national):
            return True
    return False


def _is_mobile(country: int, national: str) -> bool:
    if country == GERMANY and len(national) == 10:
        return False
    return number_type(_number(country, national)) in _MOBILE_TYPES


def _is_valid(country: int, national: str) -> bool:
    if country == AMERICA and not _AMERICAN_DIGITS.fullmatch(national):
        return False  # sooner than by asking each of the 25 countries that share the code
    return len(national) <= _LONGEST and is_valid_number(_number(country, national))


def _number(country: int, national: str) -> PhoneNumber:
    # The leading 0 belongs to the number in a few countries, Italy first; elsewhere the number is then invalid.
    return PhoneNumber(country_code=country, national_number=int(national or 0), italian_leading_zero=national.startswith("0") or None)
