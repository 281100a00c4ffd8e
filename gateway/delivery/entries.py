"""Entries of releases: the keys that make a second delivery recognisable, the hashes by which a subject is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.batch_verdict import BatchVerdict
from gateway.delivery.keys import Keys
from gateway.entry_batch import FINGERPRINT_BYTES, EntryBatch, at_places
from gateway.pipeline.batch_decision import BatchDecision


class BatchSource(msgspec.Struct, frozen=True, gc=False):
    """How items were sent: their bytes, the request's ID, the first one's index in it.

    Without an ID, they can't be sent again as the same.
    """

    items: Sequence[bytes] = ()
    request_id: str = ""
    first: int = 0

    def __repr__(self) -> str:
        return "BatchSource(…)"


ONCE: Final = BatchSource()


class EntryBuilder:
    """Makes the entries of one gateway. `caller` is who its items come from."""

    def __init__(self, keys: Keys, caller: str, *, hashes_subjects: bool = True) -> None:
        """Without `hashes_subjects`, entries don't tell who is in them: none is ever stored here."""
        self.hashes_subjects = hashes_subjects
        self._keys = keys
        self._caller = caller

    def entries_of(
        self, decision: BatchDecision, received_ns: Sequence[int], sent: BatchSource = ONCE
    ) -> list[EntryBatch]:
        """Return the entries of the releases of a batch whose items were received at these times, by destination."""
        fingerprints = self._keys.fingerprints(sent.items) if sent.request_id else b""
        return [
            self._batch(verdict, decision.indices, received_ns, sent, fingerprints)
            for verdict in decision.verdicts
            if verdict.releases
        ]

    def _batch(
        self,
        verdict: BatchVerdict,
        indices: Sequence[int],
        received_ns: Sequence[int],
        sent: BatchSource,
        fingerprints: bytes,
    ) -> EntryBatch:
        """Return the entries of one destination; `received_ns` and `fingerprints` are of all items that were sent."""
        places: Sequence[int] = range(len(verdict.payloads))
        subjects = verdict.subjects
        if verdict.ended:
            places = [place for place in places if place not in verdict.ended]
            indices, subjects = [indices[place] for place in places], [subjects[place] for place in places]
        if len(indices) < len(received_ns):
            received_ns, fingerprints = (
                [received_ns[index] for index in indices],
                at_places(fingerprints, FINGERPRINT_BYTES, indices),
            )
        return EntryBatch(
            verdict.releases_at(places),
            self._batch_keys(verdict.destination, indices, sent),
            received_ns,
            self._keys.subjects(subjects) if self.hashes_subjects else (),
            fingerprints,
        )

    def _batch_keys(self, destination: str, indices: Sequence[int], sent: BatchSource) -> bytes:
        """Return the keys of items at one destination."""
        if not sent.request_id:
            return self._keys.fresh(len(indices))
        in_request = [sent.first + index for index in indices]
        return self._keys.request_keys(self._caller, sent.request_id, in_request, destination)
