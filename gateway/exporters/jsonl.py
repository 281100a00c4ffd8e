"""One JSON object a line, into a rotating file or to standard output.

What a line looks like is `render.py`'s, how a file is kept `file.py`'s.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, repeat, takewhile
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

from gateway.errors import Reason, Retryable
from gateway.exporters.base import DELIVERED, Bounds, MessageClass, Outcome, Rejected, Retry
from gateway.exporters.file import RotatingFile, write_some
from gateway.exporters.render import line
from gateway.model import Parcel

MAX_BYTES: Final = 64 * 1024 * 1024
BACKUPS: Final = 5

BATCH_ITEMS: Final = 1000
BATCH_BYTES: Final = 4 * 1024 * 1024
AT_ONCE: Final = 2
"""Batches under way: while one is flushed to the volume, the next one waits here."""


class Sink(Protocol):
    """Where lines go. Called from one thread.

    `syncs` counts how often lines were flushed to the volume, `mended` the unfinished lines that were found and ended.
    `retention` may be set in any thread.
    """

    syncs: int
    mended: int
    retention: timedelta | None

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
        self.retention: timedelta | None = None
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


Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, eq=False)
class _Job(Generic[Asked, Answer]):
    """What the writer is asked, and who waits for its answer."""

    asked: Asked
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


class _Batch(_Job[Sequence[Parcel], Sequence[Outcome]]):
    """Parcels to write."""


class _Sweep(_Job[float, int]):
    """A time at which what is too old shall go."""


class Jsonl:
    """Writes a parcel as a line of JSON: an item of an OTLP signal as OTLP JSON, all else as `{"type", "plan", "key", "message"}`.

    Guarantee: what is `delivered` stands in the file, whole and flushed to the volume (fdatasync), before its outcome is known; it
    survives a killed process, and a power cut as well as the volume does. With `-` it was handed to standard output, no more.
    At least once: what couldn't be flushed is cut off again and Retry, but on a failing volume may still be found in the file. A line
    that comes again has the `key` that it had, the parcel's in hexadecimal, so that a reader can tell; OTLP JSON has no place for one.
    """

    def __init__(
        self,
        path: str,
        message_class: MessageClass,
        *,
        max_bytes: int = MAX_BYTES,
        backups: int | None = BACKUPS,
        retention: timedelta | None = None,
    ) -> None:
        """Open `path`; `-` is standard output, of which nothing is kept here. For the others see `RotatingFile`.

        Raises BadConfig, naming the path, if it can't be written, or if another destination or process already does.
        """
        self.bounds = Bounds(items=BATCH_ITEMS, bytes=BATCH_BYTES, at_once=AT_ONCE)
        self._message_class = message_class
        self._sink: Sink = STDOUT if path == "-" else RotatingFile(Path(path), max_bytes, backups, retention)
        self._jobs: queue.SimpleQueue[_Batch | _Sweep | None] = queue.SimpleQueue()
        self._closed = False
        self._ended: Future[None] = Future()
        # Not waited for when the program ends: a volume that hangs must not hang the exit. `close` does wait.
        threading.Thread(target=self._run, name="jsonl", daemon=True).start()

    def keep(self, retention: timedelta) -> None:
        """Keep lines for so long from now on."""
        self._sink.retention = retention

    @property
    def syncs(self) -> int:
        """How often lines were flushed to the volume."""
        return self._sink.syncs

    @property
    def mended(self) -> int:
        """How many lines were found unfinished, after a crash or a failure, and ended."""
        return self._sink.mended

    async def send(self, batch: Sequence[Parcel]) -> Sequence[Outcome]:
        """Delivered once on the volume; Retry when the volume is full or failing; Rejected what has no JSON form."""
        if self._closed:
            raise Retryable(Reason.UNAVAILABLE)
        loop = asyncio.get_running_loop()
        job = _Batch(batch, loop, loop.create_future())
        self._jobs.put(job)
        return await job.answer

    async def sweep(self, now: float) -> int:
        """Remove the files that are older than the retention at `now`, in seconds since 1970; how many went. Once closed, none do."""
        if self._closed:
            return 0
        loop = asyncio.get_running_loop()
        job = _Sweep(now, loop, loop.create_future())
        self._jobs.put(job)
        return await job.answer

    async def close(self) -> None:
        """Write what waits, then close the file."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.shield(asyncio.wrap_future(self._ended))

    def _run(self) -> None:
        for jobs in self._groups():
            try:
                self._commit([job for job in jobs if isinstance(job, _Batch)])
                self._sweep([job for job in jobs if isinstance(job, _Sweep)])
            except Exception as error:  # noqa: BLE001 - whatever it is, the senders learn of it, and the writer goes on
                for job in jobs:
                    job.settle(error)
        self._sink.close()
        self._ended.set_result(None)

    def _groups(self) -> Iterator[list[_Batch | _Sweep]]:
        """All that wait, together: one flush serves them all."""
        while True:
            waiting = [self._jobs.get()]
            with suppress(queue.Empty):
                while True:
                    waiting.append(self._jobs.get_nowait())
            jobs = [job for job in waiting if job is not None]
            if jobs:
                yield jobs
            if len(jobs) < len(waiting):
                return

    def _commit(self, jobs: Sequence[_Batch]) -> None:
        drawn = [[line(parcel, self._message_class) for parcel in job.asked] for job in jobs]
        lines = [found for row in drawn for found in row if isinstance(found, bytes)]
        safe = self._sink.append(lines)
        fates: Iterator[Outcome] = chain(repeat(DELIVERED, safe), repeat(Retry()))
        for job, row in zip(jobs, drawn, strict=True):
            job.settle([found if isinstance(found, Rejected) else next(fates) for found in row])

    def _sweep(self, jobs: Sequence[_Sweep]) -> None:
        for job in jobs:
            job.settle(self._sink.sweep(job.asked))
