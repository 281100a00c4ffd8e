"""Entries of what agents handed over and a hub has decided on again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.delivery.keys import Keys
from gateway.delivery.later_subjects import LaterSubjects
from gateway.entry_batch import EntryBatch
from gateway.model import Identifier
from gateway.pipeline.flows import Flows


class AgentEntryBuilder:
    """Makes them, by the keys and the fingerprints that the agent gave."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def entries_again(
        self, flows: Flows, agent: str, given: EntryBatch, identifiers: Sequence[frozenset[Identifier]] | None
    ) -> EntryBatch:
        """Return the entries of an agent's releases, which these flows made, as they are delivered.

        `identifiers` are those in each; where they are None, they are looked up once they are asked for.
        """
        releases = given.releases
        return msgspec.structs.replace(
            given,
            keys=self._keys.keys_of_agent(agent, given.keys),
            subjects=self._keys.subjects(identifiers)
            if identifiers is not None
            else LaterSubjects(
                self._keys, flows.engine(releases.type, releases.destination).subjects, releases.payloads
            ),
        )
