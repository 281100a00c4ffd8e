"""The event loop that a gateway runs on: uvloop's, which is told of all that gRPC has done at one go.

gRPC's core works in threads of its own, and writes a byte to a socket for each operation that has ended. grpc.aio reads
one of these bytes in each round of the loop, and in that round deals with every operation that has ended by then: of
eight that ended together, seven rounds find nothing to do, and a round costs as much as a short decision. Here such
bytes are read at once. With eight of them:

    grpc.aio alone    a byte, eight operations; a byte, none; a byte, none; …
    here              seven bytes, a byte and eight operations
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final, TypeVarTuple, Unpack

import uvloop

MAX_SURPLUS_BYTES: Final = 4096
"""Bytes that are read at once: so many operations don't end in one round."""

_COMPLETION_QUEUE: Final = "PollerCompletionQueue"
"""What reads the bytes, of gRPC's own: grpc/_cython/_cygrpc/aio/completion_queue.pyx.pxi."""


_Args = TypeVarTuple("_Args")


class EventLoop(uvloop.Loop):
    """uvloop's, but for how often it turns to gRPC. A build of grpcio that isn't known is read as it wants to be."""

    def add_reader(self, fd: Any, callback: Callable[[Unpack[_Args]], Any], *args: *_Args) -> None:
        """Call back when there is something to read."""
        if isinstance(fd, socket.socket) and not args and reads_completions(callback):
            super().add_reader(fd, CompletionReader(fd, callback).read)
        else:
            super().add_reader(fd, callback, *args)


def reads_completions(callback: Callable[..., Any]) -> bool:
    """Return whether this is how gRPC hears of operations that have ended: a method of its queue, with the loop."""
    return type(getattr(getattr(callback, "func", None), "__self__", None)).__name__ == _COMPLETION_QUEUE


class CompletionReader:
    """Has gRPC deal with all operations that have ended, and leaves it a single byte to read.

    No byte that comes later is read before it has: so none is missed.
    """

    __slots__ = ("_handle", "_recv")

    def __init__(self, completions: socket.socket, handle: Callable[[], object]) -> None:
        """`handle` reads one byte, or waits for it, and then deals with all that has ended."""
        self._recv = completions.recv
        self._handle = handle

    def read(self) -> None:
        """Read the bytes that are there but for one, which is gRPC's."""
        surplus = len(self._recv(MAX_SURPLUS_BYTES, socket.MSG_PEEK)) - 1
        if surplus > 0:
            self._recv(surplus)
        self._handle()
