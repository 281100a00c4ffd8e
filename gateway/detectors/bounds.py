"""How much work a text is worth. Beyond these bounds nothing is guessed: the text counts as unreadable."""

from __future__ import annotations

from typing import Final

LONGEST: Final = 1 << 17
"""Characters of the longest text that is looked at."""

DEPTH: Final = 4
"""How many encodings inside one another are undone."""

_GROWTH: Final = 2
_GROWTH_FLOOR_CHARS: Final = 1 << 9
_DECODINGS_FLOOR: Final = 5
_CHECKS_FLOOR: Final = 1024
_FINDINGS_FLOOR: Final = 128
_CHARS_PER_FINDING: Final = 256
_LATER_FINDINGS: Final = 4
_SHORT_CHARS: Final = 8192


class TooMuch(Exception):
    """A text that would take more work to judge than it is worth."""


class Budget:
    """Counts down; raises TooMuch below nothing."""

    def __init__(self, units: int) -> None:
        self.left = units

    def spend(self, units: int) -> None:
        """Take `units` off."""
        self.left -= units
        if self.left < 0:
            raise TooMuch


def decoded_chars(text: str) -> Budget:
    """For the characters that a text and all its decodings may have together beyond its own."""
    return Budget(_GROWTH * len(text) + _GROWTH_FLOOR_CHARS)


def decoded_texts(text: str) -> Budget:
    """For the decodings of a text beside itself: each has a cost of its own, however short it is."""
    return Budget(len(text) // 64 + _DECODINGS_FLOOR)


def lookups(text: str) -> Budget:
    """For the numbers in a text that may be looked up."""
    return Budget(len(text) // 16 + _CHECKS_FLOOR)


def findings(text: str) -> Budget:
    """For what may be masked in a text: a longer list of people and numbers is no text of which something is left."""
    return Budget(len(text) // _CHARS_PER_FINDING + _FINDINGS_FLOOR)


def later_findings(text: str) -> Budget:
    """For what may be masked in a text that was masked before.

    Little, nothing in a long one, so that it isn't read a third time.
    """
    return Budget(_LATER_FINDINGS if len(text) <= _SHORT_CHARS else 0)
