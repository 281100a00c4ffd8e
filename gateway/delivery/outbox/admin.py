"""An outbox's file in an operator's hands: what it holds, and what to do with it, step by step.

A gateway may run on it meanwhile.

What it has on its way at that moment may still arrive, and is told apart.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Final, Self, TypeVar

import msgspec

from gateway.config import Outbox as Settings
from gateway.delivery.outbox import schema, wipe
from gateway.delivery.outbox.file import NANOS, discard_quarantined
from gateway.delivery.outbox.interface import Removed
from gateway.delivery.outbox.leased_ids import LeasedIds
from gateway.delivery.outbox.queues import Queue
from gateway.delivery.outbox.retention import of_kinds
from gateway.delivery.outbox.store import CHUNK_ROWS, Store, chunks, marks
from gateway.delivery.outbox.stored_entry import EntryFilter, StoredEntry, dead, items, names
from gateway.errors import BadConfig, DeliveryReason

T = TypeVar("T")

Find = Callable[[Store, Queue, Sequence[int], int], list[int]]
"""Finds IDs above one, of these kinds in a queue, in order; as many as a chunk holds."""


Work = Callable[[Store, list[int], Collection[int], int], object]
"""Works on IDs, of which some may be on their way, at a time in nanoseconds since 1970."""

WIPE_TRIES: Final = 20
WIPE_PAUSE_SECONDS: Final = 0.1
"""How often, and how long apart, the log of what was taken away is tried to be emptied.

Whoever reads at that moment keeps it.
"""


class QueueStats(msgspec.Struct, frozen=True):
    """What is kept for one destination.

    How many items and dead letters, their bytes, and when the oldest item was received; 0 without.
    """

    destination: str
    items: int
    bytes: int
    oldest_ns: int
    dead: int
    dead_bytes: int


class Deletion(msgspec.Struct, frozen=True):
    """So many were taken away undelivered at a time, and why."""

    at_ns: int
    destination: str
    reason: str
    count: int


class OutboxAdmin:
    """An outbox's file, until it is closed.

    All methods raise BadConfig, naming the path, where it can't be read or written.

    What changes much is done in steps; where one fails, those before it stay done.
    """

    def __init__(self, path: Path, store: Store, under_way: LeasedIds) -> None:
        """`open` makes one."""
        self._path = path
        self._store = store
        self._under_way = under_way

    @classmethod
    def open(cls, path: Path, settings: Settings) -> Self:
        """Open the file at `path`, which must be there."""
        if not path.exists():
            raise BadConfig(
                f"{path}: there is no outbox; nothing has been stored here yet, or `state` is another folder"
            )
        with _recording(path):
            connection = schema.connect(path)
            try:
                schema.check(connection, path)
                return cls(path, Store(connection, settings.max_bytes, int(settings.remember * NANOS)), LeasedIds(path))
            except BaseException:
                connection.close()
                raise

    def close(self) -> None:
        """Let go of it."""
        with _recording(self._path):
            self._store.connection.close()
            self._under_way.close()

    # What is there.

    def queues(self) -> Sequence[QueueStats]:
        """What is kept for each destination."""
        with self._reading() as store:
            lanes = [store.queues.known[name] for name in sorted(store.queues.known)]
            return [
                QueueStats(
                    one.destination, one.items, one.bytes, store.oldest(one.destination), one.dead, one.dead_bytes
                )
                for one in lanes
            ]

    def deletions(self, most: int) -> Sequence[Deletion]:
        """What was taken away, the latest first."""
        with self._reading() as store:
            found = store.connection.execute(
                "SELECT at, destination, reason, count FROM sweeps ORDER BY rowid DESC LIMIT ?", (most,)
            )
            return [Deletion(*row) for row in found]

    def quarantined(self) -> Sequence[str]:
        """The names of damaged files that were quarantined."""
        return sorted(found.name for found in self._path.parent.glob(f"{self._path.name}.damaged-*Z"))

    def items(self, choice: EntryFilter, most: int) -> Sequence[StoredEntry]:
        """What waits, oldest first."""
        with self._reading() as store:
            return [held for held, _ in islice(items(store, choice), most)]

    def dead(self, choice: EntryFilter, most: int) -> Sequence[StoredEntry]:
        """The dead letters, in the order in which they came."""
        with self._reading() as store:
            return [held for held, _ in islice(dead(store, choice), most)]

    def find(self, number: int) -> tuple[StoredEntry, bytes] | None:
        """What has an ID, an item or a dead letter, and its payload."""
        with self._reading() as store:
            found = chain(
                items(store, EntryFilter(), number, number + 1), dead(store, EntryFilter(), number, number + 1)
            )
            return next(found, None)

    # What is done: each says how many, and how many of those were on their way, step by step.

    def retry(self, choice: EntryFilter) -> Iterator[Removed]:
        """Have what was put off sent as soon as its recipient is tried."""
        return self._each(choice, "items", _retry, lambda store, ids, *_: store.defer(ids, 0, 0))

    def dead_letter(self, choice: EntryFilter) -> Iterator[Removed]:
        """Make dead letters of items. One that is delivered all the same is none any more then."""
        return self._each(choice, "items", of_kinds, _dead_letter)

    def purge(self, choice: EntryFilter) -> Iterator[Removed]:
        """Delete items, and keep a record of it."""
        return self._each(choice, "items", of_kinds, _purge)

    def purge_dead(self, choice: EntryFilter) -> Iterator[Removed]:
        """Delete dead letters, and keep a record of it."""
        return self._each(choice, "dead", _finder(choice.reason), _purge)

    def replay(self, choice: EntryFilter) -> Iterator[Removed]:
        """Make items of dead letters again. They are tried for as long as anything that is received now."""
        return self._each(choice, "dead", _finder(choice.reason), lambda store, ids, _, now: store.replay(ids, now))

    def wipe(self) -> bool:
        """Leave nothing of what was taken away in the file, its log and damaged files.

        False if another program's reading prevents it.

        A gateway that runs on the file does so too, for as long as it takes.
        """
        with _recording(self._path):
            discard_quarantined(self._path)
            if wipe.file_bytes(self._store) <= wipe.MAX_REWRITTEN_BYTES:
                self._transact(wipe.rewrite)
            for _ in range(WIPE_TRIES):
                if wipe.truncate(self._store.connection):
                    return True
                time.sleep(WIPE_PAUSE_SECONDS)
        return False

    def _each(self, choice: EntryFilter, table: str, find: Find, work: Work) -> Iterator[Removed]:
        """A step is a transaction, so that a gateway gets its turn in between."""
        picked = _named(self._store, table, choice.ids) if choice.ids else _chosen(self._store, choice, find)
        while (removed := self._step(picked, work)) is not None:
            yield removed

    def _step(self, picked: Iterator[list[int]], work: Work) -> Removed | None:
        """Work on the IDs that are next, which are picked within the transaction; how many, None if there are none."""

        def step(store: Store) -> Removed | None:
            if (ids := next(picked, None)) is None:
                return None
            leased = set(ids).intersection(self._under_way.read())
            if ids:
                work(store, ids, leased, time.time_ns())
            return Removed(len(ids) - len(leased), len(leased))

        with _recording(self._path), self._under_way.alone(wait=True):
            return self._transact(step)

    def _transact(self, work: Callable[[Store], T]) -> T:
        store = self._store
        store.begin()
        try:
            result = work(store)
            store.commit()
        except BaseException:
            store.rollback()
            raise
        return result

    @contextmanager
    def _reading(self) -> Iterator[Store]:
        """All that is read within is of one moment."""
        with _recording(self._path):
            self._store.connection.execute("BEGIN")
            try:
                self._store.queues.look()
                yield self._store
            finally:
                self._store.rollback()


@contextmanager
def _recording(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, schema.Damaged, OSError) as error:
        if schema.is_damage(error):
            raise BadConfig(f"{path}: is damaged, or no outbox; a gateway that starts on it sets it aside") from error
        raise BadConfig(f"{path}: {schema.why(error)}") from error


# What is picked.


def _named(store: Store, table: str, ids: Iterable[int]) -> Iterator[list[int]]:
    """Those of these IDs that a table holds."""
    for chunk in chunks(dict.fromkeys(ids)):
        if table == "items":
            store.batches.unpack(chunk)
        query = f"SELECT id FROM {table} WHERE id IN ({marks(chunk)})"  # noqa: S608 - one of two tables, question marks
        yield [number for (number,) in store.connection.execute(query, chunk)]


def _chosen(store: Store, choice: EntryFilter, find: Find) -> Iterator[list[int]]:
    """All that is chosen, but for what comes only now."""
    end = store.next
    for name in names(store, choice):
        after = 0
        while ids := [
            number
            for number in find(store, store.queues.known[name], _kinds(store, name, choice), after)
            if number < end
        ]:
            after = ids[-1]
            yield ids


def _kinds(store: Store, name: str, choice: EntryFilter) -> list[int]:
    lane = store.queues.known[name]
    types = {type_ for type_, _ in store.queues.kinds.values()} if not choice.type else {choice.type}
    return store.queues.of_types(lane, types)


def _retry(store: Store, _: Queue, kinds: Sequence[int], after: int) -> list[int]:
    query = f"SELECT id FROM items NOT INDEXED WHERE id > ? AND due > 0 AND kind IN ({marks(kinds)}) ORDER BY id LIMIT {CHUNK_ROWS}"  # noqa: S608
    return [number for (number,) in store.connection.execute(query, (after, *kinds))]


def _finder(reason: str) -> Find:
    """Finds dead letters; for a reason, if one is given."""
    because = "AND reason = ?" if reason else "AND ? = ''"

    def find(store: Store, _: Queue, kinds: Sequence[int], after: int) -> list[int]:
        query = f"SELECT id FROM dead NOT INDEXED WHERE id > ? {because} AND kind IN ({marks(kinds)}) ORDER BY id LIMIT {CHUNK_ROWS}"  # noqa: S608
        return [number for (number,) in store.connection.execute(query, (after, reason, *kinds))]

    return find


def _dead_letter(store: Store, ids: list[int], _: Collection[int], now_ns: int) -> None:
    """Make dead letters of items.

    What is on its way counts too: one that is delivered all the same was dead-lettered for a while.
    """
    for destination, count in _by_destination(store, "items", ids):
        store.queues.operate(destination, DeliveryReason.DEAD_LETTERED, count)
    store.dead_letter(dict.fromkeys(ids, DeliveryReason.DEAD_LETTERED), now_ns)


def _purge(store: Store, ids: list[int], leased: Collection[int], now_ns: int) -> None:
    """Delete items or dead letters. What is on its way may be delivered, and is in no record."""
    waiting = [number for number in ids if number not in leased]
    for destination, count in chain.from_iterable(
        _by_destination(store, table, waiting) for table in ("items", "dead")
    ):
        store.queues.record(now_ns, destination, DeliveryReason.PURGED, count)
        store.queues.operate(destination, DeliveryReason.PURGED, count)
    store.ack(ids)


def _by_destination(store: Store, table: str, ids: Sequence[int]) -> list[tuple[str, int]]:
    """How many of these a table holds for each destination."""
    query = f"SELECT lane, count(*) FROM {table} WHERE id IN ({marks(ids)}) GROUP BY lane"  # noqa: S608 - one of two tables, question marks
    return [
        (store.queues.by_id[lane].destination, count) for lane, count in store.connection.execute(query, ids).fetchall()
    ]
