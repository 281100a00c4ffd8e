"""What may leave, as lines on a file descriptor that may stall or close at any time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

from gateway.pipe.file_descriptor import ATOMIC_WRITE_BYTES, RemainingSeconds, wait_writable, write_some
from gateway.pipe.filter import KeptLine
from gateway.pipe.line_counts import DropReason, LineCounts
from gateway.pipe.render import render_line


class Sink(Protocol):
    """Sends on what may leave."""

    closed_by: DropReason | None
    """Why it takes no more, if it doesn't."""

    def put(self, batch: Sequence[KeptLine]) -> None:
        """Send a batch on, and count what became of it."""
        ...

    def close(self) -> None:
        """Finish what is under way, within seconds: no more comes."""
        ...


class StdoutSink:
    """Lines on a file descriptor, each batch at once.

    Once it is closed, or has stalled at the end, everything is dropped.
    """

    def __init__(self, fd: int, remaining: RemainingSeconds, counts: LineCounts) -> None:
        """A reader that has stalled is waited for as long as there is time."""
        self._fd = fd
        self._remaining = remaining
        self._counts = counts
        self.closed_by: DropReason | None = None

    def put(self, batch: Sequence[KeptLine]) -> None:
        """Write the lines of a batch. What isn't written whole is counted as dropped."""
        batch, lines = self._rendered(batch)
        written = 0 if self.closed_by else self._write(b"".join(lines))
        whole = bisect_right([*accumulate(map(len, lines))], written)
        passed = batch[:whole]
        self._counts.count_passed(whole, sum(kept.stripped for kept in passed), sum(kept.bare for kept in passed))
        if self.closed_by and whole < len(batch):
            self._counts.count_dropped(self.closed_by, len(batch) - whole)

    def close(self) -> None:
        """Nothing is held back."""

    def _rendered(self, batch: Sequence[KeptLine]) -> tuple[Sequence[KeptLine], Sequence[bytes]]:
        """What has a line, and the lines."""
        pairs = [(kept, text) for kept in batch if (text := self._line(kept)) is not None]
        return [kept for kept, _ in pairs], [text for _, text in pairs]

    def _line(self, kept: KeptLine) -> bytes | None:
        try:
            return render_line(kept.record, kept.form)
        except Exception:  # noqa: BLE001 as in `filter.py`: no line ends the filter
            self._counts.count_dropped(DropReason.FAULT)
            return None

    def _write(self, data: bytes) -> int:
        """Write all of it; return how much was written before the other side closed or stalled."""
        done = 0
        try:
            while done < len(data):
                if not wait_writable(self._fd, self._remaining):
                    self.closed_by = DropReason.OUTPUT_STALLED
                    break
                done += write_some(self._fd, data[done : done + ATOMIC_WRITE_BYTES])
        except OSError:
            self.closed_by = DropReason.OUTPUT_CLOSED
        return done
