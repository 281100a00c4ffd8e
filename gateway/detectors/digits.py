"""Digits on end or in groups, as phone and card numbers are written, with letters around them or none.

A number starts and ends where groups do, never within digits on end. Where that is, is found in code: `digit_code.py`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Final, Protocol

from gateway.detectors.compact import FILLER
from gateway.detectors.digit_code import DIGIT_SEPARATORS, DIGITS, START_LETTERS, Coded
from gateway.detectors.figures import is_figure
from gateway.detectors.joined_groups import join_groups
from gateway.detectors.lazy_pattern import LazyPattern
from gateway.detectors.spans import Span

_MIN_DIGITS: Final = 8


_MAX_PREFIX_CHARS: Final = 4
"""Of what stands before a number: a letter, its plus sign, a blank and a bracket."""

_MAX_HEX_CHARS: Final = 128
"""How far around a number is looked for hexadecimal digits: a digest of SHA-512."""

_HEX_BEFORE: Final = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]*[a-f]\Z")
_HEX_AFTER: Final = re.compile(r"[a-f][0-9a-f]*+(?![0-9A-Za-z])")
_HAS_DIGIT: Final = re.compile("[0-9]")

_PLAIN: Final = bytes.maketrans(f"{START_LETTERS}{START_LETTERS.upper()}".encode(), f"{DIGITS}{DIGITS}".encode())


def _row(gap: str) -> re.Pattern[str]:
    """Digits enough for a number, with no more between them than may be."""
    return re.compile(rf"[0-9](?<![0-9]{{2}})(?>(?:{gap}(?>(?:\+{gap})?)[0-9]){{{_MIN_DIGITS - 1},}})")


_ROW: Final = _row(f"[{re.escape(DIGIT_SEPARATORS)}]{{0,3}}+")
_FILLED_ROW: Final = _row(f"(?>(?:[{re.escape(DIGIT_SEPARATORS)}]{FILLER}*+){{0,3}})")

_CONTEXT_CHARS: Final = 4
"""Of what stands around a row, as much as its numbers are told by."""


class Candidate:
    """Digits of a text from where a number can start, as many as one has at most and one more."""

    __slots__ = ("_start", "_text", "_window", "digits")

    def __init__(self, text: Coded, start: int, window: bytes) -> None:
        self._text = text
        self._start = start
        self._window = window
        self.digits = window.translate(_PLAIN).decode()

    @property
    def has_plus(self) -> bool:
        """Whether a plus sign stands before it."""
        return self._window[0] < ord("a")

    @property
    def follows_text(self) -> bool:
        """Whether a letter or a digit stands right before that plus sign."""
        place = self._text.origin(self._start)
        before = self._text.text[max(0, place - _MAX_PREFIX_CHARS) : place].rstrip(" (")[-2:]
        return before[:1].isalnum() and before[1:] == "+"

    def sizes(self, min_digits: int, max_digits: int) -> Sequence[int]:
        """How many digits a number can have that starts here, the most first: those at whose end a group ends."""
        window = self._window
        sizes = range(min(max_digits, len(window)), min_digits - 1, -1)
        return [size for size in sizes if size == len(window) or window[size] > ord("9")]

    def ends_at(self, size: int) -> bool:
        """Whether a number that starts here can have that many digits: a group ends after them."""
        window = self._window
        return size == len(window) or (size < len(window) and window[size] > ord("9"))

    def groups(self, size: int) -> Sequence[int]:
        """How many digits each group has, of as many as `size` in all."""
        starts = [index for index in range(size) if self._window[index] > ord("9")]
        return [stop - start for start, stop in zip(starts, [*starts[1:], size], strict=True)]

    def is_contiguous(self, size: int) -> bool:
        """Whether that many digits are one group."""
        return self._window[1:size].isdigit()

    def is_in_hexadecimal(self, size: int) -> bool:
        """Whether that many digits on end stand within hexadecimal digits.

        Letters on both sides, and digits beyond them.
        """
        text, (start, end) = self._text.text, self.span(size)
        before = _HEX_BEFORE.search(text, max(0, start - _MAX_HEX_CHARS), start)
        after = _HEX_AFTER.match(text, end, end + _MAX_HEX_CHARS)
        return before is not None and after is not None and _HAS_DIGIT.search(before[0] + after[0]) is not None

    def is_figure(self, size: int) -> bool:
        """Whether that many digits are a decimal or the like, rather than a number. See `figures.py`."""
        return self._text.may_have_figures and is_figure(self._text.text, *self.span(size))

    def span(self, size: int) -> Span:
        """From where to where in the text that many digits stand."""
        return self._text.origin(self._start), self._text.origin(self._start + size - 1) + 1


class NumberReader(Protocol):
    """Reads the numbers of one kind."""

    def size(self, candidate: Candidate) -> int | None:
        """Return how many digits a number has that starts at a candidate, None if none does."""
        ...


class Rows:
    """The rows of digits in a folded text in which numbers may be, coded.

    Most texts have few: what is around them isn't looked at.
    """

    def __init__(self, text: str) -> None:
        self.text = join_groups(text)
        row = _FILLED_ROW if FILLER in self.text else _ROW
        self._spans = [
            (max(0, found.start() - _CONTEXT_CHARS), found.end() + _CONTEXT_CHARS) for found in row.finditer(self.text)
        ]

    def __bool__(self) -> bool:
        return bool(self._spans)

    @cached_property
    def coded(self) -> Coded:
        """The rows, one below the other."""
        return Coded("\n".join([self.text[start:end] for start, end in self._spans]))

    @cached_property
    def _starts(self) -> Sequence[int]:
        sizes = (min(end, len(self.text)) - start + 1 for start, end in self._spans)
        return list(accumulate(sizes, initial=0))

    def origin(self, start: int, end: int) -> Span:
        """Where in the text a span of the coded rows stands."""
        row = bisect_right(self._starts, start) - 1
        shift = self._spans[row][0] - self._starts[row]
        return start + shift, end + shift


def numbers(rows: Rows, head: re.Pattern[bytes] | LazyPattern[bytes], reader: NumberReader) -> Iterator[Span]:
    """Yield where in folded text numbers stand, from left to right, each with an end behind those before it.

    Some may overlap.

    `head` finds in a coded text where one can start, and takes no more than a digit of it; its first group is what a
    candidate is made of. A start within a number that was found is tried too: what was found may be a number in front
    of it and half of it.
    """
    if not rows:
        return
    coded, done = rows.coded, 0
    for match in head.finditer(coded.code):
        if match.end(1) <= done:
            continue
        candidate = Candidate(coded, match.start(), match[1])
        if (digits := reader.size(candidate)) is not None and match.start() + digits > done:
            done = match.start() + digits
            yield rows.origin(*candidate.span(digits))
