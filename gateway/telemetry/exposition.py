"""How Prometheus reads what is counted.

Numbers through OpenTelemetry's instruments, histograms beside them in the same registry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from gateway.telemetry.counts import Counts
from gateway.telemetry.metrics import PREFIX, MetricKind
from gateway.telemetry.series import NumberSeries

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
        # `_total` and the like are added on the way out. No target_info and no scope: they would carry the
        # environment's words.
        reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=self._registry)
        self._provider = MeterProvider([reader], Resource.get_empty(), shutdown_on_exit=False)
        self._register()
        self._registry.register(_Histograms(counts))
        ProcessCollector(registry=self._registry)
        GCCollector(self._registry)

    def _register(self) -> None:
        meter = self._provider.get_meter("gateway")
        for series in self._counts.numbers:
            metric = series.metric
            create = (
                meter.create_observable_counter if metric.kind is MetricKind.COUNTER else meter.create_observable_gauge
            )
            create(f"{PREFIX}{metric.name}", [partial(_observations, series)], description=metric.description)

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """All metrics, and their content type.

        OpenMetrics where an `Accept` field asks for that, else Prometheus's text, 0.0.4.
        """
        self._counts.refresh()
        if is_openmetrics(accept):
            return GENERATE_OPENMETRICS(self._registry), CONTENT_TYPE_OPENMETRICS
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4


def _observations(series: NumberSeries, _: CallbackOptions) -> list[Observation]:
    """All numbers, as OpenTelemetry asks for them. A value that is an enum's is shown as its text."""
    labels = series.metric.labels
    return [Observation(count, dict(zip(labels, map(str, key), strict=True))) for key, count in series.items()]


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


class _Histograms(Collector):
    """All histograms.

    OpenTelemetry has none that is read only when it is asked, and recording in its own costs too much for an item.
    """

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        for durations in self._counts.durations:
            metric = durations.metric
            family = HistogramMetricFamily(metric.exported_name, metric.description, labels=metric.labels)
            for labels, buckets, total in durations.rows():
                family.add_metric(labels, buckets, total)
            yield family
