"""The outbox and what stores by it, against bare SQLite."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Final

from gateway.batch_verdict import ReleaseBatch
from gateway.config import Outbox
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.entry_batch import FINGERPRINT_BYTES, HASH_BYTES, KEY_BYTES, EntryBatch
from tests.bench import servers, track_events
from tests.bench.client import AT_ONCE
from tests.bench.gateway import gateway
from tests.bench.instructions import Counter
from tests.bench.measure import Key, Measure, Sample, Size, in_turn
from tests.bench.process import Server, scratch
from tests.bench.table import Case, Layout, Measured
from tests.bench.values import NONE

PAYLOAD: Final = os.urandom(250)
ROOMY: Final = Outbox(max_bytes=1 << 40, margin=0)

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

LAYOUTS: Final = (STORED,)


def run(size: Size, counter: Counter | None) -> Iterator[tuple[Layout, Measured]]:
    """Measure what is stored."""
    with scratch() as folder, gateway(folder / "gateway", policy=track_events.analytics("delivery: stored")) as server:
        yield STORED, Measured(in_turn(_stored(folder, server, size), size.rounds))


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
            return since(cpu, wall, rows // each * each)

    return measure


def since(cpu: float, wall: float, units: int) -> Sample:
    return Sample((time.process_time() - cpu) / units, (time.perf_counter() - wall) / units)


def _releases(fresh_file: Callable[[], Path], each: int, size: Size) -> Measure:
    callers, rows = ACCEPTED[each]
    calls = max(1, size.of(rows) // each // callers)
    return lambda: asyncio.run(_accepted(fresh_file(), each, callers, calls))


async def _accepted(path: Path, each: int, callers: int, calls: int) -> Sample:
    """With what releases have in practice: a key, a mark, two subjects."""
    outbox = SqliteOutbox.open(path, ROOMY)
    waiting = [[batch(each) for _ in range(calls)] for _ in range(callers)]

    async def caller(mine: list[EntryBatch]) -> None:
        for batch in mine:
            await outbox.accept([batch], time.time_ns())

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*map(caller, waiting))
    sample = since(cpu, wall, each * calls * callers)
    await outbox.close()
    return sample


def batch(number: int, subjects: Sequence[bytes] = ()) -> EntryBatch:
    """So many releases, each about two subjects of its own where none are given."""
    return EntryBatch(
        ReleaseBatch("analytics", "kannelle.privacy.v1.AnalyticsEvent", "0" * 64, [PAYLOAD] * number),
        os.urandom(KEY_BYTES * number),
        [time.time_ns()] * number,
        subjects or [os.urandom(2 * HASH_BYTES) for _ in range(number)],
        os.urandom(FINGERPRINT_BYTES * number),
    )


def _fsync(path: Path) -> Sample:
    with path.open("wb", buffering=0) as file:
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(FSYNCS):
            file.write(b"\0" * 4096)
            os.fsync(file.fileno())
        return since(cpu, wall, FSYNCS)
