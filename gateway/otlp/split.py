"""A request of any OTLP signal, split into items: the inverse of `join.py`.

Each record comes with its resource and scope, as a `ResourceLogs` (`ResourceSpans`, …) of one record. The signals'
messages have one shape, with one set of numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from google.protobuf.message import Message

from gateway.errors import ItemReason, Refused
from gateway.plan import FieldPlan, MessagePlan, Presence
from gateway.protobuf.schema import attribute, build, parse
from gateway.protobuf.wire import field, varint

_ONE, _MANY = Presence.IMPLICIT, Presence.EXPANDED

# As in opentelemetry/proto/logs/v1/logs.proto and collector/logs/v1/logs_service.proto; what isn't taken apart is raw
# bytes.
REQUEST_SCHEMA: Final = build(
    (
        MessagePlan("Request", (FieldPlan(1, "groups", "message", _MANY, message=1),)),
        MessagePlan(
            "Group",
            (
                FieldPlan(1, "resource", "bytes", _ONE),
                FieldPlan(2, "scope_groups", "message", _MANY, message=2),
                FieldPlan(3, "schema_url", "bytes", _ONE),
            ),
        ),
        MessagePlan(
            "ScopeGroup",
            (
                FieldPlan(1, "scope", "bytes", _ONE),
                FieldPlan(2, "records", "bytes", _MANY),
                FieldPlan(3, "schema_url", "bytes", _ONE),
            ),
        ),
    )
)[0]
_GROUPS = _RESOURCE = _SCOPE = attribute(1)
_SCOPE_GROUPS = _RECORDS = attribute(2)
_SCHEMA_URL = attribute(3)

MAX_GROUPS: Final = 10_000
"""Resources in one request, and scopes: they may hold no record."""

MAX_REPEATED_BYTES: Final = 32 * 1024 * 1024
"""Bytes of resources and scopes once each record has its own: 4 MB of a request could stand for 10 GB."""


def split(raw: bytes) -> Iterator[bytes]:
    """Yield the items of a serialised request.

    Raises Refused, before the first item, if it is malformed or too much. Of a request with two records of one scope,

        ResourceLogs{resource: R, scope_logs: [ScopeLogs{scope: S, log_records: [A, B]}]}

    the items are

        ResourceLogs{resource: R, scope_logs: [ScopeLogs{scope: S, log_records: [A]}]}
        ResourceLogs{resource: R, scope_logs: [ScopeLogs{scope: S, log_records: [B]}]}
    """
    groups = getattr(parse(REQUEST_SCHEMA, raw), _GROUPS)
    if len(groups) > MAX_GROUPS or sum(len(getattr(group, _SCOPE_GROUPS)) for group in groups) > MAX_GROUPS:
        raise Refused(ItemReason.TOO_MANY_ITEMS)
    if sum(map(_repeated_bytes, groups)) > MAX_REPEATED_BYTES:
        raise Refused(ItemReason.TOO_LARGE)
    return (item for group in groups for item in _items(group))


def _repeated_bytes(group: Message) -> int:
    """Return how many bytes of resource and scopes the records of a group need to have their own."""
    shared = _shared_bytes(group)
    return sum(
        (shared + _shared_bytes(inner)) * len(getattr(inner, _RECORDS)) for inner in getattr(group, _SCOPE_GROUPS)
    )


def _shared_bytes(group: Message) -> int:
    """Return how long a group's resource, or scope, and its schema URL are."""
    return len(getattr(group, _RESOURCE)) + len(getattr(group, _SCHEMA_URL))


def _items(group: Message) -> Iterator[bytes]:
    """Yield the items of one resource, whose fields are serialised once.

    The resource and scope come first, as protobuf's own serialisers write them.
    """
    head, tail = field(1, getattr(group, _RESOURCE)), field(3, getattr(group, _SCHEMA_URL))
    for inner in getattr(group, _SCOPE_GROUPS):
        scope = field(1, getattr(inner, _SCOPE)) + field(3, getattr(inner, _SCHEMA_URL))
        for record in getattr(inner, _RECORDS):
            scope_group = b"%b\x12%b%b" % (scope, varint(len(record)), record)
            yield b"%b\x12%b%b%b" % (head, varint(len(scope_group)), scope_group, tail)
