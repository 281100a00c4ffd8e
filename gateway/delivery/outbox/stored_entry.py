"""What an outbox holds, as it is shown to an operator: described, not delivered."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

import msgspec

from gateway.delivery.outbox.id_ranges import common
from gateway.delivery.outbox.queues import Queue
from gateway.delivery.outbox.rows import Row
from gateway.delivery.outbox.store import MAX_TIME_NANOS, Store
from gateway.delivery.outbox.tables import Table
from gateway.entry_batch import KEY_BYTES


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


_BY_ID: Final = "NOT INDEXED WHERE queue = ? AND id >= ? AND id < ? ORDER BY id"


def items(
    store: Store, choice: EntryFilter, first: int = 0, end: int = MAX_TIME_NANOS
) -> Iterator[tuple[StoredEntry, bytes]]:
    """Yield items with IDs from `first` on, but below `end`, in order, each with its payload."""
    return _entries(store, store.waiting, choice, range(first, end))


def dead(
    store: Store, choice: EntryFilter, first: int = 0, end: int = MAX_TIME_NANOS
) -> Iterator[tuple[StoredEntry, bytes]]:
    """Yield dead letters, likewise."""
    return _entries(store, store.dead, choice, range(first, end))


def names(store: Store, choice: EntryFilter) -> list[str]:
    """Return the destinations that are chosen."""
    return [name for name in sorted(store.queues.known) if choice.destination in ("", name)]


def _entries(store: Store, table: Table, choice: EntryFilter, ids: range) -> Iterator[tuple[StoredEntry, bytes]]:
    queues = [_of_queue(store, table, store.queues.known[name], ids) for name in names(store, choice)]
    return (
        (entry, payload)
        for entry, payload in heapq.merge(*queues, key=_number)
        if choice.type in ("", entry.type) and choice.reason in ("", entry.reason)
    )


def _of_queue(store: Store, table: Table, queue: Queue, ids: range) -> Iterator[tuple[StoredEntry, bytes]]:
    start = min((summary.id for summary in table.over(ids[:1])), default=ids.start)
    for row in table.rows(_BY_ID, (queue.id, start, ids.stop)):
        live = [part for one in table.live(row.ids) for part in common(one, [ids])]
        yield from _of_row(store, queue.destination, row, live)


def _of_row(store: Store, destination: str, row: Row, ids: Sequence[range]) -> Iterator[tuple[StoredEntry, bytes]]:
    type_, plan = store.queues.kinds.get(row.kind, ("", ""))
    columns = row.columns()
    damaged = columns.damaged(row.kind)
    for number in chain.from_iterable(ids):
        place = number - row.id
        payload = columns.payloads[place]
        entry = StoredEntry(
            number,
            destination,
            type_,
            plan,
            len(payload),
            columns.keys[place * KEY_BYTES : (place + 1) * KEY_BYTES].hex(),
            columns.received[place],
            row.attempts,
            row.next_attempt_at_ns,
            row.reason,
            row.dead_at,
            bool(type_) and place not in damaged,
        )
        yield entry, payload


def _number(found: tuple[StoredEntry, bytes]) -> int:
    return found[0].id
