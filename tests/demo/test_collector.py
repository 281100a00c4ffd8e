from __future__ import annotations

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from gateway.otlp.signals import TRACES
from gateway.standins.collector import Collector, CollectorAnswer, parse_request


def request(record: LogRecord) -> ExportLogsServiceRequest:
    scope = ScopeLogs(scope=InstrumentationScope(name="a-scope"), log_records=[record])
    return ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(resource=Resource(dropped_attributes_count=1), scope_logs=[scope])]
    )


GOOD = request(LogRecord(trace_id=b"t" * 16, span_id=b"s" * 8, severity_number=9, body=AnyValue(string_value="hello")))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (GOOD.SerializeToString(), ""),
        (b"", ""),
        (b"\xff", "malformed"),
        (GOOD.SerializeToString() + b"\xf8\x07\x01", "unknown field"),
        (request(LogRecord.FromString(b"\xf8\x07\x01")).SerializeToString(), "unknown field"),
        (request(LogRecord(trace_id=b"t" * 15)).SerializeToString(), "trace or span ID of a wrong length"),
        (request(LogRecord(span_id=b"s" * 16)).SerializeToString(), "trace or span ID of a wrong length"),
        (request(LogRecord.FromString(b"\x10\x63")).SerializeToString(), "severity number out of range"),
    ],
)
def test_it_is_strict(data: bytes, fault: str) -> None:
    assert parse_request(data)[0] == fault


@pytest.mark.parametrize(
    ("span", "fault"),
    [
        (Span(trace_id=b"t" * 16, span_id=b"s" * 8), ""),
        (Span(trace_id=b"t" * 16, span_id=b"s" * 8, parent_span_id=b"p" * 8), ""),
        (Span(trace_id=b"t" * 16), "trace or span ID of a wrong length"),
        (Span(span_id=b"s" * 8), "trace or span ID of a wrong length"),
        (Span(trace_id=b"t" * 16, span_id=b"s" * 8, parent_span_id=b"p"), "trace or span ID of a wrong length"),
    ],
    ids=["root", "child", "no span ID", "no trace ID", "parent's too short"],
)
def test_it_is_strict_with_spans(span: Span, fault: str) -> None:
    made = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])])
    assert parse_request(made.SerializeToString(), TRACES)[0] == fault


async def test_it_keeps_what_it_takes_and_refuses_the_rest() -> None:
    async with (
        Collector() as collector,
        grpc.aio.insecure_channel(collector.endpoint.removeprefix("http://")) as channel,
    ):
        export: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
        )
        assert await export(GOOD.SerializeToString()) == b""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await export(b"\xff")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        collector.answers.append(CollectorAnswer(grpc.StatusCode.UNAVAILABLE))
        with pytest.raises(grpc.aio.AioRpcError):
            await export(GOOD.SerializeToString())
    assert collector.requests == [GOOD]
    ((resource, scope, record),) = collector.records()
    assert (resource.dropped_attributes_count, scope.name, record.body.string_value) == (1, "a-scope", "hello")
