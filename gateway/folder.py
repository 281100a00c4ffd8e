"""Folders that the gateway keeps its state in: for their owner only, and on the volume."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

log = logging.getLogger(__name__)

FORMER_PLANS: Final = "plans.json"
"""In the state folder of an earlier version: the digests of plans that it took agents' releases of."""


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where they aren't. Raises OSError."""
    if not path.exists():
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Bring a folder's entries to the volume: a file is safe once the folder that names it is. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove_plans(folder: Path) -> None:
    """Remove an earlier version's file of plans, which nothing reads any more. What only has its name stays, and so does what can't go."""
    path = folder / FORMER_PLANS
    with suppress(OSError, msgspec.MsgspecError):
        msgspec.json.decode(path.read_bytes(), type=dict[str, float])
        path.unlink()
        log.info("%s: removed; a hub decides on agents' releases whatever plans made them", path)
