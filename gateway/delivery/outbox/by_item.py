"""Batches as the store has them: item by item."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import msgspec

from gateway.delivery.outbox.interface import LeasedBatch
from gateway.entry_batch import HASH_BYTES, EntryBatch
from gateway.model import Release


class ItemEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry, with where it stands: which batch, which place."""

    release: Release
    key: bytes
    fingerprint: bytes
    received_ns: int
    subjects: tuple[bytes, ...]
    at: tuple[int, int]


class Leased(msgspec.Struct, frozen=True, gc=False):
    """What is stored of an entry, on a lease."""

    id: int
    destination: str
    type: str
    plan: str
    payload: bytes
    key: bytes
    fingerprint: bytes
    received_ns: int
    attempts: int
    intact: bool = True
    personal: bool = False


def items_of(batches: Sequence[EntryBatch]) -> list[ItemEntry]:
    """Return the entries of batches."""
    items = []
    for number, batch in enumerate(batches):
        for place, entry in enumerate(batch.entries()):
            subjects = batch.subjects[place] if batch.subjects else b""
            items.append(
                ItemEntry(
                    Release(entry.destination, entry.type, entry.plan, entry.payload, personal=entry.personal),
                    entry.key,
                    batch.fingerprint(place),
                    entry.received_ns,
                    tuple(subjects[at : at + HASH_BYTES] for at in range(0, len(subjects), HASH_BYTES)),
                    (number, place),
                )
            )
    return items


def chosen(batches: Sequence[EntryBatch], items: Iterable[ItemEntry]) -> Sequence[EntryBatch]:
    """Return what is left of batches."""
    return [batches[number].select([item.at[1] for item in group]) for number, group in groupby(items, _number)]


def leased_batches(leased: Sequence[Leased]) -> Sequence[LeasedBatch]:
    """Return neighbouring leases of one kind together."""
    return [_leased_batch([one for _, one in group]) for _, group in groupby(enumerate(leased), _kind)]


def _number(item: ItemEntry) -> int:
    return item.at[0]


def _kind(placed: tuple[int, Leased]) -> Any:
    place, one = placed
    return one.id - place, one.type, one.plan, one.attempts, one.intact, bool(one.fingerprint)


def _leased_batch(group: Sequence[Leased]) -> LeasedBatch:
    first = group[0]
    return LeasedBatch(
        range(first.id, first.id + len(group)),
        first.destination,
        first.type,
        first.plan,
        [one.payload for one in group],
        b"".join([one.key for one in group]),
        [one.received_ns for one in group],
        b"".join([one.fingerprint for one in group]),
        frozenset(place for place, one in enumerate(group) if one.personal),
        first.attempts,
        () if first.intact else range(len(group)),
    )
