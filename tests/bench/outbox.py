"""The outbox and what stores by it, against bare SQLite; and how fast a long queue is leased, in how much memory."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from gateway.config import Outbox
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.exporters.base import BatchLimits
from gateway.model import OutboxEntry, QueueDepth, Release
from tests.bench import servers, track_events
from tests.bench.asked_process import asked, measured
from tests.bench.client import AT_ONCE
from tests.bench.gateway import gateway
from tests.bench.instructions import Counter
from tests.bench.measure import Key, Measure, Sample, Size, in_turn
from tests.bench.process import Server, resident_mib, scratch
from tests.bench.table import Case, Layout, Measured
from tests.bench.values import NONE

PAYLOAD: Final = os.urandom(250)
ROOMY: Final = Outbox(max_bytes=1 << 40, margin=0)
RELEASE: Final = Release("analytics", "kannelle.privacy.v1.AnalyticsEvent", "0" * 64, PAYLOAD)

ACCEPTED: Final = {1: (8, 2_000), 100: (2, 20_000), 500: (2, 30_000)}
"""By releases a call: how many callers at once, and how many releases in a round."""

COMMITTED: Final = {8: 2_000, AT_ONCE: 2_000, 100: 20_000, 500: 30_000}
"""By rows a commit of bare SQLite: how many rows in a round."""

TRACKED: Final = {1: 2_000, 100: 60}
"""By events a call of `TrackEvents`: how many calls in a round."""

FSYNC: Final = "an fsync of a page of 4 KiB"
FSYNCS: Final = 50


def _bare(rows: int) -> str:
    return f"a row by bare SQLite (WAL, FULL), {rows} a commit"


def _outbox(size: int) -> str:
    return f"a release by the outbox in process, {f'{size} a call' if size > 1 else 'one a call, 8 calls at once'}"


def _track(size: int) -> str:
    many = "100 a call" if size > 1 else f"one a call, {AT_ONCE} calls at once"
    return f"an event by `TrackEvents`, {many}, delivered to a file meanwhile"


STORED: Final = Layout(
    "stored",
    "stored when acknowledged",
    "one",
    (
        Case(FSYNC),
        *(Case(_bare(rows)) for rows in COMMITTED),
        Case(_outbox(1), NONE, _bare(8)),
        *(Case(_outbox(size), NONE, _bare(size), aim=2.0) for size in (100, 500)),
        *(Case(_track(size), values, _bare(max(size, AT_ONCE))) for size in TRACKED for values in track_events.BOTH),
    ),
    clock="wall",
    counted=False,
    no_aim="a call of one release or event is dominated by what isn't the volume's",
)

QUEUES: Final = (1_000, 100_000, 1_000_000)
PUT_OFF: Final = 500


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

LAYOUTS: Final = (STORED, QUEUE)


def run(size: Size, counter: Counter | None) -> Iterator[tuple[Layout, Measured]]:
    """Measure what is stored, then the queues."""
    with scratch() as folder:
        with gateway(folder / "gateway", policy=track_events.analytics("delivery: stored")) as server:
            yield STORED, Measured(in_turn(_stored(folder, server, size), size.rounds))
        yield QUEUE, _queues(folder, size)


def _stored(folder: Path, server: Server, size: Size) -> Mapping[Key, Measure]:
    files = map(str, count())

    def fresh_file() -> Path:
        return folder / next(files)

    return {
        (FSYNC, NONE): lambda: _fsync(fresh_file()),
        **{(_bare(each), NONE): _rows(fresh_file, each, size.of(rows, each)) for each, rows in COMMITTED.items()},
        **{(_outbox(each), NONE): _releases(fresh_file, each, size) for each in ACCEPTED},
        **{
            (_track(each), values): servers.of_server(server, track_events.load(values, each, size.of(calls, 2)))
            for each, calls in TRACKED.items()
            for values in track_events.BOTH
        },
    }


def _rows(fresh_file: Callable[[], Path], each: int, rows: int) -> Measure:
    def measure() -> Sample:
        with closing(sqlite3.connect(fresh_file(), isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, payload BLOB)")
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(rows // each):
                database.execute("BEGIN IMMEDIATE")
                database.executemany("INSERT INTO entries (payload) VALUES (?)", [(PAYLOAD,)] * each)
                database.execute("COMMIT")
            return _since(cpu, wall, rows // each * each)

    return measure


def _since(cpu: float, wall: float, units: int) -> Sample:
    return Sample((time.process_time() - cpu) / units, (time.perf_counter() - wall) / units)


def _releases(fresh_file: Callable[[], Path], each: int, size: Size) -> Measure:
    callers, rows = ACCEPTED[each]
    calls = max(1, size.of(rows) // each // callers)
    return lambda: asyncio.run(_accepted(fresh_file(), each, callers, calls))


async def _accepted(path: Path, each: int, callers: int, calls: int) -> Sample:
    """With what releases have in practice: a key, a mark, two subjects."""
    outbox = SqliteOutbox.open(path, ROOMY)
    waiting = [[list(_parcels(each)) for _ in range(calls)] for _ in range(callers)]

    async def caller(mine: list[list[OutboxEntry]]) -> None:
        for entries in mine:
            await outbox.accept(entries, time.time_ns())

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*map(caller, waiting))
    sample = _since(cpu, wall, each * calls * callers)
    await outbox.close()
    return sample


def _parcels(number: int) -> Iterator[OutboxEntry]:
    now = time.time_ns()
    for _ in range(number):
        hashes = os.urandom(56)
        yield OutboxEntry(RELEASE, hashes[:16], hashes[16:24], now, (hashes[24:40], hashes[40:]))


def _fsync(path: Path) -> Sample:
    with path.open("wb", buffering=0) as file:
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(FSYNCS):
            file.write(b"\0" * 4096)
            os.fsync(file.fileno())
        return _since(cpu, wall, FSYNCS)


def _queues(folder: Path, size: Size) -> Measured:
    queues = {(_queue(items), NONE): asked(_fill, folder / f"queue-{items}", size.of(items, 500)) for items in QUEUES}
    return measured(queues, size)


def _fill(pipe: Connection, path: Path, items: int) -> None:
    async def fill() -> None:
        outbox = SqliteOutbox.open(path, ROOMY)
        while outbox.depths().get("analytics", QueueDepth()).items < items:
            await outbox.accept(list(_parcels(500)), time.time_ns())
        leased = await outbox.lease("analytics", BatchLimits(), time.time_ns())
        if items > PUT_OFF:
            await outbox.defer([one.id for one in leased], time.time_ns() + 3600 * 10**9)
        else:
            await outbox.defer([one.id for one in leased], 0, failed=False)
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
    sample = _since(cpu, wall, 1)
    await outbox.defer([one.id for one in leased], 0, failed=False)
    return sample
