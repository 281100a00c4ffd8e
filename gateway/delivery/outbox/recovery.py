"""What can be read of a damaged outbox, copied into a new one. The damaged one isn't changed.

It may be of an earlier version: what is copied is of this one. Of a row, the entries that are what was written are
taken over: neither those that aren't, nor those that are gone, for they are blank.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import chain
from pathlib import Path
from typing import Final

from gateway.delivery.outbox import former
from gateway.delivery.outbox.dedup import read
from gateway.delivery.outbox.id_ranges import ranges_of, without
from gateway.delivery.outbox.migration import rename_reason
from gateway.delivery.outbox.rows import ROW_COLUMNS, Row, SqlRow, typed
from gateway.delivery.outbox.schema import Damaged
from gateway.delivery.outbox.tables import Table

MAX_SKIPPED_IDS: Final = 1_000_000
"""IDs that are tried one by one where the way to the next row is damaged.

And by so many new IDs lie above those that were found.
"""

_COUNT: Final = """
UPDATE queues SET
  items = (SELECT coalesce(sum(count), 0) FROM batches WHERE queue = queues.id),
  bytes = (SELECT coalesce(sum(bytes), 0) FROM batches WHERE queue = queues.id),
  dead = (SELECT coalesce(sum(count), 0) FROM dead WHERE queue = queues.id),
  dead_bytes = (SELECT coalesce(sum(bytes), 0) FROM dead WHERE queue = queues.id)
"""

_NEXT: Final = f"""
UPDATE state SET next = max(next, ?, {MAX_SKIPPED_IDS} + (
  SELECT coalesce(max(id), 0) FROM (SELECT max(id + count) AS id FROM batches UNION SELECT max(id + count) FROM dead)))
"""  # noqa: S608 - a number

_QUEUES: Final = (("queues", "queue"), ("lanes", "lane"))
"""The table of queues, and what `kinds` calls one: of this version, and of earlier ones."""

_KEYS: Final = (("keys_0", "keys_1", "recent_keys"), ("seen_0", "seen_1", "seen_lately"))


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
    into.execute(rename_reason("dead"))
    into.execute(_COUNT)
    into.execute(_NEXT, (first,))
    into.execute("COMMIT")
    return count


class _Copy:
    """Copies from one file to another."""

    def __init__(self, old: sqlite3.Connection, into: sqlite3.Connection) -> None:
        self._old = old
        self._into = into
        self._waiting, self._dead = Table(into, "batches"), Table(into, "dead")
        self._queue_of: dict[int, int] = {}

    def all(self) -> int:
        """Copy what can be read. Return how many items and dead letters."""
        self._names()
        self._keys()
        if self._has("batches"):
            return self._batches(self._waiting) + self._batches(self._dead)
        return self._former()

    def _names(self) -> None:
        """Copy what the numbers of queues and kinds mean, which the indexes of the two small tables hold, too."""
        for table, queue in _QUEUES:
            for index in ("NOT INDEXED", f"INDEXED BY sqlite_autoindex_{table}_1"):
                for row in self._read(f"SELECT id, destination FROM {table} {index}"):  # noqa: S608 - fixed names
                    self._into.execute("INSERT OR IGNORE INTO queues VALUES (?, ?, 0, 0, 0, 0)", row)
            for index in ("NOT INDEXED", "INDEXED BY sqlite_autoindex_kinds_1"):
                for row in self._read(f"SELECT id, {queue}, type, plan FROM kinds {index}"):  # noqa: S608
                    self._into.execute("INSERT OR IGNORE INTO kinds VALUES (?, ?, ?, ?)", row)
        self._into.execute("DELETE FROM kinds WHERE queue NOT IN (SELECT id FROM queues)")
        self._queue_of = dict(self._into.execute("SELECT id, queue FROM kinds").fetchall())

    def _batches(self, table: Table) -> int:
        """Copy what is intact of each row. Return how many entries."""
        count = 0
        for found in self._by_id(table.name, ROW_COLUMNS[table.name]):
            with suppress(Damaged):
                count += self._put(table, _intact(typed(found, Row)))
        return count

    def _former(self) -> int:
        items = map(former.item_of, self._by_id("items", former.ITEM_COLUMNS))
        batches = map(former.items_of, self._by_id("crates", former.BATCH_COLUMNS))
        dead = map(former.item_of, self._by_id("dead", former.DEAD_COLUMNS))
        return (
            self._items(self._waiting, items)
            + self._items(self._waiting, chain.from_iterable(batches))
            + self._items(self._dead, dead)
        )

    def _items(self, table: Table, items: Iterable[former.FormerItem]) -> int:
        """Copy what is intact of items of earlier versions. Return how many."""
        return self._put(table, former.rows_of(item for item in items if item.is_intact()))

    def _put(self, table: Table, rows: Iterable[Row]) -> int:
        count = 0
        for row in rows:
            if self._queue_of.get(row.kind) == row.queue:
                # An index that its table contradicts may give a row twice.
                with suppress(sqlite3.IntegrityError):
                    table.put([row])
                    count += row.count
        return count

    def _keys(self) -> None:
        for one, other, recent in _KEYS:
            for number, table in enumerate((one, other)):
                for row in self._read(f"SELECT bucket, count, keys FROM {table}"):  # noqa: S608
                    self._put_keys(f"INSERT INTO keys_{number} VALUES (?, ?, ?)", row)  # noqa: S608
            for row in self._read(f"SELECT keys FROM {recent} ORDER BY rowid"):  # noqa: S608
                self._put_keys("INSERT INTO recent_keys VALUES (?)", row)
        for row in self._read("SELECT next, turn, began FROM state WHERE turn IN (0, 1)"):
            if all(isinstance(value, int) for value in row):
                self._into.execute("UPDATE state SET next = ?, turn = ?, began = ?", row)

    def _put_keys(self, query: str, row: SqlRow) -> None:
        with suppress(Damaged):
            read(row[-1])
            self._into.execute(query, row)

    def _has(self, table: str) -> bool:
        """Return whether the damaged file is known to have a table."""
        return bool(list(self._read(f"SELECT 1 FROM pragma_table_info('{table}')")))  # noqa: S608

    def _read(self, query: str, values: Sequence[object] = ()) -> Iterator[SqlRow]:
        """Yield as many rows as can be read."""
        with suppress(sqlite3.Error):
            yield from self._old.execute(query, values)

    def _by_id(self, table: str, columns: str) -> Iterator[SqlRow]:
        """Yield all rows that can be read, by ID; behind a damaged page, IDs are tried one by one.

        With IDs 1 to 9, of which 4 to 6 stand on a damaged page:
          WHERE id > 0 -> 1, 2, 3, then an error
          WHERE id > 4, > 5 -> errors: the way to the next row leads over the page
          WHERE id > 6 -> 7, 8, 9, the end
        """
        last, skips, done = 0, 0, not self._has(table)
        end = max(
            (row[0] for row in self._read("SELECT next FROM state WHERE typeof(next) = 'integer' AND next > 0")),
            default=MAX_SKIPPED_IDS,
        )
        query = f"SELECT {columns} FROM {table} NOT INDEXED WHERE id > ? ORDER BY id"  # noqa: S608
        while not done and skips < MAX_SKIPPED_IDS and last < end:
            try:
                for row in self._old.execute(query, (last,)):
                    last = row[0]
                    yield row
                done = True
            except sqlite3.Error:
                # An error takes the row before it along, which sqlite3 had read already: that one is asked for alone.
                alone = list(self._read(f"{query} LIMIT 1", (last,)))
                yield from alone
                last, skips = (alone[0][0], skips) if alone else (last + 1, skips + 1)


def _intact(row: Row) -> list[Row]:
    """Return rows of the entries of a row that are what was written."""
    columns = row.columns()
    damaged = ranges_of(row.id + place for place in columns.damaged(row.kind))
    return [
        row.with_entries(one.start, columns.part(one.start - row.id, one.stop - row.id))
        for one in without(row.ids, damaged)
    ]
