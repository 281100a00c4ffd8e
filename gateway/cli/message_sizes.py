"""How large the fields of a message are: paths and bytes, no values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_FIXED_BYTES: Final[Mapping[int, int]] = {
    FieldDescriptor.TYPE_BOOL: 1,
    FieldDescriptor.TYPE_DOUBLE: 8,
    FieldDescriptor.TYPE_FIXED64: 8,
    FieldDescriptor.TYPE_SFIXED64: 8,
    FieldDescriptor.TYPE_FLOAT: 4,
    FieldDescriptor.TYPE_FIXED32: 4,
    FieldDescriptor.TYPE_SFIXED32: 4,
}
_ZIGZAG: Final = (FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SINT64)


Scalar = str | bytes | float
"""A field's value that is no message; Python's `float` stands for numbers and truth values too."""


class Size(msgspec.Struct, frozen=True):
    """How many values a field has, and their bytes in protobuf; its path has `[*]` for list indices and map keys."""

    path: str
    count: int
    bytes: int


def sizes(message: Message) -> list[Size]:
    """Return the fields of a message that hold something, in the order of their paths."""
    found: dict[str, list[int]] = {}
    for path, size in _leaves(message, ""):
        found.setdefault(path, []).append(size)
    return [Size(path, len(each), sum(each)) for path, each in sorted(found.items())]


def _leaves(message: Message, above: str) -> Iterator[tuple[str, int]]:
    """Yield path and size of each value of a message, and of each key of its maps."""
    for field, found in message.ListFields():
        path = f"{above}{field.name}"
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            keys, values = entry.fields_by_name["key"], entry.fields_by_name["value"]
            for key in found:
                yield f"{path}[*] (key)", _size(keys, key)
                yield from _below(values, found[key], f"{path}[*]")
        elif field.is_repeated:
            for value in found:
                yield from _below(field, value, f"{path}[*]")
        else:
            yield from _below(field, found, path)


def _below(field: FieldDescriptor, value: Message | Scalar, path: str) -> Iterator[tuple[str, int]]:
    if isinstance(value, Message):
        yield from _leaves(value, f"{path}.")
    else:
        yield path, _size(field, value)


def _size(field: FieldDescriptor, value: Scalar) -> int:
    """Return the bytes of a value: https://protobuf.dev/programming-guides/encoding/."""
    if isinstance(value, str | bytes):
        return len(value if isinstance(value, bytes) else value.encode(errors="surrogatepass"))
    if field.type in _FIXED_BYTES:
        return _FIXED_BYTES[field.type]
    number = int(value)
    if field.type in _ZIGZAG:
        number = number * 2 if number >= 0 else -number * 2 - 1
    return max(1, -(-(number % 2**64).bit_length() // 7))
