"""Groups of jobs on one outbox, each group a transaction.

And what happens when the volume is full, read-only or damaged. Runs in the outbox's thread: see `job_thread.py`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.config import Outbox as Settings
from gateway.delivery.outbox import retention, schema
from gateway.delivery.outbox.file import OutboxFile
from gateway.delivery.outbox.gauges import Gauges
from gateway.delivery.outbox.id_ranges import IdSet, total
from gateway.delivery.outbox.interface import LeasedBatch, Removed
from gateway.delivery.outbox.jobs import Job, LeaseEnd, ReadJob
from gateway.delivery.outbox.leases import Leases
from gateway.delivery.outbox.live_store import LiveStore
from gateway.delivery.outbox.store import RETRY_AFTER_SECONDS, Store
from gateway.delivery.outbox.wiper import Wiper
from gateway.errors import CallReason, Retryable
from gateway.exporters.base import BatchLimits
from gateway.telemetry.checks import Check

MAX_OWED_IDS: Final = 10_000
"""IDs whose leases have ended and couldn't be written.

With more, nothing is leased, for a crash would send all of them again.
"""

TIDY_SECONDS: Final = 1.0
"""How often free pages go back to the volume, and what operators have done is looked for, in seconds."""


class Commits:
    """The transactions of one outbox. `check` and `gauges` may be read in any thread."""

    def __init__(self, path: Path, settings: Settings) -> None:
        """Raises BadConfig, naming the path, if the file can't be written, or another gateway has it."""
        self._live = LiveStore(path, settings)
        store = self._live.store
        assert store is not None
        self.leases = Leases()
        self._owed: list[LeaseEnd] = []
        self._tidied_at = time.monotonic()
        self._leases_ended = False
        self.gauges = Gauges(self.file, store)
        self._wiper = Wiper(self.file)
        # What a kill left in the log, and what an earlier version left in the file.
        with suppress(OSError, sqlite3.Error):
            self.wipe()
        self._update_gauges()

    @property
    def file(self) -> OutboxFile:
        """The outbox's file."""
        return self._live.file

    @property
    def check(self) -> Check:
        """Whether it can be written."""
        return self._live.check

    @property
    def leased(self) -> IdSet:
        """The IDs that are on a lease."""
        return self.leases.leased

    @property
    def erased(self) -> Collection[int]:
        """The IDs of what is leased and was erased since."""
        return self.leases.erased

    def work(self, jobs: Sequence[Job[object]]) -> None:
        """Do jobs: those that change something in one transaction, then those that only read.

        Each has its result afterwards.
        """
        writes = [job for job in jobs if not isinstance(job, ReadJob)]
        if writes or self._owed or self._live.store is None:
            self._write(writes)
        for job in jobs:
            if isinstance(job, ReadJob):
                self._read(job)
        if time.monotonic() - self._tidied_at >= TIDY_SECONDS:
            self._tidy()
        self._write_leased_ids()
        self._update_gauges()

    def lease(self, store: Store, destination: str, bounds: BatchLimits, now_ns: int) -> Sequence[LeasedBatch]:
        """Lease what is due, within bounds; a larger entry alone."""
        if sum(len(job.ended_ids) for job in self._owed) > MAX_OWED_IDS:
            return ()
        with self.file.leased_ids.alone(wait=False) as free:
            if not free:
                return ()
            # Nothing may fail once they are leased: nobody would have them, and nobody could give them back.
            leased = self.leases.take(store, destination, bounds, now_ns)
            if leased:
                self.file.leased_ids.write(self.leases.leased)
            return leased

    def erase(self, store: Store, subjects: Collection[bytes], now_ns: int) -> Mapping[str, Removed]:
        """Delete all that is about subjects, also what is leased. Return how many, by destination."""
        gone = store.erase(subjects, now_ns, self.leases.leased.ranges)
        return {name: Removed(total(ids) - (sent := self.leases.erase(ids)), sent) for name, ids in gone.items()}

    def wipe(self, *, erased: bool = False) -> None:
        """Leave nothing of what is gone in the file, its log and damaged files; what can't be done now is done later.

        Not within a transaction. Raises OSError, sqlite3.Error.
        """
        store = self._live.store
        if store is not None and self._wiper.wipe(store, erased=erased):
            self.leases.forget_watermarks()

    def close(self) -> None:
        """Try once more to write what is owed, and close the file."""
        with suppress(Exception):
            self.work(())
        self._live.detach()
        self.file.close()

    def _write_leased_ids(self) -> None:
        """Tell operators' commands that leases have ended."""
        if self._leases_ended:
            with self.file.leased_ids.alone(wait=False) as free:
                if free:
                    self.file.leased_ids.write(self.leases.leased)
                    self._leases_ended = False

    # Writing and reading.

    def _write(self, fresh: Sequence[Job[object]]) -> None:
        """Do jobs, and before them what is owed."""
        jobs: list[Job[object]] = [*self._owed, *fresh]
        self._owed = []
        store = self._open_store()
        if store is None:
            self._owe(jobs)
            return
        try:
            self._transact(store, jobs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the transaction ends and the thread goes on
            self._recover(error)
            self._failed(jobs, error)
            return
        self._live.recovered()
        for job in jobs:
            if isinstance(job, LeaseEnd) and job.ended_ids:
                self.leases.end(job.ended_ids, nacked=job.nacked)
                self._leases_ended = True
            job.conclude()

    def _open_store(self) -> Store | None:
        """Return the store, opened again if need be; None if it can't be opened."""
        self._live.detach_deleted()
        if self._live.store is None and self._live.reopen():
            self.leases.forget_watermarks()
        return self._live.store

    def _recover(self, error: Exception) -> None:
        if self._live.recover(error):
            self.leases.forget_watermarks()

    def _transact(self, store: Store, jobs: Sequence[Job[object]]) -> None:
        """Apply the jobs; what they change is on the volume then. Raises what isn't a refusal."""
        if store.begin():
            self.leases.forget_watermarks()
        size = sum(job.stored_bytes for job in jobs)
        room = not size or self.file.has_room(size)
        for job in jobs:
            if room or not job.stored_bytes:
                job.apply(store)
            else:
                job.fail(Retryable(CallReason.FULL, RETRY_AFTER_SECONDS))
        store.commit()
        self._live.next_id = store.next

    def _failed(self, jobs: Sequence[Job[object]], error: Exception) -> None:
        """Do what can be done of a group that failed, and owe the ends of leases.

        The volume is full: the jobs that store nothing are done. A job is at fault: each is done by itself.
        """
        storing = [job for job in jobs if job.stored_bytes]
        if not isinstance(error, (sqlite3.Error, OSError)):
            for job in jobs if len(jobs) > 1 else ():
                self._write([job])
            # A job that is at fault by itself would be so again: nobody does it, and what it leased is free.
            self.leases.end([number for job in jobs for number in job.ended_ids] if len(jobs) == 1 else (), nacked=True)
        elif schema.is_full(error) and storing:
            for job in storing:
                job.fail(Retryable(CallReason.FULL, RETRY_AFTER_SECONDS))
                job.conclude()
            self._write([job for job in jobs if not job.stored_bytes])
        else:
            self._owe(jobs)

    def _read(self, job: Job[object]) -> None:
        store = self._live.store
        if store is None:
            return
        try:
            job.apply(store)
            job.conclude()
        except Exception as error:  # noqa: BLE001 - as above
            self._recover(error)

    def _owe(self, jobs: Sequence[Job[object]]) -> None:
        """Keep what ends leases, to be done as soon as it can be; the leases hold until then."""
        for job in jobs:
            if isinstance(job, LeaseEnd):
                self._owed.append(job)
                job.owe()

    def _tidy(self) -> None:
        self._tidied_at = time.monotonic()
        store = self._live.store
        if store is None:
            return
        try:
            retention.shrink(store)
            if store.queues.look():
                self.leases.forget_watermarks()
            self.gauges.count_operations(store)
            if self._wiper.is_time(store):
                self.wipe()
        except Exception as error:  # noqa: BLE001 - as above
            self._recover(error)

    def _update_gauges(self) -> None:
        store = self._live.store
        if store is None:
            return
        try:
            self.gauges.update(store)
        except sqlite3.Error as error:
            self._recover(error)
