"""Outboxes for tests: opened and closed, filled, and asked what they hold."""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from gateway.config import Outbox
from gateway.delivery.outbox.interface import LeasedBatch
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.entry_batch import EntryBatch
from gateway.exporters.base import BatchLimits
from tests.delivery.cases import NOW_NS, entry

ALL: Final = BatchLimits(max_items=1_000_000, max_bytes=1 << 40)
SMALL: Final = Outbox(margin=0)
"""Leaves no room on the volume, so that a test needs none."""


@asynccontextmanager
async def opened(path: Path, settings: Outbox = SMALL) -> AsyncIterator[SqliteOutbox]:
    outbox = SqliteOutbox.open(path, settings)
    try:
        yield outbox
    finally:
        await outbox.close()


def about(text: str, *subjects: bytes, destination: str = "crm", received_ns: int = NOW_NS) -> EntryBatch:
    """An entry about subjects, each given by its first bytes."""
    hashes = [b"".join([subject.ljust(16, b"\0") for subject in subjects])]
    return msgspec.structs.replace(entry(text, destination, received_ns=received_ns), subjects=hashes)


def texts(leased: Sequence[LeasedBatch]) -> list[str]:
    return [payload.decode() for batch in leased for payload in batch.payloads]


async def held(outbox: SqliteOutbox, destination: str = "crm", now_ns: int = NOW_NS) -> list[str]:
    """The texts of all that can be leased; then it is free again."""
    leased = await outbox.lease(destination, ALL, now_ns)
    await outbox.defer([number for batch in leased for number in batch.ids], 0, failed=False)
    return texts(leased)


def counts(outbox: SqliteOutbox, destination: str = "crm") -> tuple[int, int]:
    """How many items and dead letters there are."""
    depth = outbox.depths().get(destination)
    return (0, 0) if depth is None else (depth.items, depth.dead)


def asked(path: Path, query: str) -> list[tuple[Any, ...]]:
    """What another program finds in the file."""
    with closing(sqlite3.connect(path)) as database, database:
        return database.execute(query).fetchall()


async def until(check: Callable[[], bool]) -> None:
    """Wait until something has happened that nobody tells of."""
    for _ in range(400):
        if check():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError


def on_a_volume(case: Callable[[Path], None], folder: Path, *mount: str) -> None:
    """Run a case in a process that has a volume of its own at the folder, which goes with it.

    Skip where none can be mounted.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs root on Linux, to mount a volume")
    folder.mkdir(exist_ok=True)
    process = multiprocessing.get_context("spawn").Process(target=_mounted, args=(case, folder, mount))
    process.start()
    process.join(120)
    if process.is_alive():
        process.kill()
        process.join()
    if process.exitcode == NO_MOUNT:
        pytest.skip("needs the right to mount a volume")
    assert process.exitcode == 0


NO_MOUNT: Final = 77
NEW_NAMESPACE: Final = 0x00020000
"""CLONE_NEWNS: unshare(2)."""


def _mounted(case: Callable[[Path], None], folder: Path, options: tuple[str, ...]) -> None:
    libc = ctypes.CDLL(None)
    if libc.unshare(NEW_NAMESPACE) != 0 or mount("--make-rprivate", "/") or mount(*options, str(folder)):
        sys.exit(NO_MOUNT)
    case(folder)


def mount(*options: str) -> int:
    """Mount a volume, or mount it otherwise; 0 if that went well."""
    return subprocess.run(("mount", *options), check=False, capture_output=True).returncode
