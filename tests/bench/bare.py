"""Programs of bare grpc.aio, started as such so that nothing of the gateway is loaded: an upstream, and a pass-through.

Each prints its address when it listens.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import grpc
import uvloop

LAST: Final = "/bench.v1.Upstream/LastRequest"
"""Where the upstream tells which request came last."""

Unary = Callable[[bytes, Any], Awaitable[bytes]]


async def upstream(answer: bytes) -> None:
    """Answer every call with the same bytes, but `LAST`."""
    last = b""

    async def reply(request: bytes, context: object) -> bytes:
        nonlocal last
        last = request
        return answer

    async def tell(request: bytes, context: object) -> bytes:
        return last

    await _serve(lambda path: tell if path == LAST else reply)


async def relay(address: str) -> None:
    """Pass messages, metadata and status on as they are, in the call's true kind."""
    channel = grpc.aio.insecure_channel(address)
    await _serve(lambda path: _relayed(channel.unary_unary(path)))


def _relayed(upstream: Any) -> Unary:
    async def pass_on(request: bytes, context: Any) -> bytes:
        given = tuple(pair for pair in context.invocation_metadata() or () if pair[0] != "user-agent")
        call = upstream(request, metadata=given, timeout=context.time_remaining())
        try:
            answer: bytes = await call
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "", tuple(error.trailing_metadata() or ()))
            raise
        # By itself it is a write of its own: a tenth of the hop, for nothing where it is empty.
        if initial := await call.initial_metadata():
            await context.send_initial_metadata(initial)
        if trailing := await call.trailing_metadata():
            context.set_trailing_metadata(trailing)
        return answer

    return pass_on


class _Every(grpc.GenericRpcHandler):
    """A unary handler for each path, made when it is first called."""

    def __init__(self, make: Callable[[str], Unary]) -> None:
        self._make = make
        self._made: dict[str, Any] = {}

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        if details.method not in self._made:
            self._made[details.method] = grpc.unary_unary_rpc_method_handler(self._make(details.method))
        return self._made[details.method]


async def _serve(make: Callable[[str], Unary]) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Every(make),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    match sys.argv[1:]:
        case "upstream", file:
            uvloop.run(upstream(Path(file).read_bytes()))
        case "relay", address:
            uvloop.run(relay(address))
