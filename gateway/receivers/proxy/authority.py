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
from typing import Final

from gateway.receivers.incoming import Context

_HEAD_BYTES: Final = 32
"""Bytes of an `RPCState` before its details: a Python object's head, the call, Cython's table."""

_SLICES: Final = Struct("<QQQ8xQQQ8x")
"""Two `grpc_slice`, the method and the host, each.

A reference count, a length, an address; include/grpc/impl/slice_type.h.

Without a count the bytes are in the slice itself, after one that tells how many.
"""

_INLINED_OFFSET_BYTES: Final = 9
"""Where they begin then."""

_MAX_INLINED_BYTES: Final = 23
"""How many they are at most."""

_MAX_METADATA_BYTES: Final = 16_384
"""gRPC's own limit on all metadata of a call."""

_PORT: Final = re.compile(r":[0-9]{1,5}")


def matching_authority(authority: str, known: Container[str]) -> str | None:
    """Return which of the known authorities a call's authority means.

    Itself, else its host, without the port; None if neither.

    gRPC writes a port into the authority wherever one was dialled.
    """
    if authority in known:
        return authority
    host, colon, port = authority.rpartition(":")
    return host if _PORT.fullmatch(colon + port) and host in known else None


class Unreadable(Exception):
    """A build of grpcio that keeps a call's details elsewhere."""


def authority(context: Context, path: str) -> str:
    """Return the authority of a call to `path`, in lower case; empty if it isn't ASCII. Raises Unreadable."""
    wanted = path.encode()
    for state in gc.get_referents(context):
        kind = type(state)
        if kind not in _HOLDS_DETAILS:
            _HOLDS_DETAILS[kind] = kind.__name__ == "RPCState" and kind.__basicsize__ >= _HEAD_BYTES + _SLICES.size
        if _HOLDS_DETAILS[kind]:
            details = string_at(id(state) + _HEAD_BYTES, _SLICES.size)
            count, length, address, host_count, host_length, host_address = _SLICES.unpack(details)
            # No address is followed on a guess: the length must be right first.
            if (length if count else length & 0xFF) == len(wanted) and wanted == (
                string_at(address, length) if count else _inlined(details, 0, length)
            ):
                if not host_count:
                    host = _inlined(details, _SLICES.size // 2, host_length)
                else:
                    host = string_at(host_address, host_length) if host_length <= _MAX_METADATA_BYTES else b""
                return host.decode().lower() if host.isascii() else ""
    raise Unreadable


_HOLDS_DETAILS: Final[dict[type, bool]] = {}
"""Of the types of what belongs to a context, whether it is the one that keeps a call's details."""


def _inlined(details: bytes, offset: int, length: int) -> bytes:
    """Return what a slice without a count holds, which begins there."""
    offset += _INLINED_OFFSET_BYTES
    return details[offset : offset + min(length & 0xFF, _MAX_INLINED_BYTES)]
