"""Releases on their way to one destination, in columns: what is stored, sent and decided on again together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, Protocol

import msgspec

from gateway.batch_verdict import ReleaseBatch
from gateway.model import OutboxEntry

KEY_BYTES: Final = 16
"""Bytes of an entry's key."""

FINGERPRINT_BYTES: Final = 8
"""Bytes of an entry's fingerprint."""

HASH_BYTES: Final = 16
"""Bytes of a subject's hash."""


class EntryBatch(msgspec.Struct, frozen=True, gc=False):
    """Releases of one type by one plan for one destination, with what their delivery must know beside, by place.

    `keys`, 16 bytes for each, one behind the other, are the same each time that the same is sent again, here and to the
    recipient. `fingerprints`, 8 bytes for each, tell the items that they were made of from others; empty where nobody
    can send the items again under these keys. `received_ns` are the times of the items' receipt, in nanoseconds since
    1970. `subjects` has for each the keyed hashes of the identifiers and addresses in its payload, 16 bytes each, one
    behind the other; empty where they aren't asked for.
    """

    releases: ReleaseBatch
    keys: bytes
    received_ns: Sequence[int]
    subjects: Sequence[bytes] = ()
    fingerprints: bytes = b""

    def __repr__(self) -> str:
        return f"EntryBatch({self.releases!r})"

    def __len__(self) -> int:
        return len(self.releases.payloads)

    @property
    def destination(self) -> str:
        """Whom they are for."""
        return self.releases.destination

    @property
    def payload_bytes(self) -> int:
        """How many bytes the payloads are together."""
        return sum(map(len, self.releases.payloads))

    def key(self, place: int) -> bytes:
        """Return an entry's key."""
        return self.keys[place * KEY_BYTES : (place + 1) * KEY_BYTES]

    def fingerprint(self, place: int) -> bytes:
        """Return an entry's fingerprint, empty where there is none."""
        return self.fingerprints[place * FINGERPRINT_BYTES : (place + 1) * FINGERPRINT_BYTES]

    def select(self, places: Sequence[int]) -> EntryBatch:
        """Return the entries at these places, in their order."""
        return EntryBatch(
            self.releases.select(places),
            at_places(self.keys, KEY_BYTES, places),
            [self.received_ns[place] for place in places],
            [self.subjects[place] for place in places] if self.subjects else (),
            at_places(self.fingerprints, FINGERPRINT_BYTES, places),
        )

    def entries(self) -> Iterator[OutboxEntry]:
        """Yield the entries one by one, for who works on each alone."""
        releases = self.releases
        for place, payload in enumerate(releases.payloads):
            yield OutboxEntry(
                releases.destination,
                releases.type,
                releases.plan,
                payload,
                self.key(place),
                self.received_ns[place],
                place in releases.personal,
            )


class EntryColumns(Protocol):
    """What is known of entries beside their releases: the columns of an `EntryBatch` of these names."""

    @property
    def keys(self) -> bytes:
        """The keys."""
        ...

    @property
    def received_ns(self) -> Sequence[int]:
        """When the items were received."""
        ...

    @property
    def fingerprints(self) -> bytes:
        """The fingerprints, or nothing."""
        ...


def entries_at(columns: EntryColumns, places: Sequence[int], releases: ReleaseBatch) -> EntryBatch:
    """Return the entries at these places, which ascend, of which these are the releases, under the keys that they have.

    Whom they are about isn't told.
    """
    if len(places) == len(columns.received_ns):
        return EntryBatch(releases, columns.keys, columns.received_ns, fingerprints=columns.fingerprints)
    return EntryBatch(
        releases,
        at_places(columns.keys, KEY_BYTES, places),
        [columns.received_ns[place] for place in places],
        fingerprints=at_places(columns.fingerprints, FINGERPRINT_BYTES, places),
    )


def at_places(column: bytes, size: int, places: Iterable[int]) -> bytes:
    """Return what stands at these places of a column that has `size` bytes for each place; of an empty one, nothing."""
    return b"".join([column[place * size : (place + 1) * size] for place in places]) if column else b""


def entries(batches: Iterable[EntryBatch]) -> Iterator[OutboxEntry]:
    """Yield the entries of several batches one by one."""
    return chain.from_iterable(batch.entries() for batch in batches)
