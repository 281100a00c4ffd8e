"""Messages that come late, never, broken or not at all.

Over real connections, from a caller that says what no library says.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, BinaryIO, Final, Self

import grpc
import pytest

from gateway.receivers import incoming
from gateway.receivers.guard import Guard
from gateway.receivers.incoming import ANYTHING, Incoming, Reading
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS, result_of
from tests.support.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    frame,
    frames,
    header_block,
)

SILENT: Final = Reading(silence=0.2)
FULL: Final = b"8"
"""RESOURCE_EXHAUSTED, as it is written on the wire."""


async def echo(request: bytes) -> bytes:
    return request


async def count(requests: Incoming) -> bytes:
    return b"%d" % len([request async for request in requests])


class Server:
    """A server with every kind of reading, and the guard before it."""

    def __init__(self, places: int) -> None:
        self.guard = Guard(places)
        self.held = asyncio.Event()
        self.began = asyncio.Event()
        self._server = grpc.aio.server()
        methods = {
            "Unary": self.guard.unary(echo),
            "Any": self.guard.unary(echo, reading=ANYTHING),
            "Stream": self.guard.stream(count, reading=SILENT),
            "Held": self.guard.unary(self.hold),
        }
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("t", methods)])
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    async def hold(self, request: bytes) -> bytes:
        self.began.set()
        await self.held.wait()
        return request

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(None)


@asynccontextmanager
async def serving(places: int = 8) -> AsyncIterator[Server]:
    async with Server(places) as server:
        yield server


@contextmanager
def dialled(port: int) -> Iterator[tuple[socket.socket, BinaryIO]]:
    """A connection on which nothing has been called yet."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection,
        connection.makefile("rb") as answer,
    ):
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(SETTINGS, 1, 0, b""))
        yield connection, answer


def headers(method: bytes, stream: int = 1, *, flags: int = 0) -> bytes:
    return frame(HEADERS, END_HEADERS | flags, stream, header_block(b"/t/" + method))


def ending(answer: BinaryIO, streams: int = 1) -> list[bytes]:
    """The status of each of so many calls, in the order in which they end."""
    said: list[bytes] = []
    for kind, _, payload in frames(answer):
        if kind == HEADERS and b"grpc-status" in payload:
            at = payload.index(b"grpc-status") + len(b"grpc-status")
            said.append(payload[at + 1 : at + 1 + payload[at]])
        if kind == RST_STREAM and any(payload):
            said.append(b"reset")
        if len(said) == streams:
            break
    return said


def ended(answer: BinaryIO) -> int:
    """The next stream that is answered."""
    return next(stream for kind, stream, _ in frames(answer) if kind == HEADERS)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "MESSAGE_SECONDS", 0.2)
    monkeypatch.setattr(incoming, "DEADLINE_CHECK_SECONDS", 0.05)


def asked(port: int, method: bytes, *said: bytes) -> list[bytes]:
    """How a call ends of which the caller says this and no more."""
    with dialled(port) as (connection, answer):
        connection.sendall(headers(method) + b"".join(said))
        return ending(answer)


WHOLE: Final = b"\0\0\0\0\1x"
MALFORMED: Final = b"3"

ROWS: Final[list[tuple[str, bytes, list[bytes], bytes]]] = [
    ("headers alone", b"Unary", [], FULL),
    ("headers alone, of a stream", b"Stream", [], FULL),
    ("half a frame and silence", b"Unary", [frame(DATA, 0, 1, WHOLE[:-1])], FULL),
    ("another first byte and silence", b"Unary", [frame(DATA, 0, 1, b"\2" + WHOLE[1:])], FULL),
    ("a message and silence, of a stream", b"Stream", [frame(DATA, 0, 1, WHOLE)], FULL),
    ("an end without a message", b"Unary", [frame(DATA, END_STREAM, 1, b"")], MALFORMED),
    ("half a frame and the end", b"Unary", [frame(DATA, END_STREAM, 1, WHOLE[:-1])], MALFORMED),
    ("another first byte and the end", b"Unary", [frame(DATA, END_STREAM, 1, b"\2" + WHOLE[1:])], MALFORMED),
    ("an empty message", b"Unary", [frame(DATA, END_STREAM, 1, bytes(5))], MALFORMED),
    ("an empty message, of a stream", b"Stream", [frame(DATA, END_STREAM, 1, WHOLE + bytes(5))], MALFORMED),
    ("an empty message where it means something", b"Any", [frame(DATA, END_STREAM, 1, bytes(5))], b"0"),
    ("an end without a message even there", b"Any", [frame(DATA, END_STREAM, 1, b"")], MALFORMED),
    ("a message that doesn't end", b"Unary", [frame(DATA, 0, 1, WHOLE)], b"0"),
    ("a message", b"Unary", [frame(DATA, END_STREAM, 1, WHOLE)], b"0"),
    ("a stream", b"Stream", [frame(DATA, END_STREAM, 1, WHOLE * 3)], b"0"),
]


@pytest.mark.parametrize(("name", "method", "said", "code"), ROWS, ids=[row[0] for row in ROWS])
async def test_a_call_ends_with_a_status_whatever_its_caller_leaves_out(
    name: str, method: bytes, said: list[bytes], code: bytes
) -> None:
    async with serving() as server:
        assert await asyncio.to_thread(asked, server.port, method, *said) == [code]
        await asyncio.wait_for(server.guard.emptied(TIMEOUT_SECONDS), TIMEOUT_SECONDS)


async def test_headers_that_end_the_stream_are_answered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "MESSAGE_SECONDS", 10 * TIMEOUT_SECONDS)
    async with serving() as server:
        with dialled(server.port) as (connection, answer):
            connection.sendall(headers(b"Unary", flags=END_STREAM))
            assert await asyncio.to_thread(ending, answer) == [MALFORMED]


async def test_whoever_keeps_the_gateway_waiting_makes_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "MESSAGE_SECONDS", 10 * TIMEOUT_SECONDS)
    async with (
        serving(4) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=CHANNEL_OPTIONS) as channel,
    ):
        with dialled(server.port) as (one, first), dialled(server.port) as (other, second):
            for connection, answer in ((one, first), (other, second)):
                connection.sendall(headers(b"Unary", 1) + headers(b"Unary", 3) + headers(b"Unary", 5))
                assert await asyncio.to_thread(ended, answer) == 5, "a third call is above one connection's share"
            method: Any = channel.unary_unary("/t/Unary")
            assert await result_of(method(b"x")) == b"x"
            assert await asyncio.to_thread(ended, first) == 1, "who has waited longest"


async def test_a_call_that_works_makes_no_way() -> None:
    async with (
        serving(2) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=CHANNEL_OPTIONS) as channel,
    ):
        held: Any = channel.unary_unary("/t/Held")
        working = asyncio.ensure_future(result_of(held(b"x")))
        await asyncio.wait_for(server.began.wait(), TIMEOUT_SECONDS)
        # Longer than any message may take: it has come.
        late = await asyncio.to_thread(asked, server.port, b"Unary")
        assert (late, working.done()) == ([FULL], False)
        server.held.set()
        assert await working == b"x"


class Late:
    """A context on which the message comes just as the call is being ended."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self.came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.aborted: list[Any] = []

    def peer(self) -> str:
        return self._peer

    async def read(self) -> bytes:
        return await self.came

    async def abort(self, code: Any, *_: Any) -> None:
        self.aborted.append(code)
        raise grpc.aio.AbortError


async def test_a_message_that_comes_as_its_call_ends_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bytes] = []

    async def take(request: bytes) -> bytes:
        taken.append(request)
        return request

    guard, late, newcomer = Guard(1), Late("ipv4:127.0.0.1:1"), Late("ipv4:127.0.0.1:2")
    method: Any = guard.unary(take)
    call = asyncio.ensure_future(method.stream_unary(None, late))
    await asyncio.sleep(0)
    other: Any = asyncio.ensure_future(method.stream_unary(None, newcomer))
    late.came.set_result(b"x")
    with pytest.raises(grpc.aio.AbortError):
        await call
    newcomer.came.set_result(b"y")
    assert await other == b"y"
    assert (taken, late.aborted, newcomer.aborted) == ([b"y"], [grpc.StatusCode.RESOURCE_EXHAUSTED], [])
