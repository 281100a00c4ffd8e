"""The gateway's own traces.

A span for each call that a sampler takes. They take the same path as a client's spans, through the flow `otlp/traces`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Token
from typing import Final

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
from gateway.telemetry.traces import SERVICE_NAME, RpcMethod, current_span

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

Send = Callable[[bytes], Awaitable[object]]
"""Takes a serialised `ExportTraceServiceRequest`, on the event loop. What it raises is counted as a loss."""


class SampledCall:
    """One call while it lasts, whether its span is taken or not."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._token: Token[Span | None] = current_span.set(span)

    def end(self, code: int) -> None:
        """End the span with the gRPC code of its call."""
        current_span.reset(self._token)
        self._span.set_attribute("rpc.grpc.status_code", code)
        if code in _SERVER_ERROR_CODES:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


class SpanTracer:
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

    def begin(self, method: RpcMethod | None, traceparent: str) -> SampledCall:
        """Begin the span of a call; None for a method that is unknown, and what its caller says, if anything."""
        attributes: Mapping[str, str] = {"rpc.system": "grpc"}
        name = "unknown"
        if method is not None:
            attributes = {**attributes, "rpc.service": method.service, "rpc.method": method.method}
            name = f"{method.service}/{method.method}"
        return SampledCall(self._tracer.start_span(name, parent_context(traceparent), SpanKind.SERVER, attributes))

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
