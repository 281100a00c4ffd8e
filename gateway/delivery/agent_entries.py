"""Entries of what agents handed over and a hub has decided on again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.delivery.keys import Keys
from gateway.entry_batch import EntryBatch
from gateway.model import Identifier


class AgentEntryBuilder:
    """Makes them, by the keys and the fingerprints that the agent gave."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def entries_again(self, agent: str, given: EntryBatch, identifiers: Sequence[frozenset[Identifier]]) -> EntryBatch:
        """Return the entries of an agent's releases as they are stored; `identifiers` are those in each."""
        return msgspec.structs.replace(
            given,
            keys=self._keys.keys_of_agent(agent, given.keys),
            subjects=self._keys.subjects(identifiers),
        )
