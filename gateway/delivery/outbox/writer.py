"""The embedded outbox: one thread works on one SQLite file, and what waits at a time is one commit.

What it does there is `store.py`'s.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from gateway.config import Outbox as Settings
from gateway.delivery.outbox import retention as aging
from gateway.delivery.outbox.commits import Commits, Job
from gateway.delivery.outbox.interface import Leased, Removed
from gateway.delivery.outbox.store import MAX_TIME_NANOS, RETRY_AFTER_SECONDS, ROW_OVERHEAD_BYTES, Store
from gateway.errors import CallReason, Reason, Retryable
from gateway.exporters.base import BatchLimits
from gateway.model import OutboxEntry, QueueDepth
from gateway.telemetry import ResourceUsage
from gateway.telemetry.checks import Check

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_GROUP_JOBS: Final = 1024
"""Jobs in one commit."""

MAX_GROUP_BYTES: Final = 16 * 1024 * 1024
"""And the bytes that they store."""

MAX_PENDING_BYTES: Final = 64 * 1024 * 1024
"""Bytes that may wait to be stored."""

RETRY_SECONDS: Final = 1.0
"""How often what couldn't be written is tried again by itself, in seconds, and the file looked at where nothing happens."""


class SqliteOutbox:
    """An outbox in a file.

    What is accepted is on the volume, as safely as the volume is; the methods are those of `Outbox`.
    """

    def __init__(self, commits: Commits) -> None:
        """`open` makes one."""
        self._commits = commits
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._pending = 0
        self._closed = False
        self._ended: Future[None] = Future()
        # Not waited for when the program ends: a volume that hangs must not hang the exit. `close` does wait.
        threading.Thread(target=self._run, name="outbox", daemon=True).start()

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

    async def accept(self, entries: Sequence[OutboxEntry], now_ns: int) -> None:
        """Store all, or none."""
        size = sum([len(entry.release.payload) for entry in entries]) + ROW_OVERHEAD_BYTES * len(entries)
        if self._pending and self._pending + size > MAX_PENDING_BYTES:
            raise Retryable(CallReason.FULL, RETRY_AFTER_SECONDS)
        job = self._job(lambda store: store.accept(entries, now_ns))
        job.size = size
        self._pending += size
        await self._done(job)

    async def lease(self, destination: str, bounds: BatchLimits, now_ns: int) -> Sequence[Leased]:
        """Take what is due."""
        taking = asyncio.ensure_future(
            self._look(lambda store: self._commits.lease(store, destination, bounds, now_ns))
        )
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(self._nack)
            raise

    async def ack(self, ids: Iterable[int]) -> None:
        """These need no delivery any more."""
        held = tuple(ids)
        await self._end(held, lambda store: store.ack(held))

    async def defer(self, ids: Iterable[int], due_ns: int, *, failed: bool = True) -> None:
        """Give a lease back."""
        held, due = tuple(ids), min(max(due_ns, 0), MAX_TIME_NANOS)
        await self._end(held, lambda store: store.defer(held, due, int(failed)), given_back=not due)

    async def dead_letter(self, reasons: Mapping[int, Reason], now_ns: int) -> None:
        """Make dead letters of these."""
        held = dict(reasons)
        await self._end(held, lambda store: store.dead_letter(held, now_ns))

    async def erase(self, subjects: Iterable[bytes], now_ns: int) -> Mapping[str, Removed]:
        """Delete all that is about these subjects."""
        held = tuple(subjects)
        counts = await self._do(lambda store: self._commits.erase(store, held, now_ns))
        await self._wipe(erased=True)
        return counts

    def erased(self, ids: Iterable[int]) -> Collection[int]:
        """Which of these leases were erased since."""
        gone = self._commits.erased
        return {number for number in ids if number in gone} if gone else ()

    async def dead_letter_expired(self, destination: str, before_ns: int, now_ns: int) -> int:
        """Make dead letters of what was received before a time."""
        return await self._all(
            lambda store: aging.dead_letter_expired(store, destination, before_ns, self._commits.leased, now_ns)
        )

    async def delete_expired(self, destination: str, before_ns: int, now_ns: int) -> int:
        """Delete what was received before a time."""
        return await self._all(
            lambda store: aging.delete_expired(store, destination, before_ns, self._commits.leased, now_ns)
        )

    async def delete_of_types(self, destination: str, types: Collection[str], end: int, now_ns: int) -> int:
        """Delete what is for a destination and of one of these types."""
        after = total = 0

        def step(store: Store) -> tuple[int, int]:
            return aging.delete_of_types(store, destination, types, range(after + 1, end), self._commits.leased, now_ns)

        while True:
            count, after = await self._do(step)
            total += count
            if not after:
                break
        if total:
            await self._wipe()
        await self._do(lambda store: aging.forget_types(store, destination, types))
        return total

    async def kinds(self) -> tuple[Collection[tuple[str, str]], int]:
        """The destinations and types of which something waits, and the next ID."""
        return await self._look(lambda store: (store.queues.types(), store.next))

    async def discard_quarantined(self, before_ns: int) -> int:
        """Delete damaged files that were quarantined before a time."""
        return await self._look(lambda _: self._commits.file.discard_quarantined(before_ns))

    @property
    def check(self) -> Check:
        """Whether it can be written."""
        return self._commits.check

    def removed_by_operator(self) -> Mapping[tuple[str, str], int]:
        """What operators have dead-lettered and purged since the start, by destination and reason."""
        return self._commits.removed_by_operator

    def uses(self) -> Mapping[str, Callable[[], ResourceUsage]]:
        """What tells how much is kept and waits to be, how full the volume is, and how many keys are known."""
        told = {name: partial(self._use, name) for name in self._commits.uses}
        return {**told, "outbox_unwritten": lambda: ResourceUsage(self._pending, MAX_PENDING_BYTES)}

    def _use(self, name: str) -> ResourceUsage:
        return self._commits.uses[name]

    def depths(self) -> Mapping[str, QueueDepth]:
        """What waits, by destination."""
        return self._commits.depths

    async def close(self) -> None:
        """Write what waits, and let go."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.shield(asyncio.wrap_future(self._ended))

    async def _all(self, step: Callable[[Store], int]) -> int:
        """Step by step, so that others get their turn between two commits."""
        total = 0
        while count := await self._do(step):
            total += count
        if total:
            await self._wipe()
        return total

    async def _wipe(self, *, erased: bool = False) -> None:
        await self._look(lambda _: self._commits.wipe(erased=erased))

    async def _do(self, work: Callable[[Store], T]) -> T:
        result: T = await self._done(self._job(work))
        return result

    async def _look(self, work: Callable[[Store], T]) -> T:
        job = self._job(work)
        job.reads = True
        result: T = await self._done(job)
        return result

    async def _end(self, ids: Collection[int], work: Callable[[Store], object], *, given_back: bool = False) -> None:
        job = self._job(work)
        job.ends, job.nacked = ids, given_back
        await self._done(job)

    def _nack(self, taking: asyncio.Task[Sequence[Leased]]) -> None:
        """Nobody waits any more for what was leased."""
        if not taking.cancelled() and taking.exception() is None and not self._closed:
            job = self._job(lambda store: None)
            job.ends, job.nacked = [leased.id for leased in taking.result()], True
            self._jobs.put(job)

    def _job(self, work: Callable[[Store], Any]) -> Job:
        if self._closed:
            raise Retryable(CallReason.UNAVAILABLE)
        return Job(work, asyncio.get_running_loop().create_future())

    def _done(self, job: Job) -> asyncio.Future[Any]:
        self._jobs.put(job)
        return job.future

    # In the thread.

    def _run(self) -> None:
        for jobs in self._groups():
            try:
                self._commits.work(jobs)
            except Exception as error:  # noqa: BLE001 - the thread goes on, whatever it is; its text may hold a value
                log.error("outbox: %s", type(error).__name__)
            self._report(jobs)
        self._commits.close()
        self._ended.set_result(None)

    def _groups(self) -> Iterator[list[Job]]:
        """All jobs that wait, together: one commit serves them all."""
        ended = False
        while not ended:
            jobs: list[Job] = []
            for job in self._waiting():
                if job is None:
                    ended = True
                    break
                jobs.append(job)
            yield jobs

    def _waiting(self) -> Iterator[Job | None]:
        size, count = 0, 0
        with suppress(queue.Empty):
            job = self._jobs.get(timeout=RETRY_SECONDS)
            while True:
                yield job
                count, size = count + 1, size + (0 if job is None else job.size)
                if count >= MAX_GROUP_JOBS or size >= MAX_GROUP_BYTES:
                    return
                job = self._jobs.get_nowait()

    def _report(self, jobs: Sequence[Job]) -> None:
        """Tell all who wait, with one call for each loop. A closed loop has nobody left to tell."""
        for loop in {job.future.get_loop() for job in jobs}:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._reported, [job for job in jobs if job.future.get_loop() is loop])

    def _reported(self, jobs: Sequence[Job]) -> None:
        # Not before: what a caller no longer waits for is in memory all the same.
        self._pending -= sum(job.size for job in jobs)
        _resolve(jobs)


def _resolve(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if not job.future.done():
            if isinstance(job.result, Exception):
                job.future.set_exception(job.result)
            else:
                job.future.set_result(job.result)
