"""Entries of releases: the keys that make a second delivery recognisable, the hashes by which a subject is found."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

import msgspec

from gateway.batch_verdict import BatchVerdict
from gateway.delivery.keys import Keys
from gateway.model import Identifier, OutboxEntry, Release
from gateway.pipeline.batch_decision import BatchDecision
from gateway.pipeline.flows import Flows


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

_NO_FINGERPRINT: Final = bytes(8)
"""The fingerprint of what came without one, so that what an agent sends twice is known all the same."""


class EntryBuilder:
    """Makes the entries of one gateway. `caller` is who its items come from."""

    def __init__(self, keys: Keys, caller: str) -> None:
        self._keys = keys
        self._caller = caller

    def entries_of(
        self, decision: BatchDecision, received_ns: Sequence[int], sent: BatchSource = ONCE
    ) -> list[OutboxEntry]:
        """Return the entries of the releases of a batch whose items were received at these times."""
        entries: list[OutboxEntry] = []
        fingerprints = [self._keys.fingerprint(item) for item in sent.items] if sent.request_id else ()
        for verdict in decision.verdicts:
            keys = self._batch_keys(verdict, decision.indices, sent)
            for place, (payload, index, key) in enumerate(zip(verdict.payloads, decision.indices, keys, strict=True)):
                if payload is not None:
                    release, subjects = verdict.release(place, payload), _hashed(self._keys, verdict.subjects[place])
                    fingerprint = fingerprints[index] if fingerprints else b""
                    entries.append(OutboxEntry(release, key, fingerprint, received_ns[index], subjects))
        return entries

    def _batch_keys(self, verdict: BatchVerdict, indices: Sequence[int], sent: BatchSource) -> Sequence[bytes]:
        """Return a key for each item of a batch at one destination."""
        if not sent.request_id:
            return self._keys.fresh(len(indices))
        key = partial(self._keys.key, self._caller, sent.request_id)
        return [key(sent.first + index, verdict.destination) for index in indices]


class AgentEntryBuilder:
    """Makes the entries of what agents handed over and a hub has decided on again."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def entry_of(  # noqa: PLR0913, PLR0917 - an entry, and what made it
        self, flows: Flows, agent: str, release: Release, key: bytes, fingerprint: bytes, received_ns: int
    ) -> OutboxEntry:
        """Return the entry of a release that these flows made, by the key and the fingerprint that the agent gave."""
        values = flows.engine(release.type, release.destination).subjects(release.payload)
        return OutboxEntry(
            release,
            self._keys.key_of_agent(agent, key),
            fingerprint or _NO_FINGERPRINT,
            received_ns,
            _hashed(self._keys, values),
        )


def _hashed(keys: Keys, values: Collection[Identifier]) -> tuple[bytes, ...]:
    return tuple([keys.subject(category, value) for category, value in values]) if values else ()
