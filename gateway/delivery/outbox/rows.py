"""One item as it is stored: what is written of an entry, what tells a damaged one, and what is taken for delivery."""

from __future__ import annotations

from typing import Any, Final
from zlib import crc32

from gateway.delivery.outbox.interface import Leased
from gateway.model import OutboxEntry

HASH_BYTES: Final = 16
"""Bytes of a subject's hash."""

PERSONAL_MARKER: Final = b"personal account"
"""Stands among the hashes of subjects where an item is about a personal account: it is no hash of anybody's."""

Item = tuple[int, bytes, bytes, int, bytes, int, bytes]
"""Kind, key, mark, time of receipt, subjects, sum, payload."""

Row = tuple[Any, ...]
"""ID, then an item with its attempts: kind, key, mark, received, subjects, attempts, sum, payload."""

COLUMNS: Final = "id, kind, key, mark, received, subjects, attempts, sum, payload"

LOST_ITEM: Final[Item] = (0, b"", b"", 0, b"", -1, b"")
"""What is left of an item that can't be read."""


def item(kind: int, entry: OutboxEntry) -> Item:
    """What is written of an entry."""
    key, mark, received, payload = entry.key, entry.fingerprint, entry.received_ns, entry.release.payload
    subjects = b"".join((*entry.subjects, *([PERSONAL_MARKER] if entry.release.personal else ())))
    return kind, key, mark, received, subjects, checksum(kind, key, mark, received, subjects, payload), payload


def checksum(kind: int, key: bytes, fingerprint: bytes, received_ns: int, subjects: bytes, payload: bytes) -> int:  # noqa: PLR0913, PLR0917 - an item
    """What tells an item that was damaged."""
    start = (received_ns ^ received_ns >> 32 ^ kind << 16) & 0xFFFFFFFF
    return crc32(payload, crc32(key + fingerprint + subjects, start))


def is_intact(row: Row) -> bool:
    """Whether it is what was written."""
    _, kind, key, mark, received, subjects, _, check, payload = row
    try:
        return bool(checksum(kind, key, mark, received, subjects, payload) == check)
    except TypeError:
        return False


def hashes(subjects: bytes) -> list[bytes]:
    """An item's subjects, one by one."""
    return [subjects[at : at + HASH_BYTES] for at in range(0, len(subjects), HASH_BYTES)]


def leased(row: Row, destination: str, kinds: dict[int, tuple[str, str]]) -> Leased:
    """A row as it is taken for delivery; of one that isn't sound, only the ID counts."""
    number, kind, key, mark, received, subjects, attempts, _, payload = row
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
        mark,
        received,
        attempts,
        personal=PERSONAL_MARKER in hashes(subjects),
    )
