"""A stand-in for a log backend: a small OTLP collector that keeps in memory what it gets. For demo and tests; no real collector.

It is strict: what a sender may not send it refuses, so that nothing passes here that a real one would choke on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Final, NoReturn, Self

import grpc
import grpc.aio
import msgspec
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

_SERVICE: Final = "opentelemetry.proto.collector.logs.v1.LogsService"

GRACE: Final = 0.2
"""How long calls under way have at a stop, in seconds. Without any, gRPC's clients complain on standard error."""


class Answer(msgspec.Struct, frozen=True):
    """What to answer: OK, with so many records `rejected`, or another code, with a RetryInfo of `after` seconds where given."""

    code: grpc.StatusCode = grpc.StatusCode.OK
    after: float | None = None
    rejected: int = 0


class Collector:
    """A stand-in for an OTLP collector, gRPC only, logs only. Used as `async with Collector() as collector`.

    `received` is all that came, as it came off the wire; `requests` what it took of it, in order; `answers` what it answers next, one
    each; when they run out, OK.
    """

    def __init__(self, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None) -> None:
        """`address` is `host:port`, port 0 any free one. Plaintext without `credentials`."""
        self._address = address
        self._credentials = credentials
        self._server: grpc.aio.Server | None = None
        self.received: list[bytes] = []
        self.requests: list[ExportLogsServiceRequest] = []
        self.answers: deque[Answer] = deque()
        self.endpoint = ""
        """Its URL, once it runs."""

    async def start(self) -> None:
        """Listen. Raises RuntimeError if the address is taken."""
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        export: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(self._export)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {"Export": export}),))
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
            await self._server.stop(GRACE)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.stop()

    def records(self) -> Iterator[tuple[Resource, InstrumentationScope, LogRecord]]:
        """All records it took, in order, with their resource and scope."""
        for request in self.requests:
            for logs in request.resource_logs:
                for scope in logs.scope_logs:
                    yield from ((logs.resource, scope.scope, record) for record in scope.log_records)

    async def _export(self, data: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        self.received.append(data)
        fault, request = read(data)
        if fault:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, fault)
        answer = self.answers.popleft() if self.answers else Answer()
        if answer.code is not grpc.StatusCode.OK:
            await _abort(context, answer)
        self.requests.append(request)
        response = ExportLogsServiceResponse()
        response.partial_success.rejected_log_records = answer.rejected
        return response.SerializeToString() if answer.rejected else b""


def read(data: bytes) -> tuple[str, ExportLogsServiceRequest]:
    """What is wrong with a request, or nothing, and the request."""
    request = ExportLogsServiceRequest()
    try:
        request.MergeFromString(data)
    except DecodeError:
        return "malformed", request
    known = ExportLogsServiceRequest.FromString(data)
    known.DiscardUnknownFields()
    if known.ByteSize() != request.ByteSize():
        return "unknown field", request
    return next(filter(None, map(_fault, _records(request))), ""), request


def _records(request: ExportLogsServiceRequest) -> Iterator[LogRecord]:
    return (record for logs in request.resource_logs for scope in logs.scope_logs for record in scope.log_records)


def _fault(record: LogRecord) -> str:
    # https://opentelemetry.io/docs/specs/otel/logs/data-model/: an ID is whole or absent.
    if len(record.trace_id) not in {0, 16} or len(record.span_id) not in {0, 8}:
        return "trace or span ID of a wrong length"
    if record.severity_number not in SeverityNumber.values():
        return "severity number out of range"
    return ""


async def _abort(context: grpc.aio.ServicerContext[bytes, bytes], answer: Answer) -> NoReturn:
    status = Status(code=answer.code.value[0], message="as told")
    if answer.after is not None:
        detail = Any()
        info = RetryInfo()
        info.retry_delay.FromNanoseconds(int(answer.after * 1e9))
        detail.Pack(info)
        status.details.append(detail)
    await context.abort(answer.code, status.message, (("grpc-status-details-bin", status.SerializeToString()),))
