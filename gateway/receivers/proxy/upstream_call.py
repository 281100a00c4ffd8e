"""Calls to upstreams, where the proxy reaches below grpcio's public API.

Nothing else of the gateway does but `authority.py`.

- A unary call without the task and the bookkeeping of `UnaryUnaryCall`, which are a seventh of what a hop costs.
- A message on a stream whose failure leaves the upstream's status alone: `call.write` makes it INTERNAL (grpc issue
  36066).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Any, Final, Self, TypedDict

import grpc
import msgspec

MetadataPair = tuple[str, str | bytes]
MetadataPairs = tuple[MetadataPair, ...]
"""Metadata, as gRPC takes it."""

RequestStreamCall = grpc.aio.StreamUnaryCall[bytes, bytes] | grpc.aio.StreamStreamCall[bytes, bytes]
"""A call whose requests are sent one by one."""

ResponseStreamCall = grpc.aio.UnaryStreamCall[bytes, bytes] | grpc.aio.StreamStreamCall[bytes, bytes]
"""A call whose responses are read one by one."""

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class CallOptions(TypedDict):
    """How a call begins; `timeout` in seconds."""

    timeout: float | None
    metadata: MetadataPairs
    wait_for_ready: bool


class UpstreamError(Exception):
    """How an upstream ended a call without a response: what it said itself, before anything is minimised."""

    def __init__(self, code: grpc.StatusCode, text: str, initial: MetadataPairs, trailing: MetadataPairs) -> None:
        super().__init__(code.name)
        self.code = code
        self.text = text
        self.initial = initial
        self.trailing = trailing

    @classmethod
    def of_stream(cls, error: grpc.aio.AioRpcError) -> Self:
        """Return what ended a streamed call."""
        initial, trailing = tuple(error.initial_metadata() or ()), tuple(error.trailing_metadata() or ())
        return cls(error.code(), error.details() or "", initial, trailing)


class UnaryResponse(msgspec.Struct, frozen=True, gc=False):
    """The one response of a call, and the metadata around it."""

    raw: bytes
    initial: Collection[MetadataPair]
    trailing: Collection[MetadataPair]

    def __repr__(self) -> str:
        return "UnaryResponse(…)"


class UnaryUnary:
    """Calls one method of one channel, as `channel.unary_unary` does."""

    def __init__(self, channel: grpc.aio.Channel, path: str) -> None:
        self._channel: Any = channel._channel  # type: ignore[attr-defined]  # noqa: SLF001 - see above
        self._path = path.encode()

    async def __call__(
        self,
        request: bytes,
        timeout: float | None,  # noqa: ASYNC109 - gRPC's own word for it
        metadata: MetadataPairs,
        wait_for_ready: bool,
    ) -> UnaryResponse:
        """Return the upstream's response. Raises UpstreamError."""
        deadline = None if timeout is None else time.time() + timeout
        call = self._channel.call(self._path, deadline, None, wait_for_ready)
        try:
            raw = await call.unary_unary(request, metadata, None)
        except asyncio.CancelledError:
            call.cancel("the caller has gone")
            raise
        status = await call.status()
        initial, trailing = await call.initial_metadata(), status.trailing_metadata()
        if raw is None or not call.is_ok():
            raise UpstreamError(_error_code(status.code()), status.details() or "", initial or (), trailing or ())
        return UnaryResponse(raw, initial or (), trailing or ())


def _error_code(code: int) -> grpc.StatusCode:
    """Return the code of a call without a response: one that there is, and never OK."""
    return grpc.StatusCode.INTERNAL if code == 0 else _CODES.get(code, grpc.StatusCode.UNKNOWN)


async def send_message(call: Any, message: bytes) -> bool:
    """Send a message on a stream, and return whether the upstream still takes them."""
    try:
        await call.wait_for_connection()
        if call.done():
            return False
        await call._cython_call.send_serialized_message(message)  # noqa: SLF001 - see above
    except (grpc.aio.InternalError, grpc.aio.AioRpcError):
        return False
    return True
