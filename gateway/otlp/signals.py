"""OTLP's signals: what each is called, where. Nothing is done with them here.

https://opentelemetry.io/docs/specs/otlp/ and the .proto files of opentelemetry-proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec


class Signal(msgspec.Struct, frozen=True):
    """One signal. `service` takes it over gRPC; `item` is the type of an item: one record with its resource and scope.

    `groups` is the field of a request that holds such items, `records` what a partial success counts.
    """

    name: str
    service: str
    item: str
    groups: str
    records: str

    @property
    def flow(self) -> str:
        """Its key among the policy's flows."""
        return f"otlp/{self.name}"

    @property
    def method(self) -> str:
        """The path of its one method over gRPC."""
        return f"/{self.service}/Export"

    @property
    def path(self) -> str:
        """Its path over HTTP."""
        return f"/v1/{self.name}"


_COLLECTOR: Final = "opentelemetry.proto.collector."

LOGS: Final = Signal(
    "logs",
    f"{_COLLECTOR}logs.v1.LogsService",
    "opentelemetry.proto.logs.v1.ResourceLogs",
    "resource_logs",
    "log_records",
)
TRACES: Final = Signal(
    "traces",
    f"{_COLLECTOR}trace.v1.TraceService",
    "opentelemetry.proto.trace.v1.ResourceSpans",
    "resource_spans",
    "spans",
)
METRICS: Final = Signal(
    "metrics",
    f"{_COLLECTOR}metrics.v1.MetricsService",
    "opentelemetry.proto.metrics.v1.ResourceMetrics",
    "resource_metrics",
    "data_points",
)

SIGNALS: Final = (LOGS, TRACES, METRICS)
"""Those that the gateway takes. Profiles are refused: no plan says yet what of a stack may leave."""

BY_FLOW: Final[Mapping[str, Signal]] = {signal.flow: signal for signal in SIGNALS}
BY_ITEM: Final[Mapping[str, Signal]] = {signal.item: signal for signal in SIGNALS}
