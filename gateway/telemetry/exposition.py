"""How Prometheus reads what is counted: numbers through OpenTelemetry's instruments, histograms beside them in the same registry."""

from __future__ import annotations

from collections.abc import Iterator

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.telemetry.counts import Counts
from gateway.telemetry.table import PREFIX, Kind


class Telemetry(Counts):
    """The metrics of one gateway, `privacy_gateway_*`. All methods are for the event loop's thread."""

    def __init__(self) -> None:
        super().__init__()
        self.build[__version__,] = 1
        self._registry = CollectorRegistry()
        # `_total` and the like are added on the way out. No target_info and no scope: they would carry the environment's words.
        reader = PrometheusMetricReader(disable_target_info=True, scope_info_enabled=False, registry=self._registry)
        self._provider = MeterProvider([reader], Resource.get_empty(), shutdown_on_exit=False)
        self._register()
        self._histograms = _Histograms(self)
        self._registry.register(self._histograms)

    def _register(self) -> None:
        meter = self._provider.get_meter("gateway")
        for tally in self.tallies:
            metric = tally.metric
            create = meter.create_observable_counter if metric.kind is Kind.COUNTER else meter.create_observable_gauge
            create(f"{PREFIX}{metric.name}", [tally.observe], description=metric.about)

    def exposition(self) -> tuple[bytes, str]:
        """All metrics as Prometheus reads them, and the content type: the text format, version 0.0.4."""
        self.look()
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4

    def close(self) -> None:
        """Let go of the instruments; `exposition` is empty from then on."""
        self._provider.shutdown()
        self._registry.unregister(self._histograms)


class _Histograms(Collector):
    """All histograms: OpenTelemetry has no histogram that is read when it is asked, and its own is too dear for an item."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        for durations in self._counts.durations:
            metric = durations.metric
            family = HistogramMetricFamily(metric.shown, metric.about, labels=metric.labels)
            for labels, buckets, total in durations.rows():
                family.add_metric(labels, buckets, total)
            yield family
