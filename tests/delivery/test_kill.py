"""What was acknowledged is there after a kill. A kill is no loss of power: what the kernel has, it writes."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from gateway.delivery.outbox.writer import SqliteOutbox
from tests.delivery.cases import NOW_NS, entry
from tests.delivery.outboxes import held, opened


@pytest.mark.parametrize("size", [1, 30])
def test_what_was_acknowledged_is_there_after_a_kill(size: int, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    safe: set[str] = set()
    for turn in range(5):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_accepting, args=(theirs, tmp_path / "o.db", turn, size))
        process.start()
        theirs.close()
        for _ in range(40 + 37 * turn):
            safe.update(ours.recv())
        os.kill(process.pid or 0, signal.SIGKILL)
        try:
            while True:
                safe.update(ours.recv())
        except EOFError:
            process.join()
    there = asyncio.run(_all_of(tmp_path / "o.db"))
    assert safe <= set(there)
    assert len(there) == len(set(there))


def _accepting(pipe: Connection, path: Path, turn: int, size: int) -> None:
    """Accept from four callers, and say what was, until killed."""

    async def caller(outbox: SqliteOutbox, name: int) -> None:
        for number in range(1_000_000):
            names = [f"{turn} {name} {number} {index}" for index in range(size)]
            await outbox.accept([entry(one, key=one.encode().ljust(16)[:16]) for one in names], NOW_NS)
            pipe.send(names)

    async def run() -> None:
        async with opened(path) as outbox:
            await asyncio.gather(*(caller(outbox, name) for name in range(4)))

    asyncio.run(run())


async def _all_of(path: Path) -> list[str]:
    async with opened(path) as outbox:
        return await held(outbox)
