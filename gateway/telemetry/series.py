"""Whole numbers by labels, and histograms, cheap enough to be counted on every item.

OpenTelemetry's own `Counter.add` and `Histogram.record` cost about 10 µs each; these 0.2 and 0.4 µs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, product

from gateway.telemetry.metrics import BUCKET_BOUNDS_SECONDS, Metric

LabelValues = tuple[str, ...]
"""The values of a metric's labels, in the order of its labels."""

NANOS_PER_SECOND = 1_000_000_000


class NumberSeries(dict[LabelValues, int]):
    """A number for each key. What isn't there counts as 0; what has come stays."""

    def __init__(self, metric: Metric, *values: Iterable[str]) -> None:
        """All combinations of `values` are there from the start, as 0.

        Without any, only what is counted comes to be.
        """
        super().__init__(dict.fromkeys(product(*values), 0) if values or not metric.labels else {})
        self.metric = metric

    def __missing__(self, key: LabelValues) -> int:
        return 0


class DurationSeries:
    """How often something took how long, by key: the counts of buckets, and the sum in nanoseconds last."""

    def __init__(self, metric: Metric, *values: Iterable[str]) -> None:
        """As `NumberSeries`."""
        self.metric = metric
        self._rows: dict[LabelValues, list[int]] = {
            key: [0] * ROW_COLUMNS for key in (product(*values) if values else ())
        }

    def add(self, key: LabelValues, nanoseconds: int, times: int = 1) -> None:
        """Count one more, or so many of one length."""
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = [0] * ROW_COLUMNS
        # A duration at a bound belongs to the bucket below it, as Prometheus has it.
        row[bisect_left(_BUCKET_BOUNDS_NANOS, nanoseconds)] += times
        row[-1] += nanoseconds * times

    def touch(self, key: LabelValues) -> None:
        """Show a key, though nothing has been counted yet."""
        self._rows.setdefault(key, [0] * ROW_COLUMNS)

    def rows(self) -> Iterator[tuple[Sequence[str], Sequence[tuple[str, int]], float]]:
        """Each key's labels, its buckets by upper bound, each with all that is below it, and the sum in seconds."""
        for key, row in self._rows.items():
            yield (
                [str(part) for part in key],
                list(zip(_BUCKET_LABELS, accumulate(row[:-1]), strict=True)),
                row[-1] / NANOS_PER_SECOND,
            )


_BUCKET_BOUNDS_NANOS = [round(bound * NANOS_PER_SECOND) for bound in BUCKET_BOUNDS_SECONDS]
_BUCKET_LABELS = (*map(repr, BUCKET_BOUNDS_SECONDS), "+Inf")
ROW_COLUMNS = len(_BUCKET_LABELS) + 1
