"""Groups of entries as an agent writes them: batches in columns, or each entry alone for a hub that takes no batches.

See `receivers/hub/handed_over.py` for how a hub reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from kannelle.privacy.v1 import delivery_pb2

from gateway.entry_batch import FINGERPRINT_BYTES, EntryBatch
from gateway.exporters.batching import chunks
from gateway.protobuf.wire import field

TAKES_BATCHES: Final = ("kannelle-entry-batches", "1")
"""What a hub's initial metadata have that takes batches.

An older one knows none: it would acknowledge a group and never have seen its batches.
"""

ENTRY_BYTES: Final = 256
"""What an entry counts for beside its payload: key, times, destination, type, an object here and there."""

MAX_BATCH_BYTES: Final = 1024 * 1024
"""Of a batch in one message, at most, as far as it has several entries: reading one is a call in which nothing else
runs.
"""

_COLUMN_BYTES: Final = 64
"""What an entry takes at most in a batch's message beside its payload."""


NO_FINGERPRINT: Final = bytes(FINGERPRINT_BYTES)
"""The fingerprint of what has none and may be handed over more than once, so that it is known all the same."""


def may_come_again(batch: EntryBatch) -> EntryBatch:
    """Return entries as an agent hands them over that may do so once more, under the same keys."""
    return batch if batch.fingerprints else msgspec.structs.replace(batch, fingerprints=NO_FINGERPRINT * len(batch))


def counted_bytes(batches: Sequence[EntryBatch]) -> int:
    """Return how many bytes entries count for."""
    return sum([batch.payload_bytes + ENTRY_BYTES * len(batch) for batch in batches])


def encode_group(number: int, batches: Sequence[EntryBatch], *, takes_batches: bool) -> bytes:
    """Return a group as a field of a request to a hub that takes batches or doesn't."""
    group = delivery_pb2.EntryGroup(id=number)
    for batch in batches:
        if takes_batches:
            for part in _parts(batch):
                _set_batch(group.batches.add(), part)
        else:
            group.entries.extend(_entries(batch))
    return field(1, group.SerializeToString())


def _parts(batch: EntryBatch) -> Iterator[EntryBatch]:
    """Yield a batch cut so that each part fits one message."""
    if batch.payload_bytes + _COLUMN_BYTES * len(batch) <= MAX_BATCH_BYTES:
        yield batch
        return
    sizes = [len(payload) + _COLUMN_BYTES for payload in batch.releases.payloads]
    for places in chunks(sizes, len(sizes), MAX_BATCH_BYTES):
        yield batch.select(places)


def _set_batch(message: delivery_pb2.EntryBatch, batch: EntryBatch) -> None:
    releases, received_ns = batch.releases, batch.received_ns
    message.destination = releases.destination
    message.type = releases.type
    message.plan = bytes.fromhex(releases.plan)
    message.payloads.extend(releases.payloads)
    message.keys = batch.keys
    message.fingerprints = batch.fingerprints
    one_for_all = received_ns.count(received_ns[0]) == len(received_ns)
    message.received_at_ns.extend(received_ns[:1] if one_for_all else received_ns)
    message.personal.extend(sorted(releases.personal))


def _entries(batch: EntryBatch) -> Iterator[delivery_pb2.Entry]:
    releases, plan = batch.releases, bytes.fromhex(batch.releases.plan)
    for place, payload in enumerate(releases.payloads):
        yield delivery_pb2.Entry(
            destination=releases.destination,
            type=releases.type,
            plan=plan,
            payload=payload,
            key=batch.key(place),
            fingerprint=batch.fingerprint(place),
            received_at_ns=batch.received_ns[place],
            personal=place in releases.personal,
        )
