"""A service that answers in HTTP/2 frames, so that it can answer wrongly."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from tests.support.channels import TIMEOUT_SECONDS
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
