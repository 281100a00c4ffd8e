"""What versions 1 and 2 of an outbox's tables held, as rows of this one.

They kept each item by itself in `items`, or with others of its request in `crates`, and each dead letter in `dead`.
IDs, keys, fingerprints, numbers of kinds and checksums stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from gateway.delivery.outbox.columns import UNREADABLE_SUM, Columns
from gateway.delivery.outbox.rows import MAX_ROW_BYTES, MAX_ROW_ENTRIES, Row, SqlRow
from gateway.entry_batch import FINGERPRINT_BYTES, KEY_BYTES

ITEM_COLUMNS: Final = "id, lane, attempts, due, since, '', 0, kind, key, mark, received, subjects, sum, payload"
DEAD_COLUMNS: Final = "id, lane, attempts, 0, 0, reason, buried, kind, key, mark, received, subjects, sum, payload"
BATCH_COLUMNS: Final = "id, lane, items, body"

_Item = tuple[int, bytes, bytes, int, bytes, int, bytes]
"""Kind, key, fingerprint, time of receipt, subjects, checksum, payload."""

_LOST: Final[_Item] = (0, b"", b"", 0, b"", UNREADABLE_SUM, b"")
"""An item of a batch that can't be read."""

_decode: Final = msgspec.msgpack.Decoder(list[_Item]).decode


class FormerItem(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An item or a dead letter."""

    id: int
    queue: int
    attempts: int
    next_attempt_at_ns: int
    since: int
    reason: str
    dead_at: int
    kind: int
    key: bytes
    fingerprint: bytes
    received: int
    subjects: bytes
    sum: int
    payload: bytes

    @property
    def common(self) -> tuple[object, ...]:
        """What the entries of one row have in common."""
        return (
            self.queue,
            self.kind,
            self.attempts,
            self.next_attempt_at_ns,
            self.since,
            self.reason,
            self.dead_at,
            bool(self.fingerprint),
            bool(self.subjects),
        )

    def is_intact(self) -> bool:
        """Return whether it is what was written."""
        return [self.sum] == list(_columns([self]).checksums(self.kind))


def item_of(row: SqlRow) -> FormerItem:
    """Return what `ITEM_COLUMNS` or `DEAD_COLUMNS` select; one whose columns have other types is lost."""
    try:
        return _checked(msgspec.convert(row, FormerItem))
    except (msgspec.ValidationError, TypeError):
        return FormerItem(row[0], row[1], 0, 0, 0, "", 0, *_LOST)


def items_of(batch: SqlRow) -> Iterator[FormerItem]:
    """Yield the items of a batch, of its `BATCH_COLUMNS`; where it can't be read, they are lost."""
    first, queue, count, body = batch
    try:
        items = _decode(body)
    except (msgspec.DecodeError, TypeError):
        items = []
    for number, item in enumerate(items if len(items) == count else [_LOST] * count, first):
        yield _checked(FormerItem(number, queue, 0, 0, 0, "", 0, *item))


def rows_of(items: Iterable[FormerItem]) -> Iterator[Row]:
    """Yield the rows of items that come in the order of their IDs: neighbours share one."""
    row: list[FormerItem] = []
    size = 0
    for item in items:
        size += len(item.payload)
        if row and not (
            item.id == row[-1].id + 1
            and item.common == row[0].common
            and len(row) < MAX_ROW_ENTRIES
            and size <= MAX_ROW_BYTES
        ):
            yield _row(row)
            row, size = [], len(item.payload)
        row.append(item)
    if row:
        yield _row(row)


def _checked(item: FormerItem) -> FormerItem:
    """Return an item whose key and fingerprint have their lengths; with others it isn't what was written."""
    if len(item.key) == KEY_BYTES and len(item.fingerprint) in (0, FINGERPRINT_BYTES):
        return item
    return msgspec.structs.replace(item, key=bytes(KEY_BYTES), fingerprint=b"", sum=UNREADABLE_SUM)


def _row(items: list[FormerItem]) -> Row:
    first = items[0]
    return Row(
        first.id,
        first.queue,
        first.kind,
        0,
        0,
        0,
        first.attempts,
        first.next_attempt_at_ns,
        first.since,
        first.reason,
        first.dead_at,
        b"",
        b"",
    ).with_entries(first.id, _columns(items))


def _columns(items: list[FormerItem]) -> Columns:
    return Columns(
        b"".join([item.key for item in items]),
        b"".join([item.fingerprint for item in items]),
        [item.received for item in items],
        [item.sum for item in items],
        [item.payload for item in items],
        [item.subjects for item in items] if items[0].subjects else (),
    )
