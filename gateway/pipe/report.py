"""Counts on standard error while lines pass: at intervals, and when SIGUSR1 asks. Values never."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from gateway.pipe.file_descriptor import write_line
from gateway.pipe.line_counts import LineCounts


class CountsReporter:
    """Says the counts every so many seconds if they changed, and at once when asked.

    An interval of 0 says them only when asked.
    """

    def __init__(self, counts: LineCounts, seconds: float, render: Callable[[LineCounts], str]) -> None:
        """`render` makes a line of the counts."""
        self._counts = counts
        self._seconds = seconds
        self._render = render
        self._wake: SimpleQueue[bool] = SimpleQueue()  # which a signal's handler may put into, whatever it interrupts
        self._last = counts.as_dict()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin, in the main thread: SIGUSR1 asks from now on."""
        signal.signal(signal.SIGUSR1, lambda *_: self._wake.put(True))
        self._thread.start()

    def end(self) -> None:
        """Say the counts for the last time."""
        self._wake.put(False)
        self._thread.join()
        write_line(self._render(self._counts))

    def _run(self) -> None:
        while (asked := self._next()) is not False:
            counts = self._counts.as_dict()
            if asked or counts != self._last:
                self._last = counts
                write_line(self._render(self._counts))

    def _next(self) -> bool | None:
        """Wait until the counts are to be said.

        Return whether somebody asked for them, False at the end, None where it is time.
        """
        with suppress(Empty):
            return self._wake.get(timeout=self._seconds or None)
        return None
