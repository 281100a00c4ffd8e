"""Which keys have come before, for long enough that a caller's retry is known.

Keys are spread evenly: each in a row of its own would cost a page. So they are kept as they come, in `recent_keys` and
in memory, and moved many at a time into rows of neighbours. A filter answers for most new keys that no row has them.

Two tables take turns, and the older is emptied whole. With a key to be known for an hour:

  10:00  table 0 has its turn; key A comes        -> A in table 0
  11:00  an hour is over: table 1's turn; B comes -> B in table 1, A is still known
  11:30  A comes again                            -> known, from table 0: nothing is stored
  12:00  table 0 is emptied, and has its turn     -> A is forgotten, two hours after it came
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from struct import iter_unpack
from typing import Final

import msgspec

from gateway.delivery.outbox.schema import Damaged
from gateway.entry_batch import FINGERPRINT_BYTES, KEY_BYTES, EntryBatch
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

    def unknown(self, batches: Sequence[EntryBatch]) -> Sequence[EntryBatch]:
        """Return what hasn't come before, each entry once, without the batches of which nothing is left.

        Raises Refused where a key came for another item, Damaged, sqlite3.Error.
        """
        if not self._read:
            self._read_all()
        here: dict[bytes, bytes] = {}
        found = (self._unknown_of(batch, here) if batch.fingerprints else batch for batch in batches)
        return [batch for batch in found if len(batch)]

    def add(self, batches: Sequence[EntryBatch], now_ns: int) -> None:
        """Note that these have come."""
        fingerprints: dict[bytes, bytes] = {}
        for batch in batches:
            if batch.fingerprints:
                fingerprints.update(_pairs(batch))
        if not fingerprints:
            return
        if now_ns - self._began >= self._remember or self._count >= MAX_TABLE_KEYS:
            self._swap(now_ns)
        self._recent.update(fingerprints)
        self._count += len(fingerprints)
        self._connection.execute("INSERT INTO recent_keys VALUES (?)", (_encode(fingerprints),))
        if len(self._recent) >= RECENT_KEYS:
            self._store_recent()

    def forget(self) -> None:
        """Read the file again: after a rollback, what has come is what it says."""
        self._read = False

    def _unknown_of(self, batch: EntryBatch, here: dict[bytes, bytes]) -> EntryBatch:
        """Return what hasn't come before of a batch, nor is `here`, whereto its keys are added."""
        pairs = dict(_pairs(batch))
        known = self._known(pairs) | {key: here[key] for key in here.keys() & pairs.keys()}
        if not known and len(pairs) == len(batch):
            here.update(pairs)
            return batch
        new = []
        for place, (key, fingerprint) in enumerate(_pairs(batch)):
            if key not in known:
                known[key] = fingerprint
                new.append(place)
            elif known[key] != fingerprint:
                raise Refused(CallReason.REQUEST_ID_REUSED)
        here.update(known)
        return batch.select(new)

    def _known(self, pairs: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        """Return those of some keys that have come before, each with its fingerprint."""
        known = {key: self._recent[key] for key in self._recent.keys() & pairs.keys()}
        one, other = self._filters
        # Once for each key: most are new, and the filters say so.
        maybe = [
            key
            for key, place in zip(pairs, _leading_bits(pairs), strict=True)
            if (one[at := place >> 3 & FILTER_BYTE_MASK] | other[at]) >> (place & 7) & 1
        ]
        for key in maybe:
            if key not in known and (fingerprint := self._stored_fingerprint(key)) is not None:
                known[key] = fingerprint
        return known

    def _stored_fingerprint(self, key: bytes) -> bytes | None:
        query = "SELECT keys FROM keys_0 WHERE bucket = ?1 UNION ALL SELECT keys FROM keys_1 WHERE bucket = ?1"
        for (keys,) in self._connection.execute(query, (int.from_bytes(key[:4], "little") >> BUCKET_SHIFT_BITS,)):
            if key in keys and (fingerprint := read(keys).get(key)) is not None:
                return fingerprint
        return None

    def _store_recent(self) -> None:
        bits = self._filters[self._turn]
        buckets: list[dict[bytes, bytes]] = [{} for _ in range(BUCKETS)]
        for (key, fingerprint), place in zip(self._recent.items(), _leading_bits(self._recent), strict=True):
            bits[place >> 3 & FILTER_BYTE_MASK] |= 1 << (place & 7)
            buckets[place >> BUCKET_SHIFT_BITS][key] = fingerprint
        rows = [
            (bucket, len(fingerprints), _encode(fingerprints))
            for bucket, fingerprints in enumerate(buckets)
            if fingerprints
        ]
        self._connection.executemany(f"INSERT INTO keys_{self._turn} VALUES (?, ?, ?)", rows)  # noqa: S608 - 0 or 1
        self._connection.execute("DELETE FROM recent_keys")
        self._recent = {}

    def _swap(self, now_ns: int) -> None:
        self._store_recent()
        self._turn, self._began, self._count = 1 - self._turn, now_ns, 0
        self._filters[self._turn] = bytearray(FILTER_BYTE_MASK + 1)
        self._connection.execute(f"DELETE FROM keys_{self._turn}")  # noqa: S608 - 0 or 1
        self._connection.execute("UPDATE state SET turn = ?, began = ?", (self._turn, now_ns))

    def _read_all(self) -> None:
        turn, self._began = self._connection.execute("SELECT turn, began FROM state").fetchone()
        self._recent = {}
        for (keys,) in self._connection.execute("SELECT keys FROM recent_keys ORDER BY rowid"):
            self._recent.update(read(keys))
        (count,) = self._connection.execute(f"SELECT coalesce(sum(count), 0) FROM keys_{turn}").fetchone()  # noqa: S608 - 0 or 1
        self._count = count + len(self._recent)
        # A filter only gains bits until its table's turn comes: one too many does no harm.
        if turn != self._turn or not self._filters:
            self._filters = [self._filter(table) for table in (0, 1)]
        self._turn, self._read = turn, True

    def _filter(self, table: int) -> bytearray:
        bits = bytearray(FILTER_BYTE_MASK + 1)
        for (keys,) in self._connection.execute(f"SELECT keys FROM keys_{table}"):  # noqa: S608 - 0 or 1
            _set_bits(bits, read(keys))
        return bits


def read(keys: bytes) -> dict[bytes, bytes]:
    """Return keys with their fingerprints, from a row of them. Raises Damaged."""
    try:
        found = _decode(keys)
    except (msgspec.DecodeError, TypeError) as error:
        raise Damaged from error
    if sum(map(len, found)) != len(found) * KEY_BYTES:
        raise Damaged
    return found


def _set_bits(bits: bytearray, keys: Iterable[bytes]) -> None:
    """Set the bits of keys in a filter."""
    for place in _leading_bits(keys):
        bits[place >> 3 & FILTER_BYTE_MASK] |= 1 << (place & 7)


def _leading_bits(keys: Iterable[bytes]) -> Iterator[int]:
    """Yield the first 32 bits of each key, read as little-endian."""
    return chain.from_iterable(iter_unpack(f"<I{KEY_BYTES - 4}x", b"".join(keys)))


def _pairs(batch: EntryBatch) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys of a batch, each with its fingerprint."""
    return zip(
        chain.from_iterable(iter_unpack(f"{KEY_BYTES}s", batch.keys)),
        chain.from_iterable(iter_unpack(f"{FINGERPRINT_BYTES}s", batch.fingerprints)),
        strict=True,
    )
