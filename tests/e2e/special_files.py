"""A file replaced by what is none, under its name."""

from __future__ import annotations

import os
from pathlib import Path


def replace_with_pipe(path: Path) -> None:
    """Put a named pipe there, which nobody writes to."""
    path.unlink()
    os.mkfifo(path)


def replace_with_loop(path: Path) -> None:
    """Put a symbolic link there that leads to itself."""
    path.unlink()
    path.symlink_to(path.name)


def replace_with_device(path: Path) -> None:
    """Put a link there to a device that has no end."""
    path.unlink()
    path.symlink_to("/dev/zero")
