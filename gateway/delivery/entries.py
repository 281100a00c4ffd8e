"""Entries of releases: the keys that make a second delivery recognisable, the hashes by which a subject is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from gateway.batch_verdict import BatchVerdict
from gateway.delivery.keys import Keys
from gateway.delivery.later_subjects import LaterSubjects
from gateway.entry_batch import FINGERPRINT_BYTES, EntryBatch, at_places
from gateway.model import Identifier
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

IdentifiersAt = Callable[[str], Callable[[bytes], frozenset[Identifier]]]
"""What finds the identifiers and addresses in a payload, for a destination."""


class EntryBuilder:
    """Makes the entries of one gateway. `caller` is who its items come from."""

    def __init__(self, keys: Keys, caller: str) -> None:
        self._keys = keys
        self._caller = caller

    def entries_of(
        self,
        decision: BatchDecision,
        received_ns: Sequence[int],
        sent: BatchSource = ONCE,
        later: IdentifiersAt | None = None,
    ) -> list[EntryBatch]:
        """Return the entries of the releases of a batch whose items were received at these times, by destination.

        Where nobody was looked for, `later` tells who is in them once that is asked.
        """
        fingerprints = self._keys.fingerprints(sent.items) if sent.request_id else b""
        return [
            self._batch(verdict, decision.indices, received_ns, sent, fingerprints, later)
            for verdict in decision.verdicts
            if verdict.releases
        ]

    def _batch(  # noqa: PLR0913, PLR0917 - the columns of a request
        self,
        verdict: BatchVerdict,
        indices: Sequence[int],
        received_ns: Sequence[int],
        sent: BatchSource,
        fingerprints: bytes,
        later: IdentifiersAt | None,
    ) -> EntryBatch:
        """Return the entries of one destination; `received_ns` and `fingerprints` are of all items that were sent."""
        places: Sequence[int] = range(len(verdict.payloads))
        if verdict.ended:
            places = [place for place in places if place not in verdict.ended]
            indices = [indices[place] for place in places]
        if len(indices) < len(received_ns):
            received_ns, fingerprints = (
                [received_ns[index] for index in indices],
                at_places(fingerprints, FINGERPRINT_BYTES, indices),
            )
        releases = verdict.releases_at(places)
        subjects = (
            self._keys.subjects([verdict.subjects[place] for place in places])
            if later is None
            else LaterSubjects(self._keys, later(verdict.destination), releases.payloads)
        )
        keys = self._batch_keys(verdict.destination, indices, sent)
        return EntryBatch(releases, keys, received_ns, subjects, fingerprints)

    def _batch_keys(self, destination: str, indices: Sequence[int], sent: BatchSource) -> bytes:
        """Return the keys of items at one destination."""
        if not sent.request_id:
            return self._keys.fresh(len(indices))
        in_request = [sent.first + index for index in indices]
        return self._keys.request_keys(self._caller, sent.request_id, in_request, destination)
