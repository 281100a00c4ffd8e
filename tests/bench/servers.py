"""Servers that are measured: under which loads, by which clocks, and in how many instructions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from tests.bench.instructions import Counter
from tests.bench.measure import Key, Measure, Sample, Size
from tests.bench.process import Server, Start

Send = Callable[[Server], int]
"""Sends what was prepared, and returns how many units it was."""

Load = Callable[[], Send]
"""Prepares what is sent, each time something else."""

Name = TypeVar("Name")

COUNTED_SHARE: Final = 0.05
"""Of what a round sends: callgrind is slow, and counts vary little."""

WARMING: Final = 2


def of_server(server: Server, load: Load) -> Measure:
    """Measure a server under a load: CPU time until it is idle, wall time until it has answered."""

    def measure() -> Sample:
        send = load()
        cpu, begun = server.cpu, time.perf_counter()
        units = send(server)
        wall = time.perf_counter() - begun
        server.settle()
        return Sample((server.cpu - cpu) / units, wall / units)

    return measure


def instructions(
    counter: Counter | None, starts: Mapping[str, Start], loads: Mapping[Name, Load], size: Size
) -> Mapping[str, Mapping[Name, float]]:
    """Instructions of a unit, by server and load; none where nothing counts them.

    A quick run counts one server, with its first load.
    """
    if counter is None:
        return {}
    names, chosen = (tuple(starts), tuple(loads)) if size.counts_all else (tuple(starts)[-1:], tuple(loads)[:1])
    return {name: _counted(counter, starts[name], {key: loads[key] for key in chosen}) for name in names}


def _counted(counter: Counter, start: Start, loads: Mapping[Name, Load]) -> Mapping[Name, float]:
    counts: dict[Name, float] = {}
    with start(counter.under) as server:
        for key, load in loads.items():
            for _ in range(WARMING):
                load()(server)
            send = load()
            server.settle()
            with counter.counting(server.pid) as count:
                units = send(server)
                server.settle()
            counts[key] = count.total / units
    return counts


def by_case(counts: Mapping[str, Mapping[str, float]]) -> Mapping[Key, float]:
    """Counts by server and values, by the keys of their cases."""
    return {(name, values): count for name, found in counts.items() for values, count in found.items()}
