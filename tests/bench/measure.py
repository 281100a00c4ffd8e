"""Measuring in turn: each round runs every case once, so that a drifting machine slows all of them alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal, TypeVar

Key = tuple[str, str]
"""What is measured, and the values that it is measured with: a case's or a row's."""

Clock = Literal["cpu", "wall"]
Work = Callable[[], object]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds that one unit of work took in one round: of the processor, and by the clock on the wall."""

    cpu: float
    wall: float


Measure = Callable[[], Sample]
Samples = Mapping[Key, Sequence[Sample]]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: rounds, the share of a full run's work, whether each row's instructions are counted."""

    rounds: int
    share: float
    counts_all: bool = True

    def of(self, count: int, least: int = 1) -> int:
        """So much of a full run's count."""
        return max(least, round(count * self.share))


FULL: Final = Size(rounds=9, share=1.0)
QUICK: Final = Size(rounds=2, share=0.02, counts_all=False)
"""Every row, to see that it can be measured. Its figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of all rounds, the least and the most."""

    median: float
    low: float
    high: float


def spread(figures: Iterable[float]) -> Spread:
    """Return the spread of at least one figure."""
    sorted_figures = sorted(figures)
    return Spread(median(sorted_figures), sorted_figures[0], sorted_figures[-1])


def ratios(samples: Sequence[Sample], reference: Sequence[Sample], clock: Clock) -> list[float]:
    """Each round's sample as a ratio to the reference's in the same round."""
    return [getattr(one, clock) / getattr(other, clock) for one, other in zip(samples, reference, strict=True)]


def in_turn(cases: Mapping[Key, Measure], rounds: int) -> Samples:
    """Every case's samples, round by round.

    A first round, which warms up, isn't counted; each round begins with another case.
    """
    taken: dict[Key, list[Sample]] = {key: [] for key in cases}
    for turn in range(rounds + 1):
        for key in rotated(tuple(cases), turn):
            sample = cases[key]()
            if turn:
                taken[key].append(sample)
    return taken


def rotated(items: Sequence[Item], turn: int) -> Iterator[Item]:
    """All items, beginning with another one each turn."""
    start = turn % len(items)
    yield from items[start:]
    yield from items[:start]


@dataclass(frozen=True, slots=True)
class InProcess:
    """Work of so many units in this process; `prepare` makes it, which isn't counted."""

    prepare: Callable[[], Work]
    units: int

    def __call__(self) -> Sample:
        work = self.prepare()
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        return Sample((time.process_time() - cpu) / self.units, (time.perf_counter() - wall) / self.units)


def freeze() -> None:
    """Keep the collector of garbage from what is there now, as `privacy-gateway serve` does once it has started."""
    gc.collect()
    gc.freeze()
