"""Where lines of one file go: a thread that writes them, for whoever holds it.

What a line looks like: see `json_line.py`.

A file is handed from one exporter to the next without being closed: whoever comes holds it before the other lets go.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, repeat, takewhile
from typing import Final, Generic, Protocol, TypeVar

from gateway.entry_batch import EntryBatch
from gateway.errors import Rejected, Retryable
from gateway.exporters.base import DELIVERED, Outcome
from gateway.exporters.jsonl.rotating_file import RotationSettings, write_some


class LineSink(Protocol):
    """Where lines go. Called from one thread.

    `syncs` counts how often lines were flushed to the volume, `mended` the unfinished lines that were found and ended.
    `rotation` may be set in any thread.
    """

    syncs: int
    repaired_lines: int
    rotation: RotationSettings

    def append(self, lines: Sequence[bytes]) -> int:
        """Write whole lines; returns how many, from the first, are safe."""
        ...

    def sweep(self, now: float) -> int:
        """Remove what is too old at `now`, in seconds since 1970, and return the number of files."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


class StdoutSink:
    """Standard output, of which a process has one: destinations share it, line by line."""

    def __init__(self) -> None:
        self.syncs = 0
        self.repaired_lines = 0
        self.rotation = RotationSettings(0, None)
        self._lock = threading.Lock()
        self._torn = False

    def append(self, lines: Sequence[bytes]) -> int:
        """Write lines, one by one; returns how many were taken."""
        with self._lock:
            return sum(1 for _ in takewhile(self._write, lines))

    def _write(self, text: bytes) -> bool:
        whole = left = memoryview(b"\n" * self._torn + text)
        try:
            while left:
                left = write_some(1, left)
        except OSError:
            # Where a part went out, what comes next starts a line of its own.
            self._torn = self._torn or len(left) < len(whole)
            return False
        self.repaired_lines += self._torn
        self._torn = False
        return True

    def sweep(self, now: float) -> int:  # noqa: ARG002 - as `Sink` has it
        """Nothing is kept."""
        return 0

    def close(self) -> None:
        """Standard output isn't ours to close."""


STDOUT: Final = StdoutSink()

RenderLines = Callable[[EntryBatch], Sequence[bytes | Rejected]]
"""The line of each entry, or why it has none."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class _Job(Generic[Result]):
    """What the writer is asked, and who waits for its answer."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Result]

    def resolve(self, result: Result | Exception) -> None:
        # A closed loop has nobody left to tell.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._set, result)

    def _set(self, result: Result | Exception) -> None:
        if self.future.done():
            return
        if isinstance(result, Exception):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


@dataclass(frozen=True, slots=True, eq=False)
class _WriteJob(_Job[Sequence[Outcome]]):
    """Entries to write, and how."""

    batches: Sequence[EntryBatch]
    render: RenderLines

    def lines(self) -> list[bytes | Rejected]:
        """The line of each entry, or why it has none."""
        return [line for batch in self.batches for line in self.render(batch)]


@dataclass(frozen=True, slots=True, eq=False)
class _SweepJob(_Job[int]):
    """A time at which what is too old shall go."""

    now: float


@dataclass(frozen=True, slots=True, eq=False)
class _ReleaseJob:
    """Somebody has let go; `done` when all that came before is written."""

    done: Future[None]


class LineWriter:
    """Writes lines in the order in which they come, and closes its sink when nobody holds it any more."""

    def __init__(self, sink: LineSink) -> None:
        """It begins held by nobody: `hold` it at once."""
        self.sink = sink
        self._jobs: queue.SimpleQueue[_WriteJob | _SweepJob | _ReleaseJob] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._holders = 0
        self._closed = False
        # Not waited for when the program ends: a volume that hangs must not hang the exit. `release` does wait.
        threading.Thread(target=self._run, name="jsonl", daemon=True).start()

    @property
    def closed(self) -> bool:
        """Whether it is over: nobody can hold it any more."""
        return self._closed

    def acquire(self) -> bool:
        """Keep it open until `release`; whether it still is. For any thread."""
        with self._lock:
            self._holders += not self._closed
            return not self._closed

    def release(self) -> Future[None]:
        """Let go: done when all that came before is written and, with the last holder, the sink is closed.

        For any thread.
        """
        with self._lock:
            self._holders -= 1
        job = _ReleaseJob(Future())
        self._jobs.put(job)
        return job.done

    async def write(self, batches: Sequence[EntryBatch], render: RenderLines) -> Sequence[Outcome]:
        """Delivered once on the volume. Who is cancelled before the writer's turn has come has written nothing."""
        loop = asyncio.get_running_loop()
        job = _WriteJob(loop, loop.create_future(), batches, render)
        self._jobs.put(job)
        return await job.future

    async def sweep(self, now: float) -> int:
        """Remove what is too old at `now`, in seconds since 1970, and return the number of files."""
        loop = asyncio.get_running_loop()
        job = _SweepJob(loop, loop.create_future(), now)
        self._jobs.put(job)
        return await job.future

    # In the thread.

    def _run(self) -> None:
        while not self._closed:
            jobs = self._take_jobs()
            writes = [job for job in jobs if isinstance(job, _WriteJob) and not job.future.cancelled()]
            try:
                self._commit(writes)
            except Exception as error:  # noqa: BLE001 - whatever it is, the senders learn of it, and the writer goes on
                for write in writes:
                    write.resolve(error)
            for job in jobs:
                self._finish(job)

    def _finish(self, job: _WriteJob | _SweepJob | _ReleaseJob) -> None:
        """Do what comes after the batches of a group."""
        match job:
            case _SweepJob():
                try:
                    job.resolve(self.sink.sweep(job.now))
                except Exception as error:  # noqa: BLE001 - as above
                    job.resolve(error)
            case _ReleaseJob():
                self._close_if_unheld()
                job.done.set_result(None)

    def _take_jobs(self) -> list[_WriteJob | _SweepJob | _ReleaseJob]:
        """All jobs that wait, together: one flush serves them all."""
        jobs = [self._jobs.get()]
        with suppress(queue.Empty):
            while True:
                jobs.append(self._jobs.get_nowait())
        return jobs

    def _close_if_unheld(self) -> None:
        with self._lock:
            if not self._holders and not self._closed:
                self._closed = True
                self.sink.close()

    def _commit(self, jobs: Sequence[_WriteJob]) -> None:
        rendered = [job.lines() for job in jobs]
        lines = [found for row in rendered for found in row if isinstance(found, bytes)]
        safe = self.sink.append(lines)
        if safe == sum(map(len, rendered)):
            for job, row in zip(jobs, rendered, strict=True):
                job.resolve([DELIVERED] * len(row))
            return
        outcomes: Iterator[Outcome] = chain(repeat(DELIVERED, safe), repeat(Retryable()))
        for job, row in zip(jobs, rendered, strict=True):
            job.resolve([found if isinstance(found, Rejected) else next(outcomes) for found in row])
