"""What is decided in process, without a server: an event, and a batch of each of OTLP's signals."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import event, otlp_in_process
from tests.bench.instructions import Counter
from tests.bench.measure import Size, freeze, in_turn
from tests.bench.records import KINDS
from tests.bench.table import Layout, Measured
from tests.bench.worker import TABLES, instructions

LAYOUTS = (event.LAYOUT, *map(otlp_in_process.layout, KINDS))


def run(size: Size, counter: Counter | None) -> Iterator[tuple[Layout, Measured]]:
    """Measure each table."""
    freeze()
    for layout in LAYOUTS:
        samples = in_turn(TABLES[layout.name](size), size.rounds)
        counts = instructions(layout.name, [case.key for case in layout.cases], counter, size)
        yield layout, Measured(samples, counts, counter=counter.name if counter else "")
