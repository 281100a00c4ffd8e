"""Files of outboxes for tests, and ways to damage them."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.errors import DeliveryReason
from gateway.exporters.base import BatchLimits
from tests.delivery.cases import NOW_NS, entry, ids
from tests.delivery.outboxes import about, asked, opened

PAGE = 4096
COUNT = 3000


async def filled(path: Path, count: int = COUNT) -> None:
    """An outbox with single items and batches, some keys and a dead letter, all in its main file."""
    async with opened(path) as outbox:
        for number in range(20):
            await outbox.accept([entry(f"single {number:x<300}", fingerprint=b"the mark")], NOW_NS)
        await outbox.accept([about(f"{number:y<300}", b"alice") for number in range(count)], NOW_NS)
        leased = await outbox.lease("crm", BatchLimits(max_items=1), NOW_NS)
        await outbox.dead_letter({ids(leased)[0]: DeliveryReason.REJECTED}, NOW_NS)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def page(table: str, path: Path) -> None:
    """Overwrite the first page of a table or an index."""
    ((number,),) = asked(path, f"SELECT rootpage FROM sqlite_master WHERE name = '{table}'")
    overwrite(path, (number - 1) * PAGE, b"\xff" * PAGE)


def middle(path: Path) -> None:
    """Overwrites pages in the middle: batches are there."""
    overwrite(path, path.stat().st_size // 2 // PAGE * PAGE, b"\xff" * PAGE * 8)


def header(path: Path) -> None:
    overwrite(path, 0, b"\0" * 100)


def text(path: Path) -> None:
    path.write_bytes(b"this is no database\n" * 1000)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // PAGE * PAGE)


def others(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA application_id = 7")


def unindexed(path: Path) -> None:
    """Leave an index as it was while its table changes, as when a write doesn't reach the volume."""
    find, delete = (
        "SELECT * FROM sqlite_master WHERE name = 'batches_due'",
        "DELETE FROM sqlite_master WHERE name = 'batches_due'",
    )
    (index,) = _described(path, find)
    _described(path, delete)
    asked(path, "UPDATE batches SET due = 5")
    _described(path, "INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", index)


def _described(path: Path, query: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Ask or change what the file says of its tables."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA writable_schema = ON")
        return database.execute(query, values).fetchall()


def asides(path: Path) -> list[Path]:
    return list(path.parent.glob(f"{path.name}.damaged-*Z"))
