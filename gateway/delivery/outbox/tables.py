"""The two tables of rows: how entries are found by their IDs, taken out of their rows, and deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice, takewhile
from typing import Final

import msgspec

from gateway.delivery.outbox.columns import blanks, places_about
from gateway.delivery.outbox.id_ranges import common, ranges_of, total, without
from gateway.delivery.outbox.rows import (
    OWN_COLUMNS,
    ROW_COLUMNS,
    SHARED_COLUMNS,
    SUMMARY_COLUMNS,
    Row,
    Summary,
    TableName,
    typed,
)


class _RowSubjects(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Whom the entries of a row are about."""

    id: int
    queue: int
    count: int
    subjects: bytes


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
        self._summary_query = f"SELECT {SUMMARY_COLUMNS.format(due='due' if name == 'batches' else '0')} FROM {name}"  # noqa: S608 - fixed names, here and below
        self._row = f"SELECT {ROW_COLUMNS[name]} FROM {name}"  # noqa: S608
        self._insert = (
            f"INSERT INTO {name} ({SHARED_COLUMNS}, {OWN_COLUMNS[name]}, subjects, body) VALUES (?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608
        )

    def put(self, rows: Iterable[Row]) -> None:
        """Store rows."""
        own = slice(7, 9) if self.name == "batches" else slice(9, 11)
        found = (msgspec.structs.astuple(row) for row in rows)
        self._connection.executemany(self._insert, ((*row[:7], *row[own], *row[11:]) for row in found))

    def rows(self, condition: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """Yield rows that meet a condition, which may end in an order."""
        return (typed(row, Row) for row in self._connection.execute(f"{self._row} {condition}", values))

    def summaries(self, condition: str, values: Sequence[object] = ()) -> Iterator[Summary]:
        """Yield what rows that meet a condition say of their entries."""
        return (typed(row, Summary) for row in self._connection.execute(f"{self._summary_query} {condition}", values))

    def over(self, run: range) -> list[Summary]:
        """Return what rows say that have IDs within a range, in order.

        Rows share no IDs: of those that begin before the range, only the last can reach into it.
        """
        if not run:
            return []
        before = self.summaries("WHERE id < ? ORDER BY id DESC LIMIT 1", (run.start,))
        return [
            *(summary for summary in before if summary.ids.stop > run.start),
            *self.summaries("WHERE id >= ? AND id < ? ORDER BY id", (run.start, run.stop)),
        ]

    def live(self, ids: range) -> list[range]:
        """Return which of a row's IDs aren't gone."""
        found = self._connection.execute("SELECT id FROM gone WHERE id >= ? AND id < ?", (ids.start, ids.stop))
        gone = [number for (number,) in found]
        return without(ids, ranges_of(gone)) if gone else [ids]

    def chosen(self, ranges: Sequence[range]) -> Iterator[tuple[Summary, list[range], list[range]]]:
        """Yield each row that has entries with these IDs: what is there of it, and what of that is among the IDs.

        The ranges are in order and apart.
        """
        done = 0
        for position, run in enumerate(ranges):
            for summary in self.over(range(max(run.start, done), run.stop)):
                done = summary.ids.stop
                asked = list(takewhile(lambda one: one.start < done, islice(ranges, position, None)))  # noqa: B023 - used up at once
                live = self.live(summary.ids)
                if wanted := [part for one in live for part in common(one, asked)]:
                    yield summary, live, wanted

    def about(self, subjects: Collection[bytes]) -> list[tuple[int, list[range]]]:
        """Return the IDs of entries about subjects, of each row that has some, with its queue.

        What can't be told whom it is about is among them.
        """
        found = []
        for row in self._connection.execute(f"SELECT id, queue, count, subjects FROM {self.name}"):  # noqa: S608
            held = typed(row, _RowSubjects)
            if places := places_about(held.count, held.subjects, subjects):
                found.append((held.queue, ranges_of(place + held.id for place in places)))
        return found

    def take(self, ranges: Sequence[range]) -> Iterator[Row]:
        """Yield rows of the entries with these IDs, which are removed; rows that hold others are cut."""
        for summary, live, wanted in self.chosen(ranges):
            taken, left = self._cut(summary, live, wanted)
            self.put(left)
            yield from taken

    def drop(self, ranges: Sequence[range]) -> list[Gone]:
        """Delete the entries with these IDs. Return what is gone of each row."""
        dropped = []
        for summary, live, wanted in self.chosen(ranges):
            if total(wanted) == total(live):
                dropped.append(
                    Gone(summary.queue, wanted, total(wanted), summary.size - self._gone_bytes(summary, live))
                )
                self._delete(summary, live)
            else:
                dropped.append(self._blank(summary, live, wanted))
        return dropped

    def _blank(self, summary: Summary, live: Sequence[range], wanted: Sequence[range]) -> Gone:
        """Overwrite some entries of a row with zeros, where they stand."""
        places = [number - summary.id for run in wanted for number in run]
        with self._column(summary, "subjects") as subjects, self._column(summary, "body") as body:
            found = blanks(summary.count, subjects.read(), body.read(), places)
            if found is not None:
                _blank(subjects, found.subjects)
                _blank(body, found.body)
        if found is None:
            # Nobody can tell where they stand: the rest is written anew, and says that it is unreadable.
            blank, left = self._cut(summary, live, wanted)
            self.put(left)
            return Gone(summary.queue, wanted, len(places), sum(row.size for row in blank))
        gone = [(place + summary.id, size) for place, size in zip(places, found.sizes, strict=True)]
        self._connection.executemany("INSERT INTO gone VALUES (?, ?)", gone)
        return Gone(summary.queue, wanted, len(places), sum(found.sizes))

    def _cut(self, summary: Summary, live: Sequence[range], wanted: Sequence[range]) -> tuple[list[Row], list[Row]]:
        """Remove a row. Return rows of some of its entries, and of the others that aren't gone.

        Of what can't be read the first has the bytes, as they are counted.
        """
        (row,) = self.rows("WHERE id = ?", (summary.id,))
        size = summary.size - self._gone_bytes(summary, live)
        self._delete(summary, live)
        (first, *more), left = row.parts(wanted), row.parts([rest for one in live for rest in without(one, wanted)])
        if not any(part.size for part in (first, *more, *left)):
            first = msgspec.structs.replace(first, size=size)
        return [first, *more], left

    def _column(self, summary: Summary, name: str) -> sqlite3.Blob:
        return self._connection.blobopen(self.name, name, summary.id)

    def _gone_bytes(self, summary: Summary, live: Sequence[range]) -> int:
        if list(live) == [summary.ids]:
            return 0
        query = "SELECT coalesce(sum(bytes), 0) FROM gone WHERE id >= ? AND id < ?"
        return int(self._connection.execute(query, (summary.ids.start, summary.ids.stop)).fetchone()[0])

    def _delete(self, summary: Summary, live: Sequence[range]) -> None:
        self._connection.execute(f"DELETE FROM {self.name} WHERE id = ?", (summary.id,))  # noqa: S608
        if list(live) != [summary.ids]:
            self._connection.execute("DELETE FROM gone WHERE id >= ? AND id < ?", (summary.ids.start, summary.ids.stop))


def _blank(column: sqlite3.Blob, ranges: Sequence[range]) -> None:
    for one in ranges:
        column.seek(one.start)
        column.write(bytes(len(one)))
