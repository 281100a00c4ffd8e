"""One item as it is stored: what is written of an entry, how damage shows, and what is leased."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeVar
from zlib import crc32

from gateway.delivery.outbox.by_item import ItemEntry, Leased

T = TypeVar("T")

CHUNK_ROWS: Final = 500
"""Rows that one statement names."""

HASH_BYTES: Final = 16
"""Bytes of a subject's hash."""

PERSONAL_MARKER: Final = b"personal account"
"""Stands among the hashes of subjects where an item is about a personal account: it is no hash of anybody's."""

Item = tuple[int, bytes, bytes, int, bytes, int, bytes]
"""Kind, key, fingerprint, time of receipt, subjects, checksum, payload."""

Row = tuple[int, int, bytes, bytes, int, bytes, int, int, bytes]
"""ID, then an item with its attempts: kind, key, fingerprint, received, subjects, attempts, checksum, payload."""

SqlRow = tuple[Any, ...]
"""A row as sqlite3 hands it out, which knows no types; where the file is damaged, its columns may hold anything."""

COLUMNS: Final = "id, kind, key, mark, received, subjects, attempts, sum, payload"

LOST_ITEM: Final[Item] = (0, b"", b"", 0, b"", -1, b"")
"""What is left of an item that can't be read."""


def item_of(kind: int, entry: ItemEntry) -> Item:
    """Return what is written of an entry."""
    key, fingerprint, received, payload = entry.key, entry.fingerprint, entry.received_ns, entry.release.payload
    subjects = b"".join((*entry.subjects, *([PERSONAL_MARKER] if entry.release.personal else ())))
    return (
        kind,
        key,
        fingerprint,
        received,
        subjects,
        checksum(kind, key, fingerprint, received, subjects, payload),
        payload,
    )


def checksum(kind: int, key: bytes, fingerprint: bytes, received_ns: int, subjects: bytes, payload: bytes) -> int:  # noqa: PLR0913, PLR0917 - an item
    """Return what a damaged item no longer agrees with."""
    start = (received_ns ^ received_ns >> 32 ^ kind << 16) & 0xFFFFFFFF
    return crc32(payload, crc32(key + fingerprint + subjects, start))


def is_intact(row: Row) -> bool:
    """Return whether a row is what was written."""
    _, kind, key, fingerprint, received, subjects, _, check, payload = row
    try:
        return bool(checksum(kind, key, fingerprint, received, subjects, payload) == check)
    except TypeError:
        return False


def hashes(subjects: bytes) -> list[bytes]:
    """Return an item's subjects, one by one."""
    return [subjects[at : at + HASH_BYTES] for at in range(0, len(subjects), HASH_BYTES)]


def leased(row: Row, destination: str, kinds: dict[int, tuple[str, str]]) -> Leased:
    """Return a row as it is leased; of one that isn't intact, only the ID counts."""
    number, kind, key, fingerprint, received, subjects, attempts, _, payload = row
    if kind not in kinds or not is_intact(row):
        return Leased(number, destination, "", "", b"", b"", b"", 0, 0, intact=False)
    type_, plan = kinds[kind]
    return Leased(
        number,
        destination,
        type_,
        plan,
        payload,
        key,
        fingerprint,
        received,
        attempts,
        personal=PERSONAL_MARKER in hashes(subjects),
    )


def chunks(values: Iterable[T], size: int = CHUNK_ROWS) -> Iterator[list[T]]:
    """Yield so many at a time; by default as many as a statement may name."""
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk


def placeholders(values: Sequence[object]) -> str:
    """Return a question mark for each value, with commas between them."""
    return ",".join("?" * len(values))
