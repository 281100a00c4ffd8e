"""Why some dependencies have an upper bound: each test fails with the versions that the bound keeps out."""

from __future__ import annotations

import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import BinaryIO, Final

import grpc
import pytest

SERVER: Final = """
import asyncio
import grpc

async def echo(request, context):
    return request

async def main():
    server = grpc.aio.server()
    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()

asyncio.run(main())
"""

SECONDS: Final = 20
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS = 0, 1, 3, 4
END_STREAM, END_HEADERS = 1, 4


@pytest.fixture
def port() -> Iterator[int]:
    """A grpc.aio server in a process of its own, which a broken one ends."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            assert select.select([server.stdout], [], [], SECONDS)[0], "the server doesn't start"
            yield int(server.stdout.readline())
        finally:
            server.kill()


@pytest.mark.parametrize("path", [b"/test.Echo/\xff", b"/\xc3\x28/Echo", b"/\xed\xa0\x80/Echo"], ids=["byte", "sequence", "surrogate"])
def test_a_path_that_is_not_utf8_does_not_end_the_server(port: int, path: bytes) -> None:
    assert call(port) == b"before"
    assert request(port, path) in {HEADERS, RST_STREAM}
    assert call(port, b"after") == b"after"


def call(port: int, payload: bytes = b"before") -> bytes:
    """An ordinary call."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        echo: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test.Echo/Echo")
        return echo(payload, timeout=SECONDS)


def request(port: int, path: bytes) -> int:
    """A call with any bytes as its path, which no client library sends; the kind of the frame that answers it."""
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"test"), (b"te", b"trailers")]
    block = b"".join(b"\0" + text(name) + text(value) for name, value in [*fields, (b"content-type", b"application/grpc")])
    frames = frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, 1, block) + frame(DATA, END_STREAM, 1, bytes(5))
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection, connection.makefile("rb") as answer:
        connection.sendall(PREFACE + frames)
        return next(kind for kind, stream in headers(answer) if stream == 1)


def text(value: bytes) -> bytes:
    """A string of HPACK, not compressed (RFC 7541, section 5.2); under 127 bytes."""
    return bytes([len(value)]) + value


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of HTTP/2 (RFC 9113, section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def headers(answer: BinaryIO) -> Iterator[tuple[int, int]]:
    """Kind and stream of each frame, until the connection ends."""
    while head := answer.read(9):
        answer.read(int.from_bytes(head[:3], "big"))
        yield head[3], int.from_bytes(head[5:], "big")
