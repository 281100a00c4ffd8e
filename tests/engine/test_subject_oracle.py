"""The workspace of random items of OTLP, against OpenTelemetry's own classes and a plain reading of the rule."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from gateway.engine.subject import SubjectProjection
from gateway.model import Subject
from tests.support.contracts import compiler

KEY: Final = "ws.id"
LOG: Final = "opentelemetry.proto.logs.v1.ResourceLogs"


@cache
def reader() -> SubjectProjection:
    return SubjectProjection(
        compiler("", f"otlp: {{workspace: {KEY}, attributes: {{{KEY}: OPERATIONAL}}}}").subject(LOG)
    )


TEXTS: Final = st.sampled_from(["", "ws_a", "ws_b", KEY, "ws_\u00e9"])
VALUES: Final = st.one_of(
    TEXTS.map(lambda text: AnyValue(string_value=text)),
    TEXTS.map(lambda text: AnyValue(bytes_value=text.encode())),
    st.just(AnyValue(int_value=7)),
    TEXTS.map(
        lambda text: AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key=KEY, value=AnyValue(string_value=text))]))
    ),
    st.just(AnyValue()),
)
ATTRIBUTES: Final = st.lists(
    st.builds(KeyValue, key=st.sampled_from([KEY, "ws", f"{KEY}.x", "other"]), value=VALUES), max_size=3
)
RECORDS: Final = st.lists(st.builds(LogRecord, attributes=ATTRIBUTES), max_size=2)
SCOPES: Final = st.builds(InstrumentationScope, attributes=ATTRIBUTES)
ITEMS: Final = st.builds(
    ResourceLogs,
    resource=st.builds(Resource, attributes=ATTRIBUTES),
    scope_logs=st.lists(st.builds(ScopeLogs, scope=SCOPES, log_records=RECORDS), max_size=2),
)


def named(attributes: Iterable[KeyValue]) -> set[str]:
    return {one.value.string_value for one in attributes if one.key == KEY}


def expected(item: ResourceLogs) -> str:
    """What the records say; what the scopes say if they are silent; then the resource. Two things are none."""
    records = [named(record.attributes) for scope in item.scope_logs for record in scope.log_records]
    scopes = [named(scope.scope.attributes) for scope in item.scope_logs]
    for said in (set().union(*records), set().union(*scopes), named(item.resource.attributes)):
        if said:
            return said.pop() if len(said) == 1 else ""
    return ""


@settings(max_examples=500, deadline=None)
@given(ITEMS)
def test_a_workspace_is_what_a_plain_reading_finds(item: ResourceLogs) -> None:
    assert reader().read(item.SerializeToString()) == Subject(workspace=expected(item))


@settings(max_examples=300, deadline=None)
@given(ITEMS, st.data())
def test_bytes_that_are_damaged_are_no_fault(item: ResourceLogs, data: st.DataObject) -> None:
    raw = bytearray(item.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3)) if raw else 0):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert isinstance(reader().read(bytes(raw)), Subject)
