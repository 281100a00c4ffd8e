"""The operations of an outbox: what its methods do in the thread. See `retention.py` for those that expire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import msgspec

from gateway.delivery.outbox.commits import Commits
from gateway.delivery.outbox.interface import LeasedBatch, Removed
from gateway.delivery.outbox.store import Store
from gateway.entry_batch import EntryBatch
from gateway.errors import Reason
from gateway.exporters.base import BatchLimits


class Accept(msgspec.Struct, frozen=True, gc=False):
    """Stores entries."""

    batches: Sequence[EntryBatch]
    now_ns: int

    def apply(self, store: Store) -> None:
        """Store all, or none. Raises as `Store.accept` does."""
        store.accept(self.batches, self.now_ns)


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """Looks for entries that haven't come before."""

    batches: Sequence[EntryBatch]

    def apply(self, store: Store) -> Sequence[EntryBatch]:
        """Return them, each once. Raises Refused as `Store.unknown` does."""
        return store.unknown(self.batches)


class Remember(msgspec.Struct, frozen=True, gc=False):
    """Notes entries that came and aren't stored."""

    batches: Sequence[EntryBatch]
    now_ns: int

    def apply(self, store: Store) -> None:
        """Know them by their keys."""
        store.remember(self.batches, self.now_ns)


class Lease(msgspec.Struct, frozen=True):
    """Leases what is due for a destination."""

    commits: Commits
    destination: str
    bounds: BatchLimits
    now_ns: int

    def apply(self, store: Store) -> Sequence[LeasedBatch]:
        """Return what is leased, oldest first."""
        return self.commits.lease(store, self.destination, self.bounds, self.now_ns)


class Ack(msgspec.Struct, frozen=True):
    """Deletes what needs no delivery any more."""

    ids: Collection[int]

    def apply(self, store: Store) -> None:
        """Delete the entries."""
        store.ack(self.ids)


class Defer(msgspec.Struct, frozen=True):
    """Has entries due again at a time, with so many failures more."""

    ids: Collection[int]
    due_ns: int
    failures: int

    def apply(self, store: Store) -> None:
        """Write when they are due."""
        store.defer(self.ids, self.due_ns, self.failures)


class Nack(msgspec.Struct, frozen=True):
    """Ends leases and changes nothing else: they are in memory alone."""

    def apply(self, _: Store) -> None:
        """Do nothing."""


class DeadLetter(msgspec.Struct, frozen=True):
    """Makes dead letters of entries, each for a reason."""

    reasons: Mapping[int, Reason]
    now_ns: int

    def apply(self, store: Store) -> None:
        """Move the entries to the dead letters."""
        store.dead_letter(self.reasons, self.now_ns)


class Purge(msgspec.Struct, frozen=True):
    """Deletes entries of a destination that may not leave any more, each for a reason, and records how many."""

    destination: str
    reasons: Mapping[int, Reason]
    now_ns: int

    def apply(self, store: Store) -> None:
        """Delete the entries."""
        store.ack(self.reasons)
        for reason, count in Counter(self.reasons.values()).items():
            store.queues.record(self.now_ns, self.destination, reason, count)


class Erase(msgspec.Struct, frozen=True):
    """Deletes all that is about subjects."""

    commits: Commits
    subjects: Collection[bytes]
    now_ns: int

    def apply(self, store: Store) -> Mapping[str, Removed]:
        """Return how many were deleted, by destination."""
        return self.commits.erase(store, self.subjects, self.now_ns)


class ListTypes(msgspec.Struct, frozen=True):
    """Lists what waits, by destination and type."""

    def apply(self, store: Store) -> tuple[Collection[tuple[str, str]], int]:
        """Return destinations with types, and the next ID."""
        return store.queues.types(), store.next


class DiscardQuarantined(msgspec.Struct, frozen=True):
    """Deletes damaged files that were quarantined before a time."""

    commits: Commits
    before_ns: int

    def apply(self, _: Store) -> int:
        """Return how many files were deleted. Raises OSError."""
        return self.commits.file.discard_quarantined(self.before_ns)


class Wipe(msgspec.Struct, frozen=True):
    """Leaves no bytes of what is gone on the volume."""

    commits: Commits
    erased: bool

    def apply(self, _: Store) -> None:
        """Wipe as far as that can be done now. Raises OSError, sqlite3.Error."""
        self.commits.wipe(erased=self.erased)
