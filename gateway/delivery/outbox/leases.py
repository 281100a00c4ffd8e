"""Who has been taken for delivery: in memory only, for after a crash everything is to be delivered again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from gateway.delivery.outbox.interface import Leased
from gateway.delivery.outbox.rows import Row
from gateway.delivery.outbox.store import Store
from gateway.exporters.base import BatchLimits


class Leases:
    """Leases of one outbox, by ID, each with its destination."""

    def __init__(self) -> None:
        self.leased: dict[int, str] = {}
        self.erased: set[int] = set()
        """Those of them that are gone from the store."""
        self._low_watermarks: dict[str, int] = {}
        # By destination, an ID below which nothing that has never been put off is free: so that what is leased isn't
        # looked through.

    def forget_watermarks(self) -> None:
        """Somebody else has written: look from the start."""
        self._low_watermarks.clear()

    def take(self, store: Store, destination: str, bounds: BatchLimits, now_ns: int) -> Sequence[Leased]:
        """What is due and free, within bounds; a larger one alone. Raises sqlite3.Error, and then nothing is taken."""
        if store.queues.look():
            self.forget_watermarks()
        low_watermark = self._low_watermarks.get(destination, 0)
        found = _Batch(bounds)
        for row in store.due(destination, now_ns):
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
        """These are no longer taken; what is given back is the next."""
        for number in ids:
            destination = self.leased.pop(number, None)
            self.erased.discard(number)
            if nacked and destination is not None:
                self._low_watermarks[destination] = min(number, self._low_watermarks.get(destination, 0))

    def erase(self, ids: Collection[int]) -> int:
        """These are gone: whoever has them on a lease shall not send them. Return how many are on one."""
        leased = self.leased.keys() & set(ids)
        self.erased.update(leased)
        return len(leased)

    def _free(self, store: Store, destination: str, low_watermark: int) -> Iterator[Sequence[Row]]:
        for rows in store.fresh(destination, low_watermark):
            free = [row for row in rows if row[0] not in self.leased]
            if free:
                yield free


class _Batch:
    """What is taken at once."""

    def __init__(self, bounds: BatchLimits) -> None:
        self.items: list[Leased] = []
        self._bounds = bounds
        self._bytes = 0

    def add(self, leased: Leased) -> bool:
        """Take one, if it fits; whether it did."""
        if self.items and (
            len(self.items) >= self._bounds.max_items or self._bytes + len(leased.payload) > self._bounds.max_bytes
        ):
            return False
        self.items.append(leased)
        self._bytes += len(leased.payload)
        return True

    def add_all(self, crate: Sequence[Leased]) -> bool:
        """Take a batch, whole if that fits, a part of it if nothing else is taken; whether all of it was."""
        fits = len(self.items) + len(crate) <= self._bounds.max_items
        if self.items and not (
            fits and self._bytes + sum(len(leased.payload) for leased in crate) <= self._bounds.max_bytes
        ):
            return False
        return all(map(self.add, crate))
