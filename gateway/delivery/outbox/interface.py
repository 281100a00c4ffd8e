"""What an outbox is: it keeps entries until their recipients have them. How, is `sqlite.py`'s."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from gateway.errors import Reason
from gateway.exporters.base import BatchLimits
from gateway.model import OutboxEntry, QueueDepth


class Leased(msgspec.Struct, frozen=True, gc=False):
    """What is stored of an entry, taken for delivery. It becomes a release again only by another decision.

    `key` and `mark` are as in the entry, `plan` is the digest of the plan that made it, `attempts` how often its
    delivery has failed. `sound`: it is what was stored, byte by byte. `personal` is as in the release.
    """

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

    def __repr__(self) -> str:
        return f"Leased({self.id}, {self.type} for {self.destination}, {len(self.payload)} bytes)"


class Removed(msgspec.Struct, frozen=True):
    """How many were deleted undelivered, and how many were deleted while they were on their way.

    Those were delivered or not.
    """

    deleted: int = 0
    leased: int = 0


class Outbox(Protocol):
    """Keeps entries. What a method did is on the volume when it returns. Times are in nanoseconds since 1970.

    All but `accept` may raise Retryable UNAVAILABLE, when the store can't be read; what couldn't be written is tried
    again with whatever is written next, and not leased meanwhile.
    """

    async def accept(self, entries: Sequence[OutboxEntry], now_ns: int) -> None:
        """Store all, in one transaction, or none. What is known under its key isn't stored again.

        Raises Retryable FULL or UNAVAILABLE, Refused TOO_LARGE for more than could ever fit, Refused REQUEST_ID_REUSED
        where a key is known with another mark.
        """
        ...

    async def lease(self, destination: str, bounds: BatchLimits, now_ns: int) -> Sequence[Leased]:
        """Take what is due, oldest first, for as long as it isn't settled, postponed or dead-lettered; a larger one alone."""
        ...

    async def ack(self, ids: Iterable[int]) -> None:
        """These need no delivery any more."""
        ...

    async def defer(self, ids: Iterable[int], due_ns: int, *, failed: bool = True) -> None:
        """Give a lease back: these are due again at a time; `failed` counts an attempt."""
        ...

    async def dead_letter(self, reasons: Mapping[int, Reason], now_ns: int) -> None:
        """Make dead letters of these."""
        ...

    async def erase(self, subjects: Iterable[bytes], now_ns: int) -> Mapping[str, Removed]:
        """Delete all that is about these subjects, by the hashes that entries give, dead letters too.

        How many, by destination.

        What is on a lease and not on the wire yet isn't sent any more; it counts as under way all the same.

        Damaged files that were quarantined go whole: nobody can tell whom they are about.
        """
        ...

    def erased(self, ids: Iterable[int]) -> Collection[int]:
        """Which of these, all leased, have been erased since: they must not be sent."""
        ...

    async def dead_letter_expired(self, destination: str, before_ns: int, now_ns: int) -> int:
        """Make dead letters of what was received before a time and isn't leased; how many."""
        ...

    async def delete_expired(self, destination: str, before_ns: int, now_ns: int) -> int:
        """Delete what was received before a time and isn't leased, dead letters too, and keep a record of it.

        How many.
        """
        ...

    async def delete_of_types(self, destination: str, types: Collection[str], end: int, now_ns: int) -> int:
        """Delete what is for a destination and of one of these types, came before `end` and isn't leased.

        Dead letters stay. How many.
        """
        ...

    async def kinds(self) -> tuple[Collection[tuple[str, str]], int]:
        """The destinations and types of which something waits, or has waited, and the ID that will be the next."""
        ...

    async def discard_quarantined(self, before_ns: int) -> int:
        """Delete the damaged files that were quarantined before a time; how many."""
        ...

    def depths(self) -> Mapping[str, QueueDepth]:
        """What waits, by destination, as of the last transaction or lease."""
        ...

    async def close(self) -> None:
        """Write what waits to be written and let go. Raises nothing."""
        ...
