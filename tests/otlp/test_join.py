from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

from gateway.otlp.join import is_joinable, join

Key = tuple[bytes | None, str]
Groups = dict[Key, dict[Key, list[bytes]]]
Shape = tuple[type[Any], type[Any], type[Any], st.SearchStrategy[Any]]

# Few different ones, so that many are equal; absent, empty and filled are three.
URLS = st.sampled_from(["", "https://one"])
NAMES = st.sampled_from(["", "a", "b"])
ATTRIBUTES = st.lists(
    st.builds(KeyValue, key=NAMES, value=NAMES.map(lambda name: AnyValue(string_value=name))), max_size=2
)
RESOURCES = st.none() | st.builds(Resource, attributes=ATTRIBUTES)
SCOPES = st.none() | st.builds(InstrumentationScope, name=NAMES)
TIMES = st.integers(0, 2**64 - 1)

LOGS: Shape = (
    ExportLogsServiceRequest,
    ResourceLogs,
    ScopeLogs,
    st.builds(LogRecord, severity_text=st.text(max_size=200), time_unix_nano=TIMES),
)
SPANS: Shape = (
    ExportTraceServiceRequest,
    ResourceSpans,
    ScopeSpans,
    st.builds(
        Span,
        name=st.text(max_size=200),
        links=st.lists(st.builds(Span.Link, trace_id=st.binary(max_size=16)), max_size=2),
    ),
)
METRICS: Shape = (
    ExportMetricsServiceRequest,
    ResourceMetrics,
    ScopeMetrics,
    st.builds(
        Metric,
        name=st.text(max_size=200),
        gauge=st.builds(Gauge, data_points=st.lists(st.builds(NumberDataPoint, time_unix_nano=TIMES), max_size=3)),
    ),
)
every_signal = pytest.mark.parametrize("shape", [LOGS, SPANS, METRICS], ids=["logs", "traces", "metrics"])


def members(message: Message, number: int) -> Any:
    return getattr(message, message.DESCRIPTOR.fields_by_number[number].name)


def group(
    cls: type[Message], shared: st.SearchStrategy[Any], inner: st.SearchStrategy[list[Any]]
) -> st.SearchStrategy[Any]:
    first, second = (cls.DESCRIPTOR.fields_by_number[number].name for number in (1, 2))
    return st.builds(cls, **{first: shared, second: inner, "schema_url": URLS})


def one(shape: Shape) -> st.SearchStrategy[Any]:
    """Items as the gateway makes them."""
    _, resource, scope, records = shape
    return group(
        resource, RESOURCES, group(scope, SCOPES, st.lists(records, min_size=1, max_size=1)).map(lambda made: [made])
    )


def whole(shape: Shape) -> st.SearchStrategy[Any]:
    """Any messages of that type."""
    _, resource, scope, records = shape
    return group(resource, RESOURCES, st.lists(group(scope, SCOPES, st.lists(records, max_size=3)), max_size=3))


def _key(message: Message) -> Key:
    field = message.DESCRIPTOR.fields_by_number[1].name
    return (getattr(message, field).SerializeToString() if message.HasField(field) else None, members(message, 3))


def grouped(messages: Sequence[Message]) -> Groups:
    """What belongs together, in order: the slow and obvious way."""
    groups: Groups = {}
    for message in messages:
        resource = groups.setdefault(_key(message), {})
        for scope in members(message, 2):
            resource.setdefault(_key(scope), []).extend(record.SerializeToString() for record in members(scope, 2))
    return groups


def ordered(groups: Groups) -> list[tuple[Key, list[tuple[Key, list[bytes]]]]]:
    return [(key, list(scopes.items())) for key, scopes in groups.items()]


@every_signal
@given(st.data())
def test_equal_resources_and_scopes_come_together_in_order(shape: Shape, data: st.DataObject) -> None:
    messages = data.draw(st.lists(one(shape) | whole(shape), max_size=12))
    request = shape[0].FromString(join([message.SerializeToString() for message in messages]))
    assert ordered(grouped(members(request, 1))) == ordered(grouped(messages))
    groups = grouped(messages)
    assert len(members(request, 1)) == len(groups)
    assert [len(members(made, 2)) for made in members(request, 1)] == [len(scopes) for scopes in groups.values()]


@every_signal
@given(st.data())
def test_joining_never_makes_it_longer(shape: Shape, data: st.DataObject) -> None:
    messages = data.draw(st.lists(one(shape), max_size=12))
    apart = shape[0](**{shape[0].DESCRIPTOR.fields_by_number[1].name: messages})
    assert len(join([message.SerializeToString() for message in messages])) <= apart.ByteSize()


# Lengths of one byte, two, three and four.
@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 300, 16_300, 16_384, 70_000, 2_097_152])
def test_a_long_record_stays_whole(size: int) -> None:
    made = ResourceLogs(
        scope_logs=[ScopeLogs(log_records=[LogRecord(severity_text="x" * size)])], schema_url="https://one"
    )
    assert (
        ExportLogsServiceRequest.FromString(join([made.SerializeToString()] * 2))
        .resource_logs[0]
        .scope_logs[0]
        .log_records
        == [LogRecord(severity_text="x" * size)] * 2
    )


@pytest.mark.parametrize(
    "item",
    [
        b"\xff",
        b"\x12",
        b"\x12\x05",
        b"\x12\x80",
        b"\x12\x80\x80",
        b"\x12\x81\x80\x80",
        b"\x12" + b"\x80" * 5 + b"\x01",
        b"\x12\xff\xff\xff\xff\x0f",
        b"\x12\x02\x12\x05",
        b"\x12\x02\x12\x80\x01\x01",
        b"\x12\x02\x08\x01",
        b"\x08\x01",
        b"\x22\x00",
        b"\x1a\x00\x12\x00",
        b"\x12\x00\x0a\x00",
        b"\x0a\x00\x0a\x00",
    ],
    ids=bytes.hex,
)
def test_what_no_serialiser_wrote_is_an_error(item: bytes) -> None:
    assert not is_joinable(item)
    with pytest.raises(DecodeError):
        join([ResourceLogs().SerializeToString(), item])


TAGS_AND_LENGTHS = st.lists(
    st.sampled_from([b"\x0a", b"\x12", b"\x1a", b"\x00", b"\x01", b"\x02", b"\x04", b"\x80"]), max_size=16
)


@given(TAGS_AND_LENGTHS.map(b"".join))
def test_what_is_joined_stays_as_it_is_when_joined_again(item: bytes) -> None:
    if is_joinable(item):
        request = join([item])
        assert request[:2] == bytes([0x0A, len(request) - 2])
        assert len(request) - 2 <= len(item)
        assert join([request[2:]]) == request


@pytest.mark.parametrize(
    ("message", "numbers"),
    [
        *(
            (message, {1})
            for message in (ExportLogsServiceRequest, ExportTraceServiceRequest, ExportMetricsServiceRequest)
        ),
        *((message, {1}) for message in (LogsData, TracesData, MetricsData)),
        *(
            (message, {1, 2, 3})
            for message in (ResourceLogs, ResourceSpans, ResourceMetrics, ScopeLogs, ScopeSpans, ScopeMetrics)
        ),
    ],
)
def test_no_slot_of_otlp_is_left_behind(message: type[Message], numbers: set[int]) -> None:
    # A newer opentelemetry-proto with another slot would fail here: give it a place in join.py.
    assert set(message.DESCRIPTOR.fields_by_number) == numbers
