"""The rows of an outbox: how entries come, are read for delivery, and go. No threads, no clock, no asyncio."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Final

from gateway.delivery.outbox.batches import INSERT, MAX_BATCH_BYTES, MAX_BATCH_ITEMS, MIN_BATCH_ITEMS, Batches
from gateway.delivery.outbox.by_item import ItemEntry, Leased
from gateway.delivery.outbox.dedup import DedupTable
from gateway.delivery.outbox.interface import NANOS_PER_SECOND
from gateway.delivery.outbox.queues import Queue, Queues
from gateway.delivery.outbox.rows import COLUMNS, Item, Row, chunks, hashes, item_of, leased, placeholders
from gateway.errors import CallReason, DeliveryReason, ItemReason, Reason, Refused, Retryable
from gateway.telemetry import ResourceUsage

ROW_OVERHEAD_BYTES: Final = 200
"""Bytes that a row takes beside its payload, about."""

RETRY_AFTER_SECONDS: Final = 1.0
"""When a caller that there is no room for may come back, in seconds."""

MAX_DEFER_NANOS: Final = 2 * 3600 * NANOS_PER_SECOND
"""Nanoseconds that no delivery is deferred for: what is due later was deferred before the clock was set back."""

MAX_TIME_NANOS: Final = 2**63 - 1
"""The latest time that can be stored, in nanoseconds since 1970."""

_LEASE: Final = f"SELECT {COLUMNS} FROM items WHERE lane = ? AND"  # noqa: S608 - fixed names
_DUE: Final = (f"{_LEASE} due BETWEEN 1 AND ? ORDER BY due", f"{_LEASE} due > ? ORDER BY due")
_FRESH: Final = f"{_LEASE} due = 0 AND id >= ? ORDER BY id"
_DEAD_COLUMNS: Final = "id, lane, kind, key, mark, received, subjects, attempts, sum, payload"
_DEAD_LETTER: Final = (
    f"INSERT INTO dead ({_DEAD_COLUMNS}, reason, buried) SELECT {_DEAD_COLUMNS}, ?, ? FROM items WHERE id = ?"  # noqa: S608
)
_REPLAY: Final = (
    "INSERT INTO items (id, lane, kind, key, mark, received, subjects, sum, payload, attempts, due, since)"
    " SELECT id, lane, kind, key, mark, received, subjects, sum, payload, 0, 0, ? FROM dead WHERE id = ?"
)


class Store:
    """The rows of one file. What changes them is done between `begin` and `commit`."""

    def __init__(self, connection: sqlite3.Connection, max_bytes: int, remember_ns: int) -> None:
        """At most `max_bytes` are kept; keys are known for `remember_ns` nanoseconds. Raises sqlite3.Error."""
        self.connection = connection
        self.queues = Queues(connection)
        self.batches = Batches(connection)
        self._dedup = DedupTable(connection, remember_ns)
        self._max_bytes = max_bytes
        self._removed = 0
        self.next: int = connection.execute("SELECT next FROM state").fetchone()[0]
        """The next ID. It never goes back, or what is leased could be taken for something else."""

    @property
    def gone(self) -> int:
        """How many deletions there were since it was opened; what another program wrote may have been one."""
        return self._removed + self.queues.foreign

    @property
    def use(self) -> ResourceUsage:
        """How many bytes are stored, of how many."""
        return ResourceUsage(self.queues.bytes + ROW_OVERHEAD_BYTES * self.queues.rows, self._max_bytes)

    @property
    def keys(self) -> ResourceUsage:
        """How many keys are known, of how many."""
        return self._dedup.use

    def begin(self) -> bool:
        """Begin a transaction. Return whether another program has written since the last one."""
        self.connection.execute("BEGIN IMMEDIATE")
        return self.queues.look()

    def commit(self) -> None:
        """Commit: what was changed since `begin` is on the volume when this returns."""
        self.queues.write()
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undo what was changed since `begin`."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self.queues.forget()
        self._dedup.forget()

    # What comes.

    def unknown(self, entries: Sequence[ItemEntry]) -> Sequence[ItemEntry]:
        """Return those that haven't come before, each once. Raises Refused where a key came for another item."""
        return self._dedup.unknown(entries)

    def remember(self, entries: Sequence[ItemEntry], now_ns: int) -> None:
        """Note that entries have come which aren't stored. Raises Refused where a key came for another item."""
        self._dedup.add(self._dedup.unknown(entries), now_ns)

    def accept(self, entries: Sequence[ItemEntry], now_ns: int) -> None:
        """Store entries as `Outbox.accept` does; what it raises, it raises before it changes anything."""
        new = self._dedup.unknown(entries)
        if not new:
            return
        size = sum([len(entry.release.payload) for entry in new]) + ROW_OVERHEAD_BYTES * len(new)
        if size > self._max_bytes:
            raise Refused(ItemReason.TOO_LARGE)
        if self.use.used + size > self._max_bytes:
            raise Retryable(CallReason.FULL, RETRY_AFTER_SECONDS)
        if max([entry.received_ns for entry in new]) > MAX_TIME_NANOS:
            raise Refused(CallReason.INTERNAL)
        self._dedup.add(new, now_ns)
        self._insert(new)

    def _insert(self, entries: Sequence[ItemEntry]) -> None:
        by_queue: dict[Queue, list[Item]] = {}
        for entry in entries:
            queue, kind = self.queues.kind(entry.release)
            by_queue.setdefault(queue, []).append(item_of(kind, entry))
        for queue, items in by_queue.items():
            for chunk in chunks(items, MAX_BATCH_ITEMS):
                size = sum([len(item[-1]) for item in chunk])
                if len(chunk) >= MIN_BATCH_ITEMS and size < MAX_BATCH_BYTES:
                    self.batches.add(queue.id, self.next, chunk, size)
                else:
                    self._insert_rows(queue.id, chunk)
                queue.add(len(chunk), size)
                self.next += len(chunk)
        self.connection.execute("UPDATE state SET next = ?", (self.next,))

    def _insert_rows(self, queue: int, items: Sequence[Item]) -> None:
        self.connection.executemany(INSERT, [(number, queue, *item) for number, item in enumerate(items, self.next)])
        pairs = [(name, number) for number, item in enumerate(items, self.next) for name in hashes(item[4])]
        self.connection.executemany("INSERT OR IGNORE INTO subjects VALUES (?, ?)", pairs)

    # What is read for delivery.

    def deferred(self, destination: str, now_ns: int) -> Iterator[Row]:
        """Yield rows that were deferred and are due."""
        queue = self.queues.known.get(destination)
        if queue is None:
            return
        for query, bound in zip(_DUE, (now_ns, now_ns + MAX_DEFER_NANOS), strict=True):
            with closing(self.connection.execute(query, (queue.id, bound))) as found:
                yield from found

    def fresh(self, destination: str, low_watermark: int) -> Iterator[Sequence[Row]]:
        """Yield rows that were never deferred, oldest first, those of a batch together.

        From the ID `low_watermark` on; of a batch that it lies within, all rows.
        """
        queue = self.queues.known.get(destination)
        if queue is None:
            return
        with closing(self.connection.execute(_FRESH, (queue.id, low_watermark))) as found:
            single: Iterator[list[Row]] = ([row] for row in found)
            yield from heapq.merge(single, self.batches.rows(queue.id, low_watermark), key=_first)

    def leased(self, destination: str, row: Row) -> Leased:
        """Return a row as it is leased."""
        return leased(row, destination, self.queues.kinds)

    def oldest(self, destination: str) -> int:
        """Return when what has waited longest was received; 0 if nothing waits."""
        queue = self.queues.known.get(destination)
        query = "SELECT min(received) FROM items WHERE lane = ? UNION ALL SELECT min(oldest) FROM crates WHERE lane = ?"
        times = () if queue is None else self.connection.execute(query, (queue.id, queue.id)).fetchall()
        return min((time for (time,) in times if time is not None), default=0)

    # What goes.

    def ack(self, ids: Collection[int]) -> int:
        """Delete items. Return how many there were.

        One that an operator has made a dead letter meanwhile is delivered all the same.
        """
        gone = self.batches.unpack(ids, whole=True)
        for queue_id, count, size in gone:
            self.queues.by_id[queue_id].remove("items", count, size)
        self._removed += len(gone)
        found = sum(count for _, count, _ in gone) + len(self._delete("items", ids))
        return found if found == len(ids) else found + self.discard(ids)

    def defer(self, ids: Collection[int], due_ns: int, failures: int) -> None:
        """Have items due at a time, with so many failures more."""
        if due_ns or failures:
            self.batches.unpack(ids)
        for chunk in chunks(ids):
            query = f"UPDATE items SET due = ?, attempts = attempts + ? WHERE id IN ({placeholders(chunk)})"  # noqa: S608 - question marks
            self.connection.execute(query, (due_ns, failures, *chunk))

    def dead_letter(self, reasons: Mapping[int, Reason], now_ns: int) -> None:
        """Make dead letters of items."""
        self.batches.unpack(reasons)
        self.connection.executemany(
            _DEAD_LETTER, [(reason.value, now_ns, number) for number, reason in reasons.items()]
        )
        for queue_id, _, size, _ in self._delete("items", reasons, keep_subjects=True):
            self.queues.by_id[queue_id].dead_letter(size)

    def replay(self, ids: Collection[int], now_ns: int) -> int:
        """Make items of dead letters again, as if they had never failed. Return how many; their delivery begins now."""
        self.connection.executemany(_REPLAY, [(now_ns, number) for number in ids])
        gone = self._delete("dead", ids, keep_subjects=True)
        for queue_id, _, size, _ in gone:
            self.queues.by_id[queue_id].add(1, size)
        return len(gone)

    def discard(self, ids: Iterable[int]) -> int:
        """Delete dead letters. Return how many there were."""
        return len(self._delete("dead", ids))

    def erase(
        self, subjects: Collection[bytes], now_ns: int, leased: Collection[int] = ()
    ) -> Mapping[str, Sequence[int]]:
        """Delete all that is about subjects. Return the IDs, by destination.

        What is leased may be delivered, and is in no record.
        """
        ids: dict[str, list[int]] = {}
        for queue_id, number, *_ in self._erased(subjects):
            ids.setdefault(self.queues.by_id[queue_id].destination, []).append(number)
        for name, those in ids.items():
            self.queues.record(now_ns, name, DeliveryReason.ERASED, sum(number not in leased for number in those))
        return ids

    def _erased(self, subjects: Collection[bytes]) -> list[tuple[int, int, int, bytes]]:
        ids = self._about(subjects)
        self.batches.unpack((*ids, *self.batches.unindexed_about(subjects, self.batches.indexed_below)))
        ids = self._about(subjects)
        return [*self._delete("items", ids), *self._delete("dead", ids)]

    def _about(self, subjects: Iterable[bytes]) -> set[int]:
        query = "SELECT id FROM subjects WHERE hash = ?"
        return {number for name in subjects for (number,) in self.connection.execute(query, (name,))}

    def _delete(
        self, table: str, ids: Iterable[int], *, keep_subjects: bool = False
    ) -> list[tuple[int, int, int, bytes]]:
        """Delete rows. Return of each its queue, ID, size and subjects."""
        gone: list[tuple[int, int, int, bytes]] = []
        for chunk in chunks(ids):
            query = (
                f"DELETE FROM {table} WHERE id IN ({placeholders(chunk)}) RETURNING lane, id, length(payload), subjects"  # noqa: S608
            )
            gone += self.connection.execute(query, chunk).fetchall()
        for queue_id, _, size, _ in gone:
            self.queues.by_id[queue_id].remove(table, 1, size)
        self._removed += len(gone)
        if not keep_subjects:
            pairs = [(name, number) for _, number, _, names in gone for name in hashes(names)]
            self.connection.executemany("DELETE FROM subjects WHERE hash = ? AND id = ?", pairs)
        return gone


def _first(rows: Sequence[Row]) -> int:
    return int(rows[0][0])
