"""Groups of jobs on one outbox, each group a transaction.

And what happens when the volume is full, read-only or damaged.

Runs in the thread of `sqlite.py`, but for what is said to be read elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from gateway.config import Outbox as Settings
from gateway.delivery.outbox import retention as aging
from gateway.delivery.outbox import schema
from gateway.delivery.outbox.file import OutboxFile
from gateway.delivery.outbox.interface import Leased, Removed
from gateway.delivery.outbox.leases import Leases
from gateway.delivery.outbox.store import RETRY_AFTER_SECONDS, ROW_OVERHEAD_BYTES, Store
from gateway.delivery.outbox.wiper import Wiper
from gateway.errors import BadConfig, CallReason, Refused, Retryable
from gateway.exporters.base import BatchLimits
from gateway.model import QueueDepth
from gateway.telemetry import ResourceUsage
from gateway.telemetry.checks import passing

log = logging.getLogger(__name__)

MAX_OWED_IDS: Final = 10_000
"""IDs whose leases have ended and couldn't be written.

With more, nothing is leased, for a crash would send all of them again.
"""

TIDY_SECONDS: Final = 1.0
"""How often the file is tidied, in seconds.

What is still there after so long has its subjects indexed, and free pages go.
"""


class Job:
    """Work on the store, and who waits for its result."""

    __slots__ = ("ends", "future", "nacked", "reads", "result", "size", "work")

    def __init__(self, work: Callable[[Store], Any], future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future
        self.result: Any = Retryable(CallReason.UNAVAILABLE)
        self.size = 0
        """Bytes that it stores."""
        self.ends: Collection[int] | None = None
        """Leases that end with it. If it can't be done, it is done later."""
        self.nacked = False
        """Whether these are free again at once."""
        self.reads = False
        """Whether it changes nothing."""


class Commits:
    """The transactions of one outbox. `check`, `depths`, `uses`, `operated` and `leased` may be read in any thread."""

    def __init__(self, path: Path, settings: Settings) -> None:
        """Raises BadConfig, naming the path, if the file can't be written, or another gateway has it."""
        self.depths: Mapping[str, QueueDepth] = {}
        self.uses: Mapping[str, ResourceUsage] = {}
        self.check = passing("outbox")
        self.removed_by_operator: Mapping[tuple[str, str], int] = {}
        """What operators have dead-lettered and purged since the start, by destination and reason."""
        self._leases = Leases()
        self._owed: list[Job] = []
        self._troubles = 0
        self._tidied = time.monotonic()
        self._ended = False
        try:
            self.file = OutboxFile(path, settings)
        except OSError as error:
            raise BadConfig(f"{path}: {error.strerror}") from error
        try:
            self._store: Store | None = self.file.open(look_through=True)
        except (OSError, sqlite3.Error, BadConfig) as error:
            self.file.close()
            raise error if isinstance(error, BadConfig) else BadConfig(f"{path}: {schema.why(error)}") from error
        self._next = self._shown = self._store.next
        self._operated_before = self._store.queues.removed_by_operator()
        self._wiper = Wiper(self.file)
        # What a kill left in the log, and what an earlier version left in the file.
        with suppress(OSError, sqlite3.Error):
            self.wipe()
        self._show()

    @property
    def leased(self) -> Collection[int]:
        """The IDs of what is taken for delivery."""
        return self._leases.leased.keys()

    def work(self, jobs: Sequence[Job]) -> None:
        """Do jobs: those that change something in one transaction, then those that only read.

        Each has its result afterwards.
        """
        writes = [job for job in jobs if not job.reads]
        if writes or self._owed or self._store is None:
            self._write(writes)
        for job in jobs:
            if job.reads:
                self._read(job)
        if time.monotonic() - self._tidied >= TIDY_SECONDS:
            self._tidy()
        self._resolve()
        self._show()

    def lease(self, store: Store, destination: str, bounds: BatchLimits, now_ns: int) -> Sequence[Leased]:
        """What is due and not leased, within bounds; a larger one alone."""
        if sum(len(job.ends or ()) for job in self._owed) > MAX_OWED_IDS:
            return ()
        with self.file.under_way.alone(wait=False) as free:
            if not free:
                return ()
            # Nothing may fail once they are taken: nobody would have them, and nobody could give them back.
            taken = self._leases.take(store, destination, bounds, now_ns)
            if taken:
                self.file.under_way.write(self._leases.leased)
            return taken

    def erase(self, store: Store, subjects: Collection[bytes], now_ns: int) -> Mapping[str, Removed]:
        """Erase, also what is leased; how many, by destination."""
        gone = store.erase(subjects, now_ns, self._leases.leased)
        return {name: Removed(len(ids) - (sent := self._leases.erase(ids)), sent) for name, ids in gone.items()}

    def wipe(self, *, erased: bool = False) -> None:
        """Leave nothing of what is gone in the file, its log and damaged files.

        Not within a transaction. Raises OSError, sqlite3.Error.

        What can't be done now is done later.
        """
        if self._store is not None and self._wiper.wipe(self._store, erased=erased):
            self._leases.forget_watermarks()

    @property
    def erased(self) -> Collection[int]:
        """The IDs of what is leased and was erased since."""
        return self._leases.erased

    def close(self) -> None:
        """Try once more to write what is owed, and let go."""
        with suppress(Exception):
            self.work(())
        self._detach()
        self.file.close()

    def _resolve(self) -> None:
        """Tell that leases have ended."""
        if self._ended:
            with self.file.under_way.alone(wait=False) as free:
                if free:
                    self.file.under_way.write(self._leases.leased)
                    self._ended = False

    # Writing and reading.

    def _write(self, fresh: Sequence[Job]) -> None:
        """Do jobs, and before them what is owed."""
        jobs, self._owed = [*self._owed, *fresh], []
        if self._store is not None and not self._is_here():
            log.error("%s was taken away; another one is begun", self.file.path)
            self._detach()
        if self._store is None and not self._reopened():
            self._owe(jobs)
            return
        try:
            results = self._transact(jobs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the transaction ends and the thread goes on
            self._recover(error)
            self._failed(jobs, error)
            return
        self._healthy()
        for job, result in zip(jobs, results, strict=True):
            if job.ends:
                self._leases.end(job.ends, nacked=job.nacked)
                self._ended = True
            job.result = result

    def _is_here(self) -> bool:
        try:
            return self.file.is_here()
        except OSError:
            return True

    def _transact(self, jobs: Sequence[Job]) -> Sequence[Any]:
        """What each job gives, all of it on the volume. Raises what isn't a refusal."""
        store = self._store
        assert store is not None
        if store.begin():
            self._leases.forget_watermarks()
        size = sum(job.size for job in jobs)
        room = not size or self.file.has_room(size)
        results = [
            _result(job, store) if room or not job.size else Retryable(CallReason.FULL, RETRY_AFTER_SECONDS)
            for job in jobs
        ]
        store.commit()
        self._next = store.next
        return results

    def _failed(self, jobs: Sequence[Job], error: Exception) -> None:
        """None was done.

        Those that need no room may be possible; one that is at fault itself shall not spoil the others.
        """
        needy = [job for job in jobs if job.size]
        if not isinstance(error, (sqlite3.Error, OSError)):
            for job in jobs if len(jobs) > 1 else ():
                self._write([job])
            # A job that is at fault by itself would be so again: nobody does it, and what it leased is free.
            self._leases.end(
                [number for job in jobs for number in job.ends or ()] if len(jobs) == 1 else (), nacked=True
            )
        elif schema.is_full(error) and needy:
            for job in needy:
                job.result = Retryable(CallReason.FULL, RETRY_AFTER_SECONDS)
            self._write([job for job in jobs if not job.size])
        else:
            self._owe(jobs)

    def _read(self, job: Job) -> None:
        if self._store is None:
            return
        try:
            job.result = job.work(self._store)
        except Exception as error:  # noqa: BLE001 - as above
            self._recover(error)

    def _owe(self, jobs: Sequence[Job]) -> None:
        """What ends a lease is done as soon as it can be; the lease holds until then."""
        for job in jobs:
            if job.ends is not None:
                self._owed.append(job)
                job.result = None

    def _tidy(self) -> None:
        self._tidied = time.monotonic()
        store, end, self._shown = self._store, self._shown, self._next
        if store is None:
            return
        try:
            if store.batches.indexed_below < end:
                if store.begin():
                    self._leases.forget_watermarks()
                aging.index_batches(store, end)
                store.commit()
            aging.shrink(store)
            if store.queues.look():
                self._leases.forget_watermarks()
            self._count_operated(store.queues.removed_by_operator())
            if self._wiper.due(store):
                self.wipe()
        except Exception as error:  # noqa: BLE001 - as above
            self._recover(error)

    def _count_operated(self, now: Mapping[tuple[str, str], int]) -> None:
        """Count what operators have done since the last look.

        A file that took a damaged one's place begins with nothing.
        """
        before, self._operated_before = self._operated_before, now
        more = {key: max(0, count - before.get(key, 0)) for key, count in now.items()}
        if any(more.values()):
            self.removed_by_operator = {
                key: self.removed_by_operator.get(key, 0) + more.get(key, 0)
                for key in self.removed_by_operator.keys() | more.keys()
            }

    def _show(self) -> None:
        store = self._store
        if store is None:
            return
        try:
            oldest = {lane: store.oldest(lane.destination) for lane in store.queues.known.values()}
        except sqlite3.Error as error:
            self._recover(error)
            return
        self.depths = {lane.destination: lane.depth(ROW_OVERHEAD_BYTES, since) for lane, since in oldest.items()}
        self.uses = {"outbox": store.use, "request_ids": store.keys, **self._volume()}

    def _volume(self) -> Mapping[str, ResourceUsage]:
        """The volume's use, as it was if that can't be told."""
        try:
            return {"volume": self.file.volume()}
        except OSError:
            return {name: use for name, use in self.uses.items() if name == "volume"}

    # Trouble.

    def _recover(self, error: Exception) -> None:
        """Have a connection that nothing is left on; none, if that can't be."""
        self._troubles += 1
        self.check = self.check.with_cause(
            "FULL" if schema.is_full(error) else "DAMAGED" if schema.is_damage(error) else "UNWRITABLE"
        )
        if self._troubles == 1:
            log.error("%s: %s", self.file.path, schema.why(error))
        try:
            if schema.is_damage(error):
                self._detach()
                self._store = self.file.replace(self._next)
                self._leases.forget_watermarks()
            elif self._store is not None:
                self._store.rollback()
                if self._troubles > 1 and isinstance(error, (sqlite3.Error, OSError)) and not schema.is_full(error):
                    self._detach()
        except Exception:  # noqa: BLE001 - nor may what is found in a damaged file keep the jobs from being owed
            self._detach()

    def _healthy(self) -> None:
        if self._troubles:
            self._troubles = 0
            self.check = self.check.with_cause("")
            log.info("%s: can be written again", self.file.path)

    def _detach(self) -> None:
        """Begin anew with the next group."""
        if self._store is not None:
            with suppress(sqlite3.Error):
                self._store.connection.close()
        self._store = None

    def _reopened(self) -> bool:
        try:
            self._store = self.file.open(look_through=False, first=self._next)
        except Exception:  # noqa: BLE001 - as above
            return False
        self._store.next = max(self._next, self._store.next)
        self._leases.forget_watermarks()
        return True


def _result(job: Job, store: Store) -> Any:
    try:
        return job.work(store)
    except (Refused, Retryable) as error:
        return error
