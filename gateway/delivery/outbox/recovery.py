"""What can be read of a damaged outbox, copied into a new one. The damaged one isn't changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from gateway.delivery.outbox.batches import INSERT, intact_rows
from gateway.delivery.outbox.dedup import read
from gateway.delivery.outbox.rows import SqlRow, hashes, is_intact, placeholders
from gateway.delivery.outbox.schema import RENAME_REASONS, Damaged

MAX_SKIPPED_IDS: Final = 1_000_000
"""IDs that are tried one by one where the way to the next row is damaged.

And by so many new IDs lie above those that were found.
"""

_ITEM: Final = "id, lane, kind, key, mark, received, subjects, attempts, sum, payload"

_COUNT: Final = """
UPDATE lanes SET
  items = (SELECT count(*) FROM items WHERE lane = lanes.id) + (SELECT coalesce(sum(items), 0) FROM crates WHERE lane = lanes.id),
  bytes = (SELECT coalesce(sum(length(payload)), 0) FROM items WHERE lane = lanes.id)
    + (SELECT coalesce(sum(bytes), 0) FROM crates WHERE lane = lanes.id),
  dead = (SELECT count(*) FROM dead WHERE lane = lanes.id),
  dead_bytes = (SELECT coalesce(sum(length(payload)), 0) FROM dead WHERE lane = lanes.id)
"""

_NEXT: Final = f"""
UPDATE state SET next = max(next, ?, {MAX_SKIPPED_IDS} + (
  SELECT coalesce(max(id), 0) FROM (SELECT max(id) AS id FROM items UNION SELECT max(id) FROM dead UNION SELECT max(id) FROM crates)))
"""  # noqa: S608 - a number


def recover(damaged: Path, into: sqlite3.Connection, first: int) -> int:
    """Copy into new, empty tables what can be read of damaged ones. Return how many items and dead letters.

    Raises sqlite3.Error of `into`.

    IDs stay; new ones will be `first` or higher, and above all that were ever given.
    """
    # A write-ahead log would need the room twice, and what a full volume keeps in it would not be in the file that
    # takes the other's place.
    if into.execute("PRAGMA journal_mode = MEMORY").fetchone() != ("memory",):
        raise sqlite3.OperationalError
    into.execute("BEGIN IMMEDIATE")
    with closing(sqlite3.connect(f"{damaged.absolute().as_uri()}?mode=ro", uri=True)) as old:
        # Without it, nothing at all can be read of a file that is shorter than it says.
        old.execute("PRAGMA writable_schema = ON")
        count = _Copy(old, into).all()
    for rename in RENAME_REASONS:
        into.execute(rename)
    into.execute(_COUNT)
    into.execute(_NEXT, (first,))
    into.execute("COMMIT")
    return count


class _Copy:
    """Copies from one file to another."""

    def __init__(self, old: sqlite3.Connection, into: sqlite3.Connection) -> None:
        self._old = old
        self._into = into
        self._queue_of: dict[int, int] = {}

    def all(self) -> int:
        """Copy what can be read. Return how many items and dead letters."""
        self._names()
        count = self._items("items", ", due, since") + self._batches() + self._items("dead", ", reason, buried")
        self._keys()
        return count

    def _names(self) -> None:
        """Copy what the numbers of queues and kinds mean, which the indexes of the two small tables hold, too."""
        for index in ("NOT INDEXED", "INDEXED BY sqlite_autoindex_lanes_1"):
            for row in self._read(f"SELECT id, destination FROM lanes {index}"):  # noqa: S608 - fixed names
                self._into.execute("INSERT OR IGNORE INTO lanes VALUES (?, ?, 0, 0, 0, 0)", row)
        for index in ("NOT INDEXED", "INDEXED BY sqlite_autoindex_kinds_1"):
            for row in self._read(f"SELECT id, lane, type, plan FROM kinds {index}"):  # noqa: S608
                self._into.execute("INSERT OR IGNORE INTO kinds VALUES (?, ?, ?, ?)", row)
        self._into.execute("DELETE FROM kinds WHERE lane NOT IN (SELECT id FROM lanes)")
        self._queue_of = dict(self._into.execute("SELECT id, lane FROM kinds").fetchall())

    def _items(self, table: str, more: str) -> int:
        columns, count = _ITEM + more, 0
        query = f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({placeholders(columns.split(','))})"  # noqa: S608 - fixed names
        for row in self._by_id(table, columns):
            if is_intact((row[0], *row[2:10])) and self._queue_of.get(row[2]) == row[1]:
                count += self._insert(query, row, row[6])
        return count

    def _batches(self) -> int:
        """Copy whole batches as they are, of the others what is intact as rows. Return how many items."""
        total = 0
        for batch in self._by_id("crates", "id, lane, items, bytes, oldest, kinds, body"):
            first, queue_id, count, *_, body = batch
            rows = [row for row in intact_rows(first, count, body) if self._queue_of.get(row[1]) == queue_id]
            if len(rows) == count:
                self._into.execute("INSERT OR IGNORE INTO crates VALUES (?,?,?,?,?,?,?)", batch)
                total += count
            else:
                total += sum(self._insert(INSERT, (row[0], queue_id, *row[1:6], *row[7:]), row[5]) for row in rows)
        return total

    def _insert(self, query: str, row: SqlRow, subjects: bytes) -> int:
        self._into.executemany(
            "INSERT OR IGNORE INTO subjects VALUES (?, ?)", [(name, row[0]) for name in hashes(subjects)]
        )
        return self._into.execute(query, row).rowcount

    def _keys(self) -> None:
        for table in ("seen_0", "seen_1"):
            for row in self._read(f"SELECT bucket, count, keys FROM {table}"):  # noqa: S608
                self._put_keys(f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?)", row)  # noqa: S608
        for row in self._read("SELECT keys FROM seen_lately ORDER BY rowid"):
            self._put_keys("INSERT OR IGNORE INTO seen_lately VALUES (?)", row)
        for row in self._read("SELECT next, turn, began FROM state WHERE turn IN (0, 1)"):
            if all(isinstance(value, int) for value in row):
                self._into.execute("UPDATE state SET next = ?, turn = ?, began = ?", row)

    def _put_keys(self, query: str, row: SqlRow) -> None:
        with suppress(Damaged):
            read(row[-1])
            self._into.execute(query, row)

    def _read(self, query: str) -> Iterator[SqlRow]:
        """Yield as many rows as can be read."""
        with suppress(sqlite3.Error):
            yield from self._old.execute(query)

    def _by_id(self, table: str, columns: str) -> Iterator[SqlRow]:
        """Yield all rows that can be read, by ID; behind a damaged page, IDs are tried one by one.

        With IDs 1 to 9, of which 4 to 6 stand on a damaged page:
          WHERE id > 0 -> 1, 2, 3, then an error
          WHERE id > 4, > 5 -> errors: the way to the next row leads over the page
          WHERE id > 6 -> 7, 8, 9, the end
        """
        last, skips, done = 0, 0, not list(self._read(f"SELECT count(*) FROM pragma_table_info('{table}')"))  # noqa: S608
        end = max(
            (row[0] for row in self._read("SELECT next FROM state WHERE typeof(next) = 'integer' AND next > 0")),
            default=MAX_SKIPPED_IDS,
        )
        while not done and skips < MAX_SKIPPED_IDS and last < end:
            try:
                for row in self._old.execute(
                    f"SELECT {columns} FROM {table} NOT INDEXED WHERE id > ? ORDER BY id",  # noqa: S608
                    (last,),
                ):
                    last = row[0]
                    yield row
                done = True
            except sqlite3.Error:
                last, skips = last + 1, skips + 1
