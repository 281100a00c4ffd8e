"""Where phone numbers stand in folded text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from gateway.detectors.budget import Budget, lookup_budget
from gateway.detectors.digit_code import ANY_DIGIT, GROUP_END, GROUP_START, coded_pattern
from gateway.detectors.digits import Candidate, Rows, numbers
from gateway.detectors.figures import is_in_pairs
from gateway.detectors.numbering import (
    MAX_DIGITS,
    international,
    is_international,
    is_possible,
    is_valid,
    is_valid_somewhere,
    lengths,
)
from gateway.detectors.spans import Span
from gateway.detectors.technical import is_date_with_hour
from gateway.detectors.whole_phones import MOBILE_FIRST_DIGITS, is_bare_mobile, is_phone

AMERICA: Final = "1"
_HOME_CODES: Final = ("33", "32", "353", "49", "44")
"""France, Belgium, Ireland, Germany, Britain.

Their numbers are found as they are dialled at home, with a 0 before them.
"""


_MIN_DIGITS: Final = 9
_MIN_POSSIBLE_DIGITS: Final = 8
_MIN_LOCAL_DIGITS: Final = 8
_FIRST_DIGITS: Final = 3
"""How many digits tell a country calling code from others."""

_MIN_LOCAL: Final = ((3, 5), (4, 4))
"""How 8 digits are grouped that begin with 0, an area's code apart, to be told from dates and times."""

_AMERICAN_DIGITS: Final = 10

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


def phones(rows: Rows) -> Iterator[Span]:
    """Yield where phone numbers stand in the text of some rows of digits.

    In groups of any sizes or on end, whatever is around them. International with `+` or `00`; of France, Belgium,
    Ireland, Germany and Britain with country calling code or 0, American; mobiles' even without their 0; on end,
    international of any country. A number must be valid in its numbering plan; with `+`, or in five pairs of digits, no
    more than possible. Raises BudgetExceeded.
    """
    found = numbers(rows, _HEAD, _PhoneReader(lookup_budget(rows.text)))
    return (
        (start - _prefix_chars(rows.text, start), end) for start, end in found if not is_in_pairs(rows.text, start, end)
    )


def _prefix_chars(text: str, start: int) -> int:
    """The length of the plus sign and the bracket before a number."""
    found = _PREFIX.search(text[max(0, start - _MAX_PREFIX_CHARS) : start])
    return len(found[0]) if found else 0


class _PhoneReader:
    """Reads phone numbers from candidates, within a budget of look-ups."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def size(self, candidate: Candidate) -> int | None:
        """How many digits the phone number has that starts at a candidate, if one does: as many as can be."""
        if candidate.has_plus and (size := self._possible(candidate)) is not None:
            return size
        return (self._with_zero if candidate.digits[0] == "0" else self._without_zero)(candidate)

    def _possible(self, candidate: Candidate) -> int | None:
        """How many digits an international number after a plus sign has.

        Directly after a letter or digit it must be valid.
        """
        fits = is_international if candidate.follows_text else is_possible
        for size in candidate.sizes(_MIN_POSSIBLE_DIGITS, MAX_DIGITS + 1):
            self._budget.spend(1)
            if fits(candidate.digits[:size]):
                return size
        return None

    def _with_zero(self, candidate: Candidate) -> int | None:
        """How many digits a number has that begins with 0, as it is dialled at home, or with 00."""
        if candidate.digits.startswith(_ZEROS):
            return self._with_two_zeros(candidate)
        for size in candidate.sizes(_MIN_LOCAL_DIGITS, MAX_DIGITS):
            self._budget.spend(1)
            if _is_dialled_at_home(candidate, size) and not candidate.is_figure(size):
                return size
        return None

    def _with_two_zeros(self, candidate: Candidate) -> int | None:
        """How many digits an international number has that begins with 00."""
        number = international(candidate.digits[len(_ZEROS) :])
        if number is None:
            return None
        for size in candidate.sizes(_MIN_DIGITS, _MAX_DIALLED_DIGITS):
            self._budget.spend(1)
            if is_international(candidate.digits[len(_ZEROS) : size]) and not candidate.is_figure(size):
                return size
        return None

    def _without_zero(self, candidate: Candidate) -> int | None:
        """How many digits a number has that begins with neither plus nor 0."""
        contiguous = candidate.is_contiguous(_MIN_DIGITS)
        for size in _sizes(candidate.digits[:_FIRST_DIGITS], contiguous=contiguous):
            if not candidate.ends_at(size):
                continue
            self._budget.spend(2)  # looked up in more than one plan
            if _is_number(candidate, size) and not candidate.is_figure(size):
                return size
        return None


def _is_dialled_at_home(candidate: Candidate, size: int) -> bool:
    if size < _MIN_DIGITS and tuple(candidate.groups(size)) not in _MIN_LOCAL:
        return False
    return is_valid_somewhere(_HOME_CODES, candidate.digits[1:size]) or (
        size == sum(_PAIRS) and candidate.groups(size) == _PAIRS
    )


@lru_cache(maxsize=2 * 10**_FIRST_DIGITS)
def _sizes(first: str, *, contiguous: bool) -> Sequence[int]:
    """How many digits numbers can have that begin with these, the most first.

    If `contiguous`, international ones of all countries.
    """
    number = international(first)
    sizes = {10} if first[0] in "23456789" else {11} if first[0] == AMERICA else set[int]()
    sizes.update(9 for starts in MOBILE_FIRST_DIGITS.values() if first[0] in starts)
    if number and (contiguous or number.code in _HOME_CODES):
        sizes.update(len(number.code) + length + zero for length in lengths(number.code) for zero in (0, 1))
    return sorted((size for size in sizes if _MIN_DIGITS <= size <= MAX_DIGITS), reverse=True)


def _is_number(candidate: Candidate, size: int) -> bool:
    """Whether digits that begin with neither plus nor 0 are a phone number."""
    digits = candidate.digits[:size]
    contiguous = candidate.is_contiguous(size)
    if contiguous and digits < _MAX_DATE and is_date_with_hour(digits):
        return False
    if _is_american(digits) or (digits.startswith(_HOME_CODES) and is_international(digits)):
        return True
    if contiguous:
        return is_phone(int(digits)) and not (size == _MIN_DIGITS and candidate.is_in_hexadecimal(size))
    return is_bare_mobile(digits) and min(candidate.groups(size)[1:]) > 1


def _is_american(digits: str) -> bool:
    """Whether digits are an American number, with a 1 before it or none.

    Neither area nor exchange begins with 0 or 1.
    """
    national = digits[1:] if digits[0] == AMERICA else digits
    return len(national) == _AMERICAN_DIGITS and national[0] > "1" and national[3] > "1" and is_valid(AMERICA, national)
