"""A long queue in the outbox: leased from, and erased from, in how much memory."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from gateway.delivery.outbox.interface import LeasedBatch
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.entry_batch import HASH_BYTES
from gateway.exporters.base import BatchLimits
from gateway.model import QueueDepth
from tests.bench.asked_process import asked, measured
from tests.bench.instructions import Counter
from tests.bench.measure import Sample, Size
from tests.bench.outbox import ROOMY, batch, since
from tests.bench.process import resident_mib, scratch
from tests.bench.table import Case, Layout, Measured
from tests.bench.values import NONE

QUEUES: Final = (1_000, 100_000, 1_000_000)
PUT_OFF: Final = 500
CALL: Final = 500
"""Releases in one call, where queues are filled."""


def _queue(items: int) -> str:
    return f"a queue of {items:,} items"


QUEUE: Final = Layout(
    "queue",
    "a lease of 500 at the head of a queue of which 500 items wait to be tried again, in a process of its own",
    "a lease",
    tuple(Case(_queue(items), reference="" if items == QUEUES[0] else _queue(QUEUES[0])) for items in QUEUES),
    clock="wall",
    counted=False,
    memory=True,
)

ERASED: Final = (20, 10_000)
"""How many of the queue's items are about the subject that is erased, spread evenly over it."""


def _erased(items: int) -> str:
    return f"a subject of {items:,} items among {QUEUES[-1]:,}"


ERASURE: Final = Layout(
    "erasure",
    "an erasure of one subject from a queue, spread over it, in a process of its own; until nothing is left on the volume",
    "an erasure",
    tuple(Case(_erased(items), reference="" if items == ERASED[0] else _erased(ERASED[0])) for items in ERASED),
    clock="wall",
    counted=False,
    memory=True,
    no_aim="what counts is that each takes a second at most",
)

LAYOUTS: Final = (QUEUE, ERASURE)


def run(size: Size, _: Counter | None) -> Iterator[tuple[Layout, Measured]]:
    """Measure leases, then erasures."""
    with scratch() as folder:
        yield QUEUE, _queues(folder, size)
    with scratch() as folder:
        yield ERASURE, _erasures(folder, size)


def _queues(folder: Path, size: Size) -> Measured:
    queues = {(_queue(items), NONE): asked(_fill, folder / f"queue-{items}", size.of(items, 500)) for items in QUEUES}
    return measured(queues, size)


def _fill(pipe: Connection, path: Path, items: int) -> None:
    async def fill() -> None:
        outbox = SqliteOutbox.open(path, ROOMY)
        while outbox.depths().get("analytics", QueueDepth()).items < items:
            await outbox.accept([batch(CALL)], time.time_ns())
        leased = await outbox.lease("analytics", BatchLimits(), time.time_ns())
        if items > PUT_OFF:
            await outbox.defer(_ids(leased), time.time_ns() + 3600 * 10**9)
        else:
            await outbox.defer(_ids(leased), 0, failed=False)
        pipe.send(resident_mib(os.getpid()))
        while await asyncio.to_thread(_asked, pipe):
            pipe.send(await _lease(outbox))
        await outbox.close()

    asyncio.run(fill())


def _asked(pipe: Connection) -> bool:
    try:
        return bool(pipe.recv())
    except EOFError:
        return False


async def _lease(outbox: SqliteOutbox) -> Sample:
    cpu, wall = time.process_time(), time.perf_counter()
    leased = await outbox.lease("analytics", BatchLimits(), time.time_ns())
    sample = since(cpu, wall, 1)
    await outbox.defer(_ids(leased), 0, failed=False)
    return sample


def _ids(leased: Sequence[LeasedBatch]) -> list[int]:
    return [number for batch in leased for number in batch.ids]


def _erasures(folder: Path, size: Size) -> Measured:
    items = size.of(QUEUES[-1], CALL)
    return measured(
        {
            (_erased(each), NONE): asked(
                _fill_about, folder / f"erased-{each}", items, max(1, size.of(each)), size.rounds
            )
            for each in ERASED
        },
        size,
    )


def _fill_about(pipe: Connection, path: Path, items: int, each: int, rounds: int) -> None:
    """Fill a queue of which `each` items, evenly spread, are about each subject that a round erases; erase them."""
    erased = [bytes([number]) * HASH_BYTES for number in range(rounds + 1)]
    spread = items // each

    def about(number: int) -> bytes:
        turn = number % spread
        return (erased[turn] if turn < len(erased) else b"") + os.urandom(HASH_BYTES)

    async def fill() -> None:
        outbox = SqliteOutbox.open(path, ROOMY)
        for start in range(0, items, CALL):
            await outbox.accept([batch(CALL, [about(start + place) for place in range(CALL)])], time.time_ns())
        pipe.send(resident_mib(os.getpid()))
        while await asyncio.to_thread(_asked, pipe):
            subject = erased.pop()
            cpu, wall = time.process_time(), time.perf_counter()
            removed = await outbox.erase([subject], time.time_ns())
            sample = since(cpu, wall, 1)
            assert removed["analytics"].deleted == each
            pipe.send(sample)
        await outbox.close()

    asyncio.run(fill())
