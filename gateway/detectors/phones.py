"""Where phone numbers stand in folded text, and whether a whole number or a whole text is one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import Final

from gateway.detectors.budget import Budget, lookup_budget
from gateway.detectors.digits import ANY_DIGIT, GROUP_END, GROUP_START, Candidate, Rows, Span, coded_pattern, numbers
from gateway.detectors.figures import is_in_pairs
from gateway.detectors.numbering import (
    MAX_DIGITS,
    international,
    is_international,
    is_mobile,
    is_possible,
    is_valid,
    is_valid_somewhere,
    lengths,
    trunk,
)
from gateway.detectors.technical import is_date_with_hour

AMERICA: Final = "1"
_HOME: Final = ("33", "32", "353", "49", "44")
"""France, Belgium, Ireland, Germany, Britain.

Their numbers are found as they are dialled at home, with a 0 before them.
"""

_MOBILE: Final = {"33": "67", "353": "8", "32": "4", "49": "1"}
"""What mobile numbers begin with, in countries where they are found even without their 0."""

_WHOLE: Final = ("33", "353", "32", "49", "44", "1", "41", "34", "39", "31")
"""Where a text may be from that is one number as it is dialled at home.

Also Switzerland, Spain, Italy and the Netherlands.
"""

_MIN_DIGITS: Final = 9
_MIN_POSSIBLE_DIGITS: Final = 8
_MIN_LOCAL_DIGITS: Final = 8
_FIRST_DIGITS: Final = 3
"""How many digits tell a country calling code from others."""

_MIN_LOCAL: Final = ((3, 5), (4, 4))
"""How 8 digits are grouped that begin with 0, an area's code apart, to be told from dates and times."""

_AMERICAN_DIGITS: Final = 10
_MAX_NATIONAL_DIGITS: Final = 12
"""Digits of a national number without anything dialled before it: fewer than a card's."""

_MAX_DATE: Final = "2050"
"""What dates are looked out for in digits on end begin with at most.

Later ones are rarer than numbers that look like them.
"""

_ZEROS: Final = "00"
_MAX_DIALLED_DIGITS: Final = MAX_DIGITS + len(_ZEROS)
_PAIRS: Final = [2, 2, 2, 2, 2]
_SHAPES: Final = (
    r"00?[1-9]",
    rf"(?:3[235]|4[49])\d{{{_MIN_DIGITS - 2},{MAX_DIGITS - 1}}}%",
    r"1?[2-9]\d{2}[2-9]\d{6}%",
    r"[4678]\d{8}%",
    r"1[5-7]\d{9}%",
)
"""What a number begins with, and where it may end.

Home numbers, international ones, American ones, mobiles' without their 0.
"""

_HEAD: Final = re.compile(
    (
        f"(?=({GROUP_START}{ANY_DIGIT}{{{_MIN_POSSIBLE_DIGITS - 1},{_MAX_DIALLED_DIGITS}}}))"
        f"(?=[A-J]|{GROUP_START}[0-9]{{9,{MAX_DIGITS - 1}}}{GROUP_END}"
        f"|{'|'.join(map(coded_pattern, _SHAPES)).replace('%', GROUP_END)}){GROUP_START}"
    ).encode()
)
_PREFIX: Final = re.compile(r"(?:\+[ (]{0,2}|\()\Z")
_MAX_PREFIX_CHARS: Final = 3
_WRITTEN: Final = re.compile(
    r"(?:tel:|phone:)?(?P<number>\+?[0-9 ()./-]*[0-9][)]?)(?:[ ,;]{0,3}(?:ext(?:ension|n)?|poste|app?(?:arat)?|x|#)[ .:=]{0,2}[0-9]{1,8})?",
    re.IGNORECASE,
)
_NO_DIGIT: Final = re.compile(r"[^0-9]")


def phones(rows: Rows) -> Iterator[Span]:
    """Yield where phone numbers stand in the text of some rows of digits, in groups of any sizes or on end, whatever is around them.

    International with `+` or `00`; of France, Belgium, Ireland, Germany and Britain with country calling code or 0, American; mobiles'
    even without their 0; on end, international of any country. A number must be valid in its numbering plan; with `+`, or in five
    pairs of digits, no more than possible. Raises TooMuch.
    """
    found = numbers(rows, _HEAD, partial(_size, budget=lookup_budget(rows.text)))
    return (
        (start - _prefix_chars(rows.text, start), end) for start, end in found if not is_in_pairs(rows.text, start, end)
    )


def is_phone(value: int) -> bool:
    """Whether a whole number, whose leading 0 would be lost, is a phone number.

    It is one if it reads as an international number of at least 10 digits, or as a mobile number of France, Ireland,
    Belgium or Germany. Fixed lines are left out of the national readings: almost any 9 digits are one in France, and so
    any size of some 100 MB would be. So are German numbers of 10 digits that begin with 1, which are also the seconds
    since 1970 of any moment from 2001 to 2033.
    """
    digits = str(value)
    return (10 <= len(digits) <= MAX_DIGITS and is_international(digits)) or _is_bare_mobile(digits)


def is_whole_phone(text: str) -> bool:
    """Whether a text is one phone number and no more, but blanks, brackets, dots, dashes, slashes, `tel:` and an extension.

    It is valid as an international number, with `+`, `00` or neither, or as one dialled in Europe's west or America; no other is told
    from a card number.
    """
    written = _WRITTEN.fullmatch(text.strip())
    if written is None:
        return False
    digits = _NO_DIGIT.sub("", written["number"])
    if written["number"].startswith("+"):
        return len(digits) <= MAX_DIGITS + 1 and is_international(digits)
    if digits.startswith(_ZEROS):
        return is_international(digits[len(_ZEROS) :])
    return (len(digits) <= MAX_DIGITS and is_international(digits)) or any(_is_dialled(code, digits) for code in _WHOLE)


def _is_dialled(code: str, digits: str) -> bool:
    """Whether digits are a valid national number, with what is dialled before it at home.

    Or without, if too few for a card's.
    """
    before = trunk(code)
    if digits.startswith(before) and is_valid(code, digits[len(before) :]):
        return True
    return len(digits) <= _MAX_NATIONAL_DIGITS and is_valid(code, digits)


def _prefix_chars(text: str, start: int) -> int:
    """The length of the plus sign and the bracket before a number."""
    found = _PREFIX.search(text[max(0, start - _MAX_PREFIX_CHARS) : start])
    return len(found[0]) if found else 0


def _size(candidate: Candidate, budget: Budget) -> int | None:
    """How many digits the phone number has that starts at a candidate, if one does: as many as can be."""
    if candidate.has_plus and (size := _possible(candidate, budget)) is not None:
        return size
    return (_with_zero if candidate.digits[0] == "0" else _without_zero)(candidate, budget)


def _possible(candidate: Candidate, budget: Budget) -> int | None:
    """How many digits an international number after a plus sign has.

    Directly after a letter or digit it must be valid.
    """
    fits = is_international if candidate.follows_text else is_possible
    for size in candidate.sizes(_MIN_POSSIBLE_DIGITS, MAX_DIGITS + 1):
        budget.spend(1)
        if fits(candidate.digits[:size]):
            return size
    return None


def _with_zero(candidate: Candidate, budget: Budget) -> int | None:
    """How many digits a number has that begins with 0, as it is dialled at home, or with 00."""
    if candidate.digits.startswith(_ZEROS):
        return _with_two_zeros(candidate, budget)
    for size in candidate.sizes(_MIN_LOCAL_DIGITS, MAX_DIGITS):
        budget.spend(1)
        if _is_dialled_at_home(candidate, size) and not candidate.is_figure(size):
            return size
    return None


def _with_two_zeros(candidate: Candidate, budget: Budget) -> int | None:
    """How many digits an international number has that begins with 00."""
    number = international(candidate.digits[len(_ZEROS) :])
    if number is None:
        return None
    for size in candidate.sizes(_MIN_DIGITS, _MAX_DIALLED_DIGITS):
        budget.spend(1)
        if is_international(candidate.digits[len(_ZEROS) : size]) and not candidate.is_figure(size):
            return size
    return None


def _is_dialled_at_home(candidate: Candidate, size: int) -> bool:
    if size < _MIN_DIGITS and tuple(candidate.groups(size)) not in _MIN_LOCAL:
        return False
    return is_valid_somewhere(_HOME, candidate.digits[1:size]) or (
        size == sum(_PAIRS) and candidate.groups(size) == _PAIRS
    )


def _without_zero(candidate: Candidate, budget: Budget) -> int | None:
    """How many digits a number has that begins with neither plus nor 0."""
    contiguous = candidate.is_contiguous(_MIN_DIGITS)
    for size in _sizes(candidate.digits[:_FIRST_DIGITS], contiguous=contiguous):
        if not candidate.ends_at(size):
            continue
        budget.spend(2)  # looked up in more than one plan
        if _is_number(candidate, size) and not candidate.is_figure(size):
            return size
    return None


@lru_cache(maxsize=2 * 10**_FIRST_DIGITS)
def _sizes(first: str, *, contiguous: bool) -> Sequence[int]:
    """How many digits numbers can have that begin with these, the most first.

    If `on_end`, international ones of all countries.
    """
    number = international(first)
    sizes = {10} if first[0] in "23456789" else {11} if first[0] == AMERICA else set[int]()
    sizes.update(9 for starts in _MOBILE.values() if first[0] in starts)
    if number and (contiguous or number.code in _HOME):
        sizes.update(len(number.code) + length + zero for length in lengths(number.code) for zero in (0, 1))
    return sorted((size for size in sizes if _MIN_DIGITS <= size <= MAX_DIGITS), reverse=True)


def _is_number(candidate: Candidate, size: int) -> bool:
    """Whether digits that begin with neither plus nor 0 are a phone number."""
    digits = candidate.digits[:size]
    contiguous = candidate.is_contiguous(size)
    if contiguous and digits < _MAX_DATE and is_date_with_hour(digits):
        return False
    if _is_american(digits) or (digits.startswith(_HOME) and is_international(digits)):
        return True
    if contiguous:
        return is_phone(int(digits)) and not (size == _MIN_DIGITS and candidate.is_in_hexadecimal(size))
    return _is_bare_mobile(digits) and min(candidate.groups(size)[1:]) > 1


def _is_american(digits: str) -> bool:
    """Whether digits are an American number, with a 1 before it or none.

    Neither area nor exchange begins with 0 or 1.
    """
    national = digits[1:] if digits[0] == AMERICA else digits
    return len(national) == _AMERICAN_DIGITS and national[0] > "1" and national[3] > "1" and is_valid(AMERICA, national)


def _is_bare_mobile(digits: str) -> bool:
    """Whether digits are a mobile's number without its 0."""
    return len(digits) in (9, 10, 11) and any(
        digits[0] in starts and is_mobile(code, digits) and not (code == "49" and len(digits) == 10)
        for code, starts in _MOBILE.items()
    )
