"""What a row of the outbox holds of its entries, by place: how it is written, how damage shows, what a blank is.

Two columns of a row: `subjects`, which an erasure looks through, and `body` with the rest. Each entry has a checksum of
its own, so that what is damaged is that entry, and not its neighbours.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from struct import iter_unpack
from typing import Final, Self
from zlib import crc32

import msgspec

from gateway.entry_batch import FINGERPRINT_BYTES, HASH_BYTES, KEY_BYTES, EntryBatch

PERSONAL_MARKER: Final = b"personal account"
"""Stands among the hashes of subjects where an item is about a personal account: it is no hash of anybody's."""

LOST_SUM: Final = -1
"""The checksum of what can't be read: no entry has it."""

_Body = tuple[bytes, bytes, list[int], list[int], list[bytes]]
"""Keys, fingerprints, times of receipt, checksums, payloads."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode_body: Final = msgspec.msgpack.Decoder(_Body).decode
_decode_subjects: Final = msgspec.msgpack.Decoder(list[bytes]).decode

_BYTE_LENGTHS: Final = ((1 << 8, 2), (1 << 16, 3))
"""How many bytes MessagePack puts before a byte string that is shorter: https://github.com/msgpack/msgpack/blob/master/spec.md."""


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
        subjects = batch.subjects
        if batch.releases.personal:
            marked = list(subjects or [b""] * len(batch))
            for place in batch.releases.personal:
                marked[place] += PERSONAL_MARKER
            subjects = marked
        unsummed = cls(batch.keys, batch.fingerprints, batch.received_ns, (), batch.releases.payloads, subjects)
        return msgspec.structs.replace(unsummed, sums=list(unsummed.checksums(kind)))

    @classmethod
    def lost(cls, count: int) -> Self:
        """Return what is left of entries that can't be read."""
        return cls(bytes(KEY_BYTES * count), b"", [0] * count, [LOST_SUM] * count, [b""] * count)

    @classmethod
    def decode(cls, count: int, subjects: bytes, body: bytes) -> Self:
        """Return the columns of a row; where they can't be read, those of lost entries."""
        try:
            found = cls(*_decode_body(body), _decode_subjects(subjects))
        except (msgspec.DecodeError, TypeError):
            return cls.lost(count)
        return found if found._fits(count) else cls.lost(count)

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
        sums: Iterable[int] = [(time ^ time >> 32 ^ kind << 16) & 0xFFFFFFFF for time in self.received]
        # One pass over each column, all of it in C.
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
        return _about(self.subjects, (PERSONAL_MARKER,))

    def _fits(self, count: int) -> bool:
        return (
            len(self.keys) == count * KEY_BYTES
            and len(self.fingerprints) in (0, count * FINGERPRINT_BYTES)
            and len(self.received) == len(self.sums) == len(self.payloads) == count
            and len(self.subjects) in (0, count)
        )


def places_about(subjects: bytes, names: Collection[bytes]) -> Sequence[int]:
    """Return the places of entries about some subjects, by the column of that name of a row; it may be damaged."""
    # Most rows are about none of them, and their columns needn't be read.
    if not any(name in subjects for name in names):
        return ()
    try:
        return sorted(_about(_decode_subjects(subjects), names))
    except msgspec.DecodeError:
        return ()


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


def blanks(columns: Columns, body: int, places: Iterable[int]) -> tuple[list[range], list[range]]:
    """Return which bytes of a row's `subjects` and `body`, which has a length, say something of entries.

    Overwritten with zeros, nothing is left of them, and their neighbours are as they were.
    """
    payloads = _ends(columns.payloads, body)
    # The subjects' column is one list, as is what the body ends in.
    names = _ends(columns.subjects, sum(map(_encoded_bytes, columns.subjects)))
    header = _list_header_bytes(len(columns.subjects))
    in_subjects, in_body = [], []
    keys_at = 1 + _encoded_bytes(columns.keys) - len(columns.keys)
    for place in places:
        in_body += [
            range(keys_at + place * KEY_BYTES, keys_at + (place + 1) * KEY_BYTES),
            range(payloads[place] - len(columns.payloads[place]), payloads[place]),
        ]
        if columns.subjects:
            end = header + names[place]
            in_subjects.append(range(end - len(columns.subjects[place]), end))
    return in_subjects, in_body


def _ends(values: Sequence[bytes], end: int) -> list[int]:
    """Return where each of some encoded byte strings ends, of which the last does at `end`."""
    ends = []
    for value in reversed(values):
        ends.append(end)
        end -= _encoded_bytes(value)
    return ends[::-1]


def _encoded_bytes(value: bytes) -> int:
    length = len(value)
    return length + next((header for bound, header in _BYTE_LENGTHS if length < bound), 5)


def _list_header_bytes(length: int) -> int:
    return 1 if length < 16 else 3 if length < 1 << 16 else 5


def _about(subjects: Sequence[bytes], names: Collection[bytes]) -> set[int]:
    return {place for place, held in enumerate(subjects) if held and not _hashes(held).isdisjoint(names)}


def _hashes(names: bytes) -> frozenset[bytes]:
    """Return an entry's subjects, one by one."""
    return frozenset(names[at : at + HASH_BYTES] for at in range(0, len(names), HASH_BYTES))
