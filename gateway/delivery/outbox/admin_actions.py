"""What an operator does with stored entries: which are picked, what becomes of them. See `admin.py` for steps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Literal, Protocol

import msgspec

from gateway.delivery.outbox.queues import Queue
from gateway.delivery.outbox.retention import of_kinds
from gateway.delivery.outbox.rows import CHUNK_ROWS, chunks, placeholders
from gateway.delivery.outbox.store import Store
from gateway.delivery.outbox.stored_entry import EntryFilter, names
from gateway.errors import DeliveryReason

Table = Literal["items", "dead"]


class Finder(Protocol):
    """Finds entries of some kinds in a queue."""

    def find(self, store: Store, queue: Queue, kinds: Sequence[int], after: int) -> list[int]:
        """Return their IDs above `after`, in order; as many as a chunk holds."""
        ...


class Action(Protocol):
    """Does something with picked entries."""

    def apply(self, store: Store, ids: Sequence[int], leased: Collection[int], now_ns: int) -> None:
        """Do it to the entries `ids`, of which those in `leased` are on a lease."""
        ...


# What is picked.


class ItemFinder(msgspec.Struct, frozen=True):
    """Finds items."""

    def find(self, store: Store, queue: Queue, kinds: Sequence[int], after: int) -> list[int]:
        """Return their IDs above `after`; batches that hold some become rows."""
        return of_kinds(store, queue, kinds, after)


class DeferredFinder(msgspec.Struct, frozen=True):
    """Finds items that were deferred."""

    def find(self, store: Store, _: Queue, kinds: Sequence[int], after: int) -> list[int]:
        """Return their IDs above `after`."""
        return _ids(store, "items", "due > 0", kinds, (after,))


class DeadLetterFinder(msgspec.Struct, frozen=True):
    """Finds dead letters, with a reason only those that are dead for it."""

    reason: str = ""

    def find(self, store: Store, _: Queue, kinds: Sequence[int], after: int) -> list[int]:
        """Return their IDs above `after`."""
        because = "reason = ?" if self.reason else "? = ''"
        return _ids(store, "dead", because, kinds, (after, self.reason))


def _ids(store: Store, table: Table, condition: str, kinds: Sequence[int], values: tuple[int | str, ...]) -> list[int]:
    """Return IDs of rows of these kinds that meet a condition, whose values follow the ID that they are above."""
    query = (
        f"SELECT id FROM {table} NOT INDEXED WHERE id > ? AND {condition} AND kind IN ({placeholders(kinds)})"  # noqa: S608 - fixed texts
        f" ORDER BY id LIMIT {CHUNK_ROWS}"
    )
    return [number for (number,) in store.connection.execute(query, (*values, *kinds))]


def picked(store: Store, choice: EntryFilter, table: Table, finder: Finder) -> Iterator[list[int]]:
    """Yield the IDs of what is chosen, a chunk at a time; each chunk is read when it is asked for."""
    return _by_ids(store, choice, table) if choice.ids else _by_filter(store, choice, finder)


def _by_ids(store: Store, choice: EntryFilter, table: Table) -> Iterator[list[int]]:
    """Yield those of the chosen IDs that a table holds."""
    for chunk in chunks(dict.fromkeys(choice.ids)):
        if table == "items":
            store.batches.unpack(chunk)
        query = f"SELECT id FROM {table} WHERE id IN ({placeholders(chunk)})"  # noqa: S608 - one of two tables
        yield [number for (number,) in store.connection.execute(query, chunk)]


def _by_filter(store: Store, choice: EntryFilter, finder: Finder) -> Iterator[list[int]]:
    """Yield all that is chosen, but for what comes only now."""
    end = store.next
    for name in names(store, choice):
        after = 0
        while ids := [number for number in _next(store, name, choice, finder, after) if number < end]:
            after = ids[-1]
            yield ids


def _next(store: Store, destination: str, choice: EntryFilter, finder: Finder, after: int) -> list[int]:
    # Looked up each time: the queues are others once a gateway has written.
    queue = store.queues.known[destination]
    types = {choice.type} if choice.type else {type_ for type_, _ in store.queues.kinds.values()}
    return finder.find(store, queue, store.queues.of_types(queue, types), after)


# What becomes of it.


class RetryNow(msgspec.Struct, frozen=True):
    """Makes deferred items due at once."""

    def apply(self, store: Store, ids: Sequence[int], _: Collection[int], __: int) -> None:
        """Write that they are due."""
        store.defer(ids, 0, 0)


class DeadLetterByHand(msgspec.Struct, frozen=True):
    """Makes dead letters of items."""

    def apply(self, store: Store, ids: Sequence[int], _: Collection[int], now_ns: int) -> None:
        """Move them. What is on a lease counts too: delivered all the same, it was dead-lettered for a while."""
        for destination, count in _by_destination(store, "items", ids):
            store.queues.operate(destination, DeliveryReason.DEAD_LETTERED, count)
        store.dead_letter(dict.fromkeys(ids, DeliveryReason.DEAD_LETTERED), now_ns)


class Purge(msgspec.Struct, frozen=True):
    """Deletes items or dead letters, and keeps a record of how many."""

    def apply(self, store: Store, ids: Sequence[int], leased: Collection[int], now_ns: int) -> None:
        """Delete them. What is on a lease may be delivered, and is in no record."""
        waiting = [number for number in ids if number not in leased]
        for destination, count in chain(
            _by_destination(store, "items", waiting), _by_destination(store, "dead", waiting)
        ):
            store.queues.record(now_ns, destination, DeliveryReason.PURGED, count)
            store.queues.operate(destination, DeliveryReason.PURGED, count)
        store.ack(ids)


class Replay(msgspec.Struct, frozen=True):
    """Makes items of dead letters again."""

    def apply(self, store: Store, ids: Sequence[int], _: Collection[int], now_ns: int) -> None:
        """Move them back; their delivery begins now."""
        store.replay(ids, now_ns)


def _by_destination(store: Store, table: Table, ids: Sequence[int]) -> list[tuple[str, int]]:
    """Return how many of these a table holds for each destination."""
    query = f"SELECT lane, count(*) FROM {table} WHERE id IN ({placeholders(ids)}) GROUP BY lane"  # noqa: S608 - one of two tables
    counts = store.connection.execute(query, ids).fetchall()
    return [(store.queues.by_id[queue].destination, count) for queue, count in counts]
