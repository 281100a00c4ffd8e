"""An outbox's file in an operator's hands: what it holds, and what to do with it, step by step.

A gateway of the same version may run on it meanwhile. What that has on a lease may still arrive, and is counted apart.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Final, Self

import msgspec

from gateway.config import Outbox as Settings
from gateway.delivery.outbox import schema, wipe
from gateway.delivery.outbox.admin_actions import (
    DEFERRED,
    ITEMS,
    Action,
    DeadLetterByHand,
    Purge,
    Replay,
    RetryNow,
    Selection,
    dead_letters,
    picked,
)
from gateway.delivery.outbox.file import discard_quarantined
from gateway.delivery.outbox.id_ranges import total
from gateway.delivery.outbox.interface import NANOS_PER_SECOND, Removed
from gateway.delivery.outbox.leased_ids import LeasedIds
from gateway.delivery.outbox.store import Store
from gateway.delivery.outbox.stored_entry import EntryFilter, StoredEntry, dead, items
from gateway.errors import BadConfig
from gateway.files import Unreadable, check_regular

WIPE_TRIES: Final = 20
WIPE_PAUSE_SECONDS: Final = 0.1
"""How often, and how long apart, the log of what was deleted is emptied: who reads at that moment keeps it."""


class QueueStats(msgspec.Struct, frozen=True):
    """What is stored for one destination: how many, their bytes, when the oldest item was received (or 0)."""

    destination: str
    items: int
    bytes: int
    oldest_ns: int
    dead: int
    dead_bytes: int


class Deletion(msgspec.Struct, frozen=True):
    """So many were deleted undelivered at a time, and why."""

    at_ns: int
    destination: str
    reason: str
    count: int


class OutboxAdmin:
    """An outbox's file, until it is closed.

    All methods raise BadConfig, naming the path, where it can't be read or written.

    What changes much is done in steps; where one fails, those before it stay done.
    """

    def __init__(self, path: Path, store: Store, leased_ids: LeasedIds) -> None:
        """`open` makes one."""
        self._path = path
        self._store = store
        self._leased_ids = leased_ids

    @classmethod
    def open(cls, path: Path, settings: Settings) -> Self:
        """Open the file at `path`, which must be there and of this version: only a gateway makes or migrates one."""
        with _naming(path):
            if not path.exists():
                raise BadConfig(f"{path}: {schema.NO_OUTBOX_TEXT}")
            found = path.stat()
            check_regular(found.st_mode)
            if not found.st_size:
                raise BadConfig(f"{path}: {schema.NO_OUTBOX_TEXT}")
            connection = schema.connect(path)
            try:
                schema.check(connection, path)
                return cls(
                    path,
                    Store(connection, settings.max_bytes, int(settings.remember * NANOS_PER_SECOND)),
                    LeasedIds(path),
                )
            except BaseException:
                connection.close()
                raise

    def close(self) -> None:
        """Close the file."""
        with _naming(self._path):
            self._store.connection.close()
            self._leased_ids.close()

    # What is there.

    def queues(self) -> Sequence[QueueStats]:
        """Return what is stored for each destination."""
        with self._reading() as store:
            queues = [store.queues.known[name] for name in sorted(store.queues.known)]
            return [
                QueueStats(
                    one.destination, one.items, one.bytes, store.oldest(one.destination), one.dead, one.dead_bytes
                )
                for one in queues
            ]

    def deletions(self, limit: int) -> Sequence[Deletion]:
        """Return what was deleted undelivered, the latest first."""
        with self._reading() as store:
            found = store.connection.execute(
                "SELECT at, destination, reason, count FROM deletions ORDER BY rowid DESC LIMIT ?", (limit,)
            )
            return [Deletion(*row) for row in found]

    def quarantined(self) -> Sequence[str]:
        """Return the names of damaged files that were quarantined."""
        return sorted(found.name for found in self._path.parent.glob(f"{self._path.name}.damaged-*Z"))

    def items(self, choice: EntryFilter, limit: int) -> Sequence[StoredEntry]:
        """Return what waits, oldest first."""
        with self._reading() as store:
            return [entry for entry, _ in islice(items(store, choice), limit)]

    def dead(self, choice: EntryFilter, limit: int) -> Sequence[StoredEntry]:
        """Return dead letters, in the order in which they came."""
        with self._reading() as store:
            return [entry for entry, _ in islice(dead(store, choice), limit)]

    def find(self, number: int) -> tuple[StoredEntry, bytes] | None:
        """Return the item or dead letter with an ID, and its payload."""
        with self._reading() as store:
            found = chain(
                items(store, EntryFilter(), number, number + 1), dead(store, EntryFilter(), number, number + 1)
            )
            return next(found, None)

    # What is done, step by step: each yields how many, and how many more were on a lease.

    def retry(self, choice: EntryFilter) -> Iterator[Removed]:
        """Make what was deferred due at once."""
        return self._each(choice, DEFERRED, RetryNow())

    def dead_letter(self, choice: EntryFilter) -> Iterator[Removed]:
        """Make dead letters of items. One that is delivered all the same is deleted then."""
        return self._each(choice, ITEMS, DeadLetterByHand())

    def purge(self, choice: EntryFilter) -> Iterator[Removed]:
        """Delete items, and record it."""
        return self._each(choice, ITEMS, Purge())

    def purge_dead(self, choice: EntryFilter) -> Iterator[Removed]:
        """Delete dead letters, and record it."""
        return self._each(choice, dead_letters(choice.reason), Purge())

    def replay(self, choice: EntryFilter) -> Iterator[Removed]:
        """Make items of dead letters again. They are tried for as long as anything that is received now."""
        return self._each(choice, dead_letters(choice.reason), Replay())

    def wipe(self) -> bool:
        """Leave nothing of what was deleted in the file, its log and damaged files.

        Return whether that could be done: not while another program reads. A gateway that runs on the file does so too,
        for as long as it takes.
        """
        with _naming(self._path):
            discard_quarantined(self._path)
            if wipe.file_bytes(self._store) <= wipe.MAX_REWRITTEN_BYTES:
                with self._writing() as store:
                    wipe.rewrite(store)
            for _ in range(WIPE_TRIES):
                if wipe.truncate(self._store.connection):
                    return True
                time.sleep(WIPE_PAUSE_SECONDS)
        return False

    def _each(self, choice: EntryFilter, selection: Selection, action: Action) -> Iterator[Removed]:
        """Work on what is chosen; a step is a transaction, so that a gateway gets its turn in between."""
        chunks = picked(self._store, choice, selection)
        while (removed := self._step(chunks, action)) is not None:
            yield removed

    def _step(self, chunks: Iterator[list[range]], action: Action) -> Removed | None:
        """Work on the IDs that are next, which are read within the transaction. Return how many, None at the end."""
        with _naming(self._path), self._leased_ids.alone(wait=True), self._writing() as store:
            if (ids := next(chunks, None)) is None:
                return None
            on_lease = self._leased_ids.read()
            leased = [part for run in ids for part in on_lease.within(run)]
            if ids:
                action.apply(store, ids, leased, time.time_ns())
            return Removed(total(ids) - total(leased), total(leased))

    @contextmanager
    def _writing(self) -> Iterator[Store]:
        """Make what is done within one transaction."""
        store = self._store
        store.begin()
        try:
            yield store
            store.commit()
        except BaseException:
            store.rollback()
            raise

    @contextmanager
    def _reading(self) -> Iterator[Store]:
        """Make all that is read within be of one moment."""
        with _naming(self._path):
            self._store.connection.execute("BEGIN")
            try:
                self._store.queues.look()
                yield self._store
            finally:
                self._store.rollback()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except Unreadable as error:
        raise BadConfig(f"{path}: {error}") from None
    except (sqlite3.Error, schema.Damaged, OSError) as error:
        if schema.is_damage(error):
            raise BadConfig(f"{path}: is damaged, or no outbox; a gateway that starts on it quarantines it") from error
        raise BadConfig(f"{path}: {schema.error_name(error)}") from error
