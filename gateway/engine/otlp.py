"""A request of any OTLP signal as items.

Each record with its resource and scope, as a `ResourceLogs` (`ResourceSpans`, …) of one record.

The signals' messages have one shape, with one set of numbers. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gateway.errors import ItemReason, Refused
from gateway.plan import FieldPlan, MessagePlan, Presence
from gateway.protobuf.schema import attribute, build, parse
from gateway.protobuf.wire import field, varint

_ONE, _MANY = Presence.IMPLICIT, Presence.EXPANDED

# As in opentelemetry/proto/logs/v1/logs.proto and collector/logs/v1/logs_service.proto; what isn't taken apart is raw
# bytes.
_REQUEST = build(
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
FIRST, SECOND, THIRD = map(attribute, (1, 2, 3))

GROUPS: Final = 10_000
"""Resources in one request, and scopes, at most: they may hold no record."""

REPEATED: Final = 32 * 1024 * 1024
"""Bytes of resources and scopes once each record has its own, at most: 4 MB of a request could stand for 10 GB."""


def split(raw: bytes) -> Iterator[bytes]:
    """Yield the items of a serialised request.

    Raises Refused, before the first item, if it is malformed or too much.
    """
    groups = getattr(parse(_REQUEST, raw), FIRST)
    if len(groups) > GROUPS or sum(len(getattr(group, SECOND)) for group in groups) > GROUPS:
        raise Refused(ItemReason.TOO_MANY_ITEMS)
    if sum(map(_repeated, groups)) > REPEATED:
        raise Refused(ItemReason.TOO_LARGE)
    return (item for group in groups for item in _items(group))


def _repeated(group: Any) -> int:
    """How many bytes of resource and scopes the records of `group` need to have their own."""
    shared = _size(group)
    return sum((shared + _size(inner)) * len(getattr(inner, SECOND)) for inner in getattr(group, SECOND))


def _size(group: Any) -> int:
    return len(getattr(group, FIRST)) + len(getattr(group, THIRD))


def _items(group: Any) -> Iterator[bytes]:
    """The resource and scope come first, as protobuf's own serialisers write them; their bytes are shared work."""
    head, tail = field(1, getattr(group, FIRST)), field(3, getattr(group, THIRD))
    for inner in getattr(group, SECOND):
        scope = field(1, getattr(inner, FIRST)) + field(3, getattr(inner, THIRD))
        for record in getattr(inner, SECOND):
            held = b"%b\x12%b%b" % (scope, varint(len(record)), record)
            yield b"%b\x12%b%b%b" % (head, varint(len(held)), held, tail)


# A metric's kinds of data, each a message with its data points in field 1:
# opentelemetry/proto/metrics/v1/metrics.proto.
_DATA = (5, 7, 9, 10, 11)
_METRICS = build(
    (
        MessagePlan("ResourceMetrics", (FieldPlan(2, "scope_metrics", "message", _MANY, message=1),)),
        MessagePlan("ScopeMetrics", (FieldPlan(2, "metrics", "message", _MANY, message=2),)),
        MessagePlan(
            "Metric", tuple(FieldPlan(number, "data", "message", Presence.EXPLICIT, "data", 3) for number in _DATA)
        ),
        MessagePlan("Data", (FieldPlan(1, "data_points", "bytes", _MANY),)),
    )
)[0]
_KIND = "o0"


def points(item: bytes) -> int:
    """How many data points an item of metrics holds; one that can't be read counts as one."""
    try:
        groups = getattr(parse(_METRICS, item), SECOND)
    except Refused:
        return 1
    return sum(_points(metric) for group in groups for metric in getattr(group, SECOND))


def _points(metric: Any) -> int:
    kind = metric.WhichOneof(_KIND)
    return 0 if kind is None else len(getattr(getattr(metric, kind), FIRST))
