"""Protobuf's wire format: records of fields, right ones and wrong ones."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from tests.support.random_fields import SCALARS, F

WIRE_TYPES: Final[Mapping[int, int]] = {
    **dict.fromkeys(SCALARS, 0),
    **dict.fromkeys((F.TYPE_DOUBLE, F.TYPE_FIXED64, F.TYPE_SFIXED64), 1),
    **dict.fromkeys((F.TYPE_STRING, F.TYPE_BYTES, F.TYPE_MESSAGE), 2),
    **dict.fromkeys((F.TYPE_FLOAT, F.TYPE_FIXED32, F.TYPE_SFIXED32), 5),
    F.TYPE_ENUM: 0,
    F.TYPE_GROUP: 3,
}
"""The wire type of each type: https://protobuf.dev/programming-guides/encoding/#structure."""

WRONG_WIRE_TYPES: Final = {0: 5, 1: 0, 2: 0, 3: 0, 5: 1}

FIXED_BYTES: Final = {0: 0, 1: 8, 5: 4}

_WIDE: Final[Mapping[int, str]] = {
    F.TYPE_FIXED64: "<Q",
    F.TYPE_SFIXED64: "<Q",
    F.TYPE_FIXED32: "<I",
    F.TYPE_SFIXED32: "<I",
}


def varint(value: int) -> bytes:
    """A base-128 number; a negative one as 64 bits."""
    value %= 2**64
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def tag(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def record(number: int, wire: int, value: bytes) -> bytes:
    """A field: its tag, its length where the wire type has one, its value."""
    return tag(number, wire) + (varint(len(value)) if wire == 2 else b"") + value


def integer(type: int, value: int) -> bytes:
    if type in _WIDE:
        width = 64 if _WIDE[type] == "<Q" else 32
        return struct.pack(_WIDE[type], value % 2**width)
    if type in (F.TYPE_SINT32, F.TYPE_SINT64):
        value = value % 2**31 if type == F.TYPE_SINT32 else value
        return varint(value << 1 if value >= 0 else (-value << 1) - 1)
    return varint(value)
