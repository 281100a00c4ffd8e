"""The `:authority` of a call, which grpc.aio receives and doesn't show (grpc issue 38906, pull request 42651).

It is read where grpcio keeps it, `grpc_call_details` in `RPCState`. The method stands before it: only where that reads
as the method that the call is known to have is the authority believed. So a build of grpcio with another layout serves
no call, rather than a wrong one.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Container
from ctypes import string_at
from struct import Struct
from typing import Any, Final

import grpc

Context = grpc.aio.ServicerContext[Any, Any]

_HEAD: Final = 32
"""Bytes of an `RPCState` before its details: a Python object's head, the call, Cython's table."""

_SLICES: Final = Struct("<QQQ8xQQQ8x")
"""Two `grpc_slice`, the method and the host, each.

A reference count, a length, an address; include/grpc/impl/slice_type.h.

Without a count the bytes are in the slice itself, after one that tells how many.
"""

_OWN: Final = 9
"""Where they begin then."""

_INLINED: Final = 23
"""How many they are at most."""

_LONGEST: Final = 16_384
"""gRPC's own limit on all metadata of a call."""


_PORT: Final = re.compile(r":[0-9]{1,5}")


def named(authority: str, routes: Container[str]) -> str | None:
    """Return which of the authorities of `routes` is meant by a call's.

    Itself, else its host, without the port; None if neither.

    gRPC writes a port into the authority wherever one was dialled.
    """
    if authority in routes:
        return authority
    host, colon, port = authority.rpartition(":")
    return host if _PORT.fullmatch(colon + port) and host in routes else None


class Unreadable(Exception):
    """A build of grpcio that keeps a call's details elsewhere."""


def authority(context: Context, path: str) -> str:
    """The authority of a call to `path`, in lower case; empty if it isn't ASCII. Raises Unreadable."""
    wanted = path.encode()
    for state in gc.get_referents(context):
        if type(state).__name__ == "RPCState" and type(state).__basicsize__ >= _HEAD + _SLICES.size:
            details = string_at(id(state) + _HEAD, _SLICES.size)
            count, length, address, *host = _SLICES.unpack(details)
            # No address is followed on a guess: the length must be right first.
            if (length if count else length & 0xFF) == len(wanted) and _bytes(
                details, count, length, address
            ) == wanted:
                read = _bytes(details[_SLICES.size // 2 :], *host)
                return read.decode().lower() if read.isascii() else ""
    raise Unreadable


def _bytes(piece: bytes, count: int, length: int, address: int) -> bytes:
    """What a slice holds; `piece` begins with it."""
    if not count:
        return piece[_OWN : _OWN + min(length & 0xFF, _INLINED)]
    return string_at(address, length) if length <= _LONGEST else b""
