"""What an outbox is: it keeps entries until their recipients have them. See `writer.py` for how."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from gateway.entry_batch import FINGERPRINT_BYTES, KEY_BYTES, EntryBatch
from gateway.errors import Reason
from gateway.exporters.base import BatchLimits
from gateway.model import QueueDepth

NANOS_PER_SECOND: Final = 1_000_000_000


class LeasedBatch(msgspec.Struct, frozen=True, gc=False):
    """What is stored of entries that lie one behind the other in a batch, on a lease.

    They become releases again only by another decision. The columns are those of an `EntryBatch`, by place; `ids` are
    theirs in the outbox. `plan` is the digest of the plan that made them, `attempts` how often their delivery has
    failed, `damaged` the places of those that aren't what was stored, byte by byte.
    """

    ids: range
    destination: str
    type: str
    plan: str
    payloads: Sequence[bytes]
    keys: bytes
    received_ns: Sequence[int]
    fingerprints: bytes = b""
    personal: Collection[int] = ()
    attempts: int = 0
    damaged: Collection[int] = ()

    def part(self, start: int, stop: int) -> LeasedBatch:
        """Return the entries at these places as a batch of their own."""
        if (start, stop) == (0, len(self.ids)):
            return self
        places = range(start, stop)
        return LeasedBatch(
            self.ids[start:stop],
            self.destination,
            self.type,
            self.plan,
            self.payloads[start:stop],
            self.keys[start * KEY_BYTES : stop * KEY_BYTES],
            self.received_ns[start:stop],
            self.fingerprints[start * FINGERPRINT_BYTES : stop * FINGERPRINT_BYTES],
            frozenset(place - start for place in self.personal if place in places),
            self.attempts,
            frozenset(place - start for place in self.damaged if place in places),
        )

    def __repr__(self) -> str:
        return f"LeasedBatch({len(self.ids)} from {self.ids.start} on, {self.type} for {self.destination})"


class Removed(msgspec.Struct, frozen=True):
    """How many were deleted undelivered, and how many while they were on a lease: those were delivered or not."""

    deleted: int = 0
    leased: int = 0


class Outbox(Protocol):
    """Keeps entries. What a method did is on the volume when it returns. Times are in nanoseconds since 1970.

    All but `accept` may raise Retryable UNAVAILABLE, when the store can't be read; what couldn't be written is tried
    again with whatever is written next, and not leased meanwhile.
    """

    last_erasure_ns: int
    """When `erase` was last called, 0 for never. What was received before isn't sent unless it is decided on again."""

    async def accept(self, batches: Sequence[EntryBatch], now_ns: int) -> None:
        """Store all, in one transaction, or none. What is known under its key isn't stored again.

        Raises Retryable FULL or UNAVAILABLE, Refused TOO_LARGE for more than could ever fit, Refused REQUEST_ID_REUSED
        where a key is known with another fingerprint.
        """
        ...

    async def unknown(self, batches: Sequence[EntryBatch]) -> Sequence[EntryBatch]:
        """Return what hasn't come before, each entry once, without the batches of which nothing is left.

        Raises Refused as `accept` does.
        """
        ...

    async def remember(self, batches: Sequence[EntryBatch], now_ns: int) -> None:
        """Know entries by their keys, as if they had been stored and delivered."""
        ...

    async def lease(self, destination: str, bounds: BatchLimits, now_ns: int) -> Sequence[LeasedBatch]:
        """Lease what is due, oldest first, until it is acked, deferred or dead-lettered; a larger entry alone.

        Within the bounds together. Of a stored batch that is larger, as many as fit.
        """
        ...

    async def ack(self, ids: Iterable[int]) -> None:
        """Delete what needs no delivery any more."""
        ...

    async def defer(self, ids: Iterable[int], due_ns: int, *, failed: bool = True) -> None:
        """End leases: the entries are due again at a time, 0 for at once; `failed` counts an attempt."""
        ...

    async def dead_letter(self, reasons: Mapping[int, Reason], now_ns: int) -> None:
        """Make dead letters of entries, each for a reason."""
        ...

    async def purge(self, destination: str, reasons: Mapping[int, Reason], now_ns: int) -> None:
        """Delete entries of a destination that may not leave any more, each for a reason; a record of it stays."""
        ...

    async def erase(self, subjects: Iterable[bytes], now_ns: int) -> Mapping[str, Removed]:
        """Delete all that is about these subjects, by the hashes that entries give, dead letters too.

        Return how many, by destination. What is on a lease and not on the wire yet isn't sent any more; it counts as
        leased all the same. `now_ns` isn't before the time from which on decisions know of the erasure.

        Damaged files that were quarantined go whole, and so do rows of which that can't be read: nobody can tell whom
        they are about.
        """
        ...

    def erased(self, ids: Iterable[int]) -> Collection[int]:
        """Return which of these, all leased, have been erased since: they must not be sent."""
        ...

    async def dead_letter_expired(self, destination: str, before_ns: int, now_ns: int) -> int:
        """Dead-letter what was received before a time and isn't leased. Return how many."""
        ...

    async def replay(self, destination: str, now_ns: int) -> int:
        """Make items again of a destination's dead letters; their delivery begins now. Return how many."""
        ...

    async def delete_expired(self, destination: str, before_ns: int, now_ns: int) -> int:
        """Delete what was received before a time and isn't leased, dead letters too, and record it. Return how many."""
        ...

    async def delete_of_types(self, destination: str, types: Collection[str], end: int, now_ns: int) -> int:
        """Delete what is for a destination and of one of these types, came before `end` and isn't leased.

        Dead letters stay. Return how many.
        """
        ...

    async def kinds(self) -> tuple[Collection[tuple[str, str]], int]:
        """Return the destinations and types of which something waits, or has waited, and the next ID."""
        ...

    async def discard_quarantined(self, before_ns: int) -> int:
        """Delete the damaged files that were quarantined before a time. Return how many."""
        ...

    def depths(self) -> Mapping[str, QueueDepth]:
        """Return what waits, by destination, as of the last transaction or lease."""
        ...

    async def close(self) -> None:
        """Write what waits to be written and let go. Raises nothing."""
        ...
