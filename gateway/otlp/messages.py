"""The messages of each signal's service: what is exported, and what answers it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from gateway.otlp.signals import LOGS, METRICS, TRACES, Signal

ExportRequest = ExportLogsServiceRequest | ExportTraceServiceRequest | ExportMetricsServiceRequest
ExportResponse = ExportLogsServiceResponse | ExportTraceServiceResponse | ExportMetricsServiceResponse

REQUESTS: Final[Mapping[Signal, type[ExportRequest]]] = {
    LOGS: ExportLogsServiceRequest,
    TRACES: ExportTraceServiceRequest,
    METRICS: ExportMetricsServiceRequest,
}

RESPONSES: Final[Mapping[Signal, type[ExportResponse]]] = {
    LOGS: ExportLogsServiceResponse,
    TRACES: ExportTraceServiceResponse,
    METRICS: ExportMetricsServiceResponse,
}


def partial_success(signal: Signal, rejected: int, message: str = "") -> ExportResponse:
    """Return the response that says how many records (log records, spans, data points) were rejected, and why."""
    response = RESPONSES[signal]()
    response.partial_success.error_message = message
    setattr(response.partial_success, f"rejected_{signal.records}", rejected)
    return response
