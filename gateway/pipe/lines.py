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

from gateway.pipe.source import Source
from gateway.pipe.tally import Loss, Tally

LONGEST: Final = 64 * 1024
"""The bytes that a line may have."""

WAITING: Final = 8 * 1024 * 1024
"""The bytes that may wait, each line's with `LINE_COST_BYTES` more."""

LINE_COST_BYTES: Final = 64
"""What a line needs beside its bytes: an object, and a place in a queue."""

BATCH_LINES: Final = 256
BATCH_BYTES: Final = 64 * 1024
"""The lines that are decided on before any of them leaves, and their bytes."""

END_SECONDS: Final = 4.0
"""How long what waits is still decided on and written once the writer has gone: a second before many are killed."""

START_SECONDS: Final = 2.0
"""How long it is at least, from the filter's start on, where the writer had gone before."""

_TICK: Final = 0.05  # seconds between looks at whether another writer came


class Splitter:
    """Cuts bytes into lines, without their newlines. Of one that is too long nothing is kept."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._held = bytearray()
        self._skipping = False
        self.too_long = 0
        """How many lines were, since this was last set to 0."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that end in a chunk."""
        *ends, rest = chunk.split(b"\n")
        lines = [line for part in ends if (line := self._ended(part)) is not None]
        self._add(rest)
        return lines

    def end(self) -> list[bytes]:
        """The line that nothing ended, if there is one."""
        line = self._ended(b"") if self._held or self._skipping else None
        return [] if line is None else [line]

    def _add(self, part: bytes) -> None:
        if self._skipping or len(self._held) + len(part) > self._longest:
            self._held.clear()
            self._skipping = True
        else:
            self._held += part

    def _ended(self, part: bytes) -> bytes | None:
        self._add(part)
        line, skipped = bytes(self._held), self._skipping
        self._held.clear()
        self._skipping = False
        self.too_long += skipped
        return None if skipped else line


class Lines:
    """The lines that wait. Its thread reads until the writer has gone, whatever becomes of what it reads."""

    def __init__(self, fd: int, tally: Tally, waiting: int = WAITING, patience: float = END_SECONDS) -> None:
        self._source = Source(fd)
        self._tally = tally
        self._most = self._room = waiting
        self._patience = patience
        self._lines: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._over = False
        self._dropping: Loss | None = None
        self._ready_at: float | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._source.enlarge()
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether the writer has gone, and all it wrote is read."""
        return self._over

    @property
    def from_file(self) -> bool:
        """Whether they are a file's, so that nobody is held up or waits for the end."""
        return self._source.is_file

    def left(self) -> float | None:
        """How many seconds are left for what waits: None while there is a writer, and for a file, which has none."""
        gone_at, now = self._source.gone_at, time.monotonic()
        if self.from_file or gone_at is None:
            return None
        return max(
            0.0, gone_at + self._patience - now, (self._ready_at or now) + min(self._patience, START_SECONDS) - now
        )

    def batch(self) -> Sequence[bytes]:
        """The next lines, once there are some; none when the writer has gone and all are taken, or time is up."""
        with self._changed:
            self._ready_at = self._ready_at or time.monotonic()
            self._changed.wait_for(lambda: self._lines or self._over)
            lines = [] if self.left() == 0.0 else self._next()
            self._room += sum(map(_cost, lines))
            self._changed.notify_all()
            return lines

    def drain(self, loss: Loss = Loss.NOT_READY) -> None:
        """Drop what waits and all that comes, until the writer has gone."""
        with self._changed:
            self._dropping = loss
            self._tally.dropped(loss, len(self._lines))
            self._lines.clear()
            self._room = self._most
            self._changed.notify_all()
        self._thread.join()

    def _next(self) -> list[bytes]:
        lines: list[bytes] = []
        size = 0
        while self._lines and len(lines) < BATCH_LINES and size < BATCH_BYTES:
            lines.append(self._lines.popleft())
            size += len(lines[-1])
        return lines

    def _run(self) -> None:
        try:
            self._read_all()
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _read_all(self) -> None:
        splitter = Splitter()
        while chunk := self._source.read():
            try:
                lines = splitter.feed(chunk)
            except MemoryError:
                # Better to lose what was held than to stop reading.
                splitter = Splitter()
                self._tally.dropped(Loss.FAULT)
            else:
                self._count(lines, splitter)
        self._count(splitter.end(), splitter)

    def _count(self, lines: Sequence[bytes], splitter: Splitter) -> None:
        too_long, splitter.too_long = splitter.too_long, 0
        self._tally.read(len(lines) + too_long)
        if too_long:
            self._tally.dropped(Loss.TOO_LONG, too_long)
        if lines:
            self._take(lines)

    def _take(self, lines: Sequence[bytes]) -> None:
        with self._changed:
            taken = 0
            for line in lines:
                if self._has_room(cost := _cost(line)):
                    self._room -= cost
                    self._lines.append(line)
                    taken += 1
            self._changed.notify_all()
        if taken < len(lines):
            self._tally.dropped(
                self._dropping or (Loss.LATE if self.left() == 0.0 else Loss.OVERFLOW), len(lines) - taken
            )

    def _has_room(self, cost: int) -> bool:
        """Whether a line may wait. For room it is waited itself, where that holds up no writer."""
        while cost > self._room and self._lines and not self._dropping and self._may_wait():
            self._changed.notify_all()
            self._changed.wait(_TICK)
            self._source.look(0)
        return cost <= self._room and not self._dropping

    def _may_wait(self) -> bool:
        return self.from_file or (self._source.gone_at is not None and self.left() != 0.0)


def _cost(line: bytes) -> int:
    return len(line) + LINE_COST_BYTES
