"""Files as others may hand them to the gateway: only regular ones are opened, and only so much is read of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

KINDS: Final = (
    (stat.S_ISREG, "a file"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
"""What else a path can lead to. Opening or reading one may wait for ever, or do something."""


class Unreadable(Exception):
    """What is wrong with a file, in words that follow its name."""


def read_regular(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file, reached by symbolic links or not. Raises OSError, and Unreadable if it is none or too large."""
    _check(path.stat().st_mode)
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(fd, "rb") as file:
        _check(os.fstat(fd).st_mode)  # another may stand there by now
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise Unreadable(f"is larger than {max_bytes} bytes")
    return content


def _check(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise Unreadable(f"is {kind_of(mode)}; it must be a regular file")


def kind_of(mode: int) -> str:
    """What a path leads to, by its mode: `a folder`."""
    return next((name for belongs, name in KINDS if belongs(mode)), "of another kind")
