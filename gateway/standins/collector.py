"""A stand-in for a telemetry backend: a small OTLP collector that keeps in memory what it gets.

For demo and tests; no real collector.

It is strict: what a sender may not send it refuses, so that nothing passes here that a real one would choke on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import grpc
import grpc.aio
import msgspec
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp.messages import REQUESTS, ExportRequest, partial_success
from gateway.otlp.signals import LOGS, SIGNALS, Signal

GRACE_SECONDS: Final = 0.2
"""How long calls under way have at a stop, in seconds. Without any, gRPC's clients complain on standard error."""


class CollectorAnswer(msgspec.Struct, frozen=True):
    """What to answer: OK, with so many records (spans, data points) `rejected`.

    Or another code, with a RetryInfo of `retry_after_seconds`.
    """

    code: grpc.StatusCode = grpc.StatusCode.OK
    retry_after_seconds: float | None = None
    rejected: int = 0


class Collector:
    """A stand-in for an OTLP collector, gRPC only. Used as `async with Collector() as collector`.

    `received` is all that came, as it came off the wire; `requests` what it took of it, in order and of any signal;
    `answers` what it answers next, one each; when they run out, OK.
    """

    def __init__(self, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None) -> None:
        """`address` is `host:port`, port 0 any free one. Plaintext without `credentials`."""
        self._address = address
        self._credentials = credentials
        self._server: grpc.aio.Server | None = None
        self.received: list[bytes] = []
        self.requests: list[ExportRequest] = []
        self.answers: deque[CollectorAnswer] = deque()
        self.endpoint = ""
        """Its URL, once it runs."""

    async def start(self) -> None:
        """Listen. Raises RuntimeError if the address is taken."""
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        for signal in SIGNALS:
            export: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
                partial(self._export, signal)
            )
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(signal.service, {"Export": export}),))
        if self._credentials is None:
            port = server.add_insecure_port(self._address)
        else:
            port = server.add_secure_port(self._address, self._credentials)
        self.endpoint = f"{'https' if self._credentials else 'http'}://{self._address.rpartition(':')[0]}:{port}"
        self._server = server
        await server.start()

    async def stop(self) -> None:
        """Stop listening; calls under way end, after a moment."""
        if self._server is not None:
            await self._server.stop(GRACE_SECONDS)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def logs(self) -> list[ExportLogsServiceRequest]:
        """All requests with log records that it took, in order."""
        return [request for request in self.requests if isinstance(request, ExportLogsServiceRequest)]

    def records(self, signal: Signal = LOGS) -> Iterator[tuple[Resource, InstrumentationScope, Any]]:
        """All records (spans, metrics) that it took, in order, with their resource and scope."""
        for request in self.requests:
            if isinstance(request, REQUESTS[signal]):
                yield from _records(request)

    async def _export(self, signal: Signal, data: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        self.received.append(data)
        fault, request = parse_request(data, signal)
        if fault:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, fault)
        answer = self.answers.popleft() if self.answers else CollectorAnswer()
        if answer.code is not grpc.StatusCode.OK:
            await _abort(context, answer)
        self.requests.append(request)
        if not answer.rejected:
            return b""
        return partial_success(signal, answer.rejected).SerializeToString()


def parse_request(data: bytes, signal: Signal = LOGS) -> tuple[str, ExportRequest]:
    """What is wrong with a request, or nothing, and the request."""
    message = REQUESTS[signal]
    request = message()
    try:
        request.MergeFromString(data)
    except DecodeError:
        return "malformed", request
    known = message.FromString(data)
    known.DiscardUnknownFields()
    if known.ByteSize() != request.ByteSize():
        return "unknown field", request
    return next(filter(None, (_find_error(record) for _, _, record in _records(request))), ""), request


def _records(request: ExportRequest) -> Iterator[tuple[Resource, InstrumentationScope, Any]]:
    for group in _members(request, 1):
        for scope in _members(group, 2):
            yield from ((group.resource, scope.scope, record) for record in _members(scope, 2))


def _members(message: Message, number: int) -> Any:
    # The signals' messages have one shape, with one set of numbers.
    return getattr(message, message.DESCRIPTOR.fields_by_number[number].name)


def _find_error(record: object) -> str:
    match record:
        # https://opentelemetry.io/docs/specs/otel/logs/data-model/: an ID is whole or absent.
        case LogRecord() if len(record.trace_id) not in {0, 16} or len(record.span_id) not in {0, 8}:
            return "trace or span ID of a wrong length"
        case LogRecord() if record.severity_number not in SeverityNumber.values():
            return "severity number out of range"
        # opentelemetry/proto/trace/v1/trace.proto: a span's are required.
        case Span() if (len(record.trace_id), len(record.span_id)) != (16, 8) or len(record.parent_span_id) not in {
            0,
            8,
        }:
            return "trace or span ID of a wrong length"
    return ""


async def _abort(context: grpc.aio.ServicerContext[bytes, bytes], answer: CollectorAnswer) -> NoReturn:
    status = Status(code=answer.code.value[0], message="as told")
    if answer.retry_after_seconds is not None:
        detail = AnyMessage()
        info = RetryInfo()
        info.retry_delay.FromNanoseconds(int(answer.retry_after_seconds * 1e9))
        detail.Pack(info)
        status.details.append(detail)
    await context.abort(answer.code, status.message, (("grpc-status-details-bin", status.SerializeToString()),))
