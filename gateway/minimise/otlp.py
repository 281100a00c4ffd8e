"""A batch of OTLP logs as items: each record with its resource and scope, as a `ResourceLogs` of one record. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gateway.errors import Reason, Refused
from gateway.minimise.schema import attribute, build, parse
from gateway.plan import FieldPlan, MessagePlan, Presence

_ONE, _MANY = Presence.IMPLICIT, Presence.EXPANDED

# opentelemetry/proto/logs/v1/logs.proto and collector/logs/v1/logs_service.proto; what isn't taken apart is raw bytes.
_REQUEST = build(
    (
        MessagePlan("ExportLogsServiceRequest", (FieldPlan(1, "resource_logs", "message", _MANY, message=1),)),
        MessagePlan(
            "ResourceLogs",
            (
                FieldPlan(1, "resource", "bytes", _ONE),
                FieldPlan(2, "scope_logs", "message", _MANY, message=2),
                FieldPlan(3, "schema_url", "bytes", _ONE),
            ),
        ),
        MessagePlan(
            "ScopeLogs",
            (
                FieldPlan(1, "scope", "bytes", _ONE),
                FieldPlan(2, "log_records", "bytes", _MANY),
                FieldPlan(3, "schema_url", "bytes", _ONE),
            ),
        ),
    )
)[0]
FIRST, SECOND, THIRD = map(attribute, (1, 2, 3))

GROUPS: Final = 10_000
"""Resources in one request, and scopes, at most: they may hold no record."""

REPEATED: Final = 32 * 1024 * 1024
"""Bytes of resources and scopes once each record has its own, at most: 4 MB of a request could stand for 10 GB."""


def split(raw: bytes) -> Iterator[bytes]:
    """Yield the items of a serialised `ExportLogsServiceRequest`. Raises Refused, before the first item, if it is malformed or too much."""
    groups = getattr(parse(_REQUEST, raw), FIRST)
    if len(groups) > GROUPS or sum(len(getattr(logs, SECOND)) for logs in groups) > GROUPS:
        raise Refused(Reason.TOO_MANY_ITEMS)
    if sum(map(_repeated, groups)) > REPEATED:
        raise Refused(Reason.TOO_LARGE)
    return (item for logs in groups for item in _items(logs))


def _repeated(logs: Any) -> int:
    """How many bytes of resource and scopes the records of `logs` need to have their own."""
    shared = _size(logs)
    return sum((shared + _size(scope_logs)) * len(getattr(scope_logs, SECOND)) for scope_logs in getattr(logs, SECOND))


def _size(group: Any) -> int:
    return len(getattr(group, FIRST)) + len(getattr(group, THIRD))


def _items(logs: Any) -> Iterator[bytes]:
    """The resource and scope come first, as protobuf's own serialisers write them; their bytes are shared work."""
    head, tail = _field(1, getattr(logs, FIRST)), _field(3, getattr(logs, THIRD))
    for scope_logs in getattr(logs, SECOND):
        scope = _field(1, getattr(scope_logs, FIRST)) + _field(3, getattr(scope_logs, THIRD))
        for record in getattr(scope_logs, SECOND):
            held = b"%b\x12%b%b" % (scope, _varint(len(record)), record)
            yield b"%b\x12%b%b%b" % (head, _varint(len(held)), held, tail)


def _field(number: int, value: bytes) -> bytes:
    """A length-delimited field; nothing for an empty one."""
    return bytes((number << 3 | 2,)) + _varint(len(value)) + value if value else b""


def _varint(value: int) -> bytes:
    """A base-128 number: https://protobuf.dev/programming-guides/encoding/#varints."""
    if value < 128:
        return _SHORT[value]
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


_SHORT = tuple(bytes((value,)) for value in range(128))
