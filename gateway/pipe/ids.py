"""Trace and span IDs as loggers write them."""

from __future__ import annotations

import re
from typing import Any, Final

from gateway.detectors.detect import find

TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8

_TRACE: Final = re.compile(r"(?:projects/[^/\s]{1,100}/traces/)?([0-9A-Fa-f]{32})|1-([0-9A-Fa-f]{8})-([0-9A-Fa-f]{24})", re.ASCII)
"""Hexadecimal; as Google Cloud's logging has it; as AWS X-Ray has it."""
_SPAN: Final = re.compile(r"[0-9A-Fa-f]{16}", re.ASCII)
_MARKS: Final = frozenset(" @._+-',;:/()&#")
"""What stands between letters and digits in names and addresses."""


def trace_id(value: Any) -> bytes:
    """Return the trace ID that a value stands for, nothing if it is none."""
    match = _TRACE.fullmatch(value) if isinstance(value, str) else None
    return _checked("".join(part for part in match.groups() if part)) if match else b""


def span_id(value: Any) -> bytes:
    """Return the span ID that a value stands for, nothing if it is none."""
    return _checked(value) if isinstance(value, str) and _SPAN.fullmatch(value) else b""


def _checked(text: str) -> bytes:
    """Return the bytes of an ID, unless it is all zeros, a card's or a phone's digits, or spells a text: an ID is random."""
    digits, raw = text.lstrip("0"), bytes.fromhex(text)
    hides = not digits or _is_legible(raw) or (digits.isdecimal() and find(digits) is not None)
    return b"" if hides else raw


def _is_legible(raw: bytes) -> bool:
    """Whether bytes spell a name or an address; of random spans one in some ten thousand does."""
    try:
        text = raw.strip(b"\0").decode()
    except UnicodeDecodeError:
        return False
    return all(one.isalnum() or one in _MARKS for one in text)
