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
from itertools import chain, repeat, takewhile
from pathlib import Path
from typing import Final, Protocol

from gateway.errors import Reason, Retryable
from gateway.exporters.base import DELIVERED, MessageClass, Outcome, Rejected, Retry
from gateway.exporters.file import RotatingFile, write_some
from gateway.exporters.render import line
from gateway.model import Release

MAX_BYTES: Final = 64 * 1024 * 1024
BACKUPS: Final = 5


class Sink(Protocol):
    """Where lines go. Called from one thread.

    `syncs` counts how often lines were flushed to the volume, `mended` the unfinished lines that were found and ended.
    """

    syncs: int
    mended: int

    def append(self, lines: Sequence[bytes]) -> int:
        """Write whole lines; returns how many, from the first, are safe."""
        ...

    def close(self) -> None:
        """Let go of what is held open."""
        ...


class Stdout:
    """Standard output, of which a process has one: destinations share it, line by line."""

    def __init__(self) -> None:
        self.syncs = 0
        self.mended = 0
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

    def close(self) -> None:
        """Standard output isn't ours to close."""


STDOUT: Final = Stdout()


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    batch: Sequence[Release]
    loop: asyncio.AbstractEventLoop
    outcomes: asyncio.Future[Sequence[Outcome]]

    def settle(self, result: Sequence[Outcome] | Exception) -> None:
        # A closed loop has nobody left to tell.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._set, result)

    def _set(self, result: Sequence[Outcome] | Exception) -> None:
        if self.outcomes.done():
            return
        if isinstance(result, Exception):
            self.outcomes.set_exception(result)
        else:
            self.outcomes.set_result(result)


class Jsonl:
    """Writes a release as a line of JSON: for an item of an OTLP signal, OTLP JSON; else `{"type", "plan", "message"}` with proto-JSON.

    Guarantee: what is `delivered` stands in the file, whole and flushed to the volume (fdatasync), before its outcome is known; it
    survives a killed process, and a power cut as well as the volume does. With `-` it was handed to standard output, no more.
    At least once: what couldn't be flushed is cut off again and Retry, but on a failing volume may still be found in the file.
    """

    def __init__(self, path: str, message_class: MessageClass, *, max_bytes: int = MAX_BYTES, backups: int = BACKUPS) -> None:
        """Open `path`; `-` is standard output. A file over `max_bytes` rotates, and `backups` old ones are kept; with 0 it only grows.

        Raises BadConfig, naming the path, if it can't be written, or if another destination or process already does.
        """
        self._message_class = message_class
        self._sink: Sink = STDOUT if path == "-" else RotatingFile(Path(path), max_bytes, backups)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._ended: Future[None] = Future()
        # Not waited for when the program ends: a volume that hangs must not hang the exit. `close` does wait.
        threading.Thread(target=self._run, name="jsonl", daemon=True).start()

    @property
    def syncs(self) -> int:
        """How often lines were flushed to the volume."""
        return self._sink.syncs

    @property
    def mended(self) -> int:
        """How many lines were found unfinished, after a crash or a failure, and ended."""
        return self._sink.mended

    async def send(self, batch: Sequence[Release]) -> Sequence[Outcome]:
        """Delivered once on the volume; Retry when the volume is full or failing; Rejected what has no JSON form."""
        if self._closed:
            raise Retryable(Reason.UNAVAILABLE)
        loop = asyncio.get_running_loop()
        job = _Job(batch, loop, loop.create_future())
        self._jobs.put(job)
        return await job.outcomes

    async def close(self) -> None:
        """Write what waits, then close the file."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.shield(asyncio.wrap_future(self._ended))

    def _run(self) -> None:
        for jobs in self._groups():
            try:
                self._commit(jobs)
            except Exception as error:  # noqa: BLE001 - whatever it is, the senders learn of it, and the writer goes on
                for job in jobs:
                    job.settle(error)
        self._sink.close()
        self._ended.set_result(None)

    def _groups(self) -> Iterator[list[_Job]]:
        """All batches that wait, together: one flush serves them all."""
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

    def _commit(self, jobs: Sequence[_Job]) -> None:
        drawn = [[line(release, self._message_class) for release in job.batch] for job in jobs]
        lines = [found for row in drawn for found in row if isinstance(found, bytes)]
        safe = self._sink.append(lines)
        fates: Iterator[Outcome] = chain(repeat(DELIVERED, safe), repeat(Retry()))
        for job, row in zip(jobs, drawn, strict=True):
            job.settle([found if isinstance(found, Rejected) else next(fates) for found in row])
