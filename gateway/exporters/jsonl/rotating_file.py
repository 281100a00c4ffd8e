"""A file that lines are appended to, safely: locked, rotated, on the volume before it says so.

What a line holds is not its concern.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import select
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

from gateway.errors import BadConfig
from gateway.exporters.jsonl.backups import Backups
from gateway.folder import make_folder, sync_folder

log = logging.getLogger(__name__)

MAX_FILE_AGE: Final = timedelta(days=1)

FILE_IN_USE: Final = "another destination or process writes to this file"

# macOS has no fdatasync.
_fdatasync: Final = getattr(os, "fdatasync", os.fsync)


def write_some(fd: int, data: memoryview) -> memoryview:
    """Write what goes in at once, waiting where nothing does; returns the rest.

    Raises OSError, with nothing written.
    """
    try:
        return data[os.write(fd, data) :]
    except BlockingIOError:
        select.select([], [fd], [])
        return data


class RotationSettings(msgspec.Struct, frozen=True):
    """How large a file grows, how many backups stay, and for how long lines are kept; None bounds nothing."""

    max_bytes: int
    backups: int | None
    retention: timedelta | None = None


class RotatingFile:
    """Appends lines to `path`, and to it alone: a lock beside it (`path.lock`) keeps other writers out.

    A file that would grow over `max_bytes` becomes `path.<n>`, one more than the highest there is; of these, the last
    `backups` are kept, or all with None. With 0 it doesn't turn over for its size. With a `retention` it also does when
    it was begun longer than a day ago, or a tenth of the retention if that is less, and `sweep` removes what is older:
    no line is kept for longer than the two together. The lock's time of modification says when the file was begun.
    `rotation`, which says so, may be replaced in any thread. Files are created for the owner only. A file that somebody
    moved away or cut is noticed, and reopened under its name.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        backups: int | None,
        retention: timedelta | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Open or create the file and its folders.

        Raises BadConfig, naming the path, if that can't be done or another writer has it.
        """
        self._path = path
        self._backups = Backups(path)
        self.rotation = RotationSettings(max_bytes, backups, retention)
        self._wall = wall
        self._size = 0
        self._started_at = 0.0
        self._failing = False
        self._removal_failing = False
        self.repaired_lines = 0
        """Lines found unfinished, after a crash or a full volume, and closed with a newline."""
        self.syncs = 0
        """How often lines were brought to the volume."""
        self._lock = _lock_file(path)
        try:
            self._fd: int | None = self._open()
        except OSError as error:
            os.close(self._lock)
            raise BadConfig(f"{path}: {_error_text(error)}") from error

    def append(self, lines: Sequence[bytes]) -> int:
        """Append lines, each with its newline; returns how many, from the first, are on the volume.

        The others are not in the file, or, where a sick volume didn't let them be cut off, may be.
        """
        done = 0
        try:
            while done < len(lines):
                self._prepare()
                self._rotate_if_due(self._wall())
                done += self._append_fitting(lines[done:])
            self._failing = False
        except OSError as error:
            self._report(error)
        return done

    def sweep(self, now: float) -> int:
        """Remove backups that were last written to longer before `now`, in seconds since 1970, than the retention.

        How many went.
        """
        retention = self.rotation.retention
        if retention is None:
            return 0
        removed = 0
        try:
            self._prepare()
            self._rotate_if_due(now)
            removed = self._backups.remove_older(now - retention.total_seconds())
            self._removal_failing = False
        except OSError as error:
            if not self._removal_failing:
                log.error("%s: %s; lines older than the retention stay", self._path, _error_text(error))
            self._removal_failing = True
        return removed

    def close(self) -> None:
        """Let go of file and lock."""
        self._close()
        os.close(self._lock)

    def _append_fitting(self, lines: Sequence[bytes]) -> int:
        count = sum(1 for _ in self._fitting(lines))
        if count == 0:
            self._rotate()
            return 0
        if self._size == 0:
            self._mark_started(self._wall())
        self._commit(b"".join(lines[:count]))
        self.syncs += 1
        return count

    def _fitting(self, lines: Sequence[bytes]) -> Iterator[bytes]:
        size, rotation = self._size, self.rotation
        for line in lines:
            if rotation.backups != 0 and size > 0 and size + len(line) > rotation.max_bytes:
                return
            size += len(line)
            yield line

    def _commit(self, data: bytes) -> None:
        """All or nothing."""
        assert self._fd is not None
        try:
            left = memoryview(data)
            while left:
                left = write_some(self._fd, left)
            _fdatasync(self._fd)
        except OSError:
            # Where even this fails, the file's last byte tells the next writer.
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)
                _fdatasync(self._fd)
            self._close()
            raise

    def _prepare(self) -> None:
        """Have the file at hand that the path names, its size known and its last line ended."""
        if self._fd is not None and not self._is_current(self._fd):
            self._close()
        if self._fd is None:
            self._fd = self._open()
        self._size = os.fstat(self._fd).st_size
        if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
            self._end_last_line()

    def _end_last_line(self) -> None:
        self._commit(b"\n")
        self._size += 1
        self.repaired_lines += 1
        log.warning("%s: the last line was unfinished; a newline was added", self._path)

    def _is_current(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self._path.lstat())
        except FileNotFoundError:
            return False

    def _open(self) -> int:
        # A link is not followed: whoever can plant one could choose where the lines go. Nor does a pipe without a
        # reader hold us up.
        fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        try:
            _check_regular(fd)
            sync_folder(self._path.parent)
        except OSError:
            os.close(fd)
            raise
        # A lock that is newer than the last line was lost and made again.
        self._started_at = min(os.fstat(self._lock).st_mtime, os.fstat(fd).st_mtime)
        return fd

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None

    def _mark_started(self, now: float) -> None:
        self._started_at = now
        os.utime(self._lock, (now, now))

    def _rotate_if_due(self, now: float) -> None:
        retention = self.rotation.retention
        if retention is None or self._size == 0:
            return
        if self._started_at > now:
            # The clock was set back.
            self._mark_started(now)
        elif now - self._started_at >= min(MAX_FILE_AGE, retention / 10).total_seconds():
            self._rotate()
            self._prepare()

    def _rotate(self) -> None:
        self._close()
        self._path.replace(self._backups.next_path())
        if most := self.rotation.backups:
            self._backups.prune(most)

    def _report(self, error: OSError) -> None:
        # Once, until a line gets through again.
        if not self._failing:
            log.error("%s: %s; senders will try again", self._path, _error_text(error))
        self._failing = True


def _check_regular(fd: int) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(errno.EINVAL, "not a regular file")


def _error_text(error: OSError) -> str:
    # The system's own words for it are "too many levels of symbolic links".
    return (
        "is a symbolic link"
        if error.errno == errno.ELOOP
        else error.strerror or errno.errorcode.get(error.errno or 0, "fails")
    )


def _lock_file(path: Path) -> int:
    try:
        make_folder(path.parent)
        fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise BadConfig(f"{path}: {_error_text(error)}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise BadConfig(f"{path}: {FILE_IN_USE}") from error
    return fd
