"""The embedded outbox: each method is an operation, done in one thread on one SQLite file. See `operations.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from gateway.config import Outbox as Settings
from gateway.delivery.outbox.commits import Commits
from gateway.delivery.outbox.interface import LeasedBatch, Removed
from gateway.delivery.outbox.job_thread import JobThread
from gateway.delivery.outbox.jobs import Job, LeaseEnd, Operation, ReadJob
from gateway.delivery.outbox.operations import (
    Accept,
    Ack,
    DeadLetter,
    Defer,
    DiscardQuarantined,
    Erase,
    Lease,
    ListTypes,
    Nack,
    Purge,
    Remember,
    Unknown,
    Wipe,
)
from gateway.delivery.outbox.retention import (
    DeadLetterExpired,
    DeleteExpired,
    DeleteOfTypes,
    ForgetTypes,
    ReplayDeadLetters,
)
from gateway.delivery.outbox.store import MAX_TIME_NANOS, RETRY_AFTER_SECONDS, stored_bytes
from gateway.entry_batch import EntryBatch
from gateway.errors import CallReason, Reason, Retryable
from gateway.exporters.base import BatchLimits
from gateway.model import QueueDepth
from gateway.telemetry import ResourceUsage
from gateway.telemetry.checks import Check

T = TypeVar("T")

MAX_PENDING_BYTES: Final = 64 * 1024 * 1024
"""Bytes that may wait to be stored."""


class SqliteOutbox:
    """An outbox in a file.

    What is accepted is on the volume, as safely as the volume is; the methods are those of `Outbox`.
    """

    def __init__(self, commits: Commits) -> None:
        """`open` makes one."""
        self.last_erasure_ns = 0
        """When something was last erased."""
        self._commits = commits
        self._thread = JobThread(commits)

    @classmethod
    def open(cls, path: Path, settings: Settings) -> Self:
        """Open the file at `path`, or make it; a damaged one is quarantined. Raises BadConfig, naming the path."""
        return cls(Commits(path, settings))

    @property
    def quarantined(self) -> int:
        """How many damaged files were quarantined."""
        return self._commits.file.quarantined

    @property
    def recovered(self) -> int:
        """How many items and dead letters were taken over from them."""
        return self._commits.file.recovered

    async def accept(self, batches: Sequence[EntryBatch], now_ns: int) -> None:
        """Store all, or none."""
        size = stored_bytes(batches)
        pending = self._thread.pending_bytes
        if pending and pending + size > MAX_PENDING_BYTES:
            raise Retryable(CallReason.FULL, RETRY_AFTER_SECONDS)
        await self._thread.run(Job(Accept(batches, now_ns), size))

    async def unknown(self, batches: Sequence[EntryBatch]) -> Sequence[EntryBatch]:
        """Return what hasn't come before."""
        return await self._thread.run(ReadJob(Unknown(batches)))

    async def remember(self, batches: Sequence[EntryBatch], now_ns: int) -> None:
        """Know entries by their keys."""
        await self._thread.run(Job(Remember(batches, now_ns)))

    async def lease(self, destination: str, bounds: BatchLimits, now_ns: int) -> Sequence[LeasedBatch]:
        """Lease what is due."""
        leasing = self._thread.run(ReadJob(Lease(self._commits, destination, bounds, now_ns)))
        try:
            return await asyncio.shield(leasing)
        except asyncio.CancelledError:
            leasing.add_done_callback(self._nack)
            raise

    async def ack(self, ids: Iterable[int]) -> None:
        """Delete what needs no delivery any more."""
        acked = _ids(ids)
        await self._thread.run(LeaseEnd(Ack(acked), acked))

    async def defer(self, ids: Iterable[int], due_ns: int, *, failed: bool = True) -> None:
        """End leases: the entries are due again at a time."""
        deferred, due = _ids(ids), min(max(due_ns, 0), MAX_TIME_NANOS)
        await self._thread.run(LeaseEnd(Defer(deferred, due, int(failed)), deferred, nacked=not due))

    async def dead_letter(self, reasons: Mapping[int, Reason], now_ns: int) -> None:
        """Make dead letters of entries."""
        dead = dict(reasons)
        await self._thread.run(LeaseEnd(DeadLetter(dead, now_ns), dead))

    async def purge(self, destination: str, reasons: Mapping[int, Reason], now_ns: int) -> None:
        """Delete entries of a destination that may not leave any more; a record of it stays."""
        purged = dict(reasons)
        await self._thread.run(LeaseEnd(Purge(destination, purged, now_ns), purged))

    async def erase(self, subjects: Iterable[bytes], now_ns: int) -> Mapping[str, Removed]:
        """Delete all that is about these subjects."""
        self.last_erasure_ns = max(self.last_erasure_ns, now_ns)
        counts = await self._thread.run(Job(Erase(self._commits, tuple(subjects), now_ns)))
        await self._wipe(erased=True)
        return counts

    def erased(self, ids: Iterable[int]) -> Collection[int]:
        """Return which of these leases were erased since."""
        gone = self._commits.erased
        return {number for number in ids if number in gone} if gone else ()

    async def dead_letter_expired(self, destination: str, before_ns: int, now_ns: int) -> int:
        """Dead-letter what was received before a time. Return how many."""
        return await self._repeat(DeadLetterExpired(destination, before_ns, self._commits.leases, now_ns))

    async def replay(self, destination: str, now_ns: int) -> int:
        """Make items again of a destination's dead letters. Return how many."""
        return await self._repeat(ReplayDeadLetters(destination, self._commits.leases, now_ns))

    async def delete_expired(self, destination: str, before_ns: int, now_ns: int) -> int:
        """Delete what was received before a time. Return how many."""
        return await self._repeat(DeleteExpired(destination, before_ns, self._commits.leases, now_ns))

    async def delete_of_types(self, destination: str, types: Collection[str], end: int, now_ns: int) -> int:
        """Delete what is for a destination and of one of these types. Return how many."""
        after = total = 0
        while True:
            within = range(after + 1, end)
            step = DeleteOfTypes(destination, types, within, self._commits.leases, now_ns)
            count, after = await self._thread.run(Job(step))
            total += count
            if not after:
                break
        if total:
            await self._wipe()
        await self._thread.run(Job(ForgetTypes(destination, types)))
        return total

    async def kinds(self) -> tuple[Collection[tuple[str, str]], int]:
        """Return the destinations and types of which something waits, and the next ID."""
        return await self._thread.run(ReadJob(ListTypes()))

    async def discard_quarantined(self, before_ns: int) -> int:
        """Delete damaged files that were quarantined before a time. Return how many."""
        return await self._thread.run(ReadJob(DiscardQuarantined(self._commits, before_ns)))

    @property
    def check(self) -> Check:
        """Whether it can be written."""
        return self._commits.check

    def removed_by_operator(self) -> Mapping[tuple[str, str], int]:
        """Return what operators have dead-lettered and purged since the start, by destination and reason."""
        return self._commits.gauges.removed_by_operator

    def uses(self) -> Mapping[str, Callable[[], ResourceUsage]]:
        """Return what tells how much is stored and waits to be, how full the volume is, and how many keys are known."""
        stored = {name: partial(self._use, name) for name in self._commits.gauges.uses}
        return {**stored, "outbox_unwritten": self._unwritten}

    def _use(self, name: str) -> ResourceUsage:
        return self._commits.gauges.uses[name]

    def _unwritten(self) -> ResourceUsage:
        return ResourceUsage(self._thread.pending_bytes, MAX_PENDING_BYTES)

    def depths(self) -> Mapping[str, QueueDepth]:
        """Return what waits, by destination."""
        return self._commits.gauges.depths

    async def close(self) -> None:
        """Write what waits, and let go."""
        await self._thread.close()

    async def _repeat(self, step: Operation[int]) -> int:
        """Repeat an operation until it does nothing more, so that others get their turn between two commits."""
        total = 0
        while count := await self._thread.run(Job(step)):
            total += count
        if total:
            await self._wipe()
        return total

    async def _wipe(self, *, erased: bool = False) -> None:
        await self._thread.run(ReadJob(Wipe(self._commits, erased)))

    def _nack(self, leasing: asyncio.Future[Sequence[LeasedBatch]]) -> None:
        """Give back what was leased: nobody waits for it any more."""
        if leasing.cancelled() or leasing.exception() is not None:
            return
        with suppress(Retryable):
            self._thread.put(
                LeaseEnd(Nack(), [number for batch in leasing.result() for number in batch.ids], nacked=True)
            )


def _ids(ids: Iterable[int]) -> Collection[int]:
    """Return IDs to go through more than once; a range is as it is."""
    return ids if isinstance(ids, range) else tuple(ids)
