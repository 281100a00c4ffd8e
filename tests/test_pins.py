"""Why some dependencies have an upper bound: each test fails with the versions that the bound keeps out.

And what stands in for something that a dependency lacks: that test fails with the version that has it.
"""

from __future__ import annotations

import importlib
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import grpc
import pytest

from tests.support.channels import TIMEOUT_SECONDS
from tests.support.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    frame,
    frames,
    header_block,
    request,
)

SERVER: Final = """
import asyncio
import grpc

async def echo(request, context):
    return request

async def told(requests, context):
    first = asyncio.ensure_future(context.read()) if "early" in dict(context.invocation_metadata()) else None
    await asyncio.sleep(0)
    await context.send_initial_metadata(())
    if first is None:
        await may.wait()
    messages = [await (first or context.read()), await context.read(), await context.read()]
    return repr(["end" if one is grpc.aio.EOF else one for one in messages]).encode()

async def go(request, context):
    may.set()
    return request

may = asyncio.Event()

async def main():
    server = grpc.aio.server()
    handlers = {
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
        "Told": grpc.stream_unary_rpc_method_handler(told),
        "Go": grpc.unary_unary_rpc_method_handler(go),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()

asyncio.run(main())
"""


@pytest.fixture
def port() -> Iterator[int]:
    """A grpc.aio server in a process of its own, which a broken one ends."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            assert select.select([server.stdout], [], [], TIMEOUT_SECONDS)[0], "the server doesn't start"
            yield int(server.stdout.readline())
        finally:
            server.kill()


@pytest.mark.parametrize(
    "path", [b"/test.Echo/\xff", b"/\xc3\x28/Echo", b"/\xed\xa0\x80/Echo"], ids=["byte", "sequence", "surrogate"]
)
def test_a_path_that_is_not_utf8_does_not_end_the_server(port: int, path: bytes) -> None:
    assert call(port) == b"before"
    assert request(port, path)[0] in {HEADERS, RST_STREAM}
    assert call(port, b"after") == b"after"


def call(port: int, payload: bytes = b"before") -> bytes:
    """An ordinary call."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        echo: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test.Echo/Echo")
        return echo(payload, timeout=TIMEOUT_SECONDS)


@pytest.mark.parametrize(
    "context",
    [grpc.aio.ServicerContext, importlib.import_module("grpc._cython.cygrpc")._ServicerContext],
    ids=["as documented", "as it is"],
)
def test_a_context_does_not_show_the_authority(context: type) -> None:
    """Where it does (grpc issue 38906), gateway/receivers/proxy/authority.py can go."""
    assert [name for name in dir(context) if "authority" in name or "host" in name] == []


WHOLE: Final = b"\0\0\0\0\1x"
READ: Final[list[tuple[str, bytes, str, str]]] = [
    # What is sent, how it is read when all of it has come before, and when reading began before it came.
    ("nothing", b"", "['end', 'end', 'end']", "['end', 'end', 'end']"),
    ("an empty message", bytes(5), "[b'', 'end', 'end']", "[b'', 'end', 'end']"),
    ("another first byte", b"\2" + WHOLE[1:], "[b'', 'end', 'end']", "['end', 'end', 'end']"),
    ("the last first byte", b"\xff" + WHOLE[1:], "[b'', 'end', 'end']", "['end', 'end', 'end']"),
    ("half a prefix", WHOLE[:3], "['end', 'end', 'end']", "['end', 'end', 'end']"),
    ("half a message", WHOLE[:-1], "['end', 'end', 'end']", "['end', 'end', 'end']"),
    ("a message and half of one", WHOLE + WHOLE[:-1], "[b'x', 'end', 'end']", "[b'x', 'end', 'end']"),
    ("a message and another first byte", WHOLE + b"\2" + WHOLE[1:], "[b'x', b'', 'end']", "[b'x', b'', 'end']"),
    ("compressed, in no encoding", b"\1" + WHOLE[1:], "[b'x', 'end', 'end']", "[b'x', 'end', 'end']"),
]


@pytest.mark.parametrize(("name", "data", "before", "after"), READ, ids=[row[0] for row in READ])
def test_a_broken_frame_reads_as_an_empty_message_or_as_the_end(
    port: int, name: str, data: bytes, before: str, after: str
) -> None:
    """Where it raises, or cancels the call, docs/decisions/0008-broken-frames.md and its rules can go."""
    assert before.encode() in said(port, data)
    assert after.encode() in said(port, data, early=True)


ENCODED: Final[list[tuple[str, bytes, bytes, bytes]]] = [
    ("an encoding that nobody knows", b"zstd", b"\0\0\0\0\1x", b"Error parsing 'grpc-encoding' metadata"),
    ("the same, compressed", b"zstd", b"\1\0\0\0\1x", b"Error parsing 'grpc-encoding' metadata"),
    ("none", b"", b"\0\0\0\0\1x", b"Error parsing 'grpc-encoding' metadata"),
    ("what doesn't decompress", b"gzip", b"\1\0\0\0\1x", b"Decompression failed due to "),
]


@pytest.mark.parametrize(("name", "encoding", "data", "text"), ENCODED, ids=[row[0] for row in ENCODED])
def test_grpcs_core_ends_a_call_in_another_encoding_itself(
    port: int, name: str, encoding: bytes, data: bytes, text: bytes
) -> None:
    """It says INTERNAL, where gRPC's compression.md wants UNIMPLEMENTED: docs/decisions/0008-broken-frames.md."""
    kind, said = request(port, b"/test.Echo/Echo", fields=[(b"grpc-encoding", encoding)], data=data)
    assert kind == HEADERS
    assert b"grpc-status\x0213" in said
    assert text in said
    assert call(port) == b"before"


def said(port: int, data: bytes, *, early: bool = False) -> bytes:
    """All that the server says of a stream with this data.

    It reads when all of it has come, or `early`, before any has.
    """
    heard = b""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection,
        connection.makefile("rb") as answer,
    ):
        head = frame(HEADERS, END_HEADERS, 1, header_block(b"/test.Echo/Told", [(b"early", b"1")] if early else ()))
        # What comes after it on the connection comes after it on the server.
        go = frame(HEADERS, END_HEADERS, 3, header_block(b"/test.Echo/Go")) + frame(DATA, END_STREAM, 3, WHOLE)
        rest = frame(DATA, END_STREAM, 1, data) + go
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b"") + head + (b"" if early else rest))
        for kind, stream, payload in frames(answer):
            heard += payload
            if early and (kind, stream) == (HEADERS, 1):
                connection.sendall(rest)
                early = False
            elif (kind, stream) == (DATA, 1):
                break
    return heard


def test_a_unary_call_of_headers_alone_is_never_answered(port: int) -> None:
    """Where it is, gateway/receivers/incoming.py can leave reading to grpc.aio."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection,
        connection.makefile("rb") as answer,
    ):
        head = frame(HEADERS, END_HEADERS | END_STREAM, 1, header_block(b"/test.Echo/Echo"))
        other = frame(HEADERS, END_HEADERS, 3, header_block(b"/test.Echo/Echo")) + frame(DATA, END_STREAM, 3, WHOLE)
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b"") + head + other)
        assert next(stream for kind, stream, _ in frames(answer) if kind == HEADERS) == 3
        connection.sendall(frame(PING, 0, 0, bytes(8)))
        assert next((kind, stream) for kind, stream, _ in frames(answer) if kind == PING or stream == 1) == (PING, 0)
