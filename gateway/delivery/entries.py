"""Entries of releases: the keys that make a second delivery recognisable, the hashes by which a subject is found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.delivery.keys import Keys
from gateway.model import Category, OutboxEntry, Release, Verdict
from gateway.pipeline.flows import Flow, Flows


class ItemSource(msgspec.Struct, frozen=True, gc=False):
    """How an item was sent: its bytes, the request's ID, the item's index in it.

    Without an ID, it can't be sent again as the same.
    """

    item: bytes = b""
    request_id: str = ""
    index: int = 0

    def __repr__(self) -> str:
        return "ItemSource(…)"


ONCE: Final = ItemSource()

_NO_FINGERPRINT: Final = bytes(8)
"""The fingerprint of what came without one, so that what an agent sends twice is known all the same."""


class EntryBuilder:
    """Makes the entries of one gateway. `caller` is who its items come from."""

    def __init__(self, keys: Keys, caller: str) -> None:
        self._keys = keys
        self._caller = caller

    def entries_of(
        self, flow: Flow, verdicts: Iterable[Verdict], received_ns: int, sent: ItemSource = ONCE
    ) -> list[OutboxEntry]:
        """Return the entries of the verdicts that are releases."""
        keys = self._keys
        fingerprint = keys.fingerprint(sent.item) if sent.request_id else b""
        return [
            OutboxEntry(
                release, self._key(release, sent), fingerprint, received_ns, _hashed(keys, flow.subjects(release))
            )
            for release in verdicts
            if isinstance(release, Release)
        ]

    def _key(self, release: Release, sent: ItemSource) -> bytes:
        if not sent.request_id:
            return self._keys.fresh()
        return self._keys.key(self._caller, sent.request_id, sent.index, release.destination)


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


def _hashed(keys: Keys, values: Iterable[tuple[Category, str]]) -> tuple[bytes, ...]:
    return tuple([keys.subject(category, value) for category, value in values])
