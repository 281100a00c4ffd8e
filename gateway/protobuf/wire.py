"""Fields written by hand, where the runtime would have to parse what is around them.

See https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations


def field(number: int, value: bytes) -> bytes:
    """A length-delimited field; nothing for an empty one."""
    return bytes((number << 3 | 2,)) + varint(len(value)) + value if value else b""


def varint(value: int) -> bytes:
    """A base-128 number."""
    if value < 128:
        return _SHORT[value]
    if value < 1 << 14:
        return bytes((value & 127 | 128, value >> 7))
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(raw: bytes, at: int, most_bytes: int = 10) -> tuple[int, int]:
    """The number at a place, of which 64 bits count, and where it ends.

    Raises IndexError beyond the end, or if it takes more bytes.
    """
    byte = raw[at]
    if byte < 128:
        return byte, at + 1
    value = byte & 127
    if most_bytes > 1 and raw[at + 1] < 128:
        return value | raw[at + 1] << 7, at + 2
    for place in range(1, most_bytes):
        byte = raw[at + place]
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value & _VARINT_BITS, at + place + 1
    raise IndexError


def value_end(raw: bytes, at: int, kind: int) -> int:
    """Where a value of a wire type ends, as it says itself. Raises IndexError, also for a type that there isn't."""
    if kind in _WIDTHS:
        return at + _WIDTHS[kind]
    if kind > _LENGTH:
        raise IndexError
    value, at = read_varint(raw, at)
    return at + value if kind == _LENGTH else at


def numbers(raw: bytes) -> frozenset[int]:
    """The numbers of the fields in a well-formed message, groups as a whole."""
    found, at, groups = set[int](), 0, 0
    while at < len(raw):
        tag, at = read_varint(raw, at)
        if not groups:
            found.add(tag >> 3)
        groups += _GROUPS.get(tag & 7, 0)
        at = value_end(raw, at, tag & 7)
    return frozenset(found)


_LENGTH = 2
_WIDTHS = {1: 8, 3: 0, 4: 0, 5: 4}
"""Bytes of what has a fixed length, by wire type: numbers, and the tags around a group."""
_GROUPS = {3: 1, 4: -1}
_VARINT_BITS = 2**64 - 1
_SHORT = tuple(bytes((value,)) for value in range(128))
