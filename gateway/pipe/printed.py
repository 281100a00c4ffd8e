"""What may leave, as lines on a file descriptor that may stall or close at any time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

from gateway.pipe.descriptor import ATOMIC, Left, writable, wrote
from gateway.pipe.render import line
from gateway.pipe.sieve import Kept
from gateway.pipe.tally import Loss, Tally


class Sink(Protocol):
    """Lets go of what may leave."""

    shut: Loss | None
    """Why it takes no more, if it doesn't."""

    def put(self, batch: Sequence[Kept]) -> None:
        """Let go of a batch, and count how it fared."""
        ...

    def close(self) -> None:
        """No more comes: finish what is under way, within seconds."""
        ...


class Printed:
    """Lines on a file descriptor, each batch at once.

    Once it is closed, or has stalled at the end, everything is dropped.
    """

    def __init__(self, fd: int, left: Left, tally: Tally) -> None:
        """A reader that has stalled is waited for as long as there is time."""
        self._fd = fd
        self._left = left
        self._tally = tally
        self.shut: Loss | None = None

    def put(self, batch: Sequence[Kept]) -> None:
        """Write the lines of a batch. What isn't written whole is counted as dropped."""
        batch, lines = self._rendered(batch)
        written = 0 if self.shut else self._write(b"".join(lines))
        whole = bisect_right([*accumulate(map(len, lines))], written)
        passed = batch[:whole]
        self._tally.passed(whole, sum(kept.stripped for kept in passed), sum(kept.bare for kept in passed))
        if self.shut and whole < len(batch):
            self._tally.dropped(self.shut, len(batch) - whole)

    def close(self) -> None:
        """Nothing is held back."""

    def _rendered(self, batch: Sequence[Kept]) -> tuple[Sequence[Kept], Sequence[bytes]]:
        """What has a line, and the lines."""
        pairs = [(kept, text) for kept in batch if (text := self._line(kept)) is not None]
        return [kept for kept, _ in pairs], [text for _, text in pairs]

    def _line(self, kept: Kept) -> bytes | None:
        try:
            return line(kept.record, kept.form)
        except Exception:  # noqa: BLE001 as in the sieve: no line ends the filter
            self._tally.dropped(Loss.FAULT)
            return None

    def _write(self, data: bytes) -> int:
        """Write all of it; how much was written before the other side closed or stalled."""
        done = 0
        try:
            while done < len(data):
                if not writable(self._fd, self._left):
                    self.shut = Loss.OUTPUT_STALLED
                    break
                done += wrote(self._fd, data[done : done + ATOMIC])
        except OSError:
            self.shut = Loss.OUTPUT_CLOSED
        return done
