"""What an outbox holds, as it is shown to an operator: described, not delivered."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

import msgspec

from gateway.delivery.outbox.rows import COLUMNS, Row, is_intact
from gateway.delivery.outbox.store import MAX_TIME_NANOS, Store


class StoredEntry(msgspec.Struct, frozen=True):
    """What is known of something stored; of its payload, the size. Times are in nanoseconds since 1970.

    `due_ns` is 0 for what may be sent at once; `reason` and `buried_ns` are a dead letter's; `key` is what its
    recipient sees of it, in hexadecimal. What isn't `sound` isn't what was stored.
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
    """Items with IDs from `first` on, but below `end`, in order, each with its payload."""
    lanes = [_items(store, name, first, end) for name in names(store, choice)]
    return _chosen(heapq.merge(*lanes, key=_number), choice)


def dead(
    store: Store, choice: EntryFilter, first: int = 0, end: int = MAX_TIME_NANOS
) -> Iterator[tuple[StoredEntry, bytes]]:
    """Dead letters, likewise."""
    lanes = [_with_names(store, name, _rows(store, _DEAD, name, first, end)) for name in names(store, choice)]
    return _chosen(heapq.merge(*lanes, key=_number), choice)


def names(store: Store, choice: EntryFilter) -> list[str]:
    """The destinations that are chosen."""
    return [name for name in sorted(store.queues.known) if choice.destination in ("", name)]


def _items(store: Store, name: str, first: int, end: int) -> Iterator[tuple[StoredEntry, bytes]]:
    crated = (
        row
        for row in chain.from_iterable(store.batches.rows(store.queues.known[name].id, first))
        if first <= row[0] < end
    )
    return _with_names(
        store, name, heapq.merge(_rows(store, _ITEMS, name, first, end), crated, key=lambda row: int(row[0]))
    )


def _rows(store: Store, query: str, name: str, first: int, end: int) -> Iterator[tuple[Any, ...]]:
    return iter(store.connection.execute(query, (store.queues.known[name].id, first, end)))


def _with_names(store: Store, name: str, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[StoredEntry, bytes]]:
    """Rows, and what stands behind them: when they are due, why they are dead and since when."""
    for row in rows:
        yield _entry(store, name, row[:9], *row[9:]), row[8]


def _entry(store: Store, name: str, row: Row, due_ns: int = 0, reason: str = "", buried_ns: int = 0) -> StoredEntry:  # noqa: PLR0913, PLR0917 - a row
    number, kind, key, _, received, _, attempts, _, payload = row
    type_, plan = store.queues.kinds.get(kind, ("", ""))
    sound = bool(type_) and is_intact(row)
    return StoredEntry(
        number, name, type_, plan, len(payload), key.hex(), received, attempts, due_ns, reason, buried_ns, sound
    )


def _chosen(found: Iterator[tuple[StoredEntry, bytes]], choice: EntryFilter) -> Iterator[tuple[StoredEntry, bytes]]:
    return (
        (held, payload)
        for held, payload in found
        if choice.type in ("", held.type) and choice.reason in ("", held.reason)
    )


def _number(found: tuple[StoredEntry, bytes]) -> int:
    return found[0].id
