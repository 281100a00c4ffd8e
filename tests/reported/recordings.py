"""What SDKs report: recorded of those that ran, and of the others as their documentation has it.

Read back as OTLP requests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs

from gateway.otlp.signals import LOGS, METRICS, SIGNALS, TRACES, Signal
from tests.support.otlp_attributes import key_values

RECORDED: Final = Path(__file__).parent / "recorded"
DOCUMENTED: Final = Path(__file__).parent / "documented"

REQUESTS: Final[Mapping[Signal, type[Any]]] = {
    LOGS: ExportLogsServiceRequest,
    TRACES: ExportTraceServiceRequest,
    METRICS: ExportMetricsServiceRequest,
}


class Documented(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of `documented`: where it is said what is reported, what each tells, and values that a key may have.

    `reported`: as the sources have them; `formed`: values of ours, in a format that a source gives.
    """

    sources: Mapping[str, str]
    reported: Mapping[str, tuple[Any, ...]]
    formed: Mapping[str, tuple[Any, ...]] = {}

    def values(self) -> Mapping[str, tuple[Any, ...]]:
        """All values of each key."""
        return {key: (*self.reported.get(key, ()), *self.formed.get(key, ())) for key in (*self.reported, *self.formed)}


def recorded() -> list[str]:
    """Return the languages of which something was recorded."""
    return sorted(folder.name for folder in RECORDED.iterdir())


@cache
def documented() -> Mapping[str, Documented]:
    """Return what is known by documentation alone, by the files' names."""
    files = sorted(DOCUMENTED.glob("*.yaml"))
    return {file.stem: msgspec.convert(yaml.safe_load(file.read_text(encoding="utf-8")), Documented) for file in files}


def requests(source: str) -> Iterator[tuple[Signal, Any]]:
    """Yield what was recorded of a language, one request a signal; of what is documented, one of logs."""
    if source in documented():
        yield LOGS, _request(documented()[source])
    for signal in SIGNALS:
        file = RECORDED / source / f"{signal.name}.binpb"
        if file.exists():
            yield signal, REQUESTS[signal].FromString(file.read_bytes())


def _request(said: Documented) -> Any:
    """A request of as many log records as a key has values, each with the next value of every key."""
    values = said.values()
    held = [
        {key: one for key, one in zip(values, row, strict=True) if one is not None}
        for row in zip_longest(*values.values())
    ]
    records = [LogRecord(attributes=key_values(one)) for one in held]
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=records)])])
