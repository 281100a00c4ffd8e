"""Digits in code: those of a number on end, whatever separates its groups.

Then one pattern finds where numbers can start, in linear time and before anything is looked up.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from itertools import compress
from typing import Final

from gateway.detectors.compact import FILLER
from gateway.detectors.figures import without_figures

ANY_DIGIT: Final = "[0-9a-jA-J]"
"""A digit in a coded text."""

GROUP_START: Final = "[a-jA-J]"
"""One that starts a group; a capital letter if a plus sign stands before it."""

GROUP_END: Final = "(?![0-9])"
"""What follows the last digit of a group."""

DIGIT_SEPARATORS: Final = " \t.-/()_:"

_MAX_SINGLE_DIGITS: Final = 19
"""How many digits that all stand apart, as on a form, are one number at most; more are something else."""

DIGITS: Final = "0123456789"

START_LETTERS: Final = "abcdefghij"

_LONE_DIGIT: Final = b"z"
"""A digit that belongs to no number."""

_BREAK: Final = ord("|")

_RAW: Final = bytes(
    byte if chr(byte) in f"{DIGITS}+{FILLER}" else ord(" ") if chr(byte) in DIGIT_SEPARATORS else _BREAK
    for byte in range(256)
)

_IS_DIGIT: Final = bytes(chr(byte) in f"{DIGITS}{START_LETTERS}{START_LETTERS.upper()}z" for byte in range(256))

_SINGLES: Final = re.compile(rf"{GROUP_START}{{{_MAX_SINGLE_DIGITS + 1},}}{GROUP_END}".encode())

_COLLAPSE: Final = (
    (b"    ", b"||||"),  # more than three separators end a number
    (b"|", b"| "),
    (b"  ", b" "),
    (b"  ", b" "),
    (b"+ ", b"+"),
    (b" +", b"+"),
    *((f" {digit}".encode(), start.encode()) for digit, start in zip(DIGITS, START_LETTERS, strict=True)),
)
_COLLAPSE_PLUS: Final = tuple(
    (f"+{digit}".encode(), start.upper().encode()) for digit, start in zip(DIGITS, START_LETTERS, strict=True)
)


def coded_pattern(pattern: str) -> str:
    r"""Return a pattern of digits, written with digits, classes of digits and `\d`, as one for coded text."""
    return re.sub(r"\{[^}]*\}|\[[0-9-]+\]|\\d|[0-9]", _coded_class, pattern)


class Coded:
    """A folded text in which what separates two groups of digits is left out.

    The first digit of each group is a letter instead, a capital one behind a plus sign; what ends a number is a bar:

        x +33 (0)6 12-34,5  ->  | |D3agb2d4|f

    `+33` reads `D3`, `(0)6` reads `ag`, since each zero and six is a group: the number is on end, and each letter is
    where one may start.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.may_have_figures = "." in text or ":" in text
        self._raw = without_figures(text).encode("ascii", "replace").translate(_RAW)
        self.code = _code(self._raw)

    def origin(self, index: int) -> int:
        """Where in the text a digit of the code stands."""
        coded, plain = self._digits
        return plain[bisect_left(coded, index)]

    @cached_property
    def _digits(self) -> tuple[Sequence[int], Sequence[int]]:
        """Where in code and text the digits stand, in the same order."""
        return _digit_indices(self.code), _digit_indices(self._raw)


def _digit_indices(coded: bytes) -> Sequence[int]:
    return list(compress(range(len(coded)), coded.translate(_IS_DIGIT)))


def _code(raw: bytes) -> bytes:
    code = b"|" + raw.translate(None, FILLER.encode())
    for old, new in _COLLAPSE:
        code = code.replace(old, new)
    if b"+" in code:
        for old, new in _COLLAPSE_PLUS:
            code = code.replace(old, new)
    return _SINGLES.sub(_lone_digits, code)


def _lone_digits(match: re.Match[bytes]) -> bytes:
    return _LONE_DIGIT * len(match[0])


def _coded_class(match: re.Match[str]) -> str:
    found = match[0]
    if found.startswith("{"):
        return found
    digits = [digit for digit in DIGITS if re.fullmatch(found, digit)]
    starts = "".join(START_LETTERS[int(digit)] for digit in digits)
    return f"[{''.join(digits)}{starts}{starts.upper()}]"
