"""Fields written by hand, where the runtime would have to parse what is around them: https://protobuf.dev/programming-guides/encoding/."""

from __future__ import annotations


def field(number: int, value: bytes) -> bytes:
    """A length-delimited field; nothing for an empty one."""
    return bytes((number << 3 | 2,)) + varint(len(value)) + value if value else b""


def varint(value: int) -> bytes:
    """A base-128 number."""
    if value < 128:
        return _SHORT[value]
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def numbers(raw: bytes) -> frozenset[int]:
    """The numbers of the fields in a well-formed message, groups as a whole."""
    found, at, groups = set[int](), 0, 0
    while at < len(raw):
        tag, at = _read(raw, at)
        if not groups:
            found.add(tag >> 3)
        groups += _GROUPS.get(tag & 7, 0)
        at = _after(raw, at, tag & 7)
    return frozenset(found)


def _after(raw: bytes, at: int, kind: int) -> int:
    """Where a value of a wire type ends."""
    if kind in _WIDTHS:
        return at + _WIDTHS[kind]
    value, at = _read(raw, at)
    return at + value if kind == _LENGTH else at


def _read(raw: bytes, at: int) -> tuple[int, int]:
    """The varint at a place, and where it ends."""
    value = shift = 0
    while raw[at] > 127:
        value |= (raw[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return value | raw[at] << shift, at + 1


_LENGTH = 2
_WIDTHS = {1: 8, 3: 0, 4: 0, 5: 4}
"""Bytes of what has a fixed length, by wire type: numbers, and the tags around a group."""
_GROUPS = {3: 1, 4: -1}
_SHORT = tuple(bytes((value,)) for value in range(128))
