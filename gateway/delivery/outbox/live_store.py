"""The store of an outbox's file through trouble: full, read-only, damaged or deleted, and opened again afterwards."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from pathlib import Path

from gateway.config import Outbox as Settings
from gateway.delivery.outbox import schema
from gateway.delivery.outbox.file import OutboxFile
from gateway.delivery.outbox.store import Store
from gateway.errors import BadConfig
from gateway.telemetry.checks import passing

log = logging.getLogger(__name__)


class LiveStore:
    """The store of one file; `store` is None while none can be opened. Used in the outbox's thread alone.

    A volume that fails for a while:
      a commit fails with SQLITE_IOERR -> `recover` rolls back; `check` says UNWRITABLE
      the next one fails too           -> `recover` closes the connection; `store` is None
      the next group comes             -> `reopen` opens the file, or fails, and that group's ends of leases are owed
      a commit succeeds                -> `recovered`; `check` passes again
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        """Open the file. Raises BadConfig, naming the path, if it can't be written, or another gateway has it."""
        self.check = passing("outbox")
        try:
            self.file = OutboxFile(path, settings)
        except OSError as error:
            raise BadConfig(f"{path}: {error.strerror}") from error
        try:
            opened = self.file.open(check_integrity=True)
        except (OSError, sqlite3.Error, BadConfig) as error:
            self.file.close()
            raise error if isinstance(error, BadConfig) else BadConfig(f"{path}: {schema.error_name(error)}") from error
        self.store: Store | None = opened
        self.next_id = opened.next
        """The ID that the next entry gets, as of the last commit."""
        self._failures = 0

    def reopen(self) -> bool:
        """Open the file again, if it isn't open; return whether it is open now."""
        try:
            self.store = self.file.open(check_integrity=False, first=self.next_id)
        except Exception:  # noqa: BLE001 - whatever it is, it is tried again with the next group
            return False
        self.store.next = max(self.next_id, self.store.next)
        return True

    def detach_deleted(self) -> None:
        """Close the connection to a file that is no longer at its path."""
        if self.store is not None and not self._is_here():
            log.error("%s was taken away; another one is begun", self.file.path)
            self.detach()

    def recover(self, error: Exception) -> bool:
        """Roll back after an error, or replace a damaged file; close the connection if neither helps.

        Return whether it is another file now.
        """
        self._failures += 1
        self.check = self.check.with_cause(
            "FULL" if schema.is_full(error) else "DAMAGED" if schema.is_damage(error) else "UNWRITABLE"
        )
        if self._failures == 1:
            log.error("%s: %s", self.file.path, schema.error_name(error))
        try:
            if schema.is_damage(error):
                self.detach()
                self.store = self.file.replace(self.next_id)
                return True
            self._roll_back(error)
        except Exception:  # noqa: BLE001 - nor may what is found in a damaged file keep the jobs from being owed
            self.detach()
        return False

    def recovered(self) -> None:
        """Note that the file can be written."""
        if self._failures:
            self._failures = 0
            self.check = self.check.with_cause("")
            log.info("%s: can be written again", self.file.path)

    def detach(self) -> None:
        """Close the connection."""
        if self.store is not None:
            with suppress(sqlite3.Error):
                self.store.connection.close()
        self.store = None

    def _roll_back(self, error: Exception) -> None:
        if self.store is not None:
            self.store.rollback()
            if self._failures > 1 and isinstance(error, (sqlite3.Error, OSError)) and not schema.is_full(error):
                self.detach()

    def _is_here(self) -> bool:
        try:
            return self.file.is_here()
        except OSError:
            return True
