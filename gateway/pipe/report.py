"""Counts on standard error while lines pass: at intervals, and when SIGUSR1 asks. Values never."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

from gateway.pipe.descriptor import say
from gateway.pipe.tally import Tally


class Report:
    """Says the counts every so many seconds if they changed, and at once when asked; an interval of 0 says them only when asked."""

    def __init__(self, tally: Tally, seconds: float, written: Callable[[Tally], str]) -> None:
        """`written` makes a line of the counts."""
        self._tally = tally
        self._seconds = seconds
        self._written = written
        self._wake = threading.Event()
        self._asked = self._over = False
        self._last: dict[str, Any] = tally.told()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin, in the main thread: SIGUSR1 asks from now on."""
        signal.signal(signal.SIGUSR1, self._ask)
        self._thread.start()

    def end(self) -> None:
        """Say the counts for the last time."""
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # its handler must not find the lock taken that is taken here
        self._over = True
        self._wake.set()
        self._thread.join()
        say(self._written(self._tally))

    def _ask(self, *_: object) -> None:
        self._asked = True
        self._wake.set()

    def _ended(self) -> bool:
        """Whether no more is to be said, once it is time or asked for."""
        self._wake.wait(self._seconds or None)
        self._wake.clear()
        return self._over

    def _run(self) -> None:
        while not self._ended():
            told, asked, self._asked = self._tally.told(), self._asked, False
            if asked or told != self._last:
                self._last = told
                say(self._written(self._tally))
