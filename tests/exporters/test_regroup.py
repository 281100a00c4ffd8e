from __future__ import annotations

from collections.abc import Sequence

import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from gateway.exporters.regroup import regroup

Key = tuple[bytes | None, str]
Groups = dict[Key, dict[Key, list[bytes]]]

# Few different ones, so that many are equal; absent, empty and filled are three.
URLS = st.sampled_from(["", "https://one"])
NAMES = st.sampled_from(["", "a", "b"])
ATTRIBUTES = st.lists(st.builds(KeyValue, key=NAMES, value=NAMES.map(lambda name: AnyValue(string_value=name))), max_size=2)
RESOURCES = st.none() | st.builds(Resource, attributes=ATTRIBUTES)
SCOPES = st.none() | st.builds(InstrumentationScope, name=NAMES)
RECORDS = st.builds(LogRecord, severity_text=st.text(max_size=200), time_unix_nano=st.integers(0, 2**64 - 1))


def logs_of(scopes: st.SearchStrategy[list[ScopeLogs]]) -> st.SearchStrategy[ResourceLogs]:
    return st.builds(ResourceLogs, resource=RESOURCES, schema_url=URLS, scope_logs=scopes)


def scopes_of(records: st.SearchStrategy[list[LogRecord]]) -> st.SearchStrategy[ScopeLogs]:
    return st.builds(ScopeLogs, scope=SCOPES, schema_url=URLS, log_records=records)


ONE = logs_of(scopes_of(RECORDS.map(lambda record: [record])).map(lambda scope: [scope]))
ANY = logs_of(st.lists(scopes_of(st.lists(RECORDS, max_size=3)), max_size=3))


def _key(message: Message, field: str, url: str) -> Key:
    return (getattr(message, field).SerializeToString() if message.HasField(field) else None, url)


def grouped(messages: Sequence[ResourceLogs]) -> Groups:
    """What belongs together, in order: the slow and obvious way."""
    groups: Groups = {}
    for logs in messages:
        resource = groups.setdefault(_key(logs, "resource", logs.schema_url), {})
        for scope in logs.scope_logs:
            records = resource.setdefault(_key(scope, "scope", scope.schema_url), [])
            records.extend(record.SerializeToString() for record in scope.log_records)
    return groups


def ordered(groups: Groups) -> list[tuple[Key, list[tuple[Key, list[bytes]]]]]:
    return [(key, list(scopes.items())) for key, scopes in groups.items()]


@given(st.lists(ONE | ANY, max_size=12))
def test_equal_resources_and_scopes_come_together_in_order(messages: list[ResourceLogs]) -> None:
    request = ExportLogsServiceRequest.FromString(regroup([message.SerializeToString() for message in messages]))
    assert ordered(grouped(request.resource_logs)) == ordered(grouped(messages))
    groups = grouped(messages)
    assert len(request.resource_logs) == len(groups)
    assert [len(logs.scope_logs) for logs in request.resource_logs] == [len(scopes) for scopes in groups.values()]


@given(st.lists(ONE, max_size=12))
def test_regrouping_never_makes_it_longer(messages: list[ResourceLogs]) -> None:
    apart = ExportLogsServiceRequest(resource_logs=messages)
    assert len(regroup([message.SerializeToString() for message in messages])) <= apart.ByteSize()


def test_what_is_no_message_is_an_error() -> None:
    with pytest.raises(DecodeError):
        regroup([b"\xff"])


@pytest.mark.parametrize(
    ("message", "numbers"),
    [(ExportLogsServiceRequest, {1}), (LogsData, {1}), (ResourceLogs, {1, 2, 3}), (ScopeLogs, {1, 2, 3})],
)
def test_no_slot_of_otlp_is_left_behind(message: type[Message], numbers: set[int]) -> None:
    # A newer opentelemetry-proto with another slot would lose it here: give it a place in regroup.py.
    assert set(message.DESCRIPTOR.fields_by_number) == numbers
