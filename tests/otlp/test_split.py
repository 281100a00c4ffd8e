"""A batch of OTLP logs, taken apart into items."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from gateway.errors import ItemReason, Reason, Refused
from gateway.otlp.split import MAX_GROUPS, MAX_REPEATED_BYTES, split
from tests.support.requests import field, group, nested

TEXTS = st.text(max_size=300)
RECORDS = st.builds(LogRecord, severity_text=TEXTS, flags=st.integers(0, 2**32 - 1), trace_id=st.binary(max_size=16))
SCOPES = st.builds(
    ScopeLogs,
    scope=st.none() | st.builds(InstrumentationScope, name=TEXTS),
    log_records=st.lists(RECORDS, max_size=4),
    schema_url=TEXTS,
)
RESOURCES = st.builds(
    ResourceLogs,
    resource=st.none() | st.builds(Resource, dropped_attributes_count=st.integers(0, 9)),
    scope_logs=st.lists(SCOPES, max_size=3),
    schema_url=TEXTS,
)
REQUESTS = st.builds(ExportLogsServiceRequest, resource_logs=st.lists(RESOURCES, max_size=3))


def apart(request: ExportLogsServiceRequest) -> list[ResourceLogs]:
    """The same, obviously right."""
    return [
        ResourceLogs(
            resource=logs.resource,
            scope_logs=[ScopeLogs(scope=scope.scope, log_records=[record], schema_url=scope.schema_url)],
            schema_url=logs.schema_url,
        )
        for logs in request.resource_logs
        for scope in logs.scope_logs
        for record in scope.log_records
    ]


def present(logs: ResourceLogs) -> ResourceLogs:
    """With resource and scope, which may as well be absent as empty."""
    logs.resource.SetInParent()
    logs.scope_logs[0].scope.SetInParent()
    return logs


@given(REQUESTS)
def test_each_record_comes_with_its_resource_and_scope(request: ExportLogsServiceRequest) -> None:
    items = [present(ResourceLogs.FromString(item)) for item in split(request.SerializeToString())]
    assert items == [present(logs) for logs in apart(request)]


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_split(raw: bytes) -> None:
    with suppress(Refused):
        assert all(split(raw))


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("cut off", b"\x0a\x05"),
        ("scopes cut off", field(1, b"\x12\x05")),
        ("a record cut off", field(1, field(2, b"\x12\x05"))),
        ("groups too deep", nested(101, group)),
    ],
)
def test_what_is_malformed_is_refused_before_the_first_item(name: str, raw: bytes) -> None:
    whole = ExportLogsServiceRequest(resource_logs=[ResourceLogs(scope_logs=[ScopeLogs(log_records=[LogRecord()])])])
    with pytest.raises(Refused) as caught:
        split(whole.SerializeToString() + raw)
    assert caught.value.reason is ItemReason.MALFORMED


def test_what_a_record_holds_is_not_looked_at() -> None:
    (item,) = split(
        field(
            1,
            field(1, b"\xff") + field(2, field(1, b"\xfe") + field(2, b"\xfd") + field(3, b"\xfc")) + field(3, b"\xfb"),
        )
    )
    scope = field(1, b"\xfe") + field(3, b"\xfc") + field(2, b"\xfd")
    assert item == field(1, b"\xff") + field(2, scope) + field(3, b"\xfb")


def test_unknown_fields_beside_records_are_gone() -> None:
    (item,) = split(field(9, b"x") + field(1, field(9, b"x") + field(2, field(9, b"x") + field(2, field(9, b"x")))))
    assert item == field(2, field(2, field(9, b"x")))


RECORD = b"\x12\x00"


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("resources", field(1, b"") * (MAX_GROUPS + 1), ItemReason.TOO_MANY_ITEMS),
        ("scopes of one resource", field(1, field(2, b"") * (MAX_GROUPS + 1)), ItemReason.TOO_MANY_ITEMS),
        ("scopes of several", (field(1, field(2, b"") * (MAX_GROUPS // 2)) * 3), ItemReason.TOO_MANY_ITEMS),
        (
            "a resource for many",
            field(1, field(1, bytes(MAX_REPEATED_BYTES // 100)) + field(2, RECORD * 101)),
            ItemReason.TOO_LARGE,
        ),
        (
            "a scope for many",
            field(1, field(2, field(1, bytes(MAX_REPEATED_BYTES // 100)) + RECORD * 101)),
            ItemReason.TOO_LARGE,
        ),
        (
            "a schema URL for many",
            field(1, field(2, RECORD * 101) + field(3, bytes(MAX_REPEATED_BYTES // 100))),
            ItemReason.TOO_LARGE,
        ),
        (
            "two of half as much",
            field(1, field(1, bytes(MAX_REPEATED_BYTES // 100)) + field(2, RECORD * 51)) * 2,
            ItemReason.TOO_LARGE,
        ),
    ],
)
def test_too_much_is_refused_before_the_first_item(name: str, raw: bytes, reason: Reason) -> None:
    with pytest.raises(Refused) as caught:
        split(raw)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("name", "raw", "count"),
    [
        ("nothing", b"", 0),
        ("groups", field(1, field(2, b"")) * MAX_GROUPS, 0),
        ("a resource for many", field(1, field(1, bytes(MAX_REPEATED_BYTES // 100)) + field(2, RECORD * 100)), 100),
        ("many records", field(1, field(2, RECORD * 20_000)), 20_000),
    ],
)
def test_up_to_the_bound_all_is_split(name: str, raw: bytes, count: int) -> None:
    assert sum(1 for _ in split(raw)) == count
