"""The outbox's tables, and how its file is opened, migrated and checked. See `store.py` for what is in them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from gateway.errors import BadConfig

APPLICATION_ID: Final = 0x4B505247
"""Says that a file is an outbox: https://www.sqlite.org/pragma.html#pragma_application_id."""

VERSION: Final = 3
"""Of the tables and what their texts mean. A file of an earlier version is brought up to it by `migration.py`."""

JOURNAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""What stays allocated of the write-ahead log after a checkpoint which doesn't empty it: see `wipe.py`."""

CACHE_KIB: Final = 16 * 1024
"""Pages that are kept in memory, in KiB."""

# A row of `batches` or `dead` is a run of entries, see `rows.py`; its `id` is the first one's. `kind` is one of a
# queue's types with a plan. `bytes` are the payloads', `oldest` is when the first of them was received. `due` is 0 for
# what has never failed, else nanoseconds since 1970, as `oldest`, `dead_at` and `at` are; `since` is when it was
# replayed, 0 for all others. `gone` are entries that are blank within a row, with the bytes of their payloads. `state`:
# the next ID; which table of keys has its `turn`, since when. `operations` are what operators have dead-lettered and
# purged, for the gateway to count.
TABLES: Final = """
CREATE TABLE queues (id INTEGER PRIMARY KEY, destination TEXT NOT NULL UNIQUE, items INTEGER NOT NULL, bytes INTEGER NOT NULL,
  dead INTEGER NOT NULL, dead_bytes INTEGER NOT NULL);
CREATE TABLE kinds (id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, type TEXT NOT NULL, plan TEXT NOT NULL, UNIQUE (queue, type, plan));
CREATE TABLE batches (id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, kind INTEGER NOT NULL, count INTEGER NOT NULL, bytes INTEGER NOT NULL,
  oldest INTEGER NOT NULL, attempts INTEGER NOT NULL, due INTEGER NOT NULL, since INTEGER NOT NULL, subjects BLOB NOT NULL,
  body BLOB NOT NULL);
CREATE INDEX batches_due ON batches (queue, due);
CREATE INDEX batches_oldest ON batches (queue, oldest);
CREATE TABLE dead (id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, kind INTEGER NOT NULL, count INTEGER NOT NULL, bytes INTEGER NOT NULL,
  oldest INTEGER NOT NULL, attempts INTEGER NOT NULL, reason TEXT NOT NULL, dead_at INTEGER NOT NULL, subjects BLOB NOT NULL,
  body BLOB NOT NULL);
CREATE INDEX dead_oldest ON dead (queue, oldest);
CREATE TABLE gone (id INTEGER PRIMARY KEY, bytes INTEGER NOT NULL);
CREATE TABLE keys_0 (bucket INTEGER NOT NULL, count INTEGER NOT NULL, keys BLOB NOT NULL);
CREATE INDEX keys_0_bucket ON keys_0 (bucket);
CREATE TABLE keys_1 (bucket INTEGER NOT NULL, count INTEGER NOT NULL, keys BLOB NOT NULL);
CREATE INDEX keys_1_bucket ON keys_1 (bucket);
CREATE TABLE recent_keys (keys BLOB NOT NULL);
CREATE TABLE state (next INTEGER NOT NULL, turn INTEGER NOT NULL, began INTEGER NOT NULL);
INSERT INTO state VALUES (1, 0, 0);
CREATE TABLE deletions (at INTEGER NOT NULL, destination TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL);
CREATE TABLE operations (destination TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (destination, reason));
"""

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


def prepare(connection: sqlite3.Connection, path: Path) -> int:
    """Make the tables in a new file. Return the version of the file, which may be an earlier one.

    For the gateway alone, which has the file locked against others. Raises Damaged, sqlite3.Error, and BadConfig for a
    newer version's.
    """
    if not _is_empty(connection):
        return _version(connection, path)
    connection.executescript(
        f"BEGIN; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
    )
    return VERSION


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
    if application != APPLICATION_ID or not 1 <= version <= VERSION:
        raise Damaged
    return int(version)


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
