"""Services for the gateway to call.

In this process, in one of their own that can be killed, or on bare HTTP/2 with any answer.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import grpc

from tests.support.contracts import contract, proto
from tests.support.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Fields,
    frame,
    frames,
)
from tests.support.processes import TIMEOUT_SECONDS

ROOT: Final = Path(__file__).parents[2]

PROTO: Final = proto("""
message Item {
  string user_id = 1 @USER_ID;
  string left = 2 @NAME;
  string right = 3 @PHONE;
  string op = 4 @OPERATIONAL;
  bytes body = 5 @CONTENT;
}
service Echo {
  rpc One(Item) returns (Item);
  rpc Down(Item) returns (stream Item);
  rpc Up(stream Item) returns (Item);
  rpc Both(stream Item) returns (stream Item);
}
""")

SERVICE: Final = "t.Echo"
CALL_KINDS: Final[Mapping[str, str]] = {
    "One": "unary_unary",
    "Down": "unary_stream",
    "Up": "stream_unary",
    "Both": "stream_stream",
}
"""The methods, and gRPC's names of their kinds."""

SERVER_OPTIONS: Final = (("grpc.so_reuseport", 0),)
Behaviour = Callable[[Any, grpc.ServicerContext], Any]
"""Answers a call: bytes or an iterator of them, in and out."""


def item(**fields: Any) -> bytes:
    """A message that all methods take and give."""
    raw: bytes = contract(PROTO).message_class("t.Item")(**fields).SerializeToString()
    return raw


def parse_item(raw: bytes) -> Any:
    """The message that bytes hold."""
    return contract(PROTO).message_class("t.Item").FromString(raw)


@contextmanager
def serve_methods(
    *,
    port: int = 0,
    credentials: grpc.ServerCredentials | None = None,
    options: Sequence[tuple[str, Any]] = (),
    **behaviours: Behaviour,
) -> Iterator[int]:
    """Serve methods in this process; the port."""
    server = grpc.server(ThreadPoolExecutor(max_workers=16), options=(*SERVER_OPTIONS, *options))
    server.add_generic_rpc_handlers((_handlers(behaviours),))
    address = f"127.0.0.1:{port}"
    bound = server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
    server.start()
    try:
        yield bound
    finally:
        server.stop(None).wait()


def _handlers(behaviours: Mapping[str, Any]) -> grpc.GenericRpcHandler:
    made = {
        name: getattr(grpc, f"{CALL_KINDS[name]}_rpc_method_handler")(behaviour)
        for name, behaviour in behaviours.items()
    }
    return grpc.method_handlers_generic_handler(SERVICE, made)


class UnansweredCalls:
    """A behaviour that never answers.

    It counts the calls that came and those that were given up, and notes the time each had.
    """

    def __init__(self) -> None:
        self.remaining_seconds: list[float] = []
        self.arrived = threading.Semaphore(0)
        self.cancelled = threading.Semaphore(0)

    def __call__(self, request: Any, context: grpc.ServicerContext) -> bytes:
        self._wait(context)
        return b""

    def answering(self, request: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
        """The same where answers stream, after the first of them."""
        yield item(op="first")
        self._wait(context)

    def _wait(self, context: grpc.ServicerContext) -> None:
        ended = threading.Event()
        context.add_callback(ended.set)
        self.remaining_seconds.append(context.time_remaining())
        self.arrived.release()
        assert ended.wait(TIMEOUT_SECONDS)
        self.cancelled.release()


class UpstreamProcess:
    """A service in a process of its own, which says back what it is told: `Down` without end, `Up` its last message."""

    def __init__(self, port: int) -> None:
        command = (sys.executable, "-m", "tests.support.upstreams", str(port))
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"listening\n"

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait(3 * TIMEOUT_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


async def _one(request: bytes, context: Any) -> bytes:
    return request


async def _down(request: bytes, context: Any) -> None:
    while True:
        await context.write(request)


async def _up(requests: AsyncIterator[bytes], context: Any) -> bytes:
    last = b""
    async for request in requests:
        last = request
    return last


async def _both(requests: AsyncIterator[bytes], context: Any) -> None:
    async for request in requests:
        await context.write(request)


async def _serve(port: str) -> None:
    server = grpc.aio.server(options=SERVER_OPTIONS)
    server.add_generic_rpc_handlers((_handlers({"One": _one, "Down": _down, "Up": _up, "Both": _both}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    await server.wait_for_termination()


# Bare HTTP/2.

WINDOW_UPDATE: Final = 8
ACK: Final = 1
WINDOW_BYTES: Final = 1 << 30
"""A flow-control window that nobody fills."""

SERVER_PREFACE: Final = frame(SETTINGS, 0, 0, b"\0\4" + WINDOW_BYTES.to_bytes(4, "big")) + frame(
    WINDOW_UPDATE, 0, 0, WINDOW_BYTES.to_bytes(4, "big")
)
"""SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113, section 6.5.2), and the connection's own window."""

STATUS_200: Final = b"\x88"
"""`:status: 200`, the eighth entry of HPACK's static table (RFC 7541, appendix A)."""

GRPC: Final = ((b"content-type", b"application/grpc"),)

Reply = Callable[[socket.socket, int], None]
"""Answers a stream of a connection as soon as its headers have come."""


def fields(*given: tuple[bytes, bytes]) -> bytes:
    """Header fields as literals that aren't compressed; each name and value under 127 bytes."""
    return b"".join(b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in given)


def response_headers(stream: int, more: Fields = (), *, status: bytes = STATUS_200) -> bytes:
    """The headers of an answer."""
    return frame(HEADERS, END_HEADERS, stream, status + fields(*GRPC, *more))


def data_frame(stream: int, message: bytes, *, flag: int = 0, length: int | None = None, last: bool = False) -> bytes:
    """A message with gRPC's prefix, or with one that lies."""
    prefix = bytes([flag]) + (len(message) if length is None else length).to_bytes(4, "big")
    return frame(DATA, END_STREAM if last else 0, stream, prefix + message)


def trailers(stream: int, *given: tuple[bytes, bytes]) -> bytes:
    """Trailers."""
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, fields(*given))


def trailers_only(stream: int, code: int, text: bytes = b"") -> bytes:
    """An answer that is a status and nothing else; then, as grpc-go does, that no more of the request is wanted."""
    trailers = STATUS_200 + fields(*GRPC, (b"grpc-status", b"%d" % code), (b"grpc-message", text))
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, trailers) + reset(stream, 0)


def reset(stream: int, error: int) -> bytes:
    """RST_STREAM with an error code (RFC 9113, section 7)."""
    return frame(RST_STREAM, 0, stream, error.to_bytes(4, "big"))


def goaway(error: int, text: bytes) -> bytes:
    """GOAWAY with debug data, about all streams."""
    return frame(GOAWAY, 0, 0, bytes(4) + error.to_bytes(4, "big") + text)


@contextmanager
def serve_http2(reply: Reply, *, hello: bytes = SERVER_PREFACE) -> Iterator[int]:
    """Serve on bare HTTP/2, or with another `hello` not even that; the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _Bare(listener, hello, reply)
        try:
            yield listener.getsockname()[1]
        finally:
            server.stop()


class _Bare:
    def __init__(self, listener: socket.socket, hello: bytes, reply: Reply) -> None:
        self._listener, self._hello, self._reply = listener, hello, reply
        self._connections: list[socket.socket] = []
        self._threads = [self._started(self._accept)]

    def _started(self, target: Callable[..., None], *args: Any) -> threading.Thread:
        thread = threading.Thread(target=target, args=args, daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        for held in (self._listener, *self._connections):
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(TIMEOUT_SECONDS)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                self._threads.append(self._started(self._serve, connection))

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as said:
            connection.sendall(self._hello)
            if said.read(len(PREFACE)) != PREFACE:
                return
            for kind, stream, payload in frames(said):
                if kind == HEADERS:
                    self._reply(connection, stream)
                elif kind == SETTINGS and not payload:
                    connection.sendall(b"")
                elif kind == SETTINGS:
                    connection.sendall(frame(SETTINGS, ACK, 0, b""))
                elif kind == PING:
                    connection.sendall(frame(PING, ACK, 0, payload))


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
