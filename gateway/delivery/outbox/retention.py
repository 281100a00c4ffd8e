"""What leaves the outbox by its age, or since its destination has no use for it.

Step by step, each a transaction's worth.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice
from typing import Final

from gateway.delivery.outbox.queues import Queue
from gateway.delivery.outbox.store import CHUNK_ROWS, MAX_TIME_NANOS, Store, marks
from gateway.errors import DeliveryReason

_LATE: Final = "SELECT id FROM items WHERE lane = ?1 AND received < ?2 AND since < ?2 ORDER BY received"
_OLD: Final = "SELECT id FROM items WHERE lane = ? AND received < ? ORDER BY received"
_OLD_DEAD: Final = "SELECT id FROM dead WHERE lane = ? AND received < ? ORDER BY received"

INDEXED_BATCHES: Final = 20
"""Batches whose subjects are indexed in one transaction."""

UNPACKED_BATCHES: Final = 5
"""Batches that are made rows of in one transaction."""

FREED_PAGES: Final = 1024
"""Pages that are given back to the volume in one transaction: 4 MiB."""


def dead_letter_expired(store: Store, destination: str, before_ns: int, leased: Collection[int], now_ns: int) -> int:
    """Make dead letters of some items that are too old; how many."""
    old = _aged(store, _LATE, destination, before_ns, leased)
    store.dead_letter(dict.fromkeys(old, DeliveryReason.EXPIRED), now_ns)
    store.queues.record(now_ns, destination, DeliveryReason.DEAD_LETTERED, len(old))
    return len(old)


def delete_expired(store: Store, destination: str, before_ns: int, leased: Collection[int], now_ns: int) -> int:
    """Delete some items and dead letters that are too old; how many."""
    count = store.ack(_aged(store, _OLD, destination, before_ns, leased))
    count += store.discard(_aged(store, _OLD_DEAD, destination, before_ns, leased))
    store.queues.record(now_ns, destination, DeliveryReason.EXPIRED, count)
    return count


def delete_of_types(  # noqa: PLR0913, PLR0917 - as `Outbox.drop`, and where it is
    store: Store, destination: str, types: Collection[str], within: range, leased: Collection[int], now_ns: int
) -> tuple[int, int]:
    """Delete some items of these types with IDs within a range, which aren't leased.

    How many, and the last ID looked at, 0 at the end.
    """
    lane = store.queues.known.get(destination)
    ids = [] if lane is None else of_kinds(store, lane, store.queues.of_types(lane, types), within.start - 1)
    ids = [number for number in ids if number in within]
    count = store.ack([number for number in ids if number not in leased])
    store.queues.record(now_ns, destination, DeliveryReason.CUT_OFF, count)
    return count, max(ids, default=0)


def forget_types(store: Store, destination: str, types: Collection[str]) -> None:
    """Forget that a destination has held these types, if it holds none of them any more."""
    lane = store.queues.known.get(destination)
    if lane is not None and not of_kinds(store, lane, store.queues.of_types(lane, types), 0):
        store.queues.unlist(lane, types)


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
    lane = store.queues.known.get(destination)
    if lane is None:
        return []
    while query is not _OLD_DEAD and (crate := store.batches.older_than(lane.id, before_ns)) is not None:
        store.batches.open(crate)
        if found := _free(store, query, lane.id, before_ns, leased):
            return found
    return _free(store, query, lane.id, before_ns, leased)


def _free(store: Store, query: str, queue: int, before_ns: int, leased: Collection[int]) -> list[int]:
    found = store.connection.execute(query, (queue, before_ns))
    return list(islice((number for (number,) in found if number not in leased), CHUNK_ROWS))


def of_kinds(store: Store, queue: Queue, kinds: Sequence[int], after: int) -> list[int]:
    """IDs above one, of items of these kinds in a queue, in order; as many as a chunk holds."""
    if not kinds:
        return []
    crates = list(islice(store.batches.of_kinds(queue.id, kinds), UNPACKED_BATCHES + 1))
    for crate in crates[:UNPACKED_BATCHES]:
        store.batches.open(crate)
    end = crates[UNPACKED_BATCHES] if len(crates) > UNPACKED_BATCHES else MAX_TIME_NANOS
    query = f"SELECT id FROM items NOT INDEXED WHERE id > ? AND id < ? AND kind IN ({marks(kinds)}) ORDER BY id LIMIT {CHUNK_ROWS}"  # noqa: S608
    return [number for (number,) in store.connection.execute(query, (after, end, *kinds))]
