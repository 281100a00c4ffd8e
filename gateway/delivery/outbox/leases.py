"""IDs that are on a lease: in memory only, for after a crash everything is to be delivered again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.delivery.outbox.columns import Columns
from gateway.delivery.outbox.id_ranges import IdSet, ranges_of, total, without
from gateway.delivery.outbox.interface import LeasedBatch
from gateway.delivery.outbox.rows import Row
from gateway.delivery.outbox.store import Store
from gateway.exporters.base import BatchLimits


class Leases:
    """Leases of one outbox, by destination.

    A destination's low watermark is an ID below which no entry that was never deferred is free, so that what is on a
    lease isn't looked through each time. With entries 1 to 9, three at a time:
      take -> 1, 2, 3; the watermark is 4
      take -> 4, 5, 6; the watermark is 7: the query begins there
      end(5, nacked) -> the watermark is 5
      take -> 5, 7, 8; 6 is skipped, being on a lease; the watermark is 9
    """

    def __init__(self) -> None:
        self.erased: set[int] = set()
        """Those that are on a lease, and gone from the store."""
        self._leased: dict[str, IdSet] = {}
        self._low_watermarks: dict[str, int] = {}

    @property
    def leased(self) -> IdSet:
        """All that is on a lease."""
        return IdSet(run for ids in self._leased.values() for run in ids.ranges)

    def forget_watermarks(self) -> None:
        """Look from the start the next time: another program wrote, dead letters wait again, or the file is new."""
        self._low_watermarks.clear()

    def take(self, store: Store, destination: str, bounds: BatchLimits, now_ns: int) -> Sequence[LeasedBatch]:
        """Lease what is due and free, within bounds; a larger entry alone.

        Raises sqlite3.Error, and then nothing is leased.
        """
        if store.queues.look():
            self.forget_watermarks()
        leased = self._leased.setdefault(destination, IdSet())
        low_watermark = self._low_watermarks.get(destination, 0)
        found = _Lease(store, destination, bounds)
        for row in store.deferred(destination, now_ns):
            if not found.add(row, _free(store, row, leased)):
                break
        for row in store.fresh(destination, low_watermark):
            if not found.add(row, _free(store, row, leased)):
                break
            low_watermark = row.ids.stop
        self._low_watermarks[destination] = low_watermark
        for batch in found.batches:
            leased.add(batch.ids)
        return found.batches

    def end(self, ids: Iterable[int], *, nacked: bool = False) -> None:
        """End leases; what is nacked is the next to be leased."""
        for run in ranges_of(ids):
            self.erased.difference_update(run if self.erased else ())
            for destination, leased in self._leased.items():
                ended = leased.remove(run)
                if nacked and ended:
                    watermark = self._low_watermarks.get(destination, 0)
                    self._low_watermarks[destination] = min(ended[0].start, watermark)

    def erase(self, ids: Iterable[range]) -> int:
        """Note that entries are gone: who has them on a lease shall not send them. Return how many are on one."""
        leased = self.leased
        sent = [part for one in ids for part in leased.within(one)]
        self.erased.update(number for run in sent for number in run)
        return total(sent)


def _free(store: Store, row: Row, leased: IdSet) -> list[range]:
    """Return which IDs of a row are there and not on a lease."""
    taken = leased.within(row.ids)
    return [part for live in store.waiting.live(row.ids) for part in (without(live, taken) if taken else [live])]


class _Lease:
    """What is leased at once."""

    def __init__(self, store: Store, destination: str, bounds: BatchLimits) -> None:
        self.batches: list[LeasedBatch] = []
        self._kinds = store.queues.kinds
        self._destination = destination
        self._items = bounds.max_items
        self._bytes = bounds.max_bytes

    def add(self, row: Row, free: Sequence[range]) -> bool:
        """Add the free entries of a row if all fit, as many as fit if it is the first. Return whether all are added."""
        if not free:
            return True
        if self.batches and (self._items < total(free) or self._bytes < row.size):
            return False
        columns = row.columns()
        return all(self._add(row, columns, run) for run in free)

    def _add(self, row: Row, columns: Columns, run: range) -> bool:
        end = self._end(row, columns, run)
        if end > run.start:
            ids = range(run.start, end)
            part = columns if ids == row.ids else columns.part(run.start - row.id, end - row.id)
            self.batches.append(self._leased(ids, row, part))
            self._items -= end - run.start
            self._bytes -= part.size
        return end == run.stop

    def _end(self, row: Row, columns: Columns, run: range) -> int:
        """Return up to where the entries of a range fit; a larger one does if it is the first."""
        if len(run) <= self._items and row.size <= self._bytes:
            return run.stop
        left = self._bytes
        for number in run[: max(self._items, 0)]:
            left -= len(columns.payloads[number - row.id])
            if left < 0 and (self.batches or number > run.start):
                return number
        return min(run.stop, run.start + max(self._items, 0))

    def _leased(self, ids: range, row: Row, columns: Columns) -> LeasedBatch:
        """Return entries of a row as they are leased."""
        type_, plan = self._kinds.get(row.kind, ("", ""))
        return LeasedBatch(
            ids,
            self._destination,
            type_,
            plan,
            columns.payloads,
            columns.keys,
            columns.received,
            columns.fingerprints,
            columns.personal() if columns.subjects else (),
            row.attempts,
            columns.damaged(row.kind) if row.kind in self._kinds else frozenset(range(len(ids))),
        )
