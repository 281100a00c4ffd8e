"""The slots of metrics: their streams' names, their data points and exemplars.

What was measured passes as it is: sums and counts over many calls, which read as phone numbers by chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.model import Category, FieldPrivacy
from gateway.policy.otlp.shared import FREE_TEXT, OPERATIONAL, SCHEMA_URL, SharedRules
from gateway.policy.projector import NESTED_PLAN, Ruling

METRICS: Final = "opentelemetry.proto.metrics.v1."

NAME: Final = f"{METRICS}Metric.name"
UNIT: Final = f"{METRICS}Metric.unit"

REQUIRED: Final = frozenset({NAME})
"""Slots without which their item is worth nothing: OTLP asks for a metric's name."""

_NAME: Final = FieldPrivacy(Category.OPERATIONAL, pattern=r"[A-Za-z][A-Za-z0-9_./-]{0,254}")
"""https://opentelemetry.io/docs/specs/otel/metrics/api/#instrument-name-syntax."""
_UNIT: Final = FieldPrivacy(
    Category.OPERATIONAL, pattern=r"[A-Za-z0-9%.*/^-]{0,15}(\{[A-Za-z_]{1,31}\})?(/[A-Za-z]{1,8})?"
)
"""UCUM's: https://opentelemetry.io/docs/specs/semconv/general/metrics/#instrument-units."""

_KINDS: Final = ("Gauge", "Sum", "Histogram", "ExponentialHistogram", "Summary")

CLASSIFICATIONS: Final[Mapping[str, FieldPrivacy]] = {
    f"{METRICS}ResourceMetrics.schema_url": SCHEMA_URL,
    f"{METRICS}ScopeMetrics.schema_url": SCHEMA_URL,
    NAME: _NAME,
    f"{METRICS}Metric.description": FREE_TEXT,
    UNIT: _UNIT,
    f"{METRICS}Sum.is_monotonic": OPERATIONAL,
    **{
        f"{METRICS}{kind}.aggregation_temporality": OPERATIONAL for kind in ("Sum", "Histogram", "ExponentialHistogram")
    },
}

MESSAGES: Final = frozenset(
    {
        f"{METRICS}ResourceMetrics.scope_metrics",
        f"{METRICS}ScopeMetrics.metrics",
        *(f"{METRICS}Metric.{kind}" for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary")),
        *(f"{METRICS}{kind}.data_points" for kind in _KINDS),
        *(f"{METRICS}{kind}DataPoint.exemplars" for kind in ("Number", "Histogram", "ExponentialHistogram")),
        f"{METRICS}ExponentialHistogramDataPoint.positive",
        f"{METRICS}ExponentialHistogramDataPoint.negative",
        f"{METRICS}SummaryDataPoint.quantile_values",
    }
)
"""Slots that hold other slots."""

MEASUREMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "NumberDataPoint": ("as_double", "as_int"),
    "HistogramDataPoint": ("count", "sum", "bucket_counts", "explicit_bounds", "min", "max"),
    "ExponentialHistogramDataPoint": ("count", "sum", "scale", "zero_count", "min", "max", "zero_threshold"),
    "ExponentialHistogramDataPoint.Buckets": ("offset", "bucket_counts"),
    "SummaryDataPoint": ("count", "sum"),
    "SummaryDataPoint.ValueAtQuantile": ("quantile", "value"),
    "Exemplar": ("as_double", "as_int"),
}
"""The numbers of each message that are measurements."""

_POINTS: Final = ("NumberDataPoint", "HistogramDataPoint", "ExponentialHistogramDataPoint", "SummaryDataPoint")


def field_rules(rules: SharedRules) -> Mapping[str, Ruling]:
    """Rulings on the slots that no category alone can decide."""
    measured = rules.operational(None)
    shared = {
        "attributes": rules.attributes,
        "start_time_unix_nano": rules.time,
        "time_unix_nano": rules.time,
        "flags": rules.flags,
    }
    return {
        f"{METRICS}ResourceMetrics.resource": NESTED_PLAN,
        f"{METRICS}ScopeMetrics.scope": NESTED_PLAN,
        NAME: rules.name(_NAME),
        UNIT: rules.name(_UNIT),
        f"{METRICS}Metric.metadata": rules.attributes,
        **{f"{METRICS}{point}.{slot}": ruling for point in _POINTS for slot, ruling in shared.items()},
        **{f"{METRICS}{held}.{slot}": measured for held, slots in MEASUREMENTS.items() for slot in slots},
        f"{METRICS}Exemplar.filtered_attributes": rules.attributes,
        f"{METRICS}Exemplar.time_unix_nano": rules.time,
        f"{METRICS}Exemplar.trace_id": rules.identifier(16),
        f"{METRICS}Exemplar.span_id": rules.identifier(8),
    }
