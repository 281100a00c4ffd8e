"""How many data points an item of metrics holds, which is what OTLP counts of a metric that is rejected."""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message

from gateway.errors import Refused
from gateway.plan import FieldPlan, MessagePlan, Presence
from gateway.protobuf.schema import attribute, build, parse

# A metric's kinds of data, each a message with its data points in field 1:
# opentelemetry/proto/metrics/v1/metrics.proto.
_DATA_FIELDS: Final = (5, 7, 9, 10, 11)
_RESOURCE_METRICS: Final = build(
    (
        MessagePlan("ResourceMetrics", (FieldPlan(2, "scope_metrics", "message", Presence.EXPANDED, message=1),)),
        MessagePlan("ScopeMetrics", (FieldPlan(2, "metrics", "message", Presence.EXPANDED, message=2),)),
        MessagePlan(
            "Metric",
            tuple(FieldPlan(number, "data", "message", Presence.EXPLICIT, "data", 3) for number in _DATA_FIELDS),
        ),
        MessagePlan("Data", (FieldPlan(1, "data_points", "bytes", Presence.EXPANDED),)),
    )
)[0]
_SCOPE_METRICS = _METRICS = attribute(2)
_DATA_POINTS: Final = attribute(1)
_DATA_ONEOF: Final = "o0"


def count_data_points(item: bytes) -> int:
    """Return how many data points a serialised `ResourceMetrics` holds; one that can't be read counts as one."""
    try:
        groups = getattr(parse(_RESOURCE_METRICS, item), _SCOPE_METRICS)
    except Refused:
        return 1
    return sum(_count_of(metric) for group in groups for metric in getattr(group, _METRICS))


def _count_of(metric: Message) -> int:
    kind = metric.WhichOneof(_DATA_ONEOF)
    return 0 if kind is None else len(getattr(getattr(metric, kind), _DATA_POINTS))
