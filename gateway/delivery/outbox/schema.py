"""The outbox's tables, and how its file is opened, migrated and checked. See `store.py` for what is in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.errors import BadConfig

APPLICATION_ID: Final = 0x4B505247
"""Says that a file is an outbox: https://www.sqlite.org/pragma.html#pragma_application_id."""

VERSION: Final = 2
"""Of the tables and what their texts mean. A file of an earlier version is brought up to it by `MIGRATIONS`."""

JOURNAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""What stays allocated of the write-ahead log after a checkpoint which doesn't empty it: see `wipe.py`."""

CACHE_KIB: Final = 16 * 1024
"""Pages that are kept in memory, in KiB."""

# The names are those of version 1, which files in use have: `lane` is a destination's queue, `kind` one of its types
# with a plan, `mark` a fingerprint. `subjects` of an item are its hashes, one behind the other; `sum` is a checksum of
# what is delivered of it. `due` is 0 for what has never failed, else nanoseconds since 1970, as `received`, `buried`
# (when it was dead-lettered) and `at` are; `since` is when an operator replayed it, 0 for all others. A crate is a
# batch, see `batches.py`; `kinds` are those of its items, each between commas. `state`: the next ID; the subjects of
# batches below `filed` are in `subjects`, under their first ID; which table of keys has its `turn`, since when.
# `sweeps` are records of deletions.
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


NO_OUTBOX_TEXT: Final = "there is no outbox; nothing has been stored here yet, or `state` is another folder"
"""What is said of a file that isn't there, or that nothing was written to."""


class Damaged(Exception):
    """A file that is no outbox, or a damaged one."""


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection whose commits are on the volume, and that overwrites what it deletes. Raises sqlite3.Error.

    https://www.sqlite.org/pragma.html#pragma_synchronous, https://www.sqlite.org/pragma.html#pragma_secure_delete.
    """
    connection = sqlite3.connect(path, isolation_level=None, timeout=10.0, check_same_thread=False)
    try:
        if not path.stat().st_size:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_LIMIT_BYTES}")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA secure_delete = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables in a new file, or bring an earlier version's up to this one in one transaction.

    For the gateway alone, which has the file locked against others. Raises Damaged, sqlite3.Error, and BadConfig for a
    newer version's.
    """
    if _is_empty(connection):
        connection.executescript(
            f"BEGIN; {TABLES} {OPERATED} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; "
            "COMMIT;"
        )
    elif (version := _version(connection, path)) < VERSION:
        _migrate(connection, version)


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise BadConfig unless the file is of this version, Damaged if it is no outbox; it stays as it is.

    For operators' commands: a gateway of an earlier version, which can't read what was migrated, may have it.
    """
    if _is_empty(connection):
        raise BadConfig(f"{path}: {NO_OUTBOX_TEXT}")
    if (version := _version(connection, path)) < VERSION:
        raise BadConfig(
            f"{path}: is of version {version}; this command knows {VERSION}: start the gateway of this version first,"
            " which brings the file up to it"
        )


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Return whether nothing was ever written to the file."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application or version:
        return False
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return not tables


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of an outbox's file. Raises BadConfig for a newer one, Damaged for what is no outbox."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == APPLICATION_ID and version > VERSION:
        raise BadConfig(
            f"{path}: is of version {version}; this gateway knows {VERSION}: start the gateway that wrote it, or a newer"
            " one"
        )
    if application != APPLICATION_ID or version not in (*MIGRATIONS, VERSION):
        raise Damaged
    return int(version)


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring the tables up from a version. Raises sqlite3.Error, and then nothing has changed."""
    steps = "".join(MIGRATIONS[number] for number in range(version, VERSION))
    try:
        connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {VERSION}; COMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def check_integrity(connection: sqlite3.Connection) -> None:
    """Raise Damaged, sqlite3.Error if a page or an index is damaged; about a second for a million items.

    A quick check would not see that an index lacks an item, which then nobody leases:
    https://www.sqlite.org/pragma.html#pragma_quick_check.
    """
    if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
        raise Damaged


def is_damage(error: Exception) -> bool:
    """Return whether an error means that the file isn't what was written."""
    if isinstance(error, Damaged):
        return True
    # A text that isn't UTF-8 is found by Python, which gives that error no code.
    unreadable = isinstance(error, sqlite3.OperationalError) and not hasattr(error, "sqlite_errorcode")
    # Nothing that is written here breaks a constraint, unless an index and its table no longer agree.
    return unreadable or _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT)


def is_full(error: Exception) -> bool:
    """Return whether an error means that the volume has no room."""
    return _code(error) == sqlite3.SQLITE_FULL


def error_name(error: Exception) -> str:
    """Return what may be said of an error: the system's word for it, SQLite's name of it, or its class.

    Never its text, which may hold a value.
    """
    return getattr(error, "strerror", None) or getattr(error, "sqlite_errorname", None) or type(error).__name__


def _code(error: Exception) -> int:
    """Return SQLite's primary result code.

    See https://www.sqlite.org/rescode.html#primary_result_codes_versus_extended_result_codes; 0 for none.
    """
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
