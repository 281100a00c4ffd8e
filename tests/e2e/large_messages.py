"""Parts of large messages: many of a kind, all alike or no two alike."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final

from tests.support.requests import field

MB: Final = 1024 * 1024


def repeated_field(number: int, value: bytes, size: int = 4 * MB - 100) -> bytes:
    """As many of a field as fit into `size`."""
    one = field(number, value)
    return one * (size // len(one))


def distinct_parts(make: Callable[[bytes], bytes], size: int = 4 * MB - 500) -> bytes:
    """Parts, no two of them alike, of `size` in all."""
    out, numbers = bytearray(), itertools.count()
    while len(out) < size:
        out += make(b"%x" % next(numbers))
    return bytes(out)


def repeated_record(record: bytes, count: int = 1, resource: bytes = b"") -> bytes:
    """OTLP logs with the same record many times."""
    return field(1, field(1, resource) + field(2, field(2, record) * count))
