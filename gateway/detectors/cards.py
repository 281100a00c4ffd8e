"""Where card numbers stand in folded text, and whether a whole number is one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from gateway.detectors import data
from gateway.detectors.budget import Budget, lookup_budget
from gateway.detectors.check_digits import luhn
from gateway.detectors.digit_code import ANY_DIGIT, GROUP_END, GROUP_START, coded_pattern
from gateway.detectors.digits import Candidate, Rows, numbers
from gateway.detectors.lazy_pattern import LazyPattern
from gateway.detectors.spans import Span


class Issuer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the numbers of an issuer's network begin with, and how many digits they have."""

    name: str
    first: str
    lengths: Sequence[int]


class Issuers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All issuers.

    None of their numbers begins with 1, as the time now does in seconds, milliseconds, microseconds and nanoseconds.
    """

    source: str
    issuers: Sequence[Issuer]


_ISSUERS: Final = data.table("cards", Issuers).issuers
_MIN_DIGITS: Final = min(min(issuer.lengths) for issuer in _ISSUERS)
_MAX_DIGITS: Final = max(max(issuer.lengths) for issuer in _ISSUERS)


def _number(issuer: Issuer) -> str:
    """A pattern of an issuer's numbers in coded text: their first digits, and as many in all as they have."""
    sizes = "|".join(f"{ANY_DIGIT}{{{length}}}" for length in issuer.lengths)
    return f"(?={coded_pattern(issuer.first)})(?=(?:{sizes}){GROUP_END})"


_HEAD: Final = LazyPattern(
    f"(?={GROUP_START})(?:{'|'.join(map(_number, _ISSUERS))})(?=({ANY_DIGIT}{{{_MIN_DIGITS},{_MAX_DIGITS + 1}}}))".encode()
)
_ISSUER_PATTERNS: Final = tuple((re.compile(issuer.first, re.ASCII), issuer.lengths) for issuer in _ISSUERS)
_ISSUER_DIGITS: Final = 4
"""How many digits tell an issuer from others."""


def cards(rows: Rows) -> Iterator[Span]:
    """Yield where card numbers stand in the text of some rows of digits.

    In groups of any sizes or on end, whatever is around them. Raises BudgetExceeded.
    """
    return numbers(rows, _HEAD, _CardReader(lookup_budget(rows.text)))


def is_card(digits: str) -> bool:
    """Whether digits are a number that a card issuer could have given out."""
    return len(digits) in _lengths(digits[:_ISSUER_DIGITS]) and luhn(digits)


class _CardReader:
    """Reads card numbers from candidates, within a budget of look-ups."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def size(self, candidate: Candidate) -> int | None:
        """Return how many digits the card number has that starts at a candidate, None if none does.

        As many as can be, so that no part of it is left. Raises BudgetExceeded.
        """
        digits = candidate.digits
        for size in _lengths(digits[:_ISSUER_DIGITS]):
            if candidate.ends_at(size):
                self._budget.spend(1)
                if luhn(digits[:size]) and not candidate.is_figure(size):
                    return size
        return None


@lru_cache(maxsize=10**_ISSUER_DIGITS)
def _lengths(first: str) -> Sequence[int]:
    """How many digits numbers have that begin with these, the most first."""
    return sorted(
        {length for pattern, lengths in _ISSUER_PATTERNS if pattern.match(first) for length in lengths}, reverse=True
    )
