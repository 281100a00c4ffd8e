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


_SHORT = tuple(bytes((value,)) for value in range(128))
