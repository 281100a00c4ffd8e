"""Rows of the outbox: neighbouring entries of one queue and kind that share their outcome up to now.

Most often all entries of a row are delivered, and the row goes by one DELETE. Of a row with ID 40 and entries 40 to 42:

  40 to 42 are acknowledged together -> the row is deleted
  41 is acknowledged, or erased      -> it is blanked where it stands, and `gone` names it; the row goes with 40 and 42
  41 fails                           -> the row is cut: 40 and 42 stay, 41 is a row of its own that is due later
  41 is rejected                     -> likewise; 41 is a row of the dead letters
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, Literal, TypeVar

import msgspec

from gateway.delivery.outbox.columns import Columns
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


class Summary(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a row says of its entries together. `size`, the bytes of their payloads, counts what is gone of it, too."""

    id: int
    queue: int
    kind: int
    count: int
    size: int
    attempts: int
    next_attempt_at_ns: int

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
    next_attempt_at_ns: int
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


SUMMARY_COLUMNS: Final = "id, queue, kind, count, bytes, attempts, {due}"
SHARED_COLUMNS: Final = "id, queue, kind, count, bytes, oldest, attempts"
OWN_COLUMNS: Final[dict[TableName, str]] = {"batches": "due, since", "dead": "reason, dead_at"}
ROW_COLUMNS: Final[dict[TableName, str]] = {
    "batches": f"{SHARED_COLUMNS}, due, since, '', 0, subjects, body",
    "dead": f"{SHARED_COLUMNS}, 0, 0, reason, dead_at, subjects, body",
}
"""What is selected as a `Row`."""


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
