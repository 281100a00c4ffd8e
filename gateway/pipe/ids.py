"""Trace and span IDs as loggers write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.detectors.detect import find

TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8

MIN_NUMBER_DIGITS_BY_BYTES: Final[Mapping[int, int]] = {TRACE_ID_BYTES: 14, SPAN_ID_BYTES: 12}
"""How many decimal digits at an end are looked at as a number, in so many bytes.

Shorter ones are frequent in what is random.
"""

_TRACE: Final = re.compile(
    r"(?:projects/[^/\s]{1,100}/traces/)?([0-9A-Fa-f]{32})|1-([0-9A-Fa-f]{8})-([0-9A-Fa-f]{24})", re.ASCII
)
"""Hexadecimal; as Google Cloud's logging has it; as AWS X-Ray has it."""
_SPAN: Final = re.compile(r"[0-9A-Fa-f]{16}", re.ASCII)
_TEXTS: Final[Mapping[int, re.Pattern[bytes]]] = {
    TRACE_ID_BYTES: re.compile(rb"[A-Za-z ]{7}|[\w @.+',;:/()&#-]{8}"),
    SPAN_ID_BYTES: re.compile(rb"[A-Za-z ]{5}|[\w @.+',;:/()&#-]{6}"),
}
"""Letters, or these and what stands between them in names and addresses, in a row."""
_TIME_RANGE_SECONDS: Final = range(1_577_836_800, 2_524_608_000)
"""The years 2020 to 2049."""
_PADDING: Final = re.compile(r"(.)\1{5}")
_AT_AN_END: Final = re.compile(r"^[0-9]+|[0-9]+$")


def trace_id(value: object) -> bytes:
    """Return the trace ID that a value stands for, nothing if it is none."""
    match = _TRACE.fullmatch(value) if isinstance(value, str) else None
    return _checked("".join(part for part in match.groups() if part)) if match else b""


def span_id(value: object) -> bytes:
    """Return the span ID that a value stands for, nothing if it is none."""
    return _checked(value) if isinstance(value, str) and _SPAN.fullmatch(value) else b""


def _checked(text: str) -> bytes:
    """Return the bytes of an ID, unless it is padded, a number, or spells a text: an ID is random."""
    raw = bytes.fromhex(text)
    part = _random(raw)
    return b"" if _spells(part) or _hides(part) else raw


def _random(raw: bytes) -> bytes:
    """Return what is random of an ID.

    Of a trace ID of 64 bits the latter half, after zeros (Zipkin) or a time (Datadog).
    """
    seconds = int.from_bytes(raw[:4])
    is_half = len(raw) == TRACE_ID_BYTES and not any(raw[4:8]) and (seconds == 0 or seconds in _TIME_RANGE_SECONDS)
    return raw[8:] if is_half else raw


def _hides(raw: bytes) -> bool:
    """Whether an ID is all digits, repeats one six times, or has a number such as a card's or a phone's at an end.

    Zeros around that number don't count.
    """
    text = raw.hex()
    numbers = (run for run in _AT_AN_END.findall(text) if len(run) >= MIN_NUMBER_DIGITS_BY_BYTES[len(raw)])
    return (
        text.isdecimal()
        or bool(_PADDING.search(text))
        or any(find(form) for run in numbers for form in (run, run.strip("0")))
    )


def _spells(raw: bytes) -> bool:
    """Whether an ID has a text in it, in one byte a character or two."""
    return any(_TEXTS[len(raw)].search(form) for form in (raw, raw.replace(b"\0", b"").ljust(len(raw), b"\0")))
