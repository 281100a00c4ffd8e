"""What an operator does with stored entries: which are picked, what becomes of them. See `admin.py` for steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from gateway.delivery.outbox.id_ranges import ranges_of, total, without
from gateway.delivery.outbox.retention import enough, of_kinds
from gateway.delivery.outbox.rows import Summary, TableName, chunks
from gateway.delivery.outbox.store import Store
from gateway.delivery.outbox.stored_entry import EntryFilter, names
from gateway.delivery.outbox.tables import Table
from gateway.errors import DeliveryReason


class Selection(msgspec.Struct, frozen=True):
    """Which rows are looked through for what is chosen: those of a table that meet a condition."""

    table: TableName
    condition: str = ""
    values: tuple[str, ...] = ()

    def within(self, store: Store) -> Table:
        """Return the table."""
        return store.waiting if self.table == "batches" else store.dead


ITEMS = Selection("batches")
DEFERRED = Selection("batches", "AND due > 0")
"""Items that were deferred."""


def dead_letters(reason: str) -> Selection:
    """Return the selection of dead letters, with a reason only of those that are dead for it."""
    return Selection("dead", "AND reason = ?", (reason,)) if reason else Selection("dead")


class Action(Protocol):
    """Does something with picked entries."""

    def apply(self, store: Store, ids: Sequence[range], leased: Sequence[range], now_ns: int) -> None:
        """Do it to the entries `ids`, of which those in `leased` are on a lease."""
        ...


# What is picked.


def picked(store: Store, choice: EntryFilter, selection: Selection) -> Iterator[list[range]]:
    """Yield the IDs of what is chosen, a chunk at a time; each chunk is read when it is asked for."""
    return _by_ids(store, choice, selection) if choice.ids else _by_filter(store, choice, selection)


def _by_ids(store: Store, choice: EntryFilter, selection: Selection) -> Iterator[list[range]]:
    """Yield those of the chosen IDs that a table holds."""
    for chunk in chunks(sorted(set(choice.ids))):
        yield [run for *_, wanted in selection.within(store).chosen(ranges_of(chunk)) for run in wanted]


def _by_filter(store: Store, choice: EntryFilter, selection: Selection) -> Iterator[list[range]]:
    """Yield all that is chosen, but for what comes only now."""
    end = store.next
    for name in names(store, choice):
        after = 0
        while summaries := [summary for summary in _next(store, name, choice, selection, after) if summary.id < end]:
            after = summaries[-1].ids.stop
            yield [run for summary in summaries for run in selection.within(store).live(summary.ids)]


def _next(store: Store, destination: str, choice: EntryFilter, selection: Selection, after: int) -> list[Summary]:
    # Looked up each time: the queues are others once a gateway has written.
    queue = store.queues.known[destination]
    types = {choice.type} if choice.type else {type_ for type_, _ in store.queues.kinds.values()}
    kinds = store.queues.of_types(queue, types)
    return list(enough(of_kinds(selection.within(store), kinds, after, selection.condition, selection.values)))


# What becomes of it.


class RetryNow(msgspec.Struct, frozen=True):
    """Makes deferred items due at once."""

    def apply(self, store: Store, ids: Sequence[range], _: Sequence[range], __: int) -> None:
        """Write that they are due."""
        store.defer(_each(ids), 0, 0)


class DeadLetterByHand(msgspec.Struct, frozen=True):
    """Makes dead letters of items."""

    def apply(self, store: Store, ids: Sequence[range], _: Sequence[range], now_ns: int) -> None:
        """Move them. What is on a lease counts too: delivered all the same, it was dead-lettered for a while."""
        for destination, count in _by_destination(store, store.waiting, ids):
            store.queues.operate(destination, DeliveryReason.DEAD_LETTERED, count)
        store.dead_letter(dict.fromkeys(_each(ids), DeliveryReason.DEAD_LETTERED), now_ns)


class Purge(msgspec.Struct, frozen=True):
    """Deletes items or dead letters, and keeps a record of how many."""

    def apply(self, store: Store, ids: Sequence[range], leased: Sequence[range], now_ns: int) -> None:
        """Delete them. What is on a lease may be delivered, and is in no record."""
        waiting = [part for run in ids for part in without(run, leased)]
        for table in (store.waiting, store.dead):
            for destination, count in _by_destination(store, table, waiting):
                store.queues.record(now_ns, destination, DeliveryReason.PURGED, count)
                store.queues.operate(destination, DeliveryReason.PURGED, count)
        store.ack(_each(ids))


class Replay(msgspec.Struct, frozen=True):
    """Makes items of dead letters again."""

    def apply(self, store: Store, ids: Sequence[range], _: Sequence[range], now_ns: int) -> None:
        """Move them back; their delivery begins now."""
        store.replay(_each(ids), now_ns)


def _each(ids: Sequence[range]) -> list[int]:
    return [number for run in ids for number in run]


def _by_destination(store: Store, table: Table, ids: Sequence[range]) -> list[tuple[str, int]]:
    """Return how many of these a table holds for each destination."""
    counts: dict[str, int] = {}
    for summary, _, wanted in table.chosen(ids):
        destination = store.queues.queue(summary.queue).destination
        counts[destination] = counts.get(destination, 0) + total(wanted)
    return sorted(counts.items())
