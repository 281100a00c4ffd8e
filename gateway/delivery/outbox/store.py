"""What an outbox holds: how entries come, are read for delivery, and go. No threads, no clock, no asyncio."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from gateway.delivery.outbox.arrivals import Arrivals
from gateway.delivery.outbox.columns import Columns
from gateway.delivery.outbox.dedup import DedupTable
from gateway.delivery.outbox.id_ranges import common, ranges_of, total
from gateway.delivery.outbox.interface import NANOS_PER_SECOND
from gateway.delivery.outbox.queues import Queues
from gateway.delivery.outbox.rows import Row
from gateway.delivery.outbox.tables import Table
from gateway.entry_batch import EntryBatch
from gateway.errors import CallReason, DeliveryReason, ItemReason, Reason, Refused, Retryable
from gateway.telemetry import ResourceUsage

ENTRY_OVERHEAD_BYTES: Final = 200
"""Bytes that an entry counts beside its payload: its share of a row, and of the keys that are known, take less."""

RETRY_AFTER_SECONDS: Final = 1.0
"""When a caller that there is no room for may come back, in seconds."""

MAX_DEFER_NANOS: Final = 2 * 3600 * NANOS_PER_SECOND
"""Nanoseconds that no delivery is deferred for: what is due later was deferred before the clock was set back."""

MAX_TIME_NANOS: Final = 2**63 - 1
"""The latest time that can be stored, in nanoseconds since 1970."""

_DUE: Final = ("WHERE queue = ? AND due BETWEEN 1 AND ? ORDER BY due", "WHERE queue = ? AND due > ? ORDER BY due")
_FRESH: Final = "WHERE queue = ? AND due = 0 AND id >= ? ORDER BY id"


class Store:
    """The entries of one file. What changes them is done between `begin` and `commit`."""

    def __init__(self, connection: sqlite3.Connection, max_bytes: int, remember_ns: int) -> None:
        """At most `max_bytes` are kept; keys are known for `remember_ns` nanoseconds. Raises sqlite3.Error."""
        self.connection = connection
        self.queues = Queues(connection)
        self.waiting = Table(connection, "batches")
        self.dead = Table(connection, "dead")
        self._arrivals = Arrivals()
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
        return ResourceUsage(self.queues.bytes + ENTRY_OVERHEAD_BYTES * self.queues.entries, self._max_bytes)

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
        self.flush()
        self.queues.write()
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undo what was changed since `begin`."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
        self._arrivals.clear()
        self.queues.forget()
        self._dedup.forget()

    # What comes.

    def unknown(self, batches: Sequence[EntryBatch]) -> Sequence[EntryBatch]:
        """Return what hasn't come before, each entry once. Raises Refused where a key came for another item."""
        return self._dedup.unknown(batches)

    def remember(self, batches: Sequence[EntryBatch], now_ns: int) -> None:
        """Note that entries have come which aren't stored. Raises Refused where a key came for another item."""
        self._dedup.add(self._dedup.unknown(batches), now_ns)

    def accept(self, batches: Sequence[EntryBatch], now_ns: int) -> None:
        """Store entries as `Outbox.accept` does; what it raises, it raises before it changes anything."""
        new = self._dedup.unknown(batches)
        if not new:
            return
        stored = stored_bytes(new)
        if stored > self._max_bytes:
            raise Refused(ItemReason.TOO_LARGE)
        if self.use.used + stored > self._max_bytes:
            raise Retryable(CallReason.FULL, RETRY_AFTER_SECONDS)
        if max([max(batch.received_ns) for batch in new]) > MAX_TIME_NANOS:
            raise Refused(CallReason.INTERNAL)
        self._dedup.add(new, now_ns)
        for batch in new:
            queue, kind = self.queues.kind(batch.releases)
            queue.add("batches", len(batch), batch.payload_bytes)
            self._arrivals.add(queue.id, kind, batch)

    def flush(self) -> None:
        """Make rows of what was accepted in this transaction; before it, only `accept` knows of that."""
        if not self._arrivals:
            return
        for queue, kind, entries in self._arrivals.take():
            self.waiting.put([new_row(self.next, queue, kind, entries)])
            self.next += len(entries)
        self.connection.execute("UPDATE state SET next = ?", (self.next,))

    # What is read for delivery.

    def deferred(self, destination: str, now_ns: int) -> Iterator[Row]:
        """Yield rows that were deferred and are due."""
        queue = self.queues.known.get(destination)
        if queue is not None:
            for condition, bound in zip(_DUE, (now_ns, now_ns + MAX_DEFER_NANOS), strict=True):
                yield from self.waiting.rows(condition, (queue.id, bound))

    def fresh(self, destination: str, low_watermark: int) -> Iterator[Row]:
        """Yield rows that were never deferred, oldest first, from that on which holds the ID `low_watermark`."""
        queue = self.queues.known.get(destination)
        if queue is not None:
            first = [summary.id for summary in self.waiting.over(range(low_watermark, low_watermark + 1))]
            yield from self.waiting.rows(_FRESH, (queue.id, *first) if first else (queue.id, low_watermark))

    def oldest(self, destination: str) -> int:
        """Return when what has waited longest was received; 0 if nothing waits."""
        queue = self.queues.known.get(destination)
        query = "SELECT coalesce(min(oldest), 0) FROM batches WHERE queue = ?"
        return 0 if queue is None else int(self.connection.execute(query, (queue.id,)).fetchone()[0])

    # What goes.

    def ack(self, ids: Iterable[int]) -> int:
        """Delete items. Return how many there were.

        One that an operator has made a dead letter meanwhile is delivered all the same.
        """
        ranges = ranges_of(ids)
        found = total(self.drop(self.waiting, ranges))
        return found if found == total(ranges) else found + total(self.drop(self.dead, ranges))

    def defer(self, ids: Iterable[int], due_ns: int, failures: int) -> None:
        """Have items due at a time, with so many failures more."""
        ranges = ranges_of(ids)
        if not due_ns and not failures:
            # What has never failed is due at once as it is.
            ranges = [
                one
                for summary, _, wanted in self.waiting.chosen(ranges)
                if summary.next_attempt_at_ns
                for one in wanted
            ]
        self.waiting.put(
            [
                msgspec.structs.replace(row, next_attempt_at_ns=due_ns, attempts=row.attempts + failures)
                for row in self.waiting.take(ranges)
            ]
        )

    def dead_letter(self, reasons: Mapping[int, Reason], now_ns: int) -> None:
        """Make dead letters of items, each for a reason."""
        for reason in dict.fromkeys(reasons.values()):
            ids = [number for number, why in reasons.items() if why is reason]
            for row in self.waiting.take(ranges_of(ids)):
                self._move(row, self.waiting, self.dead)
                self.dead.put([msgspec.structs.replace(row, reason=reason.value, dead_at=now_ns)])

    def replay(self, ids: Iterable[int], now_ns: int) -> int:
        """Make items of dead letters again, as if they had never failed. Return how many; their delivery begins now."""
        count = 0
        for row in self.dead.take(ranges_of(ids)):
            self._move(row, self.dead, self.waiting)
            self.waiting.put([msgspec.structs.replace(row, attempts=0, next_attempt_at_ns=0, since=now_ns)])
            count += row.count
        return count

    def discard(self, ids: Iterable[int]) -> int:
        """Delete dead letters. Return how many there were."""
        return total(self.drop(self.dead, ranges_of(ids)))

    def erase(
        self, subjects: Collection[bytes], now_ns: int, leased: Sequence[range] = ()
    ) -> Mapping[str, Sequence[range]]:
        """Delete all that is about subjects. Return the IDs, by destination.

        What is leased may be delivered, and is in no record.
        """
        self.flush()
        gone: dict[str, list[range]] = {}
        for table in (self.waiting, self.dead):
            for queue, ids in table.about(subjects):
                gone.setdefault(self.queues.queue(queue).destination, []).extend(self.drop(table, ids))
        for name, ids in gone.items():
            sent = total(part for one in ids for part in common(one, leased))
            self.queues.record(now_ns, name, DeliveryReason.ERASED, total(ids) - sent)
        return gone

    def drop(self, table: Table, ranges: Sequence[range]) -> list[range]:
        """Delete entries. Return the IDs of those that there were."""
        gone = table.drop(ranges)
        for one in gone:
            self.queues.queue(one.queue).add(table.name, -one.count, -one.size)
        self._removed += len(gone)
        return [run for one in gone for run in one.ids]

    def _move(self, row: Row, table: Table, into: Table) -> None:
        """Count entries in another table."""
        queue = self.queues.queue(row.queue)
        queue.add(table.name, -row.count, -row.size)
        queue.add(into.name, row.count, row.size)
        self._removed += 1


def new_row(first: int, queue: int, kind: int, entries: Columns) -> Row:
    """Return the row of entries that were never tried."""
    return Row(first, queue, kind, 0, 0, 0, 0, 0, 0, "", 0, b"", b"").with_entries(first, entries)


def stored_bytes(batches: Iterable[EntryBatch]) -> int:
    """Return how many bytes entries count to the outbox's limit."""
    return sum([batch.payload_bytes + ENTRY_OVERHEAD_BYTES * len(batch) for batch in batches])
