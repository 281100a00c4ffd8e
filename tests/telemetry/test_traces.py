"""The gateway's own spans: which calls have one, what is in it, and whose it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status
from opentelemetry.trace import get_current_span

from gateway import __version__
from gateway.config import Config, Telemetry, Traces
from gateway.errors import BadConfig, CallReason, Retryable
from gateway.loading import compile_all, load_sources
from gateway.telemetry import Counts
from gateway.telemetry.tracer import SpanTracer, parent_context
from gateway.telemetry.traces import RpcMethod, set_item_count, traceparent
from tests.support.channels import TIMEOUT_SECONDS
from tests.support.contracts import policy
from tests.support.fake_delivery import FakeDelivery
from tests.support.metric_samples import sample_value
from tests.support.requests import (
    EMIT_BATCH,
    LOGS,
    STREAM,
    TRACES,
    TRACK,
    TRACK_BATCH,
    event,
    logs_request,
    track_request,
)
from tests.support.running_gateway import RunningGateway, run_gateway

TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
SPAN: Final = "b7ad6b7169203331"
SAMPLED: Final = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("given", "sampled"),
    [
        (SAMPLED, True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-ff", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", True),
    ],
)
def test_a_valid_parent_is_taken(given: str, sampled: bool) -> None:
    context = get_current_span(parent_context(given)).get_span_context()
    assert (f"{context.trace_id:032x}", f"{context.span_id:016x}") == (TRACE, SPAN)
    assert context.trace_flags.sampled is sampled
    assert context.is_remote
    assert not context.trace_state


@pytest.mark.parametrize(
    "given",
    [
        "",
        "anna@example.com",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f" {SAMPLED}",
        f"00-{TRACE[:-1]}٣-{SPAN}-01",
    ],
)
def test_another_is_none(given: str) -> None:
    assert not get_current_span(parent_context(given)).get_span_context().is_valid


@given(st.text())
def test_no_text_breaks_it(given: str) -> None:
    parent_context(given)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (None, ""),
        ([], ""),
        ([("x", "y")], ""),
        ([("traceparent", SAMPLED)], SAMPLED),
        ([("traceparent", SAMPLED), ("traceparent", SAMPLED)], ""),
        ([("traceparent", SAMPLED.encode())], ""),
    ],
)
def test_a_parent_is_said_once(metadata: Any, expected: str) -> None:
    assert traceparent(metadata) == expected


class Sink:
    """Takes spans."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.fault: Exception | None = None

    async def __call__(self, raw: bytes) -> None:
        if self.fault is not None:
            raise self.fault
        self.requests.append(ExportTraceServiceRequest.FromString(raw))

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for one in self.requests
            for group in one.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]


@asynccontextmanager
async def tracing(ratio: float, sink: Sink, counts: Counts | None = None) -> AsyncIterator[SpanTracer]:
    spans = SpanTracer(ratio, sink, counts or Counts())
    yield spans
    await asyncio.wait_for(spans.close(), TIMEOUT_SECONDS)


def attributes(span: Span) -> Mapping[str, object]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "") for one in span.attributes}


async def test_a_call_has_a_span() -> None:
    sink = Sink()
    async with tracing(1, sink) as spans:
        traced = spans.begin(RpcMethod("a.b.Service", "Method"), SAMPLED)
        set_item_count(7)
        traced.end(0)
        set_item_count(9)
    (span,) = sink.spans
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    assert (span.name, span.kind) == ("a.b.Service/Method", Span.SPAN_KIND_SERVER)
    assert attributes(span) == {
        "rpc.system": "grpc",
        "rpc.service": "a.b.Service",
        "rpc.method": "Method",
        "rpc.grpc.status_code": 0,
        "privacy_gateway.items": 7,
    }
    assert span.status.code == Status.STATUS_CODE_UNSET
    assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
    assert not span.events
    assert not span.links


async def test_a_call_to_an_unknown_method_has_one_without_its_name() -> None:
    sink = Sink()
    async with tracing(1, sink) as spans:
        spans.begin(None, "").end(12)
    (span,) = sink.spans
    assert span.name == "unknown"
    assert attributes(span) == {"rpc.system": "grpc", "rpc.grpc.status_code": 12}


@pytest.mark.parametrize("code", range(17))
async def test_only_a_servers_faults_are_errors(code: int) -> None:
    sink = Sink()
    async with tracing(1, sink) as spans:
        spans.begin(None, "").end(code)
    fault = code in {2, 4, 12, 13, 14, 15}
    assert sink.spans[0].status.code == (Status.STATUS_CODE_ERROR if fault else Status.STATUS_CODE_UNSET)
    assert sink.spans[0].status.message == ""


@pytest.mark.parametrize(
    ("ratio", "given", "expected"),
    [(1, "", 1), (1, f"00-{TRACE}-{SPAN}-00", 0), (1e-18, "", 0), (1e-18, SAMPLED, 1)],
    ids=["its own", "not its caller's", "not its own", "its caller's"],
)
async def test_a_caller_decides_for_its_trace(ratio: float, given: str, expected: int) -> None:
    sink = Sink()
    async with tracing(ratio, sink) as spans:
        spans.begin(RpcMethod("a.S", "M"), given).end(0)
    assert len(sink.spans) == expected


async def test_the_environment_adds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("OTEL_RESOURCE_ATTRIBUTES", "host.name=planted"),
        ("OTEL_SERVICE_NAME", "planted"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "planted"),
    ):
        monkeypatch.setenv(name, value)
    sink = Sink()
    async with tracing(1, sink) as spans:
        spans.begin(RpcMethod("a.S", "M"), "").end(0)
    ((group,),) = (one.resource_spans for one in sink.requests)
    assert {one.key: one.value.string_value for one in group.resource.attributes} == {
        "service.name": "kannelle-privacy-gateway",
        "service.version": __version__,
    }
    assert attributes(sink.spans[0])["rpc.service"] == "a.S"


async def test_spans_that_are_not_taken_are_counted_as_lost() -> None:
    sink, counts = Sink(), Counts()
    sink.fault = Retryable(CallReason.FULL)
    async with tracing(1, sink, counts) as spans:
        for _ in range(3):
            spans.begin(None, "").end(0)
    assert counts.spans == {("exported",): 0, ("dropped",): 3}


# In a running gateway.


@asynccontextmanager
async def traced(folder: Path) -> AsyncIterator[tuple[RunningGateway, FakeDelivery]]:
    """A gateway that traces each call. Its spans are in the gate's releases once it has stopped."""
    gate = FakeDelivery()
    async with run_gateway(folder, gate, traces=1.0) as gateway:
        yield gateway, gate


def spans_of(gate: FakeDelivery) -> Sequence[tuple[str, Mapping[str, object]]]:
    """The gateway's own spans, as they left it: name and attributes."""
    groups = (ResourceSpans.FromString(one.payload) for one in gate.releases if one.type.endswith("ResourceSpans"))
    spans = [span for group in groups for scope in group.scope_spans for span in scope.spans]
    return [(span.name, attributes(span)) for span in spans]


def of(path: str, code: grpc.StatusCode, items: int | None = None) -> tuple[str, Mapping[str, object]]:
    service, method = path[1:].split("/")
    said: dict[str, object] = {
        "rpc.system": "grpc",
        "rpc.service": service,
        "rpc.method": method,
        "rpc.grpc.status_code": code.value[0],
    }
    return path[1:], said if items is None else said | {"privacy_gateway.items": items}


async def test_each_call_on_local_has_a_span_that_leaves_by_the_default_policy(tmp_path: Path) -> None:
    async with traced(tmp_path) as (gateway, gate):
        await gateway.raw(TRACK, track_request())
        await gateway.raw(TRACK, b"\xff")
        await gateway.raw(TRACK_BATCH, track_request(*[event()] * 3))
        await gateway.raw_stream(STREAM, [track_request()] * 4)
        await gateway.raw(LOGS, logs_request("INFO", "INFO").SerializeToString())
        await gateway.raw(EMIT_BATCH, b"")
        await gateway.raw("/unknown.Service/Method", b"")
    assert spans_of(gate) == [
        of(TRACK, grpc.StatusCode.OK, 1),
        of(TRACK, grpc.StatusCode.INVALID_ARGUMENT),
        of(TRACK_BATCH, grpc.StatusCode.OK, 3),
        of(STREAM, grpc.StatusCode.OK, 4),
        of(LOGS, grpc.StatusCode.OK, 2),
        of(EMIT_BATCH, grpc.StatusCode.INVALID_ARGUMENT),
    ]


async def test_its_own_spans_make_none(tmp_path: Path) -> None:
    async with traced(tmp_path) as (gateway, gate):
        await gateway.raw(TRACK, track_request())
        tracer = gateway.gateway._parts.tracer
        assert isinstance(tracer, SpanTracer)
        await asyncio.to_thread(tracer._provider.force_flush)
        assert sample_value(gateway, "spans_total", outcome="exported") == 1
        await asyncio.to_thread(tracer._provider.force_flush)
        assert sample_value(gateway, "spans_total", outcome="exported") == 1
        # What a service sends of its own is a call like any other.
        await gateway.raw(TRACES, b"")
    assert [name for name, _ in spans_of(gate)] == [TRACK[1:], TRACES[1:]]


async def test_without_a_ratio_there_are_none(tmp_path: Path) -> None:
    gate = FakeDelivery()
    async with run_gateway(tmp_path, gate) as gateway:
        await gateway.raw(TRACK, track_request(), metadata=[("traceparent", SAMPLED)])
        assert gateway.gateway._parts.tracer is None
    assert spans_of(gate) == []


def test_without_their_flow_the_gateway_does_not_start() -> None:
    file, contract = load_sources(Config())
    without = policy(flows="{kannelle.privacy.v1.SupportService/*: [eu-store]}")
    config = Config(telemetry=Telemetry(traces=Traces(ratio=0.1)))
    with pytest.raises(BadConfig, match=r"telemetry\.traces\.ratio: needs the flow otlp/traces"):
        compile_all(config, without, contract)
    compile_all(config, file, contract)
