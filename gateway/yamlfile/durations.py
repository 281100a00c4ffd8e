"""Durations as policy and configuration write them: a decimal number and its unit, `10s`, `0.5s`, `30min`, `90d`, `2y`.

The unit is always there, but for 0; `m`, which other formats take for minutes and others for months, is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

UNITS: Final[Mapping[str, int]] = {
    "s": 1,
    "min": 60,
    "h": 3600,
    "d": 86_400,
    "w": 7 * 86_400,
    "mo": 30 * 86_400,
    "y": 365 * 86_400,
}
"""Seconds of each unit."""

MAX_DURATION_SECONDS: Final = 1000 * UNITS["y"]
"""The longest duration that any key takes."""

PATTERN: Final = rf"[0-9]{{1,12}}(?:\.[0-9]{{1,9}})?(?:{'|'.join(UNITS)})"
"""What a duration looks like, but for 0."""

EXPECTED: Final = "a number and its unit: s, min, h, d, w, mo (30 days) or y (365 days), such as 10s or 90d"

_OUTPUT_UNITS: Final = ("y", "d", "h", "min", "s")
_MISSING_UNIT: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(m?)", re.ASCII)


class DurationUnit(str):
    """Of a float's annotation, `Annotated[float, SECONDS]`: it is written as a duration, and read as seconds."""

    __slots__ = ()


SECONDS: Final = DurationUnit("s")


def parse_seconds(value: object, text: str, unit: str) -> Decimal:
    """The seconds of a duration, `value` in a document that has it as `text`. Raises ValueError with what it must be.

    `unit` is what to propose where one was left out. Only a short number is repeated.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and value == 0:
        return Decimal(0)
    if isinstance(value, str) and re.fullmatch(f"-?{PATTERN}", value, re.ASCII):
        number = re.split("[a-z]", value, maxsplit=1)[0]
        return _bounded(Decimal(number) * UNITS[value.removeprefix(number)])
    short = _MISSING_UNIT.fullmatch(text)
    if short is None:
        raise ValueError(EXPECTED)
    number, m = short.groups()
    raise ValueError(
        f"{number}min or {number}mo: m alone is neither" if m else f"{number}{unit}: a number needs its unit"
    )


def _bounded(seconds: Decimal) -> Decimal:
    if abs(seconds) > MAX_DURATION_SECONDS:
        raise ValueError(f"{format_seconds(MAX_DURATION_SECONDS)} or less")
    return seconds


def parse_timedelta(value: object, text: str) -> timedelta:
    """The same as a timedelta, which is positive."""
    found = timedelta(microseconds=int(parse_seconds(value, text, "d") * 1_000_000))
    if found <= timedelta():
        raise ValueError("positive")
    return found


def format_seconds(seconds: float) -> str:
    """A duration in the largest unit of which it is a whole number."""
    exact = Decimal(repr(seconds))
    unit = next(unit for unit in _OUTPUT_UNITS if unit == "s" or (exact and exact % UNITS[unit] == 0))
    return f"{(exact / UNITS[unit]).normalize():f}{unit}" if exact else "0"
