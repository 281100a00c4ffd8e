"""The gateway's own telemetry: what is counted and under which names, how Prometheus reads it, and its own traces.

OpenTelemetry's SDK is loaded only where it is needed: by `exposition.py` where metrics are read, by `tracer.py` where
traces are on.

No label, number or attribute here comes from a field.
"""

from __future__ import annotations

from gateway.telemetry.counts import (
    GRPC_CODES,
    Counts,
    ProxyCallResult,
    ReloadOutcome,
    ReloadState,
    ReloadSubject,
    ResourceUsage,
)
from gateway.telemetry.telemetry import Telemetry

__all__ = (
    "GRPC_CODES",
    "Counts",
    "ProxyCallResult",
    "ReloadOutcome",
    "ReloadState",
    "ReloadSubject",
    "ResourceUsage",
    "Telemetry",
)
