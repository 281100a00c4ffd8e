"""An outbox's file of an earlier version, brought up to this one. See `former.py` for what was in it.

All of it is one transaction: what ends it early, a full volume or a kill, leaves the file as it was.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Final

from gateway.delivery.outbox import former, schema
from gateway.delivery.outbox.tables import Table
from gateway.errors import BadConfig

MIB: Final = 1024 * 1024


def migrate(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Bring the tables up from a version. Raises sqlite3.Error, and BadConfig where the volume has no room."""
    if version == schema.VERSION:
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
        for number in range(version, schema.VERSION):
            MIGRATIONS[number](connection)
        connection.execute(f"PRAGMA user_version = {schema.VERSION}")
        _check_room(connection, path)
        connection.execute("COMMIT")
    except (sqlite3.Error, _NoRoom) as error:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        if isinstance(error, _NoRoom) or schema.is_full(error):
            raise BadConfig(_no_room_text(connection, path, version)) from error
        raise
    _empty_log(connection)


class _NoRoom(Exception):
    """What is in the log would not fit into the file."""


def _check_room(connection: sqlite3.Connection, path: Path) -> None:
    """Raise _NoRoom unless the log takes what isn't in it yet, and the file all of it: committed, nothing goes back."""
    size = _file_bytes(connection)
    volume = os.statvfs(path.parent)
    unwritten = min(size, schema.CACHE_KIB * 1024)
    if volume.f_bavail * volume.f_frsize < size - path.stat().st_size + unwritten:
        raise _NoRoom


def _file_bytes(connection: sqlite3.Connection) -> int:
    """Return how large the file is with what is in the log."""
    (pages,), (page_bytes,) = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    return int(pages * page_bytes)


def _empty_log(connection: sqlite3.Connection) -> None:
    """Have the file take over what the log holds, which it holds twice until then."""
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        # Others have taken the room meanwhile. Nothing is lost, and it is tried again.
        if not schema.is_full(error):
            raise


def _no_room_text(connection: sqlite3.Connection, path: Path, version: int) -> str:
    # What was read is written once more, and overwritten where it was; `_check_room` can't tell what is in memory yet.
    size = path.stat().st_size
    with suppress(sqlite3.Error):
        # Where there is no room at all, not even that can be asked.
        size = _file_bytes(connection)
    needed = (3 * size + schema.CACHE_KIB * 1024) // MIB + 1
    return (
        f"{path}: is of version {version}, and its volume has no room to bring it up to {schema.VERSION}; nothing has"
        f" changed: make room, {needed} MiB will do, and start again"
    )


def _from_1(connection: sqlite3.Connection) -> None:
    """Count what operators did, and call it by its later name."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS operated (destination TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL,"
        " PRIMARY KEY (destination, reason))"
    )
    for table in ("dead", "sweeps", "operated"):
        connection.execute(rename_reason(table))


def rename_reason(table: str) -> str:
    """Return what renames the reason that version 1 had for what an operator made a dead letter."""
    return f"UPDATE {table} SET reason = 'DEAD_LETTERED' WHERE reason = 'BURIED'"  # noqa: S608 - fixed names


_MOVED: Final = (
    "INSERT INTO queues SELECT id, destination, items, bytes, dead, dead_bytes FROM lanes",
    "INSERT INTO kinds SELECT id, lane, type, plan FROM former_kinds",
    "INSERT INTO keys_0 SELECT bucket, count, keys FROM seen_0",
    "INSERT INTO keys_1 SELECT bucket, count, keys FROM seen_1",
    "INSERT INTO recent_keys SELECT keys FROM seen_lately ORDER BY rowid",
    "INSERT INTO deletions SELECT at, destination, reason, count FROM sweeps ORDER BY rowid",
    "INSERT INTO operations SELECT destination, reason, count FROM operated",
    "UPDATE state SET (next, turn, began) = (SELECT next, turn, began FROM former_state)",
)
_SHARED_NAMES: Final = ("kinds", "dead", "state")
"""Tables that both versions have."""

_FORMER: Final = (
    *("lanes", "former_kinds", "items", "crates", "former_dead", "subjects"),
    *("seen_0", "seen_1", "seen_lately", "former_state", "sweeps", "operated"),
)


def _from_2(connection: sqlite3.Connection) -> None:
    """Make rows of batches, and leave nothing of the former tables."""
    for name in _SHARED_NAMES:
        connection.execute(f"ALTER TABLE {name} RENAME TO former_{name}")
    for statement in filter(str.strip, schema.TABLES.split(";")):
        connection.execute(statement)
    for statement in _MOVED:
        connection.execute(statement)
    waiting, dead = Table(connection, "batches"), Table(connection, "dead")
    # A row at a time: the file may be larger than the memory.
    waiting.put(former.rows_of(map(former.item_of, _all(connection, former.ITEM_COLUMNS, "items"))))
    batches = map(former.items_of, _all(connection, former.BATCH_COLUMNS, "crates"))
    waiting.put(former.rows_of(chain.from_iterable(batches)))
    dead.put(former.rows_of(map(former.item_of, _all(connection, former.DEAD_COLUMNS, "former_dead"))))
    for name in _FORMER:
        # Emptied first: what is dropped is kept in memory until its statement ends.
        connection.execute(f"DELETE FROM {name}")  # noqa: S608 - fixed names
        connection.execute(f"DROP TABLE {name}")


def _all(connection: sqlite3.Connection, columns: str, table: str) -> sqlite3.Cursor:
    return connection.execute(f"SELECT {columns} FROM {table} NOT INDEXED ORDER BY id")  # noqa: S608 - fixed names


MIGRATIONS: Final[Mapping[int, Callable[[sqlite3.Connection], None]]] = {1: _from_1, 2: _from_2}
"""What makes a file of one version one of the next, within a transaction."""
