"""Items that came together, kept as one row until one of them has another outcome than the others.

Most often all are delivered, and the row goes. A batch's items are of one destination; their IDs follow each other from
the batch's own on, and each keeps its ID when the batch is unpacked. Of a batch with ID 40 and three items:

  40, 41 and 42 are acknowledged together -> one row is deleted
  41 is rejected                          -> 40, 41 and 42 become rows of their own; 41 is dead-lettered
  the next ID is 43 either way
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Final

import msgspec

from gateway.delivery.outbox.rows import LOST_ITEM, Item, Row, hashes, is_intact

MAX_BATCH_ITEMS: Final = 100
"""Items in one batch: what is sent to a recipient at once is several batches, so that few are cut in two."""

MIN_BATCH_ITEMS: Final = 4
"""Fewer items are stored by themselves."""

MAX_BATCH_BYTES: Final = 256 * 1024
"""Bytes that the payloads of a batch stay below together: a larger one saves no work."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[Item]).decode

INSERT: Final = (
    "INSERT INTO items (id, lane, kind, key, mark, received, subjects, sum, payload, attempts, due) VALUES "
    "(?,?,?,?,?,?,?,?,?,0,0)"
)


class Batches:
    """The batches of one file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, queue: int, first: int, items: Sequence[Item], size: int) -> None:
        """Store items, of `size` bytes together, under the IDs from `first` on."""
        kinds = "".join(f",{kind}" for kind in sorted({item[0] for item in items}))
        row = (first, queue, len(items), size, min(item[3] for item in items), f"{kinds},", _encode(items))
        self._connection.execute("INSERT INTO crates VALUES (?,?,?,?,?,?,?)", row)

    def rows(self, queue: int, low_watermark: int) -> Iterator[list[Row]]:
        """Yield the rows of each batch of a queue that has IDs from `low_watermark` on, oldest first."""
        query = "SELECT id, items, body FROM crates WHERE lane = ? AND id > ? ORDER BY id"
        with closing(self._connection.execute(query, (queue, low_watermark - MAX_BATCH_ITEMS))) as found:
            for first, count, body in found:
                if first + count > low_watermark:
                    yield rows(first, count, body)

    def unpack(self, ids: Iterable[int], *, whole: bool = False) -> list[tuple[int, int, int]]:
        """Make rows of the batches that hold any of these IDs.

        With `whole`, a batch of which all IDs are among them is deleted instead. Return queue, items and bytes of each
        that was.
        """
        wanted = set(ids)
        gone = []
        for first, count in list(self._containing(sorted(wanted))):
            if whole and wanted.issuperset(range(first, first + count)):
                gone.append(self._delete(first))
            else:
                self.open(first)
        return gone

    def open(self, batch_id: int) -> None:
        """Make rows of a batch."""
        queue_id, count, body = self._connection.execute(
            "SELECT lane, items, body FROM crates WHERE id = ?", (batch_id,)
        ).fetchone()
        found = rows(batch_id, count, body)
        self._delete(batch_id)
        self._connection.executemany(INSERT, [(number, queue_id, *row[:5], *row[6:]) for number, *row in found])
        pairs = [(name, row[0]) for row in found for name in hashes(row[5])]
        self._connection.executemany("INSERT OR IGNORE INTO subjects VALUES (?, ?)", pairs)

    def older_than(self, queue: int, before_ns: int) -> int | None:
        """Return a batch with an item that was received before a time; None if there is none."""
        query = "SELECT id FROM crates WHERE lane = ? AND oldest < ? ORDER BY oldest LIMIT 1"
        found = self._connection.execute(query, (queue, before_ns)).fetchone()
        return None if found is None else found[0]

    def of_kinds(self, queue: int, kinds: Iterable[int]) -> Iterator[int]:
        """Yield the batches of a queue with items of these kinds, in order."""
        texts = [f",{kind}," for kind in kinds]
        with closing(
            self._connection.execute("SELECT id, kinds FROM crates WHERE lane = ? ORDER BY id", (queue,))
        ) as found:
            yield from (batch_id for batch_id, kinds_text in found if any(text in kinds_text for text in texts))

    def unindexed_about(self, subjects: Collection[bytes], indexed_below: int) -> list[int]:
        """Return the batches from `indexed_below` on that may be about these subjects: none that is, is missing."""
        found = self._connection.execute("SELECT id, body FROM crates WHERE id >= ? ORDER BY id", (indexed_below,))
        return [batch_id for batch_id, body in found if any(name in body for name in subjects)]

    def index(self, start: int, end: int, limit: int) -> int:
        """Index the subjects of `limit` batches from `start` on, but below `end`. Return where to go on."""
        query = "SELECT id, items, body FROM crates WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
        found = self._connection.execute(query, (start, end, limit)).fetchall()
        pairs = sorted(
            {
                (name, first)
                for first, count, body in found
                for row in rows(first, count, body)
                for name in hashes(row[5])
            }
        )
        self._connection.executemany("INSERT OR IGNORE INTO subjects VALUES (?, ?)", pairs)
        return end if len(found) < limit else found[-1][0] + 1

    def _containing(self, ids: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Yield first ID and number of items of the batches that hold any of these IDs, in order."""
        if not ids:
            return
        query = "SELECT id, items FROM crates WHERE id > ? AND id <= ? ORDER BY id"
        wanted = iter(ids)
        number: int | None = next(wanted)
        for first, count in self._connection.execute(query, (ids[0] - MAX_BATCH_ITEMS, ids[-1])):
            while number is not None and number < first:
                number = next(wanted, None)
            if number is not None and number < first + count:
                yield first, count

    def _delete(self, batch_id: int) -> tuple[int, int, int]:
        query = "DELETE FROM crates WHERE id = ? RETURNING lane, items, bytes, body"
        ((queue_id, count, size, body),) = self._connection.execute(query, (batch_id,)).fetchall()
        if batch_id < self.indexed_below:
            names = {(name, batch_id) for row in rows(batch_id, count, body) for name in hashes(row[5])}
            self._connection.executemany("DELETE FROM subjects WHERE hash = ? AND id = ?", names)
        return queue_id, count, size

    @property
    def indexed_below(self) -> int:
        """The ID below which the subjects of all batches are indexed."""
        return int(self._connection.execute("SELECT filed FROM state").fetchone()[0])


def rows(first: int, count: int, body: bytes) -> list[Row]:
    """Return the rows of a batch; where its body is damaged, none of them is intact."""
    try:
        items = _decode(body)
    except (msgspec.DecodeError, TypeError):
        items = []
    if len(items) != count:
        items = [LOST_ITEM] * count
    return [(number, *item[:5], 0, *item[5:]) for number, item in enumerate(items, first)]


def intact_rows(first: int, count: int, body: bytes) -> list[Row]:
    """Return the rows of a batch that are what was written."""
    return [row for row in rows(first, count, body) if is_intact(row)]
