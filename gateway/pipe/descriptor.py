"""Writing to a file descriptor that may stall or close at any time."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

ATOMIC: Final = 4096
"""The bytes that a pipe which can be written to takes at once: PIPE_BUF, pipe(7)."""

_TICK: Final = 200  # milliseconds between looks at whether it is over


def writable(fd: int, over: Callable[[], bool], patience: float) -> bool:
    """Wait until `fd` can be written to, however long; once it is `over`, no longer than `patience`, in seconds. Raises OSError."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    until: float | None = None
    while not (ready := poll.poll(_TICK)):
        if until is None and over():
            until = time.monotonic() + patience
        if until is not None and time.monotonic() >= until:
            return False
    if ready[0][1] & select.POLLNVAL:
        raise OSError("closed")
    return True


def wrote(fd: int, data: bytes) -> int:
    """Write what is taken now; how much that was. Raises OSError."""
    try:
        return os.write(fd, data)
    except BlockingIOError:  # whoever shares it asked for that, and was faster
        return 0


def say(text: str, fd: int = 2, patience: float = 1.0) -> None:
    """Write a line, such as to standard error, as far as anybody takes it."""
    data = text.encode(errors="replace") + b"\n"
    with suppress(OSError):
        while data and writable(fd, lambda: True, patience):
            data = data[wrote(fd, data[:ATOMIC]) :]
