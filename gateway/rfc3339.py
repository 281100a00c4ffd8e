"""Times in UTC, as RFC 3339 writes them: `2026-01-02T03:04:05Z`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

NANOS_PER_SECOND: Final = 1_000_000_000


def from_datetime(when: datetime, timespec: Literal["seconds", "milliseconds"] = "seconds") -> str:
    """Return a time with a zone, cut off to the second or the millisecond."""
    return when.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def from_ns(time_ns: int) -> str:
    """Return a time in nanoseconds since 1970, with a fraction only where there is one: `2026-01-02T03:04:05.25Z`."""
    seconds, nanos = divmod(time_ns, NANOS_PER_SECOND)
    fraction = f".{nanos:09}".rstrip("0") if nanos else ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}{fraction}Z"
