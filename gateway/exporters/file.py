"""A file that lines are appended to, safely: locked, rotated, on the volume before it says so. What a line holds is not its concern."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import select
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.errors import BadConfig

log = logging.getLogger(__name__)

# macOS has no fdatasync.
_sync: Final = getattr(os, "fdatasync", os.fsync)


def write_some(fd: int, data: memoryview) -> memoryview:
    """Write what goes in at once, waiting where nothing does; returns the rest. Raises OSError, with nothing written."""
    try:
        return data[os.write(fd, data) :]
    except BlockingIOError:
        select.select([], [fd], [])
        return data


class RotatingFile:
    """Appends lines to `path`, and to it alone: a lock beside it (`path.lock`) keeps other writers out.

    A file that would grow over `max_bytes` becomes `path.1`, and so on to `path.<backups>`, the oldest; with `backups` 0 it just grows.
    Files are created for the owner only. A file that somebody moved away or cut is noticed, and written anew under its name.
    """

    def __init__(self, path: Path, max_bytes: int, backups: int) -> None:
        """Open or create the file and its folders. Raises BadConfig, naming the path, if that can't be done or another writer has it."""
        self._path = path
        self._max = max_bytes
        self._backups = backups
        self._size = 0
        self._failing = False
        self.mended = 0
        """Lines found unfinished, after a crash or a full volume, and closed with a newline."""
        self.syncs = 0
        """How often lines were brought to the volume."""
        self._lock = _locked(path)
        try:
            self._fd: int | None = self._open()
        except OSError as error:
            os.close(self._lock)
            raise BadConfig(f"{path}: {_why(error)}") from error

    def append(self, lines: Sequence[bytes]) -> int:
        """Append lines, each with its newline; returns how many, from the first, are on the volume.

        The others are not in the file, or, where a sick volume didn't let them be cut off, may be.
        """
        done = 0
        try:
            while done < len(lines):
                self._ready()
                done += self._append_fitting(lines[done:])
            self._failing = False
        except OSError as error:
            self._report(error)
        return done

    def close(self) -> None:
        """Let go of file and lock."""
        self._close()
        os.close(self._lock)

    def _append_fitting(self, lines: Sequence[bytes]) -> int:
        count = sum(1 for _ in self._fitting(lines))
        if count == 0:
            self._rotate()
            return 0
        self._commit(b"".join(lines[:count]))
        self.syncs += 1
        return count

    def _fitting(self, lines: Sequence[bytes]) -> Iterator[bytes]:
        size = self._size
        for line in lines:
            if self._backups and size > 0 and size + len(line) > self._max:
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
            _sync(self._fd)
        except OSError:
            # Where even this fails, the file's last byte tells the next writer.
            with suppress(OSError):
                os.ftruncate(self._fd, self._size)
                _sync(self._fd)
            self._close()
            raise

    def _ready(self) -> None:
        """Have the file at hand that the path names, its size known and its last line ended."""
        if self._fd is not None and not self._is_here(self._fd):
            self._close()
        if self._fd is None:
            self._fd = self._open()
        self._size = os.fstat(self._fd).st_size
        if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
            self._mend()

    def _mend(self) -> None:
        self._commit(b"\n")
        self._size += 1
        self.mended += 1
        log.warning("%s: the last line was unfinished; a newline was added", self._path)

    def _is_here(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self._path.lstat())
        except FileNotFoundError:
            return False

    def _open(self) -> int:
        # A link is not followed: whoever can plant one could choose where the lines go. Nor does a pipe without a reader hold us up.
        fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        try:
            _check_regular(fd)
            _sync_folder(self._path.parent)
        except OSError:
            os.close(fd)
            raise
        return fd

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd = None

    def _rotate(self) -> None:
        # From the first gap upwards, so that a crash half-way costs no backup.
        free = next((n for n in range(1, self._backups) if not self._backup(n).exists()), self._backups)
        for n in range(free, 1, -1):
            self._backup(n - 1).replace(self._backup(n))
        self._close()
        self._path.replace(self._backup(1))

    def _report(self, error: OSError) -> None:
        # Once, until a line gets through again.
        if not self._failing:
            log.error("%s: %s; senders will try again", self._path, _why(error))
        self._failing = True

    def _backup(self, n: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{n}")


def _check_regular(fd: int) -> None:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise OSError(errno.EINVAL, "not a regular file")


def _why(error: OSError) -> str:
    # The system's own words for it are "too many levels of symbolic links".
    return "is a symbolic link" if error.errno == errno.ELOOP else error.strerror or errno.errorcode.get(error.errno or 0, "fails")


def _locked(path: Path) -> int:
    try:
        _make_folder(path.parent)
        fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise BadConfig(f"{path}: {_why(error)}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise BadConfig(f"{path}: another destination or process writes to this file") from error
    return fd


def _make_folder(path: Path) -> None:
    if not path.exists():
        _make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    # A file is safe once the folder that names it is.
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
