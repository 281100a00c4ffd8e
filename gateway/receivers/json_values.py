"""JSON's values as protobuf writes them.

See https://protobuf.dev/programming-guides/json/, but for what OTLP has otherwise.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from functools import partial
from struct import Struct
from typing import Any, Final

import msgspec
from google.protobuf.descriptor import FieldDescriptor

from gateway.protobuf.wire import varint
from gateway.receivers.hints import HEXADECIMAL
from gateway.receivers.json_text import number

Encode = Callable[[Any], bytes]
"""A value as JSON has it; the value as it stands behind its tag. Raises ValueError, OverflowError."""

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
"""Wire types: https://protobuf.dev/programming-guides/encoding/#structure."""


def tag(field: FieldDescriptor) -> bytes:
    """What stands before a field's value."""
    return varint(field.number << 3 | (DELIMITED if field.message_type or field.is_packed else _FORMS[field.type][0]))


def absent(field: FieldDescriptor) -> bytes | None:
    """The value of a field that says as much as no field does, if there is one."""
    return None if field.has_presence or field.is_repeated else _FORMS[field.type][1]


def encoder(field: FieldDescriptor) -> Encode:
    """How a field's values are written, one at a time."""
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _hexadecimal if field.name in HEXADECIMAL else _base64
    return _FORMS[field.type][2]


def delimited(value: bytes | bytearray) -> bytes:
    """Behind its length."""
    return varint(len(value)) + value


def _text(value: Any) -> bytes:
    return delimited(_of(str, value).encode())


def _hexadecimal(value: Any) -> bytes:
    return delimited(binascii.unhexlify(_of(str, value)))


def _base64(value: Any) -> bytes:
    """Either alphabet, with or without padding."""
    text = _of(str, value).rstrip("=").replace("-", "+").replace("_", "/")
    return delimited(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))


def _flag(value: Any) -> bytes:
    return b"\1" if _of(bool, value) else b"\0"


def _of(kind: type[Any], value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError
    return value


class _Whole(msgspec.Struct, frozen=True):
    """A whole number, or one in a text: `"1"`, `"1e3"`."""

    least: int
    most: int
    write: Callable[[int], bytes]
    strict: bool = False

    def __call__(self, value: Any) -> bytes:
        if type(value) is str and not self.strict:
            value = number(value)
        whole = int(value) if _is_whole(value) else msgspec.convert(value, int, strict=self.strict)
        if not self.least <= whole <= self.most:
            raise ValueError
        return self.write(whole)


def _is_whole(value: Any) -> bool:
    """Whether a number is one without a fraction, however it was written."""
    return type(value) is int or (type(value) is float and value.is_integer())


def _floating(write: Callable[[float], bytes], value: Any) -> bytes:
    """A number, or one in a text: `"1"`, `"1e3"`, `"NaN"`."""
    found = number(value) if type(value) is str else value
    return write(msgspec.convert(value if found is None else found, float, strict=False))


def _signed(number: int) -> bytes:
    return varint(number & 0xFFFF_FFFF_FFFF_FFFF)


def _zigzag(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else ~number << 1 | 1)


_Type = FieldDescriptor
_INT32: Final = -(2**31), 2**31 - 1
_INT64: Final = -(2**63), 2**63 - 1
_UINT32: Final = 0, 2**32 - 1
_UINT64: Final = 0, 2**64 - 1

_FORMS: Final[Mapping[int, tuple[int, bytes, Encode]]] = {
    _Type.TYPE_STRING: (DELIMITED, b"\0", _text),
    _Type.TYPE_BYTES: (DELIMITED, b"\0", _base64),
    _Type.TYPE_BOOL: (VARINT, b"\0", _flag),
    # OTLP has no names here, and no numbers in texts.
    _Type.TYPE_ENUM: (VARINT, b"\0", _Whole(*_INT32, _signed, strict=True)),
    _Type.TYPE_INT32: (VARINT, b"\0", _Whole(*_INT32, _signed)),
    _Type.TYPE_INT64: (VARINT, b"\0", _Whole(*_INT64, _signed)),
    _Type.TYPE_UINT32: (VARINT, b"\0", _Whole(*_UINT32, varint)),
    _Type.TYPE_UINT64: (VARINT, b"\0", _Whole(*_UINT64, varint)),
    _Type.TYPE_SINT32: (VARINT, b"\0", _Whole(*_INT32, _zigzag)),
    _Type.TYPE_SINT64: (VARINT, b"\0", _Whole(*_INT64, _zigzag)),
    _Type.TYPE_FIXED32: (FIXED32, bytes(4), _Whole(*_UINT32, Struct("<I").pack)),
    _Type.TYPE_FIXED64: (FIXED64, bytes(8), _Whole(*_UINT64, Struct("<Q").pack)),
    _Type.TYPE_SFIXED32: (FIXED32, bytes(4), _Whole(*_INT32, Struct("<i").pack)),
    _Type.TYPE_SFIXED64: (FIXED64, bytes(8), _Whole(*_INT64, Struct("<q").pack)),
    _Type.TYPE_FLOAT: (FIXED32, bytes(4), partial(_floating, Struct("<f").pack)),
    _Type.TYPE_DOUBLE: (FIXED64, bytes(8), partial(_floating, Struct("<d").pack)),
}
"""By a field's type: its wire type, its default, and how it is written."""
