"""What leaves the outbox by its age, or since its destination has no use for it.

Each operation is one step, a transaction's worth; it is repeated until nothing is left to do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

import msgspec

from gateway.delivery.outbox.id_ranges import common, ranges_of, total, without
from gateway.delivery.outbox.leases import Leases
from gateway.delivery.outbox.rows import CHUNK_ROWS, MAX_ROW_ENTRIES, Summary, placeholders
from gateway.delivery.outbox.store import Store
from gateway.delivery.outbox.tables import Table
from gateway.errors import DeliveryReason

_LATE: Final = "WHERE queue = ?1 AND oldest < ?2 AND since < ?2 ORDER BY oldest"
_OLD: Final = "WHERE queue = ?1 AND oldest < ?2 ORDER BY oldest"
_DEAD: Final = "WHERE queue = ? ORDER BY id"

MAX_STEP_ENTRIES: Final = 8 * MAX_ROW_ENTRIES
"""Entries after which a step takes no further row: their rows are rewritten, or moved."""

FREED_PAGES: Final = 1024
"""Pages that are given back to the volume in one transaction: 4 MiB."""


class DeadLetterExpired(msgspec.Struct, frozen=True):
    """Makes dead letters of some entries that were received before a time and aren't leased."""

    destination: str
    before_ns: int
    leases: Leases
    now_ns: int

    def apply(self, store: Store) -> int:
        """Return how many became dead letters; 0 once there are no more."""
        old = _aged(store, store.waiting, _LATE, self.destination, self.before_ns, self.leases)
        reasons = {number: DeliveryReason.EXPIRED for run in old for number in run}
        store.dead_letter(reasons, self.now_ns)
        return len(reasons)


class ReplayDeadLetters(msgspec.Struct, frozen=True):
    """Makes items again of some dead letters of a destination."""

    destination: str
    leases: Leases
    now_ns: int

    def apply(self, store: Store) -> int:
        """Return how many wait again; 0 once there are no more."""
        queue = store.queues.known.get(self.destination)
        summaries = iter(()) if queue is None else store.dead.summaries(_DEAD, (queue.id,))
        ids = [summary.ids for summary in enough(summaries)]
        # They have the IDs that they had.
        self.leases.forget_watermarks()
        return store.replay((number for run in ids for number in run), self.now_ns)


class DeleteExpired(msgspec.Struct, frozen=True):
    """Deletes some entries and dead letters that were received before a time and aren't leased."""

    destination: str
    before_ns: int
    leases: Leases
    now_ns: int

    def apply(self, store: Store) -> int:
        """Return how many were deleted; 0 once there are no more."""
        count = 0
        for table in (store.waiting, store.dead):
            old = _aged(store, table, _OLD, self.destination, self.before_ns, self.leases)
            count += total(store.drop(table, old))
        store.queues.record(self.now_ns, self.destination, DeliveryReason.EXPIRED, count)
        return count


class DeleteOfTypes(msgspec.Struct, frozen=True):
    """Deletes some entries of these types with IDs within a range, which aren't leased."""

    destination: str
    types: Collection[str]
    within: range
    leases: Leases
    now_ns: int

    def apply(self, store: Store) -> tuple[int, int]:
        """Return how many were deleted, and the last ID looked at, 0 at the end."""
        queue = store.queues.known.get(self.destination)
        kinds = () if queue is None else store.queues.of_types(queue, self.types)
        summaries = list(
            enough(
                summary for summary in of_kinds(store.waiting, kinds, self.within.start) if summary.id in self.within
            )
        )
        leased = self.leases.leased
        free = [part for summary in summaries for part in without(summary.ids, leased.within(summary.ids))]
        count = total(store.drop(store.waiting, free))
        store.queues.record(self.now_ns, self.destination, DeliveryReason.CUT_OFF, count)
        return count, max((summary.ids.stop - 1 for summary in summaries), default=0)


class ForgetTypes(msgspec.Struct, frozen=True):
    """Forgets that a destination has held these types."""

    destination: str
    types: Collection[str]

    def apply(self, store: Store) -> None:
        """Forget them, if it holds none of them any more."""
        store.flush()
        queue = store.queues.known.get(self.destination)
        kinds = () if queue is None else store.queues.of_types(queue, self.types)
        if queue is not None and next(of_kinds(store.waiting, kinds, 0), None) is None:
            store.queues.unlist(queue, self.types)


def of_kinds(
    table: Table, kinds: Sequence[int], first: int, more: str = "", values: Sequence[object] = ()
) -> Iterator[Summary]:
    """Yield what rows of these kinds say, by ID from `first` on, if they meet a further condition."""
    # By the table itself: an index has no order by ID.
    condition = f"NOT INDEXED WHERE id >= ? AND kind IN ({placeholders(kinds)}) {more} ORDER BY id"
    return table.summaries(condition, (first, *kinds, *values))


def enough(summaries: Iterator[Summary]) -> Iterator[Summary]:
    """Yield as many rows as a step works on."""
    rows = entries = 0
    for summary in summaries:
        yield summary
        rows, entries = rows + 1, entries + summary.count
        if rows >= CHUNK_ROWS or entries >= MAX_STEP_ENTRIES:
            return


def shrink(store: Store) -> None:
    """Give some free pages back to the volume, if there are many. Not within a transaction: it is one of its own."""
    (free,) = store.connection.execute("PRAGMA freelist_count").fetchone()
    (pages,) = store.connection.execute("PRAGMA page_count").fetchone()
    if free > FREED_PAGES and free > pages // 4:
        # It frees a page with each step, and a statement without columns is stepped to its end only so.
        store.connection.executescript(f"PRAGMA incremental_vacuum({FREED_PAGES})")


def _aged(store: Store, table: Table, condition: str, destination: str, before_ns: int, leases: Leases) -> list[range]:  # noqa: PLR0913, PLR0917 - one query
    """Return the IDs of what was received before a time and isn't leased, as many as a step works on."""
    queue = store.queues.known.get(destination)
    old: list[range] = []
    if queue is None:
        return old
    leased = leases.leased
    for row in table.rows(condition, (queue.id, before_ns)):
        received = row.columns().received
        late = ranges_of(place + row.id for place, time in enumerate(received) if time < before_ns)
        live = [part for one in table.live(row.ids) for part in common(one, late)]
        old += [part for one in live for part in without(one, leased.within(one))]
        if total(old) >= MAX_STEP_ENTRIES:
            break
    return sorted(old, key=lambda one: one.start)
