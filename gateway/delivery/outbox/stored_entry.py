"""What an outbox holds, as it is shown to an operator: described, not delivered."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import chain
from typing import Final

import msgspec

from gateway.delivery.outbox.rows import COLUMNS, Row, SqlRow, is_intact
from gateway.delivery.outbox.store import MAX_TIME_NANOS, Store


class StoredEntry(msgspec.Struct, frozen=True):
    """What is known of something stored; of its payload, the size. Times are in nanoseconds since 1970.

    `next_attempt_at_ns` is 0 for what may be sent at once; `reason` and `dead_at_ns` are a dead letter's; `key` is what
    its recipient sees of it, in hexadecimal. What isn't `intact` isn't what was stored.
    """

    id: int
    destination: str
    type: str
    plan: str
    bytes: int
    key: str
    received_ns: int
    attempts: int
    next_attempt_at_ns: int = 0
    reason: str = ""
    dead_at_ns: int = 0
    intact: bool = True


class EntryFilter(msgspec.Struct, frozen=True):
    """Which of all that is stored: these IDs, or else what is for a destination, of a type, dead for a reason.

    Without any, all.
    """

    ids: tuple[int, ...] = ()
    destination: str = ""
    type: str = ""
    reason: str = ""


_ITEMS: Final = f"SELECT {COLUMNS}, due FROM items NOT INDEXED WHERE lane = ? AND id >= ? AND id < ? ORDER BY id"  # noqa: S608 - fixed names
_DEAD: Final = (
    f"SELECT {COLUMNS}, 0, reason, buried FROM dead NOT INDEXED WHERE lane = ? AND id >= ? AND id < ? ORDER BY id"  # noqa: S608
)


def items(
    store: Store, choice: EntryFilter, first: int = 0, end: int = MAX_TIME_NANOS
) -> Iterator[tuple[StoredEntry, bytes]]:
    """Yield items with IDs from `first` on, but below `end`, in order, each with its payload."""
    queues = [_items(store, name, first, end) for name in names(store, choice)]
    return _chosen(heapq.merge(*queues, key=_number), choice)


def dead(
    store: Store, choice: EntryFilter, first: int = 0, end: int = MAX_TIME_NANOS
) -> Iterator[tuple[StoredEntry, bytes]]:
    """Yield dead letters, likewise."""
    queues = [_with_names(store, name, _rows(store, _DEAD, name, first, end)) for name in names(store, choice)]
    return _chosen(heapq.merge(*queues, key=_number), choice)


def names(store: Store, choice: EntryFilter) -> list[str]:
    """Return the destinations that are chosen."""
    return [name for name in sorted(store.queues.known) if choice.destination in ("", name)]


def _items(store: Store, name: str, first: int, end: int) -> Iterator[tuple[StoredEntry, bytes]]:
    batched = (
        row
        for row in chain.from_iterable(store.batches.rows(store.queues.known[name].id, first))
        if first <= row[0] < end
    )
    return _with_names(store, name, heapq.merge(_rows(store, _ITEMS, name, first, end), batched, key=_row_id))


def _rows(store: Store, query: str, name: str, first: int, end: int) -> Iterator[SqlRow]:
    return iter(store.connection.execute(query, (store.queues.known[name].id, first, end)))


def _with_names(store: Store, name: str, rows: Iterator[SqlRow]) -> Iterator[tuple[StoredEntry, bytes]]:
    """Yield the entries of rows, which end in when they are due, why they are dead and since when."""
    for row in rows:
        yield _entry(store, name, row[:9], *row[9:]), row[8]


def _entry(  # noqa: PLR0913, PLR0917 - a row
    store: Store, name: str, row: Row, next_attempt_at_ns: int = 0, reason: str = "", dead_at_ns: int = 0
) -> StoredEntry:
    number, kind, key, _, received, _, attempts, _, payload = row
    type_, plan = store.queues.kinds.get(kind, ("", ""))
    intact = bool(type_) and is_intact(row)
    return StoredEntry(
        number,
        name,
        type_,
        plan,
        len(payload),
        key.hex(),
        received,
        attempts,
        next_attempt_at_ns,
        reason,
        dead_at_ns,
        intact,
    )


def _chosen(found: Iterator[tuple[StoredEntry, bytes]], choice: EntryFilter) -> Iterator[tuple[StoredEntry, bytes]]:
    return (
        (entry, payload)
        for entry, payload in found
        if choice.type in ("", entry.type) and choice.reason in ("", entry.reason)
    )


def _number(found: tuple[StoredEntry, bytes]) -> int:
    return found[0].id


def _row_id(row: SqlRow) -> int:
    return int(row[0])
