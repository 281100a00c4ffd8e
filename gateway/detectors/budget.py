"""How much work a text is worth. Beyond these bounds nothing is guessed: the text counts as unreadable."""

from __future__ import annotations

from typing import Final

MAX_TEXT_CHARS: Final = 1 << 17
"""Characters of the longest text that is looked at."""

MAX_DECODING_DEPTH: Final = 4
"""How many encodings inside one another are undone."""

_GROWTH_FACTOR: Final = 2
_MIN_BUDGET_CHARS: Final = 1 << 9
_MIN_BUDGET_DECODINGS: Final = 5
_MIN_BUDGET_LOOKUPS: Final = 1024
_MIN_BUDGET_FINDINGS: Final = 128
_CHARS_PER_FINDING: Final = 256
_MAX_LATER_FINDINGS: Final = 4
_MAX_REMASKED_CHARS: Final = 8192


class BudgetExceeded(Exception):
    """A text that takes more work to check than it is worth."""


class Budget:
    """Counts down from a number of units."""

    def __init__(self, units: int) -> None:
        self.remaining = units

    def spend(self, units: int) -> None:
        """Take `units` off. Raises BudgetExceeded below 0."""
        self.remaining -= units
        if self.remaining < 0:
            raise BudgetExceeded


def char_budget(text: str) -> Budget:
    """For the characters that a text and all its decodings may have together beyond its own."""
    return Budget(_GROWTH_FACTOR * len(text) + _MIN_BUDGET_CHARS)


def decoding_budget(text: str) -> Budget:
    """For the decodings of a text beside itself: each has a cost of its own, however short it is."""
    return Budget(len(text) // 64 + _MIN_BUDGET_DECODINGS)


def lookup_budget(text: str) -> Budget:
    """For the numbers in a text that may be looked up."""
    return Budget(len(text) // 16 + _MIN_BUDGET_LOOKUPS)


def finding_budget(text: str) -> Budget:
    """For what may be masked in a text: a longer list of people and numbers is no text of which something is left."""
    return Budget(len(text) // _CHARS_PER_FINDING + _MIN_BUDGET_FINDINGS)


def later_finding_budget(text: str) -> Budget:
    """For what may be masked in a text that was masked before.

    Little, nothing in a long one, so that it isn't read a third time.
    """
    return Budget(_MAX_LATER_FINDINGS if len(text) <= _MAX_REMASKED_CHARS else 0)
