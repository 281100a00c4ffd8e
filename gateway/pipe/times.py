"""When a line says it was written: texts as loggers print times, and numbers since 1970."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from gateway.pipe.ansi import strip_escapes

UNITS: Final[Mapping[str, int]] = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""The nanoseconds of each unit that a number may count a time in."""

MAX_CLOCK_DISTANCE_NS: Final = 366 * 86_400 * 10**9
"""How far from receipt a time of a line may be.

What is further away may be something else: a phone number, a birthday.
"""

DATE_TIME: Final = re.compile(
    r"""
    ([0-9]{4})([-/])([0-9]{2})\2([0-9]{2})
    (?:[Tt]|[ ])([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?
    (?:(?P<utc>[Zz]|[ ](?:UTC|GMT))|[ ]?(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-9]{2})(?![0-9:]))?
    (?![0-9])
    """,
    re.VERBOSE | re.ASCII,
)
"""RFC 3339, and what is near it: slashes (Go), a comma before the fraction (Python), no colon or no zone at all."""

_DIGITS: Final = re.compile(r"[1-9][0-9]{8,18}(?:\.[0-9]{1,9})?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PAIRS: Final = (("seconds", "nanos"), ("epochSecond", "nanoOfSecond"))
"""A time in two numbers: protobuf's, Java's."""

ParsedTime = tuple[int, str]
"""Nanoseconds since 1970, and the unit of a number, one of `UNITS`, or `text`."""


def parse_time(value: object) -> ParsedTime | None:
    """Return the time that a value stands for, if it does.

    A number's unit is told by its size; a time without a zone is this process's.
    """
    match value:
        case str():
            return _of_text(strip_escapes(value).strip())
        case bool():
            return None
        case int() | float():
            return _of_number(value)
        case dict():
            return _of_pair(value)
    return None


def parse_near(value: object, received_ns: int) -> ParsedTime | None:
    """Return the time that a value stands for, if it is within `MAX_CLOCK_DISTANCE_NS` of receipt."""
    when = parse_time(value)
    return when if when is not None and abs(when[0] - received_ns) <= MAX_CLOCK_DISTANCE_NS else None


def match_to_ns(match: re.Match[str]) -> int | None:
    """Return the nanoseconds since 1970 of a match of `DATE_TIME`, if that is a date."""
    try:
        when = datetime.fromisoformat(f"{match[1]}-{match[3]}-{match[4]}T{match[5]}")
        when = _zoned(when, match)
        seconds = (when - _EPOCH) // timedelta(seconds=1)
    except (ValueError, OverflowError, OSError):
        return None
    return None if seconds < 0 else seconds * 10**9 + int((match[6] or "").ljust(9, "0"))


def _zoned(when: datetime, match: re.Match[str]) -> datetime:
    if match["utc"]:
        return when.replace(tzinfo=UTC)
    if not match["sign"]:
        return when.astimezone()
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
    return when.replace(tzinfo=UTC) - (offset if match["sign"] == "+" else -offset)


def _of_text(text: str) -> ParsedTime | None:
    if match := DATE_TIME.fullmatch(text):
        when = match_to_ns(match)
        return None if when is None else (when, "text")
    if _DIGITS.fullmatch(text):  # journald's, nginx's `msec`
        return _of_number(float(text) if "." in text else int(text))
    return None


def _of_number(value: float) -> ParsedTime | None:
    if not 0 <= value < 2**63:
        return None
    unit = "s" if value < 10**11 else "ms" if value < 10**14 else "us" if value < 10**17 else "ns"
    when = value * UNITS[unit] if isinstance(value, int) else int(Decimal(repr(value)) * UNITS[unit])
    return (when, unit) if when < 2**63 else None


def _of_pair(value: Mapping[str, object]) -> ParsedTime | None:
    for keys in _PAIRS:
        seconds, nanos = (value.get(key) for key in keys)
        if (
            len(value) == 2
            and type(seconds) is int
            and type(nanos) is int
            and 0 <= nanos < 10**9
            and 0 <= seconds < 2**33
        ):
            return seconds * 10**9 + nanos, "text"
    return None
