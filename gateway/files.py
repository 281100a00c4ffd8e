"""Files as others may hand them to the gateway: only regular ones are opened, and only so much is read of them.

Whatever a command line, an environment, a configuration or a policy names is read by this module.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

FILE_KINDS: Final = (
    (stat.S_ISREG, "a file"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
"""What else a path can lead to. Opening or reading one may wait for ever, or do something."""

MAX_PEM_BYTES: Final = 1_000_000
"""The largest file of certificates or of a key that is read: a system's roots are a quarter of that."""


class Unreadable(Exception):
    """What is wrong with a file, in words that follow its name."""


def read_regular(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file, reached by symbolic links or not.

    Raises OSError, and Unreadable if it is none or too large.
    """
    check_regular(stat_path(path).st_mode)
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(fd, "rb") as file:
        check_regular(os.fstat(fd).st_mode)  # another may stand there by now
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise Unreadable(f"is larger than {max_bytes} bytes")
    return content


def read_error_text(failure: OSError | Unreadable) -> str:
    """Why a file can't be read, in words that follow its name."""
    return f"can't be read: {failure.strerror}" if isinstance(failure, OSError) else str(failure)


def stat_path(path: Path) -> os.stat_result:
    """What the system says of what a path leads to. Raises OSError, and Unreadable for what no file can be called."""
    try:
        return path.stat()
    except ValueError:
        raise Unreadable("must not hold a NUL") from None


def is_folder(path: Path) -> bool:
    """Whether a path leads to a folder; no if that can't be told, whatever the reason: who opens it learns that."""
    try:
        return stat.S_ISDIR(stat_path(path).st_mode)
    except (OSError, Unreadable):
        return False


def is_link(path: Path) -> bool:
    """Whether a path is a symbolic link itself; no if that can't be told."""
    try:
        return stat.S_ISLNK(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def is_there(path: Path) -> bool:
    """Whether a path leads to something; no if that can't be told."""
    try:
        return bool(stat_path(path))
    except (OSError, Unreadable):
        return False


def is_missing(path: Path) -> bool:
    """Whether nothing is there; no if that can't be told."""
    try:
        return not stat_path(path)
    except FileNotFoundError:
        return True
    except (OSError, Unreadable):
        return False


def check_regular(mode: int) -> None:
    """Raise Unreadable for what is no regular file, by its mode."""
    if not stat.S_ISREG(mode):
        raise Unreadable(f"is {kind_of(mode)}; it must be a regular file")


def kind_of(mode: int) -> str:
    """What a path leads to, by its mode: `a folder`."""
    return next((name for belongs, name in FILE_KINDS if belongs(mode)), "of another kind")
