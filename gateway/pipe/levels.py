"""How severe a line says it is: a word, or a number on the scale that its key or its size tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.pipe.ansi import strip_escapes
from gateway.policy.otlp.severities import SEVERITY_NUMBERS

SCALES: Final[Mapping[str, Mapping[int, int]]] = {
    "pino": {10: 1, 20: 5, 30: 9, 40: 13, 50: 17, 60: 21},
    "monolog": {100: 5, 200: 9, 250: 10, 300: 13, 400: 17, 500: 21, 550: 19, 600: 21},
    "syslog": {0: 21, 1: 19, 2: 18, 3: 17, 4: 13, 5: 10, 6: 9, 7: 5},
    "python": {10: 5, 20: 9, 30: 13, 40: 17, 50: 21},
    "otel": {number: number for number in range(1, 25)},
}
"""OpenTelemetry's numbers by each scale's.

Pino and Bunyan, Monolog, RFC 5424, Python's logging, OpenTelemetry itself.
"""

SHORT_NAMES: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""OpenTelemetry's names of each four numbers."""

SLOG: Final = "slog"
"""The scale of Go's slog, which writes what is between its words as `INFO+2`."""

_SCALES_BY_KEY: Final[Mapping[str, tuple[str, ...]]] = {
    "PRIORITY": ("syslog",),
    "levelno": ("python",),
    "severity_number": ("otel",),
    "severityNumber": ("otel",),
    "SeverityNumber": ("otel",),
}
_DEFAULT_SCALES: Final = ("pino", "monolog")
_OFFSET: Final = re.compile(r"(DEBUG|INFO|WARN|ERROR)([+-][0-9]{1,2})")


class Level(msgspec.Struct, frozen=True):
    """A severity: OpenTelemetry's number, the word as the line has it, else the scale of its number."""

    number: int
    text: str = ""
    scale: str = ""


def parse_level(value: object, key: str = "", *, gelf: bool = False) -> Level | None:
    """Return the severity that a value of a key stands for, None if it is none. In GELF, numbers are syslog's."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        return parse_word(strip_escapes(value).strip())
    if not (type(value) is int or (isinstance(value, str) and key == "PRIORITY" and len(value) == 1)):
        return None
    for scale in ("syslog",) if gelf else _SCALES_BY_KEY.get(key, _DEFAULT_SCALES):
        if number := SCALES[scale].get(int(value)):
            return Level(number, scale=scale)
    return None


def parse_word(word: str) -> Level | None:
    """Return the severity that a word stands for."""
    if number := SEVERITY_NUMBERS.get(word.upper()):
        return Level(number, word)
    if match := _OFFSET.fullmatch(word):
        return Level(min(max(SEVERITY_NUMBERS[match[1]] + int(match[2]), 1), 24), match[1], scale=SLOG)
    return None


def short_name(number: int) -> str:
    """Return OpenTelemetry's name of a severity number, without the digit; nothing for 0."""
    return SHORT_NAMES[(number - 1) // 4] if 1 <= number <= 24 else ""


def to_scale(number: int, scale: str) -> int | str | None:
    """Return what stands for OpenTelemetry's number on a scale, if something does."""
    if scale == SLOG:
        word = short_name(min(max(number, SEVERITY_NUMBERS["DEBUG"]), SEVERITY_NUMBERS["ERROR"]))
        return f"{word}{number - SEVERITY_NUMBERS[word]:+d}" if number else None
    return next((own for own, other in SCALES[scale].items() if other == number), None)
