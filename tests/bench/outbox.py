"""The outbox against bare SQLite: how fast parcels are accepted, how fast a long queue is leased, and in how much memory."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Final

import uvloop

from gateway.config import Outbox
from gateway.delivery.sqlite import SqliteOutbox
from gateway.exporters.base import Bounds
from gateway.model import Depth, Parcel, Release
from gateway.policy.document import JsonlExporter
from tests.bench.end_to_end import AT_ONCE, load, requests, serve_gateway
from tests.bench.process import running

ROUNDS: Final = 7
PAYLOAD: Final = os.urandom(250)
ROOMY: Final = Outbox(max_bytes=1 << 40, margin=0)
RELEASE: Final = Release("analytics", "kannelle.privacy.v1.AnalyticsEvent", "0" * 64, PAYLOAD)

CASES: Final = {1: (8, 2_000), 100: (2, 20_000), 500: (2, 30_000)}
"""By parcels a call: how many callers at once, and how many rows in all."""

CALLS: Final = {1: 2_000, 100: 160}
"""By events a call: how many calls."""

QUEUES: Final = (1_000, 100_000, 1_000_000)
PUT_OFF: Final = 5_000


def run() -> None:
    """Print the rates, then the queues."""
    # Where temporary files are kept in memory, fsync would cost nothing.
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        _rates(Path(folder))
        _calls(Path(folder))
        _queues(Path(folder))
    print("  What was acknowledged survives SIGKILL: that is tested. That it survives the loss of power is not: there, it rests on fsync.")


def _rates(folder: Path) -> None:
    """Rates with what parcels have in practice: a key, a mark, two subjects."""
    print(f"\nOutbox: parcels of {len(PAYLOAD)} bytes accepted a second, and rows by bare SQLite (WAL, FULL), as many a commit")
    print(f"  {'':44}{'bare':>9}{'outbox':>9}{'ratio':>7}  aim")
    for size, (callers, rows) in CASES.items():
        bare, ours = _in_turn(folder, size, callers, rows)
        ratio = median(one / other for one, other in zip(ours, bare, strict=True))
        aim = "  ≥ 0.50" if size > 1 else ""
        print(f"  {f'calls of {size}, {callers} at once':44}{median(bare):9.0f}{median(ours):9.0f}{ratio:7.2f}{aim}")
    print(f"  fsync of a page took {_fsync(folder / 'fsync') * 1e3:.2f} ms")


def _calls(folder: Path) -> None:
    """From a client to its acknowledgement, in the same run: the client has one of two cores."""
    print(f"\nTrackEvents, {AT_ONCE} calls at once: events acknowledged a second, delivered meanwhile, and rows by bare SQLite")
    print(f"  {'':44}{'bare':>9}{'events':>9}{'ratio':>7}  CPU µs an event")
    for size, calls in CALLS.items():
        bare, ours, spent = [], [], []
        with running(serve_gateway, JsonlExporter()) as server:
            for turn in range(ROUNDS + 1):
                bare.append(size * calls / _bare(folder / f"calls-{size}-{turn}", max(size, AT_ONCE), size * calls))
                asked, before, begun = requests(size, calls, turn), server.cpu, time.perf_counter()
                uvloop.run(load(server.address, asked))
                ours.append(size * calls / (time.perf_counter() - begun))
                spent.append((server.cpu - before) / (size * calls) * 1e6)
        ratio = median(one / other for one, other in zip(ours[1:], bare[1:], strict=True))
        print(f"  {f'calls of {size}':44}{median(bare[1:]):9.0f}{median(ours[1:]):9.0f}{ratio:7.2f}{median(spent[1:]):17.1f}")


def _in_turn(folder: Path, size: int, callers: int, rows: int) -> tuple[list[float], list[float]]:
    """Rows a second, bare and ours, round by round; a first round is not counted."""
    bare: list[float] = []
    ours: list[float] = []
    for turn in range(ROUNDS + 1):
        bare.append(rows / _bare(folder / f"bare-{size}-{turn}", 8 if size == 1 else size, rows))
        ours.append(rows / asyncio.run(_accepted(folder / f"ours-{size}-{turn}", size, callers, rows)))
    return bare[1:], ours[1:]


def _bare(path: Path, size: int, rows: int) -> float:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE parcels (id INTEGER PRIMARY KEY, payload BLOB)")
        begun = time.perf_counter()
        for _ in range(rows // size):
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT INTO parcels (payload) VALUES (?)", [(PAYLOAD,)] * size)
            database.execute("COMMIT")
        return time.perf_counter() - begun


async def _accepted(path: Path, size: int, callers: int, rows: int) -> float:
    outbox = SqliteOutbox.open(path, ROOMY)
    calls = [[list(_parcels(size)) for _ in range(rows // size // callers)] for _ in range(callers)]

    async def caller(mine: list[list[Parcel]]) -> None:
        for parcels in mine:
            await outbox.accept(parcels, time.time_ns())

    begun = time.perf_counter()
    await asyncio.gather(*map(caller, calls))
    taken = time.perf_counter() - begun
    await outbox.close()
    return taken


def _parcels(count: int) -> Iterator[Parcel]:
    now = time.time_ns()
    for _ in range(count):
        hashes = os.urandom(56)
        yield Parcel(RELEASE, hashes[:16], hashes[16:24], now, (hashes[24:40], hashes[40:]))


def _fsync(path: Path) -> float:
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(b"\0" * 4096)
            begun = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - begun)
    return median(times)


def _queues(folder: Path) -> None:
    """In a process of its own: what is in memory then is the outbox's."""
    ours, theirs = get_context("spawn").Pipe(duplex=False)
    process = get_context("spawn").Process(target=_fill, args=(theirs.send, folder / "queue"))
    process.start()
    theirs.close()
    print(f"\nOutbox: a lease of 500 at the head of a queue of which {PUT_OFF} items wait to be tried again, and the process's memory")
    print(f"  {'':44}{'ms':>9}{'MiB':>9}")
    for count in QUEUES:
        figures: Mapping[str, float] = ours.recv()
        print(f"  {f'{count:,} items':44}{figures['lease'] * 1e3:9.2f}{figures['memory']:9.0f}")
    process.join()


def _fill(tell: Callable[[Mapping[str, float]], None], path: Path) -> None:
    async def fill() -> None:
        outbox = SqliteOutbox.open(path, ROOMY)
        for count in QUEUES:
            while outbox.depths().get("analytics", Depth()).items < count:
                await outbox.accept(list(_parcels(500)), time.time_ns())
            if count == QUEUES[1]:
                await _put_off(outbox)
            tell({"lease": median([await _lease(outbox) for _ in range(15)]), "memory": _memory()})
        await outbox.close()

    asyncio.run(fill())


async def _lease(outbox: SqliteOutbox) -> float:
    begun = time.perf_counter()
    leased = await outbox.lease("analytics", Bounds(), time.time_ns())
    taken = time.perf_counter() - begun
    await outbox.postpone([one.id for one in leased], 0, failed=False)
    return taken


async def _put_off(outbox: SqliteOutbox) -> None:
    for _ in range(PUT_OFF // 500):
        leased = await outbox.lease("analytics", Bounds(), time.time_ns())
        await outbox.postpone([one.id for one in leased], time.time_ns() + 3600 * 10**9)


def _memory() -> float:
    """Resident MiB: proc(5), statm."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
