"""The gateway's own traces.

A span for each call that a sampler takes. They take the same path as a client's spans, through the flow `otlp/traces`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar, Token
from typing import Final

import grpc
import msgspec
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from gateway import __version__
from gateway.telemetry.counts import Counts

SERVICE_NAME: Final = "kannelle-privacy-gateway"

MAX_QUEUED_SPANS: Final = 2048
"""Spans that may wait; one more, and it is lost."""

MAX_BATCH_SPANS: Final = 512
"""Spans in one batch."""

BATCH_INTERVAL_MILLIS: Final = 5_000
"""Milliseconds between batches."""

EXPORT_TIMEOUT_SECONDS: Final = 10.0
"""Seconds that a batch may take."""

_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
"""https://www.w3.org/TR/trace-context/#traceparent-header. Version 00 ends after the flags."""

_SERVER_ERROR_CODES: Final = frozenset({2, 4, 12, 13, 14, 15})
"""The codes that are a server's fault: https://opentelemetry.io/docs/specs/semconv/rpc/grpc/#grpc-status."""

_SPAN_LIMITS: Final = SpanLimits(
    max_attributes=16,
    max_events=0,
    max_links=0,
    max_span_attributes=16,
    max_event_attributes=0,
    max_link_attributes=0,
    max_attribute_length=256,
    max_span_attribute_length=256,
)

_current: ContextVar[Span | None] = ContextVar("span", default=None)

Metadata = Iterable[tuple[str, str | bytes]]
"""A call's metadata, pair by pair."""

Send = Callable[[bytes], Awaitable[object]]
"""Takes a serialised `ExportTraceServiceRequest`, on the event loop. What it raises is counted as a loss."""


class RpcMethod(msgspec.Struct, frozen=True):
    """A method that is known: of the gateway's own, or of a contract."""

    service: str
    method: str

    @staticmethod
    def of(path: str) -> RpcMethod:
        """The method with this path, `/pkg.Service/Method`."""
        service, _, method = path[1:].rpartition("/")
        return RpcMethod(service, method)


class CallSpan:
    """One call while it lasts. What runs in its task can tell of it."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._token: Token[Span | None] = _current.set(span)

    def end(self, code: int) -> None:
        """End the span with the gRPC code of its call."""
        _current.reset(self._token)
        self._span.set_attribute("rpc.grpc.status_code", code)
        if code in _SERVER_ERROR_CODES:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


def set_item_count(count: int) -> None:
    """Note on the span of the current call how many items it has."""
    if (span := _current.get()) is not None:
        span.set_attribute("privacy_gateway.items", count)


class CallTracer:
    """Begins spans.

    Nothing of the environment goes into them; of a caller only its trace's ID and whether it is sampled.
    """

    def __init__(self, ratio: float, send: Send, counts: Counts) -> None:
        """`ratio` of the traces that begin here are sampled, and those that their callers sample. On the event loop."""
        resource = Resource({"service.name": SERVICE_NAME, "service.version": __version__})
        sampler = ParentBased(TraceIdRatioBased(ratio))
        self._provider = TracerProvider(
            sampler, resource, shutdown_on_exit=False, span_limits=_SPAN_LIMITS, meter_provider=NoOpMeterProvider()
        )
        exporter = FlowSpanExporter(asyncio.get_running_loop(), send, counts)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                exporter,
                MAX_QUEUED_SPANS,
                BATCH_INTERVAL_MILLIS,
                MAX_BATCH_SPANS,
                EXPORT_TIMEOUT_SECONDS * 1000,
                meter_provider=NoOpMeterProvider(),
            )
        )
        self._tracer = self._provider.get_tracer("gateway")

    def begin(self, method: RpcMethod | None, traceparent: str) -> CallSpan:
        """Begin the span of a call; None for a method that is unknown, and what its caller says, if anything."""
        attributes: Mapping[str, str] = {"rpc.system": "grpc"}
        name = "unknown"
        if method is not None:
            attributes = {**attributes, "rpc.service": method.service, "rpc.method": method.method}
            name = f"{method.service}/{method.method}"
        return CallSpan(self._tracer.start_span(name, parent_context(traceparent), SpanKind.SERVER, attributes))

    async def close(self) -> None:
        """Send what waits, and end."""
        await asyncio.to_thread(self._provider.shutdown)


def parent_context(traceparent: str) -> Context:
    """The context that a `traceparent` stands for; an empty one where it is none."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (traceparent.startswith("00") and found[4]):
        return Context()
    trace, span, flags = (int(found[index], 16) for index in (1, 2, 3))
    if not trace or not span:
        return Context()
    given = SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(flags & TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(given), Context())


def traceparent(metadata: Metadata | None) -> str:
    """What a call's metadata says of its caller's span; empty where it says nothing, or more than one thing."""
    found = [value for key, value in metadata or () if key == "traceparent"]
    return found[0] if len(found) == 1 and isinstance(found[0], str) else ""


def code_number(code: grpc.StatusCode) -> int:
    """A code as it stands on the wire."""
    value: int = code.value[0]
    return value


class FlowSpanExporter(SpanExporter):
    """Hands spans to the event loop, from the processor's thread, and waits until they are safe."""

    def __init__(self, loop: asyncio.AbstractEventLoop, send: Send, counts: Counts) -> None:
        self._loop = loop
        self._send = send
        self._counts = counts

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch. It isn't sent again: what becomes of it is counted."""
        request = encode_spans(spans).SerializeToString()
        try:
            sent = asyncio.run_coroutine_threadsafe(self._send_batch(request, len(spans)), self._loop)
            return SpanExportResult.SUCCESS if sent.result(2 * EXPORT_TIMEOUT_SECONDS) else SpanExportResult.FAILURE
        except (RuntimeError, TimeoutError):  # the loop has ended, or is stuck
            return SpanExportResult.FAILURE

    async def _send_batch(self, request: bytes, count: int) -> bool:
        try:
            async with asyncio.timeout(EXPORT_TIMEOUT_SECONDS):
                await self._send(request)
        except Exception:  # noqa: BLE001 - whatever it is, the spans are lost and the gateway goes on
            self._counts.record_spans("dropped", count)
            return False
        self._counts.record_spans("exported", count)
        return True
