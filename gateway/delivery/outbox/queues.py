"""Destinations as the outbox knows them: what each holds, of which types and plans, and what was deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from typing import Final

from gateway.batch_verdict import ReleaseBatch
from gateway.delivery.outbox.interface import NANOS_PER_SECOND
from gateway.delivery.outbox.rows import TableName
from gateway.delivery.outbox.schema import Damaged
from gateway.errors import Reason
from gateway.model import QueueDepth

MAX_OPERATIONS: Final = 10_000
"""Records of deletions that are kept."""

RECORD_SPAN_NANOS: Final = 60 * NANOS_PER_SECOND
"""How much time one record of deletions covers: a batch for each would soon push all others out."""

_COLUMNS: Final = "id, destination, items, bytes, dead, dead_bytes"


class Queue:
    """What is kept for one destination: items and dead letters, with the bytes of their payloads."""

    def __init__(  # noqa: PLR0913, PLR0917 - a row
        self, id: int, destination: str, items: int = 0, bytes: int = 0, dead: int = 0, dead_bytes: int = 0
    ) -> None:
        self.id = id
        self.destination = destination
        self.items = items
        self.bytes = bytes
        self.dead = dead
        self.dead_bytes = dead_bytes

    def add(self, table: TableName, count: int, size: int) -> None:
        """Count so many more, of so many bytes together, in one of the tables; fewer where they are negative."""
        if table == "batches":
            self.items += count
            self.bytes += size
        else:
            self.dead += count
            self.dead_bytes += size

    def depth(self, overhead_bytes: int, oldest_ns: int) -> QueueDepth:
        """Return what is stored; each takes `overhead_bytes` beside its payload, the oldest has waited since a time."""
        return QueueDepth(
            self.items,
            self.bytes + overhead_bytes * self.items,
            oldest_ns,
            self.dead,
            self.dead_bytes + overhead_bytes * self.dead,
        )

    @property
    def row(self) -> tuple[int, int, int, int, int]:
        """As it is written."""
        return self.items, self.bytes, self.dead, self.dead_bytes, self.id


class Queues:
    """All destinations, kept beside the file; read again when another program has written, and after a rollback.

    What reads raises sqlite3.Error, and Damaged where types belong to no destination. A `Queue` is another object after
    each reading: look it up again by its name.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._version = -1
        self.foreign = 0
        """How often another program was found to have written."""
        self.known: dict[str, Queue] = {}
        self.by_id: dict[int, Queue] = {}
        self.kinds: dict[int, tuple[str, str]] = {}
        self._ids: dict[tuple[str, str, str], tuple[Queue, int]] = {}
        self.look()

    @property
    def bytes(self) -> int:
        """The bytes of all payloads."""
        return sum(queue.bytes + queue.dead_bytes for queue in self.known.values())

    @property
    def entries(self) -> int:
        """All items and dead letters."""
        return sum(queue.items + queue.dead for queue in self.known.values())

    def queue(self, number: int) -> Queue:
        """Return the queue with a number. Raises Damaged where there is none."""
        if number not in self.by_id:
            raise Damaged
        return self.by_id[number]

    def look(self) -> bool:
        """Read what another program has written. Return whether one has.

        See https://www.sqlite.org/pragma.html#pragma_data_version.
        """
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return False
        self.foreign += self._version != -1
        self._version = version
        self._read()
        return True

    def forget(self) -> None:
        """Read everything again when `look` is called next."""
        self._version = -1

    def write(self) -> None:
        """Write what has changed."""
        changed = [queue.row for queue in self.known.values() if queue.row != self._written.get(queue.id)]
        self._connection.executemany(
            "UPDATE queues SET items = ?, bytes = ?, dead = ?, dead_bytes = ? WHERE id = ?", changed
        )
        self._written.update((row[-1], row) for row in changed)

    def kind(self, releases: ReleaseBatch) -> tuple[Queue, int]:
        """Return the queue of releases' destination and the number of their type and plan there; new ones are made."""
        name = releases.destination, releases.type, releases.plan
        return self._ids.get(name) or self._listed(*name)

    def _listed(self, destination: str, type: str, plan: str) -> tuple[Queue, int]:
        queue = self.known.get(destination) or self._new(destination)
        query = "INSERT INTO kinds (queue, type, plan) VALUES (?, ?, ?) RETURNING id"
        ((number,),) = self._connection.execute(query, (queue.id, type, plan)).fetchall()
        self.kinds[number] = (type, plan)
        found = self._ids[destination, type, plan] = (queue, number)
        return found

    def of_types(self, queue: Queue, types: Collection[str]) -> list[int]:
        """Return the numbers of these types in a queue, whatever their plans."""
        return [number for (_, type_, _), (one, number) in self._ids.items() if one is queue and type_ in types]

    def types(self) -> set[tuple[str, str]]:
        """Return the destinations that hold items, each with the types it has held."""
        return {(destination, type_) for (destination, type_, _), (queue, _) in self._ids.items() if queue.items}

    def unlist(self, queue: Queue, types: Collection[str]) -> None:
        """Forget these types of a queue, but for dead letters."""
        query = "DELETE FROM kinds WHERE id = ? AND NOT EXISTS (SELECT 1 FROM dead WHERE kind = kinds.id)"
        self._connection.executemany(query, [(number,) for number in self.of_types(queue, types)])
        self.write()
        self._read()

    def record(self, now_ns: int, destination: str, reason: Reason, count: int) -> None:
        """Record that so many were deleted; what follows within `RECORD_SPAN_NANOS` is the same record."""
        if not count:
            return
        begun = (destination, reason.value, now_ns - RECORD_SPAN_NANOS, now_ns)
        row = (
            "SELECT rowid FROM deletions WHERE destination = ? AND reason = ? AND at BETWEEN ? AND ? "
            "ORDER BY rowid DESC LIMIT 1"
        )
        query = f"UPDATE deletions SET count = count + ? WHERE rowid = ({row})"  # noqa: S608 - fixed names
        if not self._connection.execute(query, (count, *begun)).rowcount:
            self._connection.execute(
                "INSERT INTO deletions VALUES (?, ?, ?, ?)", (now_ns, destination, reason.value, count)
            )
            self._connection.execute(
                "DELETE FROM deletions WHERE rowid <= (SELECT max(rowid) FROM deletions) - ?", (MAX_OPERATIONS,)
            )

    def operate(self, destination: str, reason: Reason, count: int) -> None:
        """Count what an operator has dead-lettered or purged."""
        query = "INSERT INTO operations VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count"
        self._connection.execute(query, (destination, reason.value, count))

    def removed_by_operator(self) -> Mapping[tuple[str, str], int]:
        """Return how many operators have dead-lettered or purged since the file was made, by destination and reason."""
        rows = self._connection.execute("SELECT destination, reason, count FROM operations").fetchall()
        return {(destination, reason): count for destination, reason, count in rows}

    def _new(self, destination: str) -> Queue:
        query = "INSERT INTO queues (destination, items, bytes, dead, dead_bytes) VALUES (?, 0, 0, 0, 0) RETURNING id"
        ((number,),) = self._connection.execute(query, (destination,)).fetchall()
        queue = self.known[destination] = self.by_id[number] = Queue(number, destination)
        self._written[number] = queue.row
        return queue

    def _read(self) -> None:
        queues = [Queue(*row) for row in self._connection.execute(f"SELECT {_COLUMNS} FROM queues")]  # noqa: S608 - fixed names
        self.known = {queue.destination: queue for queue in queues}
        self.by_id = {queue.id: queue for queue in queues}
        self._written = {queue.id: queue.row for queue in queues}
        rows = self._connection.execute("SELECT id, queue, type, plan FROM kinds").fetchall()
        if not {queue_id for _, queue_id, *_ in rows} <= self.by_id.keys():
            raise Damaged
        self.kinds = {number: (type_, plan) for number, _, type_, plan in rows}
        self._ids = {
            (self.by_id[queue_id].destination, type_, plan): (self.by_id[queue_id], number)
            for number, queue_id, type_, plan in rows
        }
