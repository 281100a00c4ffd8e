"""Programs of bare grpc.aio, started as such so that nothing of the gateway is loaded.

An upstream, a sink, a pass-through, a handler.

Each listens on the address that is its last argument.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from itertools import cycle
from typing import Any, Final

import grpc
import uvloop
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.bench.options import OPTIONS

LAST: Final = "/bench.v1.Upstream/LastRequest"
"""Where upstream and sink tell which request came last."""

ANSWERS: Final = "/bench.v1.Upstream/Answers"
"""Where the upstream is told what to answer from now on, in turn: `packed()` messages."""

COUNT: Final = "/bench.v1.Sink/Count"
"""Where the sink tells how many records have come, once there are as many as is asked for.

Both eight bytes, big-endian.
"""

Unary = Callable[[bytes, Any], Awaitable[bytes]]


def packed(messages: list[bytes]) -> bytes:
    """Return messages as one, each after its length in four bytes."""
    return b"".join(len(message).to_bytes(4, "big") + message for message in messages)


def _unpacked(data: bytes) -> Iterator[bytes]:
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        yield data[4:end]
        data = data[end:]


async def upstream(address: str) -> None:
    """Answer every call with the next of the answers told, but `LAST` and `ANSWERS`."""
    last, answers = b"", cycle([b""])

    async def reply(request: bytes, context: object) -> bytes:
        nonlocal last
        last = request
        return next(answers)

    async def tell(request: bytes, context: object) -> bytes:
        return last

    async def hear(request: bytes, context: object) -> bytes:
        nonlocal answers
        answers = cycle(list(_unpacked(request)))
        return b""

    told = {LAST: tell, ANSWERS: hear}
    await _serve(address, lambda path: told.get(path, reply))


async def sink(address: str) -> None:
    """Take every OTLP request, and count its records."""
    last, count, came = b"", 0, asyncio.Condition()

    def taking(path: str) -> Unary:
        counted = _spans if "Trace" in path else _logs

        async def take(request: bytes, context: object) -> bytes:
            nonlocal last, count
            last, count = request, count + counted(request)
            async with came:
                came.notify_all()
            return b""

        return take

    async def tell(request: bytes, context: object) -> bytes:
        return last

    async def tell_count(request: bytes, context: object) -> bytes:
        async with came:
            await came.wait_for(lambda: count >= int.from_bytes(request, "big"))
        return count.to_bytes(8, "big")

    told = {LAST: tell, COUNT: tell_count}
    await _serve(address, lambda path: told.get(path) or taking(path))


def _logs(request: bytes) -> int:
    return sum(
        len(scope.log_records)
        for group in ExportLogsServiceRequest.FromString(request).resource_logs
        for scope in group.scope_logs
    )


def _spans(request: bytes) -> int:
    return sum(
        len(scope.spans)
        for group in ExportTraceServiceRequest.FromString(request).resource_spans
        for scope in group.scope_spans
    )


async def relay(upstream: str, address: str) -> None:
    """Pass messages, metadata and status on as they are, in the call's true kind."""
    channel = grpc.aio.insecure_channel(upstream, OPTIONS)
    await _serve(address, lambda path: _relayed(channel.unary_unary(path)))


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


async def handler(address: str) -> None:
    """Parse a request of `TrackEvents`, and answer what the gateway answers."""
    from kannelle.privacy.v1.analytics_pb2 import TrackEventsRequest, TrackEventsResponse  # noqa: PLC0415 the others go without

    async def track(request: bytes, context: object) -> bytes:
        response = TrackEventsResponse()
        response.result.accepted = len(TrackEventsRequest.FromString(request).events)
        answer: bytes = response.SerializeToString()
        return answer

    await _serve(address, lambda path: track)


class _Every(grpc.GenericRpcHandler):
    """A unary handler for each path, made when it is first called."""

    def __init__(self, make: Callable[[str], Unary]) -> None:
        self._make = make
        self._made: dict[str, Any] = {}

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        if details.method not in self._made:
            self._made[details.method] = grpc.unary_unary_rpc_method_handler(self._make(details.method))
        return self._made[details.method]


async def _serve(address: str, make: Callable[[str], Unary]) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Every(make),))
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


PROGRAMS: Final[dict[str, Callable[..., Awaitable[None]]]] = {
    "upstream": upstream,
    "sink": sink,
    "relay": relay,
    "handler": handler,
}

if __name__ == "__main__":
    uvloop.run(PROGRAMS[sys.argv[1]](*sys.argv[2:]))  # type: ignore[arg-type]
