"""Lines as a process writes them: read by a thread that never waits for anything else, so that the writer doesn't either.

Memory is bounded: what is too long, or too much to wait, is dropped and counted. What lines say is not looked at here.
"""

from __future__ import annotations

import fcntl
import os
import select
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from gateway.pipe.tally import Loss, Tally

LONGEST: Final = 64 * 1024
"""The bytes that a line may have."""

WAITING: Final = 8 * 1024 * 1024
"""The bytes that may wait."""

BATCH: Final = 256
"""The lines that are decided on before any of them leaves."""

_COST: Final = 64  # what an object needs beside its bytes
_CHUNK: Final = 128 * 1024
_PIPE: Final = 1024 * 1024


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

    def __init__(self, fd: int, tally: Tally, waiting: int = WAITING) -> None:
        self._fd = fd
        self._tally = tally
        self._most = waiting
        self._room = waiting
        self._lines: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._over = self._dropping = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to read."""
        with suppress(OSError, AttributeError):  # a file has no such size, nor have systems other than Linux
            fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, _PIPE)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether the writer has gone."""
        return self._over

    def batch(self) -> Sequence[bytes]:
        """The next lines, once there are some; none when the writer has gone and all are taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._over)
            lines = [self._lines.popleft() for _ in range(min(BATCH, len(self._lines)))]
            self._room += sum(map(_cost, lines))
            return lines

    def drain(self) -> None:
        """Drop what waits and all that comes, until the writer has gone."""
        with self._changed:
            self._dropping = True
            self._tally.dropped(Loss.NOT_READY, len(self._lines))
            self._lines.clear()
            self._room = self._most
        self._thread.join()

    def _run(self) -> None:
        try:
            self._read_all()
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _read_all(self) -> None:
        splitter = Splitter()
        while chunk := _read(self._fd):
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
            if self._dropping:
                self._tally.dropped(Loss.NOT_READY, len(lines))
                return
            taken = 0
            for line in lines:
                if (cost := _cost(line)) <= self._room:
                    self._room -= cost
                    self._lines.append(line)
                    taken += 1
            self._changed.notify_all()
        if taken < len(lines):
            self._tally.dropped(Loss.OVERFLOW, len(lines) - taken)


def _cost(line: bytes) -> int:
    return len(line) + _COST


def _read(fd: int) -> bytes:
    """What there is to read, once there is something; nothing when there will be no more."""
    while True:
        try:
            return os.read(fd, _CHUNK)
        except BlockingIOError:  # whoever shares the other end asked for that
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            poll.poll()
        except OSError:
            return b""
