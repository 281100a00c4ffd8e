"""Entries in one batch that came in several."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from gateway.entry_batch import EntryBatch


def joined(batches: Sequence[EntryBatch]) -> Sequence[EntryBatch]:
    """Return batches, those of one kind that follow one another as one."""
    if len(batches) == 1:
        return batches
    return [_joined([*group]) for _, group in groupby(batches, _kind)]


def _joined(batches: Sequence[EntryBatch]) -> EntryBatch:
    first, *others = batches
    if not others:
        return first
    hashed = any(batch.subjects for batch in batches)
    return EntryBatch(
        first.releases.joined([other.releases for other in others]),
        b"".join([batch.keys for batch in batches]),
        [received_ns for batch in batches for received_ns in batch.received_ns],
        [one for batch in batches for one in batch.subjects or (b"",) * len(batch)] if hashed else (),
        b"".join([batch.fingerprints for batch in batches]),
    )


def _kind(batch: EntryBatch) -> tuple[str, str, str, bool]:
    """Return what all entries of a batch have in common."""
    releases = batch.releases
    return releases.destination, releases.type, releases.plan, bool(batch.fingerprints)
