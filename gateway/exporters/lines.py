"""Where lines of one file go: a thread that writes them, for whoever holds it. What a line looks like is `jsonl.py`'s.

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

from gateway.exporters.base import DELIVERED, Outcome, Rejected, Retry
from gateway.exporters.file import Keeping, write_some
from gateway.model import OutboxEntry


class Sink(Protocol):
    """Where lines go. Called from one thread.

    `syncs` counts how often lines were flushed to the volume, `mended` the unfinished lines that were found and ended.
    `keeping` may be set in any thread.
    """

    syncs: int
    mended: int
    keeping: Keeping

    def append(self, lines: Sequence[bytes]) -> int:
        """Write whole lines; returns how many, from the first, are safe."""
        ...

    def sweep(self, now: float) -> int:
        """Remove what is too old at `now`, in seconds since 1970; how many files went."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


class Stdout:
    """Standard output, of which a process has one: destinations share it, line by line."""

    def __init__(self) -> None:
        self.syncs = 0
        self.mended = 0
        self.keeping = Keeping(0, None)
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
        self.mended += self._torn
        self._torn = False
        return True

    def sweep(self, now: float) -> int:  # noqa: ARG002 - as `Sink` has it
        """Nothing is kept."""
        return 0

    def close(self) -> None:
        """Standard output isn't ours to close."""


STDOUT: Final = Stdout()

Draw = Callable[[OutboxEntry], bytes | Rejected]
"""The line of an entry, or why it has none."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, eq=False)
class _Job(Generic[Answer]):
    """What the writer is asked, and who waits for its answer."""

    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Answer]

    def settle(self, result: Answer | Exception) -> None:
        # A closed loop has nobody left to tell.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._set, result)

    def _set(self, result: Answer | Exception) -> None:
        if self.answer.done():
            return
        if isinstance(result, Exception):
            self.answer.set_exception(result)
        else:
            self.answer.set_result(result)


@dataclass(frozen=True, slots=True, eq=False)
class _Batch(_Job[Sequence[Outcome]]):
    """Entries to write, and how."""

    entries: Sequence[OutboxEntry]
    draw: Draw


@dataclass(frozen=True, slots=True, eq=False)
class _Sweep(_Job[int]):
    """A time at which what is too old shall go."""

    now: float


@dataclass(frozen=True, slots=True, eq=False)
class _Release:
    """Somebody has let go; `done` when all that came before is written."""

    done: Future[None]


class Lines:
    """Writes lines in the order in which they come, and closes its sink when nobody holds it any more."""

    def __init__(self, sink: Sink) -> None:
        """It begins held by nobody: `hold` it at once."""
        self.sink = sink
        self._jobs: queue.SimpleQueue[_Batch | _Sweep | _Release] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._holders = 0
        self._closed = False
        # Not waited for when the program ends: a volume that hangs must not hang the exit. `release` does wait.
        threading.Thread(target=self._run, name="jsonl", daemon=True).start()

    @property
    def closed(self) -> bool:
        """Whether it is over: nobody can hold it any more."""
        return self._closed

    def hold(self) -> bool:
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
        job = _Release(Future())
        self._jobs.put(job)
        return job.done

    async def write(self, entries: Sequence[OutboxEntry], draw: Draw) -> Sequence[Outcome]:
        """Delivered once on the volume. Who is cancelled before the writer's turn has come has written nothing."""
        loop = asyncio.get_running_loop()
        job = _Batch(loop, loop.create_future(), entries, draw)
        self._jobs.put(job)
        return await job.answer

    async def sweep(self, now: float) -> int:
        """Remove what is too old at `now`, in seconds since 1970; how many files went."""
        loop = asyncio.get_running_loop()
        job = _Sweep(loop, loop.create_future(), now)
        self._jobs.put(job)
        return await job.answer

    # In the thread.

    def _run(self) -> None:
        while not self._closed:
            jobs = self._waiting()
            batches = [job for job in jobs if isinstance(job, _Batch) and not job.answer.cancelled()]
            try:
                self._commit(batches)
            except Exception as error:  # noqa: BLE001 - whatever it is, the senders learn of it, and the writer goes on
                for batch in batches:
                    batch.settle(error)
            for job in jobs:
                self._follow(job)

    def _follow(self, job: _Batch | _Sweep | _Release) -> None:
        """Do what comes after the batches of a group."""
        match job:
            case _Sweep():
                try:
                    job.settle(self.sink.sweep(job.now))
                except Exception as error:  # noqa: BLE001 - as above
                    job.settle(error)
            case _Release():
                self._close_if_left()
                job.done.set_result(None)

    def _waiting(self) -> list[_Batch | _Sweep | _Release]:
        """All jobs that wait, together: one flush serves them all."""
        jobs = [self._jobs.get()]
        with suppress(queue.Empty):
            while True:
                jobs.append(self._jobs.get_nowait())
        return jobs

    def _close_if_left(self) -> None:
        with self._lock:
            if not self._holders and not self._closed:
                self._closed = True
                self.sink.close()

    def _commit(self, batches: Sequence[_Batch]) -> None:
        drawn = [[batch.draw(entry) for entry in batch.entries] for batch in batches]
        lines = [found for row in drawn for found in row if isinstance(found, bytes)]
        safe = self.sink.append(lines)
        fates: Iterator[Outcome] = chain(repeat(DELIVERED, safe), repeat(Retry()))
        for batch, row in zip(batches, drawn, strict=True):
            batch.settle([found if isinstance(found, Rejected) else next(fates) for found in row])
