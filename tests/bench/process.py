"""Servers as processes: how they are started, and the CPU time that one has taken."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Server:
    """Where it listens, `host:port`, and its process ID."""

    address: str
    pid: int

    @property
    def cpu(self) -> float:
        """User and system seconds of all its threads: the clock of clock_getcpuclockid(3), which counts nanoseconds, not ticks."""
        # The C library's own arithmetic, which Python shows for threads only.
        return time.clock_gettime(~self.pid << 3 | 2)


@contextmanager
def running(serve: Callable[..., None], *args: Any) -> Iterator[Server]:
    """`serve(pipe, *args, folder)` in a process of its own, which sends its address when it listens; its folder goes with it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        process = context.Process(target=serve, args=(theirs, *args, Path(folder)))
        process.start()
        theirs.close()
        try:
            yield Server(ours.recv(), process.pid or 0)
        finally:
            process.terminate()
            process.join()
