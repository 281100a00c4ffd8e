"""What leaves the outbox by its age, or since its destination has no use for it.

Each operation is one step, a transaction's worth; it is repeated until nothing is left to do. `leased` are the IDs that
are on a lease at the moment when it runs: a view, not a copy.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice
from typing import Final

import msgspec

from gateway.delivery.outbox.queues import Queue
from gateway.delivery.outbox.rows import CHUNK_ROWS, placeholders
from gateway.delivery.outbox.store import MAX_TIME_NANOS, Store
from gateway.errors import DeliveryReason

_LATE: Final = "SELECT id FROM items WHERE lane = ?1 AND received < ?2 AND since < ?2 ORDER BY received"
_OLD: Final = "SELECT id FROM items WHERE lane = ? AND received < ? ORDER BY received"
_OLD_DEAD: Final = "SELECT id FROM dead WHERE lane = ? AND received < ? ORDER BY received"

_DEAD: Final = "SELECT id FROM dead WHERE lane = ? ORDER BY id LIMIT ?"

INDEXED_BATCHES: Final = 20
"""Batches whose subjects are indexed in one transaction."""

UNPACKED_BATCHES: Final = 5
"""Batches that are made rows of in one transaction."""

FREED_PAGES: Final = 1024
"""Pages that are given back to the volume in one transaction: 4 MiB."""


class DeadLetterExpired(msgspec.Struct, frozen=True):
    """Makes dead letters of some entries that were received before a time and aren't leased."""

    destination: str
    before_ns: int
    leased: Collection[int]
    now_ns: int

    def apply(self, store: Store) -> int:
        """Return how many became dead letters; 0 once there are no more."""
        old = _aged(store, _LATE, self.destination, self.before_ns, self.leased)
        store.dead_letter(dict.fromkeys(old, DeliveryReason.EXPIRED), self.now_ns)
        return len(old)


class ReplayDeadLetters(msgspec.Struct, frozen=True):
    """Makes items again of some dead letters of a destination."""

    destination: str
    now_ns: int

    def apply(self, store: Store) -> int:
        """Return how many wait again; 0 once there are no more."""
        queue = store.queues.known.get(self.destination)
        if queue is None:
            return 0
        return store.replay(
            [number for (number,) in store.connection.execute(_DEAD, (queue.id, CHUNK_ROWS))], self.now_ns
        )


class DeleteExpired(msgspec.Struct, frozen=True):
    """Deletes some entries and dead letters that were received before a time and aren't leased."""

    destination: str
    before_ns: int
    leased: Collection[int]
    now_ns: int

    def apply(self, store: Store) -> int:
        """Return how many were deleted; 0 once there are no more."""
        count = store.ack(_aged(store, _OLD, self.destination, self.before_ns, self.leased))
        count += store.discard(_aged(store, _OLD_DEAD, self.destination, self.before_ns, self.leased))
        store.queues.record(self.now_ns, self.destination, DeliveryReason.EXPIRED, count)
        return count


class DeleteOfTypes(msgspec.Struct, frozen=True):
    """Deletes some entries of these types with IDs within a range, which aren't leased."""

    destination: str
    types: Collection[str]
    within: range
    leased: Collection[int]
    now_ns: int

    def apply(self, store: Store) -> tuple[int, int]:
        """Return how many were deleted, and the last ID looked at, 0 at the end."""
        queue = store.queues.known.get(self.destination)
        ids = (
            []
            if queue is None
            else of_kinds(store, queue, store.queues.of_types(queue, self.types), self.within.start - 1)
        )
        ids = [number for number in ids if number in self.within]
        count = store.ack([number for number in ids if number not in self.leased])
        store.queues.record(self.now_ns, self.destination, DeliveryReason.CUT_OFF, count)
        return count, max(ids, default=0)


class ForgetTypes(msgspec.Struct, frozen=True):
    """Forgets that a destination has held these types."""

    destination: str
    types: Collection[str]

    def apply(self, store: Store) -> None:
        """Forget them, if it holds none of them any more."""
        queue = store.queues.known.get(self.destination)
        if queue is not None and not of_kinds(store, queue, store.queues.of_types(queue, self.types), 0):
            store.queues.unlist(queue, self.types)


def index_batches(store: Store, end: int) -> None:
    """Index the subjects of some batches below an ID."""
    store.connection.execute(
        "UPDATE state SET filed = ?", (store.batches.index(store.batches.indexed_below, end, INDEXED_BATCHES),)
    )


def shrink(store: Store) -> None:
    """Give some free pages back to the volume, if there are many. Not within a transaction: it is one of its own."""
    (free,) = store.connection.execute("PRAGMA freelist_count").fetchone()
    (pages,) = store.connection.execute("PRAGMA page_count").fetchone()
    if free > FREED_PAGES and free > pages // 4:
        # It frees a page with each step, and a statement without columns is stepped to its end only so.
        store.connection.executescript(f"PRAGMA incremental_vacuum({FREED_PAGES})")


def _aged(store: Store, query: str, destination: str, before_ns: int, leased: Collection[int]) -> list[int]:
    """IDs of what was received before a time and isn't leased; as many as a chunk holds."""
    queue = store.queues.known.get(destination)
    if queue is None:
        return []
    while query is not _OLD_DEAD and (batch_id := store.batches.older_than(queue.id, before_ns)) is not None:
        store.batches.open(batch_id)
        if found := _free(store, query, queue.id, before_ns, leased):
            return found
    return _free(store, query, queue.id, before_ns, leased)


def _free(store: Store, query: str, queue: int, before_ns: int, leased: Collection[int]) -> list[int]:
    found = store.connection.execute(query, (queue, before_ns))
    return list(islice((number for (number,) in found if number not in leased), CHUNK_ROWS))


def of_kinds(store: Store, queue: Queue, kinds: Sequence[int], after: int) -> list[int]:
    """IDs above one, of items of these kinds in a queue, in order; as many as a chunk holds."""
    if not kinds:
        return []
    batch_ids = list(islice(store.batches.of_kinds(queue.id, kinds), UNPACKED_BATCHES + 1))
    for batch_id in batch_ids[:UNPACKED_BATCHES]:
        store.batches.open(batch_id)
    end = batch_ids[UNPACKED_BATCHES] if len(batch_ids) > UNPACKED_BATCHES else MAX_TIME_NANOS
    query = f"SELECT id FROM items NOT INDEXED WHERE id > ? AND id < ? AND kind IN ({placeholders(kinds)}) ORDER BY id LIMIT {CHUNK_ROWS}"  # noqa: S608
    return [number for (number,) in store.connection.execute(query, (after, end, *kinds))]
