"""Whether a whole number, or a whole text, is a phone number."""

from __future__ import annotations

import re
from typing import Final

from gateway.detectors.lazy_pattern import LazyPattern
from gateway.detectors.numbering import MAX_DIGITS, is_international, is_mobile, is_valid, trunk

MOBILE_FIRST_DIGITS: Final = {"33": "67", "353": "8", "32": "4", "49": "1"}
"""What mobile numbers begin with, in countries where they are found even without their 0."""

_WHOLE_CODES: Final = ("33", "353", "32", "49", "44", "1", "41", "34", "39", "31")
"""Where a text may be from that is one number as it is dialled at home.

Also Switzerland, Spain, Italy and the Netherlands.
"""

_MAX_NATIONAL_DIGITS: Final = 12
"""Digits of a national number without anything dialled before it: fewer than a card's."""

_WRITTEN: Final = LazyPattern(
    r"(?:tel:|phone:)?(?P<number>\+?[0-9 ()./-]*[0-9][)]?)(?:[ ,;]{0,3}(?:ext(?:ension|n)?|poste|app?(?:arat)?|x|#)[ .:=]{0,2}[0-9]{1,8})?",
    re.IGNORECASE,
)

_NO_DIGIT: Final = re.compile(r"[^0-9]")

_ZEROS: Final = "00"


def is_phone(value: int) -> bool:
    """Return whether a whole number, whose leading 0 would be lost, is a phone number.

    It is one if it reads as an international number of at least 10 digits, or as a mobile number of France, Ireland,
    Belgium or Germany. Fixed lines are left out of the national readings: almost any 9 digits are one in France, and so
    any size of some 100 MB would be. So are German numbers of 10 digits that begin with 1, which are also the seconds
    since 1970 of any moment from 2001 to 2033.
    """
    digits = str(value)
    return (10 <= len(digits) <= MAX_DIGITS and is_international(digits)) or is_bare_mobile(digits)


def is_whole_phone(text: str) -> bool:
    """Return whether a text is one phone number, with blanks, brackets, dots, dashes, slashes, `tel:` and an extension.

    It is valid as an international number, with `+`, `00` or neither, or as one dialled in Europe's west or America; no
    other is told from a card number.
    """
    written = _WRITTEN.fullmatch(text.strip())
    if written is None:
        return False
    digits = _NO_DIGIT.sub("", written["number"])
    if written["number"].startswith("+"):
        return len(digits) <= MAX_DIGITS + 1 and is_international(digits)
    if digits.startswith(_ZEROS):
        return is_international(digits[len(_ZEROS) :])
    return (len(digits) <= MAX_DIGITS and is_international(digits)) or any(
        _is_dialled(code, digits) for code in _WHOLE_CODES
    )


def _is_dialled(code: str, digits: str) -> bool:
    """Whether digits are a valid national number, with what is dialled before it at home.

    Or without, if too few for a card's.
    """
    before = trunk(code)
    if digits.startswith(before) and is_valid(code, digits[len(before) :]):
        return True
    return len(digits) <= _MAX_NATIONAL_DIGITS and is_valid(code, digits)


def is_bare_mobile(digits: str) -> bool:
    """Return whether digits are a mobile's number without its 0."""
    return len(digits) in (9, 10, 11) and any(
        digits[0] in starts and is_mobile(code, digits) and not (code == "49" and len(digits) == 10)
        for code, starts in MOBILE_FIRST_DIGITS.items()
    )
