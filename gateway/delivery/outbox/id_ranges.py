"""IDs of entries by the range: those of a batch follow each other, and so do most that share an outcome."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise


def ranges_of(ids: Iterable[int]) -> list[range]:
    """Return IDs as ranges, in order, each ID once.

    3, 1, 2, 7 are 1 to 3 and 7.
    """
    if isinstance(ids, range):
        return [ids] if ids else []
    ordered = sorted(set(ids))
    if not ordered:
        return []
    gaps = [(earlier, later) for earlier, later in pairwise(ordered) if later != earlier + 1]
    starts, ends = [ordered[0], *(later for _, later in gaps)], [*(earlier for earlier, _ in gaps), ordered[-1]]
    return [range(start, last + 1) for start, last in zip(starts, ends, strict=True)]


def total(ranges: Iterable[range]) -> int:
    """Return how many IDs are in ranges."""
    return sum(map(len, ranges))


def common(within: range, ranges: Iterable[range]) -> list[range]:
    """Return the parts of ranges that lie within another."""
    cut = [range(max(within.start, one.start), min(within.stop, one.stop)) for one in ranges]
    return [one for one in cut if one]


def without(whole: range, ranges: Iterable[range]) -> list[range]:
    """Return what is left of a range without others, which are in order and apart."""
    left, at = [], whole.start
    for one in common(whole, ranges):
        left.append(range(at, one.start))
        at = one.stop
    return [one for one in (*left, range(at, whole.stop)) if one]


class IdSet:
    """A set of IDs, kept as ranges that are in order and apart."""

    def __init__(self, ranges: Iterable[range] = ()) -> None:
        self._ranges: list[range] = []
        for one in ranges:
            self.add(one)

    def __iter__(self) -> Iterator[int]:
        return (number for one in self._ranges for number in one)

    def __len__(self) -> int:
        return total(self._ranges)

    @property
    def ranges(self) -> Sequence[range]:
        """The ranges, in order."""
        return self._ranges

    def add(self, run: range) -> None:
        """Add the IDs of a range."""
        if run:
            low, high = self._touched(range(run.start - 1, run.stop + 1))
            touched = self._ranges[low:high]
            start, stop = (
                (min(run.start, touched[0].start), max(run.stop, touched[-1].stop))
                if touched
                else (run.start, run.stop)
            )
            self._ranges[low:high] = [range(start, stop)]

    def remove(self, run: range) -> list[range]:
        """Remove the IDs of a range. Return those that were there."""
        low, high = self._touched(run)
        touched = self._ranges[low:high]
        self._ranges[low:high] = [left for one in touched for left in without(one, [run])]
        return common(run, touched)

    def within(self, run: range) -> list[range]:
        """Return what is there of a range."""
        low, high = self._touched(run)
        return common(run, self._ranges[low:high])

    def _touched(self, run: range) -> tuple[int, int]:
        """Return where in the list those begin and end that share an ID with a range."""
        return (
            bisect_right(self._ranges, run.start, key=_stop),
            bisect_left(self._ranges, run.stop, key=_start),
        )


def _start(run: range) -> int:
    return run.start


def _stop(run: range) -> int:
    return run.stop
