"""What leaves the outbox by its age, or since its destination has no use for it: step by step, each a transaction's worth."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

from gateway.delivery.store import CHUNK, LAST, Store, marks
from gateway.errors import Reason

Table = Literal["items", "dead"]

FILED: Final = 20
"""Crates whose subjects are indexed in one transaction."""

OPENED: Final = 5
"""Crates that are made rows of in one transaction."""

PAGES: Final = 1024
"""Pages that are given back to the volume in one transaction: 4 MiB."""


def expire(store: Store, destination: str, before_ns: int, leased: Collection[int], now_ns: int) -> int:
    """Make dead letters of some items that are too old; how many."""
    old = _aged(store, "items", destination, before_ns, leased)
    store.bury(dict.fromkeys(old, Reason.EXPIRED), now_ns)
    store.lanes.record(now_ns, destination, Reason.BURIED, len(old))
    return len(old)


def forget(store: Store, destination: str, before_ns: int, leased: Collection[int], now_ns: int) -> int:
    """Delete some items and dead letters that are too old; how many."""
    count = store.settle(_aged(store, "items", destination, before_ns, leased))
    count += store.discard(_aged(store, "dead", destination, before_ns, leased))
    store.lanes.record(now_ns, destination, Reason.EXPIRED, count)
    return count


def drop(store: Store, destination: str, types: Collection[str], after: int, leased: Collection[int], now_ns: int) -> tuple[int, int]:  # noqa: PLR0913, PLR0917 - as `Outbox.drop`, and where it is
    """Delete some items of these types above an ID, which aren't leased; how many, and the ID of the last one looked at, 0 at the end."""
    ids = _of_types(store, destination, types, after)
    count = store.settle([number for number in ids if number not in leased])
    store.lanes.record(now_ns, destination, Reason.CUT_OFF, count)
    return count, max(ids, default=0)


def unlist(store: Store, destination: str, types: Collection[str]) -> None:
    """Forget that a destination has held these types, if it holds none of them any more."""
    lane = store.lanes.known.get(destination)
    if lane is not None and not _of_types(store, destination, types, 0):
        store.lanes.unlist(lane, types)


def file(store: Store, end: int) -> None:
    """Index the subjects of some crates below an ID."""
    store.connection.execute("UPDATE state SET filed = ?", (store.crates.file(store.crates.filed, end, FILED),))


def shrink(store: Store) -> None:
    """Give some free pages back to the volume, if there are many. Not within a transaction: it is one of its own."""
    (free,) = store.connection.execute("PRAGMA freelist_count").fetchone()
    (pages,) = store.connection.execute("PRAGMA page_count").fetchone()
    if free > PAGES and free > pages // 4:
        # It frees a page with each step, and a statement without columns is stepped to its end only so.
        store.connection.executescript(f"PRAGMA incremental_vacuum({PAGES})")


def _aged(store: Store, table: Table, destination: str, before_ns: int, leased: Collection[int]) -> list[int]:
    """IDs of what was received before a time and isn't leased; as many as a chunk holds."""
    lane = store.lanes.known.get(destination)
    if lane is None:
        return []
    while table == "items" and (crate := store.crates.aged(lane.id, before_ns)) is not None:
        store.crates.open(crate)
        if found := _rows_aged(store, table, lane.id, before_ns, leased):
            return found
    return _rows_aged(store, table, lane.id, before_ns, leased)


def _rows_aged(store: Store, table: Table, lane: int, before_ns: int, leased: Collection[int]) -> list[int]:
    query = f"SELECT id FROM {table} WHERE lane = ? AND received < ? ORDER BY received"  # noqa: S608 - one of two tables
    found: list[int] = []
    for (number,) in store.connection.execute(query, (lane, before_ns)):
        if number not in leased:
            found.append(number)
        if len(found) == CHUNK:
            break
    return found


def _of_types(store: Store, destination: str, types: Collection[str], after: int) -> list[int]:
    """IDs above one, of items of these types for a destination, in order; as many as a chunk holds."""
    lane = store.lanes.known.get(destination)
    kinds = [] if lane is None else store.lanes.of_types(lane, types)
    if lane is None or not kinds:
        return []
    crates = store.crates.of_kinds(lane.id, kinds)
    for crate in crates[:OPENED]:
        store.crates.open(crate)
    end = crates[OPENED] if len(crates) > OPENED else LAST
    query = f"SELECT id FROM items NOT INDEXED WHERE id > ? AND id < ? AND kind IN ({marks(kinds)}) ORDER BY id LIMIT {CHUNK}"  # noqa: S608
    return [number for (number,) in store.connection.execute(query, (after, end, *kinds))]
