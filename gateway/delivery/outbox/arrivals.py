"""What has been accepted in a transaction and isn't in its row yet: calls that come together share rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.delivery.outbox.columns import Columns, join
from gateway.delivery.outbox.rows import MAX_ROW_BYTES, MAX_ROW_ENTRIES
from gateway.entry_batch import EntryBatch
from gateway.exporters.batching import chunks

_Place = tuple[int, int, bool, bool]
"""Of what may share a row: queue, kind, whether there are fingerprints, and subjects."""


class Arrivals:
    """Entries by what may share a row, in order.

    64 calls of one entry each that are committed together are one row; a request's 512 entries are a row of their own.
    """

    def __init__(self) -> None:
        self._open: Final[dict[_Place, list[Columns]]] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def add(self, queue: int, kind: int, batch: EntryBatch) -> None:
        """Add a batch."""
        columns = Columns.of(batch, kind)
        place = queue, kind, bool(columns.fingerprints), bool(columns.subjects)
        self._open.setdefault(place, []).append(columns)

    def take(self) -> Iterator[tuple[int, int, Columns]]:
        """Yield queue, kind and entries of each row, and keep nothing."""
        found = dict(self._open)
        self._open.clear()
        for (queue, kind, *_), columns in found.items():
            for entries in rows_of(columns):
                yield queue, kind, entries

    def clear(self) -> None:
        """Forget all."""
        self._open.clear()


def rows_of(columns: list[Columns]) -> Iterator[Columns]:
    """Yield the entries of each row: batches that fit into one together share it, a larger one is several."""
    row: list[Columns] = []
    count = size = 0
    for one in (piece for whole in columns for piece in _pieces(whole)):
        if row and (count + len(one) > MAX_ROW_ENTRIES or size + one.size > MAX_ROW_BYTES):
            yield join(row)
            row, count, size = [], 0, 0
        row.append(one)
        count, size = count + len(one), size + one.size
    if row:
        yield row[0] if len(row) == 1 else join(row)


def _pieces(columns: Columns) -> Iterator[Columns]:
    """Yield a batch whole if a row takes it, else cut, as few pieces as can be."""
    if len(columns) <= MAX_ROW_ENTRIES and columns.size <= MAX_ROW_BYTES:
        yield columns
        return
    for places in chunks(list(map(len, columns.payloads)), MAX_ROW_ENTRIES, MAX_ROW_BYTES):
        yield columns.part(places.start, places.stop)
