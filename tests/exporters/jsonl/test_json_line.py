from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.type_pb2 import Field, Type
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData
from opentelemetry.proto.trace.v1.trace_pb2 import Status as SpanStatus

from gateway.entry_batch import EntryBatch
from gateway.errors import EndReason, ItemReason, Rejected
from gateway.exporters.jsonl.json_line import LineRenderer
from gateway.otlp.signals import LOGS, METRICS, SIGNALS, TRACES, Signal
from tests.exporters.items import entry
from tests.support.contracts import contract as contract_of
from tests.support.contracts import proto
from tests.support.examples import examples
from tests.support.random_choices import ChoiceSequence
from tests.support.random_messages import RandomMessages


def known(name: str) -> type[Message]:
    return GetMessageClass(Default().FindMessageTypeByName(name))


LINES = LineRenderer(known)


def held(message: Message) -> EntryBatch:
    return entry(message.DESCRIPTOR.full_name, message.SerializePartialToString())


def line(batch: EntryBatch) -> bytes | Rejected:
    """The line of the one entry of a batch."""
    (one,) = batch.entries()
    return LINES.render(one.type, one.plan, one.payload, one.key)


def drawn(message: Message) -> Any:
    text = line(held(message))
    assert isinstance(text, bytes)
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    return json.loads(text)


def test_a_log_record_is_a_line_of_the_otlp_file_exporter() -> None:
    # The example of https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding, in short.
    record = LogRecord(
        time_unix_nano=1544712660300000000,
        observed_time_unix_nano=1544712660300000001,
        severity_number=10,  # type: ignore[arg-type]
        severity_text="Information",
        trace_id=bytes.fromhex("5B8EFFF798038103D269B633813FC60C"),
        span_id=bytes.fromhex("EEE19B7EC3C1B174"),
        body=AnyValue(string_value="Example log record"),
        attributes=[
            KeyValue(key="boolean", value=AnyValue(bool_value=False)),
            KeyValue(key="integer", value=AnyValue(int_value=10)),
            KeyValue(key="bytes", value=AnyValue(bytes_value=b"\xff\xfe")),
            KeyValue(key="not-a-number", value=AnyValue(double_value=math.nan)),
        ],
        flags=1,
    )
    scope = ScopeLogs(scope=InstrumentationScope(name="my.library"), log_records=[record], schema_url="https://scope")
    logs = ResourceLogs(resource=Resource(), scope_logs=[scope])
    assert drawn(logs) == {
        "resourceLogs": [
            {
                "resource": {},
                "scopeLogs": [
                    {
                        "scope": {"name": "my.library"},
                        "schemaUrl": "https://scope",
                        "logRecords": [
                            {
                                "timeUnixNano": "1544712660300000000",
                                "observedTimeUnixNano": "1544712660300000001",
                                "severityNumber": 10,
                                "severityText": "Information",
                                "traceId": "5b8efff798038103d269b633813fc60c",
                                "spanId": "eee19b7ec3c1b174",
                                "body": {"stringValue": "Example log record"},
                                "attributes": [
                                    {"key": "boolean", "value": {"boolValue": False}},
                                    {"key": "integer", "value": {"intValue": "10"}},
                                    {"key": "bytes", "value": {"bytesValue": "//4="}},
                                    {"key": "not-a-number", "value": {"doubleValue": "NaN"}},
                                ],
                                "flags": 1,
                            }
                        ],
                    }
                ],
            }
        ]
    }


def test_a_span_is_a_line_with_all_ids_in_hexadecimal() -> None:
    span = Span(
        trace_id=bytes.fromhex("5B8EFFF798038103D269B633813FC60C"),
        span_id=bytes.fromhex("EEE19B7EC3C1B174"),
        parent_span_id=bytes.fromhex("EEE19B7EC3C1B173"),
        name="GET",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=1544712660000000000,
        attributes=[KeyValue(key="traceId", value=AnyValue(string_value="spanId"))],
        events=[Span.Event(name="retry", attributes=[KeyValue(key="b", value=AnyValue(bytes_value=b"\xff"))])],
        links=[Span.Link(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, flags=1)],
        status=SpanStatus(code=SpanStatus.STATUS_CODE_ERROR),
    )
    assert drawn(ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])) == {
        "resourceSpans": [
            {
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": "5b8efff798038103d269b633813fc60c",
                                "spanId": "eee19b7ec3c1b174",
                                "parentSpanId": "eee19b7ec3c1b173",
                                "name": "GET",
                                "kind": 2,
                                "startTimeUnixNano": "1544712660000000000",
                                "attributes": [{"key": "traceId", "value": {"stringValue": "spanId"}}],
                                "events": [
                                    {"name": "retry", "attributes": [{"key": "b", "value": {"bytesValue": "/w=="}}]}
                                ],
                                "links": [{"traceId": "01" * 16, "spanId": "02" * 8, "flags": 1}],
                                "status": {"code": 2},
                            }
                        ]
                    }
                ]
            }
        ]
    }


EXEMPLAR = Exemplar(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, as_double=0.5)
DRAWN_EXEMPLAR = {"traceId": "01" * 16, "spanId": "02" * 8, "asDouble": 0.5}


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (
            Metric(gauge=Gauge(data_points=[NumberDataPoint(as_int=3, exemplars=[EXEMPLAR])])),
            {"gauge": {"dataPoints": [{"asInt": "3", "exemplars": [DRAWN_EXEMPLAR]}]}},
        ),
        (
            Metric(name="calls", unit="1", sum=Sum(aggregation_temporality=2, is_monotonic=True)),  # type: ignore[arg-type]
            {"name": "calls", "unit": "1", "sum": {"aggregationTemporality": 2, "isMonotonic": True}},
        ),
        (
            Metric(
                histogram=Histogram(
                    data_points=[HistogramDataPoint(bucket_counts=[1], explicit_bounds=[0.5], exemplars=[EXEMPLAR])]
                )
            ),
            {
                "histogram": {
                    "dataPoints": [{"bucketCounts": ["1"], "explicitBounds": [0.5], "exemplars": [DRAWN_EXEMPLAR]}]
                }
            },
        ),
        (
            Metric(
                exponential_histogram=ExponentialHistogram(
                    data_points=[ExponentialHistogramDataPoint(exemplars=[EXEMPLAR])]
                )
            ),
            {"exponentialHistogram": {"dataPoints": [{"exemplars": [DRAWN_EXEMPLAR]}]}},
        ),
    ],
    ids=["gauge", "sum", "histogram", "exponential histogram"],
)
def test_a_metric_is_a_line_of_any_kind(metric: Metric, expected: object) -> None:
    made = ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=[metric])])
    assert drawn(made) == {"resourceMetrics": [{"scopeMetrics": [{"metrics": [expected]}]}]}


IDS = {"trace_id", "span_id", "parent_span_id"}


@pytest.mark.parametrize("message", [LogsData, TracesData, MetricsData])
def test_every_id_of_otlp_is_known(message: type[Message]) -> None:
    # A newer opentelemetry-proto with bytes elsewhere: are they an ID, in hexadecimal, or data, in base64?
    assert {field.name for field in fields(message.DESCRIPTOR, set()) if field.type == field.TYPE_BYTES} <= IDS | {
        "bytes_value"
    }


def fields(descriptor: Any, seen: set[str]) -> Iterator[Any]:
    if descriptor.full_name not in seen:
        seen.add(descriptor.full_name)
        yield from descriptor.fields
        for field in descriptor.fields:
            if field.message_type is not None:
                yield from fields(field.message_type, seen)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (Field(name="a\nb", kind=Field.TYPE_STRING, number=3), {"name": "a\nb", "kind": "TYPE_STRING", "number": 3}),
        (Type(fields=[Field(json_name="x")]), {"fields": [{"jsonName": "x"}]}),
        (Timestamp(seconds=1), "1970-01-01T00:00:01Z"),
        (Status(code=3), {"code": 3}),
    ],
)
def test_everything_else_is_proto_json_in_an_envelope(message: Message, expected: object) -> None:
    found = drawn(message)
    assert found == {"type": message.DESCRIPTOR.full_name, "plan": "a-digest", "key": found["key"], "message": expected}


def test_a_line_that_comes_again_can_be_told_by_its_key() -> None:
    once, again, other = (
        json.loads(line(entry("google.protobuf.Timestamp", sent)))  # type: ignore[arg-type]
        for sent in (b"", b"", b"\x10\x00")
    )
    assert once["key"] == again["key"] == entry("google.protobuf.Timestamp", b"").keys.hex()
    assert other == once | {"key": other["key"]} != once


def test_a_packed_message_is_drawn_by_its_type() -> None:
    status = Status()
    status.details.add().Pack(RetryInfo())
    assert drawn(status)["message"] == {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo"}]}


def _unknown_payload() -> Status:
    status = Status()
    status.details.add(type_url="type.googleapis.com/no.such.Type", value=b"\x08\x01")
    return status


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (entry("no.such.Type", b""), ItemReason.UNKNOWN_TYPE),
        (entry(LOGS.item, b"\xff"), ItemReason.MALFORMED),
        (held(Timestamp(seconds=2**62)), ItemReason.MALFORMED),
        (held(_unknown_payload()), ItemReason.MALFORMED),
    ],
    ids=["unknown type", "malformed", "time out of range", "payload of unknown type"],
)
def test_what_has_no_form_is_rejected(refused: EntryBatch, reason: EndReason) -> None:
    assert line(refused) == Rejected(reason)


VALUES = st.recursive(
    st.one_of(
        st.builds(AnyValue),
        st.text().map(lambda value: AnyValue(string_value=value)),
        st.booleans().map(lambda value: AnyValue(bool_value=value)),
        st.integers(-(2**63), 2**63 - 1).map(lambda value: AnyValue(int_value=value)),
        st.floats(allow_nan=False).map(lambda value: AnyValue(double_value=value)),
        st.binary().map(lambda value: AnyValue(bytes_value=value)),
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda values: AnyValue(array_value=ArrayValue(values=values))),
    max_leaves=5,
)
RECORDS = st.builds(
    LogRecord,
    time_unix_nano=st.integers(0, 2**64 - 1),
    severity_number=st.integers(0, 24),
    severity_text=st.text(),
    body=VALUES,
    attributes=st.lists(st.builds(KeyValue, key=st.text(), value=VALUES), max_size=3),
    trace_id=st.binary(max_size=16),
    span_id=st.binary(max_size=8),
    event_name=st.text(),
)


def by_library(message: Message) -> object:
    """OTLP JSON, the slow way: by protobuf's own library, and by the names of what it made."""
    return with_hex_ids(json_format.MessageToDict(message, use_integers_for_enums=True))


def with_hex_ids(value: Any) -> object:
    if isinstance(value, list):
        return [with_hex_ids(one) for one in value]
    if not isinstance(value, dict):
        return value
    ids = {"traceId", "spanId", "parentSpanId"}
    return {key: base64.b64decode(held).hex() if key in ids else with_hex_ids(held) for key, held in value.items()}


BUILTIN = contract_of(proto(""))


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(min_size=600, max_size=600), st.sampled_from(SIGNALS))
def test_a_line_of_otlp_is_what_the_library_makes_of_it_byte_by_byte(data: bytes, signal: Signal) -> None:
    message = known(signal.item).FromString(
        RandomMessages(ChoiceSequence(data), BUILTIN).message(BUILTIN.message(signal.item))
    )
    name = {LOGS: "resourceLogs", TRACES: "resourceSpans", METRICS: "resourceMetrics"}[signal]
    assert line(held(message)) == msgspec.json.encode({name: [by_library(message)]}) + b"\n"


@given(RECORDS)
def test_a_log_record_can_be_read_back(record: LogRecord) -> None:
    logs = ResourceLogs(scope_logs=[ScopeLogs(log_records=[record])])
    found = drawn(logs)
    for one in found["resourceLogs"][0]["scopeLogs"][0]["logRecords"]:
        for key in {"traceId", "spanId"} & one.keys():
            one[key] = base64.b64encode(bytes.fromhex(one[key])).decode()
    assert json_format.ParseDict(found, LogsData()) == LogsData(resource_logs=[logs])
