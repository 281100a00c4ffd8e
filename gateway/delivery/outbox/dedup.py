"""Which keys have come before, for long enough that a caller's retry is known.

Keys are spread evenly: each in a row of its own would cost a page. So they are kept as they come, in `seen_lately` and
in memory, and moved many at a time into rows of neighbours. A filter answers for most new keys that no row has them.

Two tables take turns, and the older is emptied whole. With a key to be known for an hour:

  10:00  table 0 has its turn; key A comes        -> A in table 0
  11:00  an hour is over: table 1's turn; B comes -> B in table 1, A is still known
  11:30  A comes again                            -> known, from table 0: nothing is stored
  12:00  table 0 is emptied, and has its turn     -> A is forgotten, two hours after it came
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from gateway.delivery.outbox.by_item import ItemEntry
from gateway.delivery.outbox.schema import Damaged
from gateway.errors import CallReason, Refused
from gateway.telemetry import ResourceUsage

MAX_TABLE_KEYS: Final = 500_000
"""Keys in one table: then it is the other's turn, however early."""

RECENT_KEYS: Final = 20_000
"""Keys that are moved into rows together."""

BUCKET_SHIFT_BITS: Final = 22
BUCKETS: Final = 1 << (32 - BUCKET_SHIFT_BITS)
"""Rows of neighbours that they are moved into, by the highest bits of a key's first 32, read as little-endian."""

FILTER_BYTE_MASK: Final = (1 << 20) - 1
"""A filter is a megabyte: of a key's first 32 bits, the lowest 3 choose the bit, the next 20 the byte."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(dict[bytes, bytes]).decode


class DedupTable:
    """Keys with the fingerprints of their items; a key without one can't come again, and isn't kept."""

    def __init__(self, connection: sqlite3.Connection, remember_ns: int) -> None:
        """Each is known for `remember_ns` nanoseconds at least, unless more than `MAX_TABLE_KEYS` come in that time."""
        self._connection = connection
        self._remember = remember_ns
        self._filters: list[bytearray] = []
        self._recent: dict[bytes, bytes] = {}
        self._turn = self._began = self._count = 0
        self._read = False

    @property
    def use(self) -> ResourceUsage:
        """How many keys the younger table has, of how many."""
        return ResourceUsage(self._count, MAX_TABLE_KEYS)

    def unknown(self, entries: Sequence[ItemEntry]) -> Sequence[ItemEntry]:
        """Return those that haven't come before, each once.

        Raises Refused where a key came for another item, Damaged, sqlite3.Error.
        """
        if not self._read:
            self._read_all()
        here: dict[bytes, bytes] = {}
        lately, (one, other) = self._recent, self._filters
        new = []
        # Once for each entry: what is looked up often is at hand, and most are new.
        for entry in entries:
            key, fingerprint = entry.key, entry.fingerprint
            if fingerprint:
                known = here.get(key) or lately.get(key)
                if known is None:
                    place = int.from_bytes(key[:4], "little")
                    if (one[place >> 3 & FILTER_BYTE_MASK] | other[place >> 3 & FILTER_BYTE_MASK]) >> (place & 7) & 1:
                        known = self._stored_fingerprint(key)
                if known is None:
                    here[key] = fingerprint
                elif known == fingerprint:
                    continue
                else:
                    raise Refused(CallReason.REQUEST_ID_REUSED)
            new.append(entry)
        return new

    def add(self, entries: Sequence[ItemEntry], now_ns: int) -> None:
        """Note that these have come."""
        fingerprints = {entry.key: entry.fingerprint for entry in entries if entry.fingerprint}
        if not fingerprints:
            return
        if now_ns - self._began >= self._remember or self._count >= MAX_TABLE_KEYS:
            self._swap(now_ns)
        self._recent.update(fingerprints)
        self._count += len(fingerprints)
        self._connection.execute("INSERT INTO seen_lately VALUES (?)", (_encode(fingerprints),))
        if len(self._recent) >= RECENT_KEYS:
            self._store_recent()

    def forget(self) -> None:
        """Read the file again: after a rollback, what has come is what it says."""
        self._read = False

    def _stored_fingerprint(self, key: bytes) -> bytes | None:
        query = "SELECT keys FROM seen_0 WHERE bucket = ?1 UNION ALL SELECT keys FROM seen_1 WHERE bucket = ?1"
        for (keys,) in self._connection.execute(query, (int.from_bytes(key[:4], "little") >> BUCKET_SHIFT_BITS,)):
            if key in keys and (fingerprint := read(keys).get(key)) is not None:
                return fingerprint
        return None

    def _store_recent(self) -> None:
        bits = self._filters[self._turn]
        buckets: list[dict[bytes, bytes]] = [{} for _ in range(BUCKETS)]
        for key, fingerprint in self._recent.items():
            place = int.from_bytes(key[:4], "little")
            bits[place >> 3 & FILTER_BYTE_MASK] |= 1 << (place & 7)
            buckets[place >> BUCKET_SHIFT_BITS][key] = fingerprint
        rows = [
            (bucket, len(fingerprints), _encode(fingerprints))
            for bucket, fingerprints in enumerate(buckets)
            if fingerprints
        ]
        self._connection.executemany(f"INSERT INTO seen_{self._turn} VALUES (?, ?, ?)", rows)  # noqa: S608 - 0 or 1
        self._connection.execute("DELETE FROM seen_lately")
        self._recent = {}

    def _swap(self, now_ns: int) -> None:
        self._store_recent()
        self._turn, self._began, self._count = 1 - self._turn, now_ns, 0
        self._filters[self._turn] = bytearray(FILTER_BYTE_MASK + 1)
        self._connection.execute(f"DELETE FROM seen_{self._turn}")  # noqa: S608 - 0 or 1
        self._connection.execute("UPDATE state SET turn = ?, began = ?", (self._turn, now_ns))

    def _read_all(self) -> None:
        turn, self._began = self._connection.execute("SELECT turn, began FROM state").fetchone()
        self._recent = {}
        for (keys,) in self._connection.execute("SELECT keys FROM seen_lately ORDER BY rowid"):
            self._recent.update(read(keys))
        (count,) = self._connection.execute(f"SELECT coalesce(sum(count), 0) FROM seen_{turn}").fetchone()  # noqa: S608 - 0 or 1
        self._count = count + len(self._recent)
        # A filter only gains bits until its table's turn comes: one too many does no harm.
        if turn != self._turn or not self._filters:
            self._filters = [self._filter(table) for table in (0, 1)]
        self._turn, self._read = turn, True

    def _filter(self, table: int) -> bytearray:
        bits = bytearray(FILTER_BYTE_MASK + 1)
        for (keys,) in self._connection.execute(f"SELECT keys FROM seen_{table}"):  # noqa: S608 - 0 or 1
            _set_bits(bits, read(keys))
        return bits


def read(keys: bytes) -> dict[bytes, bytes]:
    """Return keys with their fingerprints, from a row of them. Raises Damaged."""
    try:
        return _decode(keys)
    except (msgspec.DecodeError, TypeError) as error:
        raise Damaged from error


def _set_bits(bits: bytearray, keys: Iterable[bytes]) -> None:
    """Set the bits of keys in a filter."""
    for key in keys:
        place = int.from_bytes(key[:4], "little")
        bits[place >> 3 & FILTER_BYTE_MASK] |= 1 << (place & 7)
