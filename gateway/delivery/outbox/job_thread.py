"""The thread of an outbox: takes jobs from event loops, does what waits as one group, and reports to their loops."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Final, TypeVar

from gateway.delivery.outbox.commits import Commits
from gateway.delivery.outbox.jobs import Job
from gateway.errors import CallReason, Retryable

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_GROUP_JOBS: Final = 1024
"""Jobs in one commit."""

MAX_GROUP_BYTES: Final = 16 * 1024 * 1024
"""Bytes that the jobs of one commit store, apart from its last job's."""

RETRY_SECONDS: Final = 1.0
"""How often the file is looked at without a job, and what is owed is tried again, in seconds."""


class JobThread:
    """Does the jobs of one outbox, those that wait at a time in one transaction.

    While a commit of 5 ms runs, 40 calls may come:
      call 1 comes                 -> group [1], one commit
      calls 2 to 41 wait meanwhile -> group [2 … 41], one commit
    so 41 calls cost two flushes of the volume, and each is answered after its own group's commit.
    """

    def __init__(self, commits: Commits) -> None:
        self.pending_bytes = 0
        """Bytes that wait to be stored."""
        self._commits = commits
        self._jobs: queue.SimpleQueue[Job[object] | None] = queue.SimpleQueue()
        self._closed = False
        self._ended: Future[None] = Future()
        # Not waited for when the program ends: a volume that hangs must not hang the exit. `close` does wait.
        threading.Thread(target=self._run, name="outbox", daemon=True).start()

    def run(self, job: Job[T]) -> asyncio.Future[T]:
        """Have a job done; the future has its result. Raises Retryable UNAVAILABLE once closed."""
        self.put(job)
        return job.future

    def put(self, job: Job[object]) -> None:
        """Have a job done whose result nobody waits for. Raises as `run` does."""
        if self._closed:
            raise Retryable(CallReason.UNAVAILABLE)
        self.pending_bytes += job.stored_bytes
        self._jobs.put(job)

    async def close(self) -> None:
        """Do what waits, and end."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.shield(asyncio.wrap_future(self._ended))

    def _run(self) -> None:
        for jobs in self._groups():
            try:
                self._commits.work(jobs)
            except Exception as error:  # noqa: BLE001 - the thread goes on, whatever it is; its text may hold a value
                log.error("outbox: %s", type(error).__name__)
            self._report(jobs)
        self._commits.close()
        self._ended.set_result(None)

    def _groups(self) -> Iterator[list[Job[object]]]:
        """Yield all jobs that wait, together: one commit serves them all."""
        ended = False
        while not ended:
            jobs: list[Job[object]] = []
            for job in self._waiting():
                if job is None:
                    ended = True
                    break
                jobs.append(job)
            yield jobs

    def _waiting(self) -> Iterator[Job[object] | None]:
        size, count = 0, 0
        with suppress(queue.Empty):
            job = self._jobs.get(timeout=RETRY_SECONDS)
            while True:
                yield job
                count, size = count + 1, size + (0 if job is None else job.stored_bytes)
                if count >= MAX_GROUP_JOBS or size >= MAX_GROUP_BYTES:
                    return
                job = self._jobs.get_nowait()

    def _report(self, jobs: Sequence[Job[object]]) -> None:
        """Report to all who wait, with one call for each loop. A closed loop has nobody left to hear of it."""
        for loop in {job.future.get_loop() for job in jobs}:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._reported, [job for job in jobs if job.future.get_loop() is loop])

    def _reported(self, jobs: Sequence[Job[object]]) -> None:
        # Not before: what a caller no longer waits for is in memory all the same.
        self.pending_bytes -= sum(job.stored_bytes for job in jobs)
        for job in jobs:
            job.report()
