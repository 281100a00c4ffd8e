"""What became of the lines, in counts."""

from __future__ import annotations

import threading
from collections import Counter
from enum import StrEnum
from typing import Any, Final


class Loss(StrEnum):
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


LOST: Final = frozenset(
    {
        Loss.OVERFLOW,
        Loss.LATE,
        Loss.OUTPUT_CLOSED,
        Loss.OUTPUT_STALLED,
        Loss.GATEWAY_AWAY,
        Loss.GATEWAY_REFUSED,
        Loss.FAULT,
    }
)
"""Losses that no policy asked for."""


class Tally:
    """Counts, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._dropped: Counter[Loss] = Counter()
        self._read = self._passed = self._stripped = self._bare = 0

    def read(self, lines: int) -> None:
        """Count lines that came in."""
        with self._lock:
            self._read += lines

    def passed(self, lines: int, stripped: int, bare: int) -> None:
        """Count lines that went out, how many of them lost something on the way, and how many of these all but level, time and IDs."""
        with self._lock:
            self._passed += lines
            self._stripped += stripped
            self._bare += bare

    def dropped(self, loss: Loss, lines: int = 1) -> None:
        """Count lines that didn't go out."""
        with self._lock:
            self._dropped[loss] += lines

    @property
    def lost(self) -> bool:
        """Whether lines were dropped for want of room, of time or of somebody who takes them."""
        with self._lock:
            return any(self._dropped[loss] for loss in LOST)

    def told(self) -> dict[str, Any]:
        """All counts."""
        with self._lock:
            dropped = {loss.value: self._dropped[loss] for loss in Loss if self._dropped[loss]}
            return {
                "read": self._read,
                "passed": self._passed,
                "stripped": self._stripped,
                "bare": self._bare,
                "dropped": dropped,
            }

    def line(self) -> str:
        """All counts in a line."""
        told = self.told()
        read, dropped = told["read"], ", ".join(f"{number} {loss}" for loss, number in told["dropped"].items())
        passed = f"{told['passed']} passed ({told['stripped']} of them stripped, {told['bare']} bare)"
        total = f"{sum(told['dropped'].values())} dropped"
        return f"pipe: {read} line{'' if read == 1 else 's'} read, {passed}, {total}{f': {dropped}' if dropped else ''}"
