"""The file of one outbox: locked against other gateways, opened, and replaced by a new one when it is damaged."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.config import Outbox as Settings
from gateway.delivery.outbox import schema
from gateway.delivery.outbox.id_ranges import IdSet
from gateway.delivery.outbox.interface import NANOS_PER_SECOND
from gateway.delivery.outbox.leased_ids import LeasedIds
from gateway.delivery.outbox.migration import migrate
from gateway.delivery.outbox.recovery import recover
from gateway.delivery.outbox.store import Store
from gateway.errors import BadConfig
from gateway.folder import make_folder, sync_folder
from gateway.telemetry import ResourceUsage

log = logging.getLogger(__name__)

SUFFIXES: Final = ("-wal", "-shm", "")
"""What a database in WAL mode consists of: https://www.sqlite.org/walformat.html#files_on_disk."""

NAME: Final = "outbox.db"
"""The file's name, in the state folder."""


class OutboxFile:
    """An outbox's file, for one gateway alone; operators' commands may open it at the same time."""

    def __init__(self, path: Path, settings: Settings) -> None:
        """Lock it. Raises OSError, BadConfig."""
        self.path = path
        self.quarantined = self.recovered = 0
        self._settings = settings
        self._opened_as: os.stat_result | None = None
        make_folder(path.parent)
        self._lock = _lock(path)
        self.leased_ids = LeasedIds(path)
        self.leased_ids.write(IdSet())

    def open(self, *, check_integrity: bool, first: int = 1) -> Store:
        """Open the file, or make it, or replace a damaged one. New IDs are `first` or higher.

        Raises sqlite3.Error, OSError, and BadConfig for a newer version's.
        """
        _remove(self._quarantine_path("salvaging"))
        self._finish()
        try:
            return self._open(self.path, check_integrity=check_integrity)
        except (sqlite3.DatabaseError, schema.Damaged) as error:
            if not schema.is_damage(error):
                raise
        return self.replace(first)

    def replace(self, first: int) -> Store:
        """Open a new file in the place of a damaged one, with what can be read of that.

        Raises as `open` does; that can be tried again.
        """
        partial = self._quarantine_path("salvaging")
        _remove(partial)
        store = self._open(partial, check_integrity=False)
        try:
            count = recover(self.path, store.connection, first)
        finally:
            store.connection.close()
        # With this name it is complete: whatever happens from here on, it will take the damaged one's place.
        partial.replace(self._quarantine_path("salvaged"))
        quarantined = self._finish()
        self.recovered += count
        log.error(
            "%s is damaged; it is now %s, and %d items and dead letters were taken over from it",
            self.path,
            quarantined,
            count,
        )
        return self._open(self.path, check_integrity=False)

    def is_here(self) -> bool:
        """Return whether the path still leads to what was opened last: the file may have been moved or deleted.

        Raises OSError.
        """
        try:
            return self._opened_as is None or os.path.samestat(self.path.stat(), self._opened_as)
        except FileNotFoundError:
            return False

    def has_room(self, size: int) -> bool:
        """Return whether so many bytes can be stored, and deleted again. Raises OSError."""
        volume = os.statvfs(self.path.parent)
        return volume.f_bavail * volume.f_frsize >= self._settings.margin + 3 * size

    def volume(self) -> ResourceUsage:
        """Return how many bytes of the volume are used, of those beside its margin. Raises OSError."""
        volume = os.statvfs(self.path.parent)
        return ResourceUsage(
            (volume.f_blocks - volume.f_bavail) * volume.f_frsize,
            volume.f_blocks * volume.f_frsize - self._settings.margin,
        )

    def discard_quarantined(self, before_ns: int | None = None) -> int:
        """Delete its quarantined files, as the function of this name does."""
        return discard_quarantined(self.path, before_ns)

    def close(self) -> None:
        """Close and unlock it."""
        self.leased_ids.close()
        os.close(self._lock)

    def _open(self, path: Path, *, check_integrity: bool) -> Store:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        sync_folder(path.parent)
        connection = schema.connect(path)
        self._opened_as = path.stat()
        try:
            version = schema.prepare(connection, path)
            if check_integrity:
                schema.check_integrity(connection)
            migrate(connection, path, version)
            return Store(connection, self._settings.max_bytes, int(self._settings.remember * NANOS_PER_SECOND))
        except BaseException:
            connection.close()
            raise

    def _finish(self) -> str:
        """Put a complete new file, if there is one, in the damaged one's place. Return the damaged one's new name."""
        complete = self._quarantine_path("salvaged")
        if not complete.exists():
            return ""
        quarantined = self._quarantine_path(f"damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
        for suffix in SUFFIXES:
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).rename(quarantined.with_name(quarantined.name + suffix))
        complete.replace(self.path)
        sync_folder(self.path.parent)
        self.quarantined += 1
        return quarantined.name

    def _quarantine_path(self, what: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{what}")


def discard_quarantined(path: Path, before_ns: int | None = None) -> int:
    """Delete the damaged files of an outbox that were quarantined, before a time if one is given. Return how many.

    Raises OSError.
    """
    deleted = 0
    for quarantined in path.parent.glob(f"{path.name}.damaged-*Z"):
        if before_ns is None or quarantined.stat().st_ctime_ns < before_ns:
            _remove(quarantined)
            deleted += 1
            log.warning("%s: deleted, for nobody can tell whether it holds something that is gone", quarantined.name)
    return deleted


def _remove(path: Path) -> None:
    for suffix in SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _lock(path: Path) -> int:
    """Lock the outbox for as long as the process lives. Raises OSError, BadConfig."""
    handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise BadConfig(f"{path}: another gateway has it") from None
    return handle
