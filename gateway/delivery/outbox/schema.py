"""The outbox's tables, and how its file is opened and checked. What is kept in them is `store.py`'s."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.errors import BadConfig

APPLICATION: Final = 0x4B505247
"""Says that a file is an outbox: https://www.sqlite.org/pragma.html#pragma_application_id."""

VERSION: Final = 2
"""Of the tables and what their texts mean. A file of an earlier version is brought up to it by `MIGRATIONS`."""

JOURNAL: Final = 64 * 1024 * 1024
"""Bytes of the write-ahead log that stay allocated after a checkpoint which doesn't empty it: see `wipe.py`."""

CACHE: Final = 16 * 1024
"""KiB of pages that are kept in memory."""

# `lane` is a destination, `kind` a destination's type and plan. `subjects` of an item are its hashes, one behind the
# other; `sum` covers what is delivered of it. `due` is 0 for what has never failed, else nanoseconds since 1970, as
# `received`, `buried` and `at` are; `since` is when an operator had its delivery begin anew, 0 for all others. A crate
# is items that came together and haven't been looked at since, see `crates.py`; `kinds` are theirs, each between
# commas. `state`: the next ID; crates below `filed` are in `subjects`, under their first ID; which table of keys has
# its `turn`, since when.
TABLES: Final = """
CREATE TABLE lanes (id INTEGER PRIMARY KEY, destination TEXT NOT NULL UNIQUE, items INTEGER NOT NULL, bytes INTEGER NOT NULL,
  dead INTEGER NOT NULL, dead_bytes INTEGER NOT NULL);
CREATE TABLE kinds (id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, type TEXT NOT NULL, plan TEXT NOT NULL, UNIQUE (lane, type, plan));
CREATE TABLE items (id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, kind INTEGER NOT NULL, key BLOB NOT NULL, mark BLOB NOT NULL,
  received INTEGER NOT NULL, subjects BLOB NOT NULL, attempts INTEGER NOT NULL, due INTEGER NOT NULL, sum INTEGER NOT NULL,
  payload BLOB NOT NULL, since INTEGER NOT NULL DEFAULT 0);
CREATE INDEX items_due ON items (lane, due);
CREATE INDEX items_received ON items (lane, received);
CREATE TABLE crates (id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, items INTEGER NOT NULL, bytes INTEGER NOT NULL,
  oldest INTEGER NOT NULL, kinds TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX crates_lane ON crates (lane);
CREATE INDEX crates_oldest ON crates (lane, oldest);
CREATE TABLE dead (id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, kind INTEGER NOT NULL, key BLOB NOT NULL, mark BLOB NOT NULL,
  received INTEGER NOT NULL, subjects BLOB NOT NULL, attempts INTEGER NOT NULL, sum INTEGER NOT NULL, payload BLOB NOT NULL,
  reason TEXT NOT NULL, buried INTEGER NOT NULL);
CREATE INDEX dead_received ON dead (lane, received);
CREATE TABLE subjects (hash BLOB NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (hash, id)) WITHOUT ROWID;
CREATE TABLE seen_0 (bucket INTEGER NOT NULL, count INTEGER NOT NULL, keys BLOB NOT NULL);
CREATE INDEX seen_0_bucket ON seen_0 (bucket);
CREATE TABLE seen_1 (bucket INTEGER NOT NULL, count INTEGER NOT NULL, keys BLOB NOT NULL);
CREATE INDEX seen_1_bucket ON seen_1 (bucket);
CREATE TABLE seen_lately (keys BLOB NOT NULL);
CREATE TABLE state (next INTEGER NOT NULL, filed INTEGER NOT NULL, turn INTEGER NOT NULL, began INTEGER NOT NULL);
INSERT INTO state VALUES (1, 1, 0, 0);
CREATE TABLE sweeps (at INTEGER NOT NULL, destination TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL);
"""

# What operators have dead-lettered and purged, for the gateway to count.
OPERATED: Final = """
CREATE TABLE IF NOT EXISTS operated (destination TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (destination, reason));
"""

RENAME_REASONS: Final = tuple(
    f"UPDATE {table} SET reason = 'DEAD_LETTERED' WHERE reason = 'BURIED'"  # noqa: S608 - fixed names
    for table in ("dead", "sweeps", "operated")
)
"""What version 1 called it when an operator made a dead letter."""

MIGRATIONS: Final[Mapping[int, str]] = {1: ";".join((OPERATED, *RENAME_REASONS, ""))}
"""What makes a file of one version one of the next."""


class Damaged(Exception):
    """A file that is no sound outbox."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection that commits only what is on the volume, and overwrites what it deletes. Raises sqlite3.Error.

    https://www.sqlite.org/pragma.html#pragma_synchronous, https://www.sqlite.org/pragma.html#pragma_secure_delete.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=10.0, check_same_thread=False)
    try:
        if not path.stat().st_size:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {JOURNAL}")
        connection.execute(f"PRAGMA cache_size = -{CACHE}")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA secure_delete = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables in a new file, and bring an earlier version's up to this one in one transaction.

    Raises Damaged, sqlite3.Error, and BadConfig for a newer version's.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == APPLICATION and version > VERSION:
        raise BadConfig(
            f"{path}: is of version {version}; this gateway knows {VERSION}: start the gateway that wrote it, or a newer"
            " one"
        )
    if (application, version) == (0, 0) and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        connection.executescript(
            f"BEGIN; {TABLES} {OPERATED} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; "
            "COMMIT;"
        )
    elif application != APPLICATION or version not in (*MIGRATIONS, VERSION):
        raise Damaged
    elif version < VERSION:
        _migrate(connection, version)


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables up from a version. Raises sqlite3.Error, and then nothing has changed."""
    steps = "".join(MIGRATIONS[number] for number in range(version, VERSION))
    try:
        connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {VERSION}; COMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def look_through(connection: sqlite3.Connection) -> None:
    """Read the whole file, about a second for a million items. Raises Damaged, sqlite3.Error.

    A quick check would not see that an index lacks an item, which then nobody leases:
    https://www.sqlite.org/pragma.html#pragma_quick_check.
    """
    if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
        raise Damaged


def is_damage(error: Exception) -> bool:
    """Whether an error means that the file isn't what was written."""
    if isinstance(error, Damaged):
        return True
    # A text that isn't UTF-8 is found by Python, which gives that error no code.
    unreadable = isinstance(error, sqlite3.OperationalError) and not hasattr(error, "sqlite_errorcode")
    # Nothing that is written here breaks a constraint, unless an index and its table no longer agree.
    return unreadable or _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT)


def is_full(error: Exception) -> bool:
    """Whether an error means that the volume has no room."""
    return _code(error) == sqlite3.SQLITE_FULL


def why(error: Exception) -> str:
    """What may be said of an error: the system's word for it, SQLite's name of it, or its class.

    Never its text, which may hold a value.
    """
    return getattr(error, "strerror", None) or getattr(error, "sqlite_errorname", None) or type(error).__name__


def _code(error: Exception) -> int:
    """SQLite's primary result code.

    See https://www.sqlite.org/rescode.html#primary_result_codes_versus_extended_result_codes; 0 for none.
    """
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
