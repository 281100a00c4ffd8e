"""Rows of the outbox: neighbouring entries of one queue and kind that share their outcome up to now.

Most often all entries of a row are delivered, and the row goes by one DELETE. Of a row with ID 40 and entries 40 to 42:

  40 to 42 are acknowledged together -> the row is deleted
  41 is acknowledged, or erased      -> it is blanked where it stands, and `gone` names it; the row goes with 40 and 42
  41 fails                           -> the row is cut: 40 and 42 stay, 41 is a row of its own that is due later
  41 is rejected                     -> likewise; 41 is a row of the dead letters
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice, takewhile
from typing import Any, Final, Literal, TypeVar

import msgspec

from gateway.delivery.outbox.columns import LOST_SUM, Columns, blanks, places_about
from gateway.delivery.outbox.id_ranges import common, runs, total, without
from gateway.delivery.outbox.schema import Damaged

T = TypeVar("T")

MAX_ROW_ENTRIES: Final = 512
"""Entries in one row: as many as a recipient gets at once by default."""

MAX_ROW_BYTES: Final = 512 * 1024
"""Bytes that the payloads of a row's entries have together, where it isn't one entry alone."""

CHUNK_ROWS: Final = 500
"""Rows that are worked on in one transaction, where there is no hurry."""

TableName = Literal["batches", "dead"]

SqlRow = tuple[Any, ...]
"""A row as sqlite3 hands it out, which knows no types; where the file is damaged, its columns may hold anything."""


class Head(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a row says of its entries together. `size`, the bytes of their payloads, counts what is gone of it, too."""

    id: int
    queue: int
    kind: int
    count: int
    size: int
    attempts: int
    due: int

    @property
    def ids(self) -> range:
        """The IDs of its entries, also of those that are gone."""
        return range(self.id, self.id + self.count)


class Row(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A row of either table. `size` are the bytes of its payloads.

    Only what waits has `due` and `since`, only a dead letter `reason` and `dead_at`.
    """

    id: int
    queue: int
    kind: int
    count: int
    size: int
    oldest: int
    attempts: int
    due: int
    since: int
    reason: str
    dead_at: int
    subjects: bytes
    body: bytes

    @property
    def ids(self) -> range:
        """The IDs of its entries, also of those that are gone."""
        return range(self.id, self.id + self.count)

    def columns(self) -> Columns:
        """Return its entries by place."""
        return Columns.decode(self.count, self.subjects, self.body)

    def parts(self, ranges: Sequence[range]) -> list[Row]:
        """Return rows of some of its entries, a row for each range of IDs."""
        if list(ranges) == [self.ids]:
            return [self]
        columns = self.columns()
        return [self.with_entries(one.start, columns.part(one.start - self.id, one.stop - self.id)) for one in ranges]

    def with_entries(self, first: int, columns: Columns) -> Row:
        """Return a row like this one of other entries, with IDs from `first` on."""
        subjects, body = columns.encode()
        return msgspec.structs.replace(
            self,
            id=first,
            count=len(columns),
            size=columns.size,
            oldest=min(columns.received),
            subjects=subjects,
            body=body,
        )


HEAD: Final = "id, queue, kind, count, bytes, attempts, {due}"
_SHARED: Final = "id, queue, kind, count, bytes, oldest, attempts"
_OWN: Final[dict[TableName, str]] = {"batches": "due, since", "dead": "reason, dead_at"}
ROW: Final[dict[TableName, str]] = {
    "batches": f"{_SHARED}, due, since, '', 0, subjects, body",
    "dead": f"{_SHARED}, 0, 0, reason, dead_at, subjects, body",
}
"""What is selected as a `Row`."""


class Gone(msgspec.Struct, frozen=True):
    """What is gone of a row: so many entries, of so many bytes together."""

    queue: int
    ids: Sequence[range]
    count: int
    size: int


class Table:
    """One of the two tables. All methods raise sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection, name: TableName) -> None:
        self.name: Final[TableName] = name
        self._connection = connection
        self._head = f"SELECT {HEAD.format(due='due' if name == 'batches' else '0')} FROM {name}"  # noqa: S608 - fixed names, here and below
        self._row = f"SELECT {ROW[name]} FROM {name}"  # noqa: S608
        self._insert = f"INSERT INTO {name} ({_SHARED}, {_OWN[name]}, subjects, body) VALUES (?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608

    def put(self, rows: Iterable[Row]) -> None:
        """Store rows."""
        own = slice(7, 9) if self.name == "batches" else slice(9, 11)
        found = (msgspec.structs.astuple(row) for row in rows)
        self._connection.executemany(self._insert, ((*row[:7], *row[own], *row[11:]) for row in found))

    def rows(self, condition: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """Yield rows that meet a condition, which may end in an order."""
        return (typed(row, Row) for row in self._connection.execute(f"{self._row} {condition}", values))

    def heads(self, condition: str, values: Sequence[object] = ()) -> Iterator[Head]:
        """Yield what rows that meet a condition say of their entries."""
        return (typed(row, Head) for row in self._connection.execute(f"{self._head} {condition}", values))

    def over(self, run: range) -> list[Head]:
        """Return what rows say that have IDs within a range, in order.

        Rows share no IDs: of those that begin before the range, only the last can reach into it.
        """
        if not run:
            return []
        before = self.heads("WHERE id < ? ORDER BY id DESC LIMIT 1", (run.start,))
        return [
            *(head for head in before if head.ids.stop > run.start),
            *self.heads("WHERE id >= ? AND id < ? ORDER BY id", (run.start, run.stop)),
        ]

    def live(self, ids: range) -> list[range]:
        """Return which of a row's IDs aren't gone."""
        found = self._connection.execute("SELECT id FROM gone WHERE id >= ? AND id < ?", (ids.start, ids.stop))
        gone = [number for (number,) in found]
        return without(ids, runs(gone)) if gone else [ids]

    def chosen(self, ranges: Sequence[range]) -> Iterator[tuple[Head, list[range], list[range]]]:
        """Yield each row that has entries with these IDs: what is there of it, and what of that is among the IDs.

        The ranges are in order and apart.
        """
        done = 0
        for position, run in enumerate(ranges):
            for head in self.over(range(max(run.start, done), run.stop)):
                done = head.ids.stop
                asked = list(takewhile(lambda one: one.start < done, islice(ranges, position, None)))  # noqa: B023 - used up at once
                live = self.live(head.ids)
                if wanted := [part for one in live for part in common(one, asked)]:
                    yield head, live, wanted

    def about(self, subjects: Collection[bytes]) -> list[tuple[int, list[range]]]:
        """Return the IDs of entries about subjects, of each row that has some, with its queue."""
        found = []
        for first, queue, names in self._connection.execute(f"SELECT id, queue, subjects FROM {self.name}"):  # noqa: S608
            if places := places_about(names, subjects):
                found.append((queue, [range(first + one.start, first + one.stop) for one in runs(places)]))
        return found

    def take(self, ranges: Sequence[range]) -> Iterator[Row]:
        """Yield rows of the entries with these IDs, which are removed; rows that hold others are cut."""
        for head, live, wanted in self.chosen(ranges):
            (row,) = self.rows("WHERE id = ?", (head.id,))
            self._delete(head, live)
            self.put(row.parts([left for one in live for left in without(one, wanted)]))
            yield from row.parts(wanted)

    def drop(self, ranges: Sequence[range]) -> list[Gone]:
        """Delete the entries with these IDs. Return what is gone of each row."""
        dropped = []
        for head, live, wanted in self.chosen(ranges):
            if wanted == live:
                dropped.append(Gone(head.queue, wanted, total(wanted), head.size - self._gone_bytes(head, live)))
                self._delete(head, live)
            else:
                dropped.append(self._blank(head, live, wanted))
        return dropped

    def _blank(self, head: Head, live: Sequence[range], wanted: Sequence[range]) -> Gone:
        """Overwrite some entries of a row with zeros, where they stand."""
        (row,) = self.rows("WHERE id = ?", (head.id,))
        columns = row.columns()
        places = [number - head.id for run in wanted for number in run]
        gone = [(place + head.id, len(columns.payloads[place])) for place in places]
        if LOST_SUM in columns.sums:
            # Nobody can tell where they stand.
            self._delete(head, live)
            self.put(row.parts([left for one in live for left in without(one, wanted)]))
        else:
            for column, ranges in zip(("subjects", "body"), blanks(columns, len(row.body), places), strict=True):
                with self._connection.blobopen(self.name, column, head.id) as blob:
                    for one in ranges:
                        blob.seek(one.start)
                        blob.write(bytes(len(one)))
            self._connection.executemany("INSERT INTO gone VALUES (?, ?)", gone)
        return Gone(head.queue, wanted, len(gone), sum(length for _, length in gone))

    def _gone_bytes(self, head: Head, live: Sequence[range]) -> int:
        if list(live) == [head.ids]:
            return 0
        query = "SELECT coalesce(sum(bytes), 0) FROM gone WHERE id >= ? AND id < ?"
        return int(self._connection.execute(query, (head.ids.start, head.ids.stop)).fetchone()[0])

    def _delete(self, head: Head, live: Sequence[range]) -> None:
        self._connection.execute(f"DELETE FROM {self.name} WHERE id = ?", (head.id,))  # noqa: S608
        if list(live) != [head.ids]:
            self._connection.execute("DELETE FROM gone WHERE id >= ? AND id < ?", (head.ids.start, head.ids.stop))


def typed(row: SqlRow, form: type[T]) -> T:
    """Return a row of SQLite's in its form. Raises Damaged where its columns hold something else."""
    try:
        return msgspec.convert(row, form)
    except msgspec.ValidationError:
        raise Damaged from None


def chunks(values: Iterable[T], length: int = CHUNK_ROWS) -> Iterator[list[T]]:
    """Yield so many at a time."""
    rest = iter(values)
    while chunk := list(islice(rest, length)):
        yield chunk


def placeholders(values: Sequence[object]) -> str:
    """Return a question mark for each value, with commas between them."""
    return ",".join("?" * len(values))
