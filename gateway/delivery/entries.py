"""Releases into entries.

The keys that make a second delivery recognisable, and the hashes by which a subject is found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
        return "Sent(…)"


ONCE: Final = ItemSource()

_UNMARKED: Final = bytes(8)
"""The mark of what came without one, so that what an agent sends twice is known all the same."""


class EntryBuilder:
    """Makes the entries of one gateway. `caller` is who its items come from."""

    def __init__(self, keys: Keys, caller: str) -> None:
        self._keys = keys
        self._caller = caller

    def entries_of(
        self, flow: Flow, verdicts: Iterable[Verdict], received_ns: int, sent: ItemSource = ONCE
    ) -> list[OutboxEntry]:
        """The entries of the verdicts that go out."""
        mark = self._keys.fingerprint(sent.item) if sent.request_id else b""
        return [
            OutboxEntry(release, self._key(release, sent), mark, received_ns, self._subjects(flow.subjects(release)))
            for release in verdicts
            if isinstance(release, Release)
        ]

    def _key(self, release: Release, sent: ItemSource) -> bytes:
        if not sent.request_id:
            return self._keys.fresh()
        return self._keys.key(self._caller, sent.request_id, sent.index, release.destination)

    def _subjects(self, kept: Iterable[tuple[Category, str]]) -> tuple[bytes, ...]:
        return tuple([self._keys.subject(category, value) for category, value in kept])


def entry_again(keys: Keys, flows: Callable[[], Flows]) -> Callable[[str, Release, bytes, bytes, int], OutboxEntry]:
    """Makes the entry of what `agent` handed over and was decided on again.

    Agent, release, its key and mark, time of receipt.
    """

    def entry(agent: str, release: Release, key: bytes, mark: bytes, received_ns: int) -> OutboxEntry:
        kept = flows().engine(release.type, release.destination).subjects(release.payload)
        subjects = tuple([keys.subject(category, value) for category, value in kept])
        return OutboxEntry(release, keys.again(agent, key), mark or _UNMARKED, received_ns, subjects)

    return entry
