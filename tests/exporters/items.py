"""Entries, for tests, and items of OTLP's signals: one record each, that holds a text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.message import Message
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics, ScopeMetrics
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from gateway.batch_verdict import ReleaseBatch
from gateway.entry_batch import EntryBatch
from gateway.otlp.signals import LOGS, METRICS, TRACES, Signal
from gateway.standins.collector import Collector


def _log(text: str) -> Message:
    return ResourceLogs(scope_logs=[ScopeLogs(log_records=[LogRecord(severity_text=text)])])


def _span(text: str) -> Message:
    return ResourceSpans(scope_spans=[ScopeSpans(spans=[Span(name=text, trace_id=b"t" * 16, span_id=b"s" * 8)])])


def _metric(text: str) -> Message:
    return ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=[Metric(name=text)])])


_ITEMS: Final[Mapping[Signal, Callable[[str], Message]]] = {LOGS: _log, TRACES: _span, METRICS: _metric}


def entry(type: str, payload: bytes) -> EntryBatch:
    """An entry, alone, of these bytes, whose key is the same each time."""
    key = hashlib.sha256(type.encode() + payload).digest()[:16]
    return EntryBatch(ReleaseBatch("a-destination", type, "a-digest", [payload]), key, [1])


def item(text: str, signal: Signal = LOGS) -> EntryBatch:
    """An item of a signal, alone."""
    return entry(signal.item, _ITEMS[signal](text).SerializeToString())


def items(*texts: str, signal: Signal = LOGS) -> list[EntryBatch]:
    """Items of a signal, each alone."""
    return [item(text, signal) for text in texts]


def collected(collector: Collector, signal: Signal = LOGS) -> list[str]:
    """The texts of the records that a collector took."""
    return [_text(record) for _, _, record in collector.records(signal)]


def _text(record: Any) -> str:
    text: str = record.severity_text if isinstance(record, LogRecord) else record.name
    return text
