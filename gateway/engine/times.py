"""Value rules on timestamps and durations: valid as the well-known types state, and within a rule's bounds.

See https://protobuf.dev/reference/protobuf/google.protobuf/.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message

from gateway.engine.context import DecisionContext, RuleResult
from gateway.errors import FieldReason
from gateway.plan import Moment, Span
from gateway.protobuf.schema import attribute

NANOS_PER_SECOND: Final = 10**9
NANOS_PER_DAY: Final = 86_400 * NANOS_PER_SECOND
MIN_TIMESTAMP_SECONDS: Final = -62_135_596_800
MAX_TIMESTAMP_SECONDS: Final = 253_402_300_799
MAX_DURATION_SECONDS: Final = 315_576_000_000
SECONDS_FIELD: Final = attribute(1)
NANOS_FIELD: Final = attribute(2)


class DurationCheck:
    """Checks durations."""

    __slots__ = ("_max_nanos", "_min_nanos")

    def __init__(self, rule: Span) -> None:
        low, high = (-MAX_DURATION_SECONDS if rule.min is None else rule.min, rule.max)
        self._min_nanos = max(low, -MAX_DURATION_SECONDS) * NANOS_PER_SECOND
        self._max_nanos = (MAX_DURATION_SECONDS if high is None else min(high, MAX_DURATION_SECONDS)) * NANOS_PER_SECOND

    def check(self, duration: Message) -> RuleResult:
        """Check one `Duration`: its seconds and nanoseconds have one sign."""
        seconds, nanos = getattr(duration, SECONDS_FIELD), getattr(duration, NANOS_FIELD)
        valid = abs(nanos) < NANOS_PER_SECOND and seconds * nanos >= 0
        if valid and self._min_nanos <= seconds * NANOS_PER_SECOND + nanos <= self._max_nanos:
            return None
        return FieldReason.OUT_OF_RANGE


def _nanos_bounds(rule: Moment) -> tuple[int, int]:
    """The first nanosecond since 1970 that a rule lets pass, and the one after the last: all of a second counts."""
    low = MIN_TIMESTAMP_SECONDS if rule.min is None else max(rule.min, MIN_TIMESTAMP_SECONDS)
    high = MAX_TIMESTAMP_SECONDS if rule.max is None else min(rule.max, MAX_TIMESTAMP_SECONDS)
    return low * NANOS_PER_SECOND, (high + 1) * NANOS_PER_SECOND


class TimestampCheck:
    """Checks timestamps, of messages and of numbers, by the least and the largest."""

    __slots__ = ("_end_nanos", "_min_nanos")

    def __init__(self, rule: Moment) -> None:
        self._min_nanos, self._end_nanos = _nanos_bounds(rule)

    def check(self, timestamp: Message | int) -> RuleResult:
        """Check one timestamp."""
        nanos = timestamp if isinstance(timestamp, int) else unix_nanos(timestamp)
        return None if nanos is not None and self._min_nanos <= nanos < self._end_nanos else FieldReason.OUT_OF_RANGE


class RecentTimestampCheck:
    """Checks timestamps that must lie within some days around the item's receipt, too."""

    __slots__ = ("_end_nanos", "_max_nanos_away", "_min_nanos")

    def __init__(self, rule: Moment, days: int) -> None:
        self._min_nanos, self._end_nanos = _nanos_bounds(rule)
        self._max_nanos_away = days * NANOS_PER_DAY

    def check(self, timestamp: Message | int, context: DecisionContext) -> RuleResult:
        """Check one timestamp; the answer holds for this moment only."""
        context.cacheable = False
        nanos = timestamp if isinstance(timestamp, int) else unix_nanos(timestamp)
        if nanos is None or not self._min_nanos <= nanos < self._end_nanos:
            return FieldReason.OUT_OF_RANGE
        near = abs(nanos - context.facts.received_ns) <= self._max_nanos_away
        return None if near else FieldReason.OUT_OF_RANGE


def unix_nanos(timestamp: Message) -> int | None:
    """Nanoseconds since 1970, of a `Timestamp`; None if it is not a valid one."""
    seconds: int = getattr(timestamp, SECONDS_FIELD)
    nanos: int = getattr(timestamp, NANOS_FIELD)
    if MIN_TIMESTAMP_SECONDS <= seconds <= MAX_TIMESTAMP_SECONDS and 0 <= nanos < NANOS_PER_SECOND:
        return seconds * NANOS_PER_SECOND + nanos
    return None
