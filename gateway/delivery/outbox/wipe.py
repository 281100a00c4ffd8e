"""What is gone leaves no bytes behind, neither in the pages of an outbox's file nor in its write-ahead log.

`secure_delete`, which is always on, overwrites what is deleted where it stands, overflow pages included. It doesn't
know the copies in the log, nor those that SQLite leaves in the unused part of a page when it moves rows within it.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from gateway.delivery.outbox.store import ENTRY_OVERHEAD_BYTES, Store

MAX_REWRITTEN_BYTES: Final = 16 * 1024 * 1024
"""Bytes of payloads and rows that are rewritten at once: about a tenth of a second.

With more, it waits until fewer are stored.
"""

_TABLES: Final = ("batches", "dead")
"""Those that hold what was sent.

Emptied whole, each page of theirs is overwritten; filled in order, no row is moved within its page.
"""


def file_bytes(store: Store) -> int:
    """Return about how many bytes `rewrite` would write."""
    return store.queues.bytes + ENTRY_OVERHEAD_BYTES * store.queues.entries


def rewrite(store: Store) -> None:
    """Rewrite all items and dead letters to clean pages. Within a transaction. Raises sqlite3.Error."""
    for table in _TABLES:
        store.connection.execute(f"CREATE TEMP TABLE moved AS SELECT * FROM {table}")  # noqa: S608 - fixed names, here and below
        store.connection.execute(f"DELETE FROM {table}")  # noqa: S608
        store.connection.execute(f"INSERT INTO {table} SELECT * FROM moved ORDER BY id")  # noqa: S608
        store.connection.execute("DROP TABLE moved")


def truncate(connection: sqlite3.Connection) -> bool:
    """Empty the write-ahead log. Return whether it is: not while another program that reads or writes needs it.

    Not within a transaction. Raises sqlite3.Error.

    Nobody is waited for: with the usual timeout, whoever reads for long would hold up all that is stored.
    """
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}")
    return not busy
