"""What became of the lines, in counts."""

from __future__ import annotations

import threading
from collections import Counter
from enum import StrEnum
from typing import Final, TypedDict


class DropReason(StrEnum):
    """Why a line was dropped."""

    __hash__ = str.__hash__

    NO_TEMPLATE = "not a template"
    CONTINUATION = "continuation"
    NOTHING_LEFT = "nothing left"
    MALFORMED = "malformed"
    TOO_LONG = "too long"
    REFUSED = "refused"
    WITHHELD = "withheld"
    FAULT = "fault"
    NOT_READY = "not ready"
    OVERFLOW = "overflow"
    LATE = "late"
    OUTPUT_CLOSED = "output closed"
    OUTPUT_STALLED = "output stalled"
    GATEWAY_AWAY = "gateway away"
    GATEWAY_REFUSED = "gateway refused"


LOST_REASONS: Final = frozenset(
    {
        DropReason.OVERFLOW,
        DropReason.LATE,
        DropReason.OUTPUT_CLOSED,
        DropReason.OUTPUT_STALLED,
        DropReason.GATEWAY_AWAY,
        DropReason.GATEWAY_REFUSED,
        DropReason.FAULT,
    }
)
"""Losses that no policy asked for."""


class LineTotals(TypedDict):
    """All counts at one moment; `dropped` by reason."""

    read: int
    passed: int
    stripped: int
    bare: int
    dropped: dict[str, int]


class LineCounts:
    """Counts, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._dropped: Counter[DropReason] = Counter()
        self._read = self._passed = self._stripped = self._bare = 0

    def count_read(self, lines: int) -> None:
        """Count lines that came in."""
        with self._lock:
            self._read += lines

    def count_passed(self, lines: int, stripped: int, bare: int) -> None:
        """Count lines that went out.

        How many of them lost something on the way, and how many of these all but level, time and IDs.
        """
        with self._lock:
            self._passed += lines
            self._stripped += stripped
            self._bare += bare

    def count_dropped(self, reason: DropReason, lines: int = 1) -> None:
        """Count lines that didn't go out."""
        with self._lock:
            self._dropped[reason] += lines

    @property
    def has_lost_lines(self) -> bool:
        """Whether lines were dropped because there was no room, no time or nobody who took them."""
        with self._lock:
            return any(self._dropped[loss] for loss in LOST_REASONS)

    def as_dict(self) -> LineTotals:
        """All counts."""
        with self._lock:
            dropped = {loss.value: self._dropped[loss] for loss in DropReason if self._dropped[loss]}
            return {
                "read": self._read,
                "passed": self._passed,
                "stripped": self._stripped,
                "bare": self._bare,
                "dropped": dropped,
            }

    def summary(self) -> str:
        """All counts in a line."""
        counts = self.as_dict()
        read, dropped = counts["read"], ", ".join(f"{number} {loss}" for loss, number in counts["dropped"].items())
        passed = f"{counts['passed']} passed ({counts['stripped']} of them stripped, {counts['bare']} bare)"
        total = f"{sum(counts['dropped'].values())} dropped"
        return f"pipe: {read} line{'' if read == 1 else 's'} read, {passed}, {total}{f': {dropped}' if dropped else ''}"
