"""Writing to a file descriptor that may stall or close at any time."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

ATOMIC_WRITE_BYTES: Final = 4096
"""The bytes that a pipe which can be written to takes at once: PIPE_BUF, pipe(7)."""

_POLL_SECONDS: Final = 0.2  # seconds between looks at how many are left

RemainingSeconds = Callable[[], float | None]
"""Tells how many seconds are left for what is under way, None as long as there is no hurry."""


def wait_writable(fd: int, remaining: RemainingSeconds) -> bool:
    """Wait until `fd` can be written to, as long as there is time. Raises OSError."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    while not (ready := poll.poll(_milliseconds(remaining()))):
        if remaining() == 0.0:
            return False
    if ready[0][1] & select.POLLNVAL:
        raise OSError("closed")
    return True


def write_some(fd: int, data: bytes) -> int:
    """Write what is taken now; how much that was. Raises OSError."""
    try:
        return os.write(fd, data)
    except BlockingIOError:  # whoever shares it asked for that, and was faster
        return 0


def write_line(text: str, fd: int = 2, timeout_seconds: float = 1.0) -> None:
    """Write a line, such as to standard error, as far as anybody takes it."""
    data, deadline = text.encode(errors="replace") + b"\n", time.monotonic() + timeout_seconds
    with suppress(OSError):
        while data and wait_writable(fd, lambda: max(0.0, deadline - time.monotonic())):
            data = data[write_some(fd, data[:ATOMIC_WRITE_BYTES]) :]


def _milliseconds(remaining: float | None) -> float:
    return 1000 * (_POLL_SECONDS if remaining is None else min(_POLL_SECONDS, remaining))
