"""What a row of the outbox holds of its entries, by place: how it is written, how damage shows, what a blank is.

Two columns of a row: `subjects`, which an erasure looks through, and `body` with the rest. Each entry has a checksum of
its own, so that what is damaged is that entry, and not its neighbours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import accumulate, chain, repeat
from struct import iter_unpack
from typing import Final, Self
from zlib import crc32

import msgspec

from gateway.entry_batch import FINGERPRINT_BYTES, HASH_BYTES, KEY_BYTES, EntryBatch

PERSONAL_MARKER: Final = b"personal account"
"""Stands among the hashes of subjects where an item is about a personal account: it is no hash of anybody's."""

UNREADABLE_SUM: Final = -1
"""The checksum of what can't be read: no entry has it."""

_Body = tuple[bytes, bytes, list[int], list[int], list[bytes]]
"""Keys, fingerprints, times of receipt, checksums, payloads."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode_body: Final = msgspec.msgpack.Decoder(_Body).decode
_decode_raw_body: Final = msgspec.msgpack.Decoder(
    tuple[bytes, msgspec.Raw, msgspec.Raw, msgspec.Raw, list[msgspec.Raw]]
).decode
_decode_raw_subjects: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_decode_subjects: Final = msgspec.msgpack.Decoder(list[bytes]).decode


class Columns(msgspec.Struct, frozen=True, gc=False):
    """Entries by place. `fingerprints` and `subjects` are empty where none of them has any."""

    keys: bytes
    fingerprints: bytes
    received: Sequence[int]
    sums: Sequence[int]
    payloads: Sequence[bytes]
    subjects: Sequence[bytes] = ()

    @classmethod
    def of(cls, batch: EntryBatch, kind: int) -> Self:
        """Return the columns of a batch whose type and plan have the number `kind`."""
        subjects = list(batch.subjects)
        if batch.releases.personal:
            marked = subjects or [b""] * len(batch)
            for place in batch.releases.personal:
                marked[place] += PERSONAL_MARKER
            subjects = marked
        unsummed = cls(batch.keys, batch.fingerprints, batch.received_ns, (), batch.releases.payloads, subjects)
        return msgspec.structs.replace(unsummed, sums=list(unsummed.checksums(kind)))

    @classmethod
    def unreadable(cls, count: int) -> Self:
        """Return what is left of entries that can't be read."""
        return cls(bytes(KEY_BYTES * count), b"", [0] * count, [UNREADABLE_SUM] * count, [b""] * count)

    @classmethod
    def decode(cls, count: int, subjects: bytes, body: bytes) -> Self:
        """Return the columns of a row; where they can't be read, those of lost entries."""
        try:
            found = cls(*_decode_body(body), _decode_subjects(subjects))
        except (msgspec.DecodeError, TypeError):
            return cls.unreadable(count)
        return found if found._fits(count) else cls.unreadable(count)

    def __len__(self) -> int:
        return len(self.payloads)

    @property
    def size(self) -> int:
        """The bytes of the payloads."""
        return sum(map(len, self.payloads))

    def encode(self) -> tuple[bytes, bytes]:
        """Return the columns `subjects` and `body` of a row."""
        body = (self.keys, self.fingerprints, self.received, self.sums, self.payloads)
        return _encode(self.subjects), _encode(body)

    def part(self, start: int, stop: int) -> Columns:
        """Return the entries at the places from `start` on, but before `stop`."""
        return Columns(
            self.keys[start * KEY_BYTES : stop * KEY_BYTES],
            self.fingerprints[start * FINGERPRINT_BYTES : stop * FINGERPRINT_BYTES],
            self.received[start:stop],
            self.sums[start:stop],
            self.payloads[start:stop],
            self.subjects[start:stop],
        )

    def checksums(self, kind: int) -> Iterator[int]:
        """Yield what a damaged entry no longer agrees with, for each."""
        # One pass over each column, most of it in C.
        sums: Iterable[int] = map(_start, self.received, repeat(kind))
        if self.received and self.received.count(self.received[0]) == len(self.received):
            sums = repeat(_start(self.received[0], kind), len(self.received))
        sums = map(crc32, chain.from_iterable(iter_unpack(f"{KEY_BYTES}s", self.keys)), sums)
        if self.fingerprints:
            sums = map(crc32, chain.from_iterable(iter_unpack(f"{FINGERPRINT_BYTES}s", self.fingerprints)), sums)
        if self.subjects:
            sums = map(crc32, self.subjects, sums)
        return map(crc32, self.payloads, sums)

    def damaged(self, kind: int) -> Collection[int]:
        """Return the places of entries that aren't what was written."""
        found = list(self.checksums(kind))
        if found == self.sums:
            return ()
        return {place for place, (one, other) in enumerate(zip(found, self.sums, strict=True)) if one != other}

    def personal(self) -> Collection[int]:
        """Return the places of entries about personal accounts."""
        if PERSONAL_MARKER not in b"".join(self.subjects):
            return ()
        return _about(self.subjects, (PERSONAL_MARKER,))

    def _fits(self, count: int) -> bool:
        return (
            len(self.keys) == count * KEY_BYTES
            and len(self.fingerprints) in (0, count * FINGERPRINT_BYTES)
            and len(self.received) == len(self.sums) == len(self.payloads) == count
            and len(self.subjects) in (0, count)
        )


def places_about(count: int, subjects: bytes, names: Collection[bytes]) -> Sequence[int]:
    """Return the places of entries about some subjects, by the column of that name of a row that has so many.

    All of them where it can't be read: nobody can tell whom they are about, and they are never delivered.
    """
    try:
        held = _decode_subjects(subjects)
    except msgspec.DecodeError:
        return range(count)
    if len(held) not in {0, count}:
        return range(count)
    # Most rows are about none of them.
    if not any(name in subjects for name in names):
        return ()
    return sorted(_about(held, names))


def join(columns: Sequence[Columns]) -> Columns:
    """Return entries one behind the other; all of them have fingerprints and subjects, or none has."""
    return Columns(
        b"".join([one.keys for one in columns]),
        b"".join([one.fingerprints for one in columns]),
        [time for one in columns for time in one.received],
        [check for one in columns for check in one.sums],
        [payload for one in columns for payload in one.payloads],
        [names for one in columns for names in one.subjects],
    )


class Blanks(msgspec.Struct, frozen=True):
    """Which bytes of a row's columns `subjects` and `body` say something of some entries, and how long these are.

    Overwritten with zeros, nothing is left of the entries, and their neighbours are as they were.
    """

    subjects: Sequence[range]
    body: Sequence[range]
    sizes: Sequence[int]


def blanks(count: int, subjects: bytes, body: bytes, places: Sequence[int]) -> Blanks | None:
    """Return the bytes of entries at some places of a row that has so many; None where that can't be told."""
    try:
        keys, _, _, _, payloads = _decode_raw_body(body)
        names = _decode_raw_subjects(subjects)
    except msgspec.DecodeError:
        return None
    if not (len(keys) == count * KEY_BYTES and len(payloads) == count and len(names) in (0, count)):
        return None
    first_key = body.index(keys)
    of_keys = [range(at, at + KEY_BYTES) for at in (first_key + place * KEY_BYTES for place in places)]
    of_payloads = _Places(payloads, len(body)).bytes_of(places)
    of_subjects = _Places(names, len(subjects)).bytes_of(places) if names else ()
    return Blanks(of_subjects, [*of_keys, *of_payloads], list(map(len, of_payloads)))


class _Places:
    """Where each of some encoded byte strings stands in a column that ends in their list.

    Before each, MessagePack puts 2 bytes, 3 from 256 bytes on, 5 from 64 KiB on:
    https://github.com/msgpack/msgpack/blob/master/spec.md#bin-format-family.
    """

    def __init__(self, encoded: Sequence[msgspec.Raw], column_bytes: int) -> None:
        self._lengths = list(map(len, encoded))
        self._ends = list(accumulate(self._lengths))
        self._start = column_bytes - sum(self._lengths)

    def bytes_of(self, places: Iterable[int]) -> Sequence[range]:
        """Return the bytes of some of them."""
        found = []
        for place in places:
            end, length = self._start + self._ends[place], self._lengths[place]
            header = 2 if length < 2 + (1 << 8) else 3 if length < 3 + (1 << 16) else 5
            found.append(range(end - length + header, end))
        return found


def _start(received_ns: int, kind: int) -> int:
    """Return where an entry's checksum starts."""
    return (received_ns ^ received_ns >> 32 ^ kind << 16) & 0xFFFFFFFF


def _about(subjects: Sequence[bytes], names: Collection[bytes]) -> set[int]:
    # Hardly any has one of them, and these are cut into hashes.
    found = {place for name in names for place, held in enumerate(subjects) if name in held}
    return {place for place in found if not _hashes(subjects[place]).isdisjoint(names)}


def _hashes(names: bytes) -> frozenset[bytes]:
    """Return an entry's subjects, one by one."""
    return frozenset(names[at : at + HASH_BYTES] for at in range(0, len(names), HASH_BYTES))
