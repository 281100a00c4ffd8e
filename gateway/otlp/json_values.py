"""JSON's values as protobuf writes them.

See https://protobuf.dev/programming-guides/json/, but for what OTLP has otherwise.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final, TypeVar

import msgspec
from google.protobuf.descriptor import FieldDescriptor

from gateway.otlp.hints import HEXADECIMAL_FIELDS
from gateway.otlp.json_text import Scalar, number
from gateway.protobuf.wire import varint

T = TypeVar("T", str, bool)

EncodeValue = Callable[[Scalar], bytes]
"""Takes a value as JSON has it and returns it as it stands behind its tag. Raises ValueError, OverflowError."""

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
"""Wire types: https://protobuf.dev/programming-guides/encoding/#structure."""


def tag(field: FieldDescriptor) -> bytes:
    """Return what stands before a field's value."""
    return varint(
        field.number << 3 | (DELIMITED if field.message_type or field.is_packed else _ENCODINGS[field.type][0])
    )


def absent(field: FieldDescriptor) -> bytes | None:
    """Return the value of a field that says as much as no field does, if there is one."""
    return None if field.has_presence or field.is_repeated else _ENCODINGS[field.type][1]


def encoder(field: FieldDescriptor) -> EncodeValue:
    """Return how a field's values are written, one at a time."""
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _hexadecimal if field.name in HEXADECIMAL_FIELDS else _base64
    return _ENCODINGS[field.type][2]


def delimited(value: bytes | bytearray) -> bytes:
    """Return a value behind its length."""
    return varint(len(value)) + value


def _text(value: Scalar) -> bytes:
    return delimited(_of(str, value).encode())


def _hexadecimal(value: Scalar) -> bytes:
    return delimited(binascii.unhexlify(_of(str, value)))


def _base64(value: Scalar) -> bytes:
    """Return bytes from base64, in either alphabet, with or without padding."""
    text = _of(str, value).rstrip("=").replace("-", "+").replace("_", "/")
    return delimited(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))


def _flag(value: Scalar) -> bytes:
    return b"\1" if _of(bool, value) else b"\0"


def _of(kind: type[T], value: Scalar) -> T:
    if not isinstance(value, kind):
        raise ValueError  # noqa: TRY004 - what an EncodeValue raises
    return value


class _Integer(msgspec.Struct, frozen=True):
    """A whole number, or one in a text: `"1"`, `"1e3"`."""

    minimum: int
    maximum: int
    write: Callable[[int], bytes]
    strict: bool = False

    def encode(self, value: Scalar) -> bytes:
        if type(value) is str and not self.strict:
            value = number(value)
        if type(value) is float and value.is_integer():
            value = int(value)
        whole = value if type(value) is int else msgspec.convert(value, int, strict=self.strict)
        if not self.minimum <= whole <= self.maximum:
            raise ValueError
        return self.write(whole)


class _Float(msgspec.Struct, frozen=True):
    """A number, or one in a text: `"1"`, `"1e3"`, `"NaN"`."""

    write: Callable[[float], bytes]

    def encode(self, value: Scalar) -> bytes:
        found = number(value) if type(value) is str else value
        return self.write(msgspec.convert(value if found is None else found, float, strict=False))


def _signed(number: int) -> bytes:
    return varint(number & 0xFFFF_FFFF_FFFF_FFFF)


def _zigzag(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else ~number << 1 | 1)


_Type = FieldDescriptor
_INT32: Final = -(2**31), 2**31 - 1
_INT64: Final = -(2**63), 2**63 - 1
_UINT32: Final = 0, 2**32 - 1
_UINT64: Final = 0, 2**64 - 1

_ENCODINGS: Final[Mapping[int, tuple[int, bytes, EncodeValue]]] = {
    _Type.TYPE_STRING: (DELIMITED, b"\0", _text),
    _Type.TYPE_BYTES: (DELIMITED, b"\0", _base64),
    _Type.TYPE_BOOL: (VARINT, b"\0", _flag),
    # OTLP has no names here, and no numbers in texts.
    _Type.TYPE_ENUM: (VARINT, b"\0", _Integer(*_INT32, _signed, strict=True).encode),
    _Type.TYPE_INT32: (VARINT, b"\0", _Integer(*_INT32, _signed).encode),
    _Type.TYPE_INT64: (VARINT, b"\0", _Integer(*_INT64, _signed).encode),
    _Type.TYPE_UINT32: (VARINT, b"\0", _Integer(*_UINT32, varint).encode),
    _Type.TYPE_UINT64: (VARINT, b"\0", _Integer(*_UINT64, varint).encode),
    _Type.TYPE_SINT32: (VARINT, b"\0", _Integer(*_INT32, _zigzag).encode),
    _Type.TYPE_SINT64: (VARINT, b"\0", _Integer(*_INT64, _zigzag).encode),
    _Type.TYPE_FIXED32: (FIXED32, bytes(4), _Integer(*_UINT32, Struct("<I").pack).encode),
    _Type.TYPE_FIXED64: (FIXED64, bytes(8), _Integer(*_UINT64, Struct("<Q").pack).encode),
    _Type.TYPE_SFIXED32: (FIXED32, bytes(4), _Integer(*_INT32, Struct("<i").pack).encode),
    _Type.TYPE_SFIXED64: (FIXED64, bytes(8), _Integer(*_INT64, Struct("<q").pack).encode),
    _Type.TYPE_FLOAT: (FIXED32, bytes(4), _Float(Struct("<f").pack).encode),
    _Type.TYPE_DOUBLE: (FIXED64, bytes(8), _Float(Struct("<d").pack).encode),
}
"""By a field's type: its wire type, its default, and how it is written."""
