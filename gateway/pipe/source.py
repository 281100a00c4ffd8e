"""A file descriptor to read from, and who writes to it."""

from __future__ import annotations

import fcntl
import os
import select
import time
from contextlib import suppress
from typing import Final

from gateway.pipe.posix_signals import is_file

_CHUNK_BYTES: Final = 128 * 1024
_PIPE_BYTES: Final = 1024 * 1024
_HANGUP_EVENTS: Final = select.POLLHUP | select.POLLERR | select.POLLNVAL | getattr(select, "POLLRDHUP", 0)


class Source:
    """What is read from. A pipe's writer may have gone before all that it wrote is read; a file has none."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN | getattr(select, "POLLRDHUP", 0))
        self.is_file = is_file(fd)
        self.writer_gone_at: float | None = None
        """When it was first seen that the writer had gone, by the monotonic clock."""

    def enlarge(self) -> None:
        """Give a pipe as much room as it may have."""
        with suppress(OSError, AttributeError):  # a file has no such size, nor have systems other than Linux
            fcntl.fcntl(self._fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def read(self) -> bytes:
        """Return what there is to read, once there is something; nothing when there will be no more."""
        while True:
            self.poll()
            try:
                chunk = os.read(self._fd, _CHUNK_BYTES)
            except BlockingIOError:  # whoever shares the other end asked for that, and another reader was faster
                continue
            except OSError:
                chunk = b""
            if not chunk:
                self.writer_gone_at = self.writer_gone_at or time.monotonic()
            return chunk

    def poll(self, milliseconds: int | None = None) -> None:
        """Wait for something to read or for the writer's end, and note whether it has gone.

        One may come after another.
        """
        if self.is_file:
            return
        gone = any(event & _HANGUP_EVENTS for _, event in self._poll.poll(milliseconds))
        self.writer_gone_at = (self.writer_gone_at or time.monotonic()) if gone else None
