"""Just enough HTTP/2 to say what no client library says: any bytes as a path, header or message.

It reads frames, not their meaning.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Final

from tests.support.channels import TIMEOUT_SECONDS

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS = 1, 4

Fields = Sequence[tuple[bytes, bytes]]
"""Names and values of header fields."""


def request(port: int, path: bytes, *, fields: Fields = (), data: bytes = bytes(5)) -> tuple[int, bytes]:
    """A call, with more header fields and any data.

    The kind of the frame that answers it, and all that the server said up to its end.
    """
    return _exchange(port, path, fields, data, lambda kind, stream: stream == 1 and kind in (HEADERS, RST_STREAM))


def send_unanswered(port: int, path: bytes, *, fields: Fields = (), data: bytes = bytes(5)) -> None:
    """The same, without waiting for more than that the server has read it: not every call has an answer."""
    _exchange(port, path, fields, data, lambda kind, stream: kind == PING)


def _exchange(
    port: int, path: bytes, fields: Fields, data: bytes, enough: Callable[[int, int], bool]
) -> tuple[int, bytes]:
    said = b""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection,
        connection.makefile("rb") as answer,
    ):
        connection.sendall(
            PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, 1, header_block(path, fields))
        )
        connection.sendall(frame(DATA, END_STREAM, 1, data) + frame(PING, 0, 0, bytes(8)))
        for kind, stream, payload in frames(answer):
            said += payload
            if kind == GOAWAY or enough(kind, stream):
                return kind, said
    return GOAWAY, said


def header_block(path: bytes, fields: Fields = (), *, authority: bytes = b"test") -> bytes:
    """The header block of a call."""
    head = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", authority),
        (b"te", b"trailers"),
    ]
    return b"".join(
        b"\0" + _text(name) + _text(value) for name, value in [*head, (b"content-type", b"application/grpc"), *fields]
    )


def call(port: int, head: Fields, data: bytes, *, wait: bool = True) -> tuple[int, bytes]:
    """A call whose header fields are `head`, all of them: the kind of the frame that ends it, and what its frames said.

    Without `wait` it is over once the server has read it: not every call has an answer.
    """
    said = b""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection,
        connection.makefile("rb") as answer,
    ):
        fields = b"".join(b"\0" + _text(name) + _text(value) for name, value in head)
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, 1, fields))
        connection.sendall(frame(DATA, END_STREAM, 1, data) + frame(PING, 0, 0, bytes(8)))
        for kind, stream, payload in frames(answer):
            said += payload if stream == 1 else b""
            if (
                kind == GOAWAY
                or (kind == PING and not wait)
                or (stream == 1 and (kind == RST_STREAM or (kind == HEADERS and b"grpc-status" in payload)))
            ):
                return kind, said
    return GOAWAY, said


def _text(value: bytes) -> bytes:
    """A string of HPACK, not compressed (RFC 7541, section 5.2)."""
    return _length(len(value)) + value


def _length(count: int) -> bytes:
    """A whole number with a prefix of seven bits (RFC 7541, section 5.1)."""
    if count < 127:
        return bytes([count])
    rest, said = count - 127, b"\x7f"
    while rest > 127:
        said, rest = said + bytes([rest & 127 | 128]), rest >> 7
    return said + bytes([rest])


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of HTTP/2 (RFC 9113, section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def frames(answer: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Kind, stream and payload of each frame, until the connection ends."""
    while head := answer.read(9):
        yield head[3], int.from_bytes(head[5:], "big"), answer.read(int.from_bytes(head[:3], "big"))
