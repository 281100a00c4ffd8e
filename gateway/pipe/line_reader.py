"""Lines as a process writes them.

Read by a thread that never waits for anything else, so that the writer doesn't either.

Memory is bounded: what is too long, or too much to wait, is dropped and counted. Where no writer is held up, as by a
file, room is waited for instead. What lines say is not looked at here.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from gateway.pipe.line_counts import DropReason, LineCounts
from gateway.pipe.source import Source

MAX_LINE_BYTES: Final = 64 * 1024
"""The bytes that a line may have."""

MAX_QUEUED_BYTES: Final = 8 * 1024 * 1024
"""The bytes that may wait, each line's with `LINE_OVERHEAD_BYTES` more."""

LINE_OVERHEAD_BYTES: Final = 64
"""What a line needs beside its bytes: an object, and a place in a queue."""

MAX_BATCH_LINES: Final = 256
MAX_BATCH_BYTES: Final = 64 * 1024
"""The lines that are decided on before any of them leaves, and their bytes."""

DRAIN_SECONDS: Final = 4.0
"""How long what waits is still decided on and written once the writer has gone: a second before many are killed."""

MIN_START_SECONDS: Final = 2.0
"""How long it is at least, from the filter's start on, where the writer had gone before."""

_POLL_SECONDS: Final = 0.05  # seconds between looks at whether another writer came


class LineSplitter:
    """Cuts bytes into lines, without their newlines. Of one that is too long nothing is kept."""

    def __init__(self, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max_line_bytes = max_line_bytes
        self._partial = bytearray()
        self._skipping = False
        self.too_long_count = 0
        """How many lines were, since this was last set to 0."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that end in a chunk."""
        *ends, rest = chunk.split(b"\n")
        lines = [line for part in ends if (line := self._ended(part)) is not None]
        self._add(rest)
        return lines

    def end(self) -> list[bytes]:
        """The line that nothing ended, if there is one."""
        line = self._ended(b"") if self._partial or self._skipping else None
        return [] if line is None else [line]

    def _add(self, part: bytes) -> None:
        if self._skipping or len(self._partial) + len(part) > self._max_line_bytes:
            self._partial.clear()
            self._skipping = True
        else:
            self._partial += part

    def _ended(self, part: bytes) -> bytes | None:
        self._add(part)
        line, skipped = bytes(self._partial), self._skipping
        self._partial.clear()
        self._skipping = False
        self.too_long_count += skipped
        return None if skipped else line


class LineReader:
    """The lines that wait. Its thread reads until the writer has gone, whatever becomes of what it reads."""

    def __init__(
        self,
        fd: int,
        counts: LineCounts,
        max_queued_bytes: int = MAX_QUEUED_BYTES,
        drain_seconds: float = DRAIN_SECONDS,
    ) -> None:
        self._source = Source(fd)
        self._counts = counts
        self._max_queued_bytes = self._free_bytes = max_queued_bytes
        self._drain_seconds = drain_seconds
        self._lines: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._finished = False
        self._drop_reason: DropReason | None = None
        self._ready_at: float | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._source.enlarge()
        self._thread.start()

    @property
    def is_finished(self) -> bool:
        """Whether the writer has gone, and all it wrote is read."""
        return self._finished

    @property
    def is_file(self) -> bool:
        """Whether they are a file's, so that nobody is held up or waits for the end."""
        return self._source.is_file

    def remaining(self) -> float | None:
        """How many seconds are left for what waits: None while there is a writer, and for a file, which has none."""
        gone_at, now = self._source.writer_gone_at, time.monotonic()
        if self.is_file or gone_at is None:
            return None
        return max(
            0.0,
            gone_at + self._drain_seconds - now,
            (self._ready_at or now) + min(self._drain_seconds, MIN_START_SECONDS) - now,
        )

    def batch(self) -> Sequence[bytes]:
        """The next lines, once there are some; none when the writer has gone and all are taken, or time is up."""
        with self._changed:
            self._ready_at = self._ready_at or time.monotonic()
            self._changed.wait_for(lambda: self._lines or self._finished)
            lines = [] if self.remaining() == 0.0 else self._next()
            self._free_bytes += sum(map(_cost, lines))
            self._changed.notify_all()
            return lines

    def drain(self, reason: DropReason = DropReason.NOT_READY) -> None:
        """Drop what waits and all that comes, until the writer has gone."""
        with self._changed:
            self._drop_reason = reason
            self._counts.count_dropped(reason, len(self._lines))
            self._lines.clear()
            self._free_bytes = self._max_queued_bytes
            self._changed.notify_all()
        self._thread.join()

    def _next(self) -> list[bytes]:
        lines: list[bytes] = []
        size = 0
        while self._lines and len(lines) < MAX_BATCH_LINES and size < MAX_BATCH_BYTES:
            lines.append(self._lines.popleft())
            size += len(lines[-1])
        return lines

    def _run(self) -> None:
        try:
            self._read_all()
        finally:
            with self._changed:
                self._finished = True
                self._changed.notify_all()

    def _read_all(self) -> None:
        splitter = LineSplitter()
        while chunk := self._source.read():
            try:
                lines = splitter.feed(chunk)
            except MemoryError:
                # Better to lose what was held than to stop reading.
                splitter = LineSplitter()
                self._counts.count_dropped(DropReason.FAULT)
            else:
                self._count(lines, splitter)
        self._count(splitter.end(), splitter)

    def _count(self, lines: Sequence[bytes], splitter: LineSplitter) -> None:
        too_long, splitter.too_long_count = splitter.too_long_count, 0
        self._counts.count_read(len(lines) + too_long)
        if too_long:
            self._counts.count_dropped(DropReason.TOO_LONG, too_long)
        if lines:
            self._take(lines)

    def _take(self, lines: Sequence[bytes]) -> None:
        with self._changed:
            taken = 0
            for line in lines:
                if self._has_room(cost := _cost(line)):
                    self._free_bytes -= cost
                    self._lines.append(line)
                    taken += 1
            self._changed.notify_all()
        if taken < len(lines):
            self._counts.count_dropped(
                self._drop_reason or (DropReason.LATE if self.remaining() == 0.0 else DropReason.OVERFLOW),
                len(lines) - taken,
            )

    def _has_room(self, cost: int) -> bool:
        """Whether a line may wait. For room it is waited itself, where that holds up no writer."""
        while cost > self._free_bytes and self._lines and not self._drop_reason and self._may_wait():
            self._changed.notify_all()
            self._changed.wait(_POLL_SECONDS)
            self._source.poll(0)
        return cost <= self._free_bytes and not self._drop_reason

    def _may_wait(self) -> bool:
        return self.is_file or (self._source.writer_gone_at is not None and self.remaining() != 0.0)


def _cost(line: bytes) -> int:
    return len(line) + LINE_OVERHEAD_BYTES
