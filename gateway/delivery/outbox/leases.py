"""IDs that are on a lease: in memory only, for after a crash everything is to be delivered again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from gateway.delivery.outbox.by_item import Leased
from gateway.delivery.outbox.rows import Row
from gateway.delivery.outbox.store import Store
from gateway.exporters.base import BatchLimits


class Leases:
    """Leases of one outbox, by ID, each with its destination.

    A destination's low watermark is an ID below which no entry that was never deferred is free, so that what is on a
    lease isn't looked through each time. With entries 1 to 9, three at a time:
      take -> 1, 2, 3; the watermark is 4
      take -> 4, 5, 6; the watermark is 7: the query begins there
      end(5, nacked) -> the watermark is 5
      take -> 5, 7, 8; 6 is skipped, being on a lease; the watermark is 9
    """

    def __init__(self) -> None:
        self.leased: dict[int, str] = {}
        self.erased: set[int] = set()
        """Those of them that are gone from the store."""
        self._low_watermarks: dict[str, int] = {}

    def forget_watermarks(self) -> None:
        """Look from the start the next time: another program has written, or the file is another one."""
        self._low_watermarks.clear()

    def take(self, store: Store, destination: str, bounds: BatchLimits, now_ns: int) -> Sequence[Leased]:
        """Lease what is due and free, within bounds; a larger entry alone.

        Raises sqlite3.Error, and then nothing is leased.
        """
        if store.queues.look():
            self.forget_watermarks()
        low_watermark = self._low_watermarks.get(destination, 0)
        found = _Batch(bounds)
        for row in store.deferred(destination, now_ns):
            if row[0] not in self.leased and not found.add(store.leased(destination, row)):
                break
        for rows in self._free(store, destination, low_watermark):
            if not found.add_all([store.leased(destination, row) for row in rows]):
                break
            low_watermark = found.items[-1].id + 1
        self._low_watermarks[destination] = low_watermark
        self.leased.update((leased.id, destination) for leased in found.items)
        return found.items

    def end(self, ids: Iterable[int], *, nacked: bool = False) -> None:
        """End leases; what is nacked is the next to be leased."""
        for number in ids:
            destination = self.leased.pop(number, None)
            self.erased.discard(number)
            if nacked and destination is not None:
                self._low_watermarks[destination] = min(number, self._low_watermarks.get(destination, 0))

    def erase(self, ids: Collection[int]) -> int:
        """Note that entries are gone: who has them on a lease shall not send them. Return how many are on one."""
        leased = self.leased.keys() & set(ids)
        self.erased.update(leased)
        return len(leased)

    def _free(self, store: Store, destination: str, low_watermark: int) -> Iterator[Sequence[Row]]:
        for rows in store.fresh(destination, low_watermark):
            free = [row for row in rows if row[0] not in self.leased]
            if free:
                yield free


class _Batch:
    """What is leased at once."""

    def __init__(self, bounds: BatchLimits) -> None:
        self.items: list[Leased] = []
        self._bounds = bounds
        self._bytes = 0

    def add(self, leased: Leased) -> bool:
        """Add an entry, if it fits. Return whether it did."""
        if self.items and (
            len(self.items) >= self._bounds.max_items or self._bytes + len(leased.payload) > self._bounds.max_bytes
        ):
            return False
        self.items.append(leased)
        self._bytes += len(leased.payload)
        return True

    def add_all(self, batch: Sequence[Leased]) -> bool:
        """Add a stored batch if it fits whole, a part of it if it is the first. Return whether all was added."""
        fits = len(self.items) + len(batch) <= self._bounds.max_items
        if self.items and not (
            fits and self._bytes + sum(len(leased.payload) for leased in batch) <= self._bounds.max_bytes
        ):
            return False
        return all(map(self.add, batch))
