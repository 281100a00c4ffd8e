"""Calls to upstreams, where the proxy reaches below grpcio's public API.

Nothing else of the gateway does but `authority.py`.

- A unary call without the task and the bookkeeping of `UnaryUnaryCall`, which are a seventh of what a hop costs.
- A message on a stream whose failure leaves the upstream's status alone: `call.write` makes it INTERNAL (grpc issue 36066).
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import grpc
import msgspec
from grpc._cython.cygrpc import InternalError  # type: ignore[import-not-found]  # no public name has it

Pair = tuple[str, str | bytes]
Pairs = tuple[Pair, ...]
"""Metadata, as gRPC takes it."""

_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


class Ended(Exception):
    """How an upstream ended a call that it did not answer: what it said itself, before anything is minimised."""

    def __init__(self, code: grpc.StatusCode, text: str, initial: Pairs, trailing: Pairs) -> None:
        super().__init__(code.name)
        self.code = code
        self.text = text
        self.initial = initial
        self.trailing = trailing


def ended(error: grpc.aio.AioRpcError) -> Ended:
    """The same, of a stream."""
    initial: Any = error.initial_metadata() or ()
    trailing: Any = error.trailing_metadata() or ()
    return Ended(error.code(), error.details() or "", tuple(initial), tuple(trailing))


class Answer(msgspec.Struct, frozen=True):
    """The answer of a unary call, and what stands around it."""

    raw: bytes
    initial: Pairs
    trailing: Pairs

    def __repr__(self) -> str:
        return "Answer(…)"


class UnaryUnary:
    """Calls one method of one channel, as `channel.unary_unary` does."""

    def __init__(self, channel: grpc.aio.Channel, path: str) -> None:
        self._channel: Any = channel._channel  # type: ignore[attr-defined]  # noqa: SLF001 - see above
        self._path = path.encode()

    async def __call__(
        self,
        request: bytes,
        *,
        timeout: float | None,  # noqa: ASYNC109 - gRPC's own word for it
        metadata: Pairs,
        wait_for_ready: bool,
    ) -> Answer:
        """The upstream's answer. Raises Ended."""
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
            raise Ended(_failed(status.code()), status.details() or "", initial or (), trailing or ())
        return Answer(raw, initial or (), trailing or ())


def _failed(code: int) -> grpc.StatusCode:
    """The code of a call without an answer: one that there is, and never OK."""
    return grpc.StatusCode.INTERNAL if code == 0 else _CODES.get(code, grpc.StatusCode.UNKNOWN)


async def send(call: Any, message: bytes) -> bool:
    """Send a message on a stream; whether the upstream still takes them."""
    try:
        await call.wait_for_connection()
        if call.done():
            return False
        await call._cython_call.send_serialized_message(message)  # noqa: SLF001 - see above
    except (InternalError, grpc.aio.AioRpcError):
        return False
    return True
