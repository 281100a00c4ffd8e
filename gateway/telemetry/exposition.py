"""How Prometheus reads what is counted: nothing is copied or recorded twice, all is read when it is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from gateway.telemetry.counts import Counts
from gateway.telemetry.metrics import PREFIX, MetricKind
from gateway.telemetry.series import DurationSeries, NumberSeries

CONTENT_TYPE_OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
"""https://prometheus.io/docs/specs/om/open_metrics_spec/."""

GENERATE_OPENMETRICS: Final[Callable[[CollectorRegistry], bytes]] = openmetrics.generate_latest
"""What writes OpenMetrics; prometheus_client doesn't say its types."""

_QUALITY_VALUE: Final = re.compile(r"[01](?:\.[0-9]{0,3})?", re.ASCII)
"""RFC 9110, section 12.4.2."""


class Exposition:
    """The metrics of one gateway as Prometheus reads them. All methods are for the event loop's thread."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._registry = CollectorRegistry()
        self._registry.register(_Families(counts))
        ProcessCollector(registry=self._registry)
        GCCollector(self._registry)

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """All metrics, and their content type.

        OpenMetrics where an `Accept` field asks for that, else Prometheus's text, 0.0.4.
        """
        self._counts.refresh()
        if is_openmetrics(accept):
            return GENERATE_OPENMETRICS(self._registry), CONTENT_TYPE_OPENMETRICS
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4


def is_openmetrics(accept: str) -> bool:
    """Whether an `Accept` field asks for OpenMetrics 1.0.0, and prefers no other text."""
    # Not prometheus_client's choice: it answers with a version that a caller has made up, and fails where that is no
    # number.
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for asked in accept.lower().split(","):
        kind, *given = (part.strip() for part in asked.split(";"))
        pairs = dict(part.partition("=")[::2] for part in given)
        known = kind != "application/openmetrics-text" or pairs.get("version", "1.0.0").strip('"') == "1.0.0"
        weight = pairs.get("q", "1")
        if kind in weights and known and _QUALITY_VALUE.fullmatch(weight):
            weights[kind] = max(weights[kind], float(weight))
    asked_for, other = weights.values()
    return 0 < asked_for >= other


class _Families(Collector):
    """All series, by the metric that they are of."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        yield from map(_numbers, filter(None, self._counts.numbers))
        yield from map(_histogram, self._counts.durations)


def _numbers(series: NumberSeries) -> Metric:
    """The numbers of a metric. A value that is an enum's is shown as its text."""
    metric = series.metric
    kind = CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily
    # `_total` is added on the way out.
    family = kind(f"{PREFIX}{metric.name}", metric.description, labels=metric.labels)
    for labels, count in series.items():
        family.add_metric([*map(str, labels)], count)
    return family


def _histogram(durations: DurationSeries) -> Metric:
    metric = durations.metric
    family = HistogramMetricFamily(metric.exported_name, metric.description, labels=metric.labels)
    for labels, buckets, total in durations.rows():
        family.add_metric(labels, buckets, total)
    return family
