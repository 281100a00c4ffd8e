"""Leases for tests, entry by entry."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.delivery.outbox.interface import LeasedBatch
from gateway.entry_batch import FINGERPRINT_BYTES, KEY_BYTES


class LeasedEntry(msgspec.Struct, frozen=True):
    """One entry of a lease."""

    id: int
    destination: str
    type: str
    plan: str
    payload: bytes
    key: bytes
    fingerprint: bytes
    received_ns: int
    attempts: int
    personal: bool
    intact: bool


def each(leased: Sequence[LeasedBatch]) -> list[LeasedEntry]:
    """All entries, in order."""
    return [
        LeasedEntry(
            number,
            batch.destination,
            batch.type,
            batch.plan,
            batch.payloads[place],
            batch.keys[place * KEY_BYTES : (place + 1) * KEY_BYTES],
            batch.fingerprints[place * FINGERPRINT_BYTES : (place + 1) * FINGERPRINT_BYTES],
            batch.received_ns[place],
            batch.attempts,
            place in batch.personal,
            place not in batch.damaged,
        )
        for batch in leased
        for place, number in enumerate(batch.ids)
    ]
