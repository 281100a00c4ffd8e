"""What becomes of many items at one destination: what their releases say, without an object for each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Self, TypeVar

import msgspec

from gateway.errors import Refused
from gateway.model import Category, Identifier, Outcome, Release, StripCounts, Withheld

T = TypeVar("T")

_NO_COUNTS: Final[Mapping[Any, int]] = {}


class ReleaseBatch(msgspec.Struct, frozen=True, gc=False):
    """The releases of items at one destination by one plan, without an object for each. Only of verdicts is one made.

    `payloads` has the minimised bytes of each, `personal` the places of those that are about personal accounts.
    """

    destination: str
    type: str
    plan: str
    payloads: Sequence[bytes]
    personal: Collection[int] = ()

    @classmethod
    def of(cls, releases: Sequence[Release]) -> Self:
        """Return releases by one plan for one destination as a batch."""
        first = releases[0]
        kind = first.destination, first.type, first.plan
        assert all((one.destination, one.type, one.plan) == kind for one in releases)
        personal = frozenset(place for place, one in enumerate(releases) if one.personal)
        return cls(*kind, [one.payload for one in releases], personal)

    def __repr__(self) -> str:
        return f"ReleaseBatch({len(self.payloads)} of {self.type} for {self.destination})"

    def __len__(self) -> int:
        return len(self.payloads)

    def select(self, places: Sequence[int]) -> ReleaseBatch:
        """Return the releases at these places, in their order."""
        payloads = [self.payloads[place] for place in places]
        return ReleaseBatch(self.destination, self.type, self.plan, payloads, _among(places, self.personal))

    def joined(self, others: Sequence[ReleaseBatch]) -> ReleaseBatch:
        """Return these releases and others by the same plan for the same destination, one batch after another."""
        kind, payloads, personal = (self.destination, self.type, self.plan), [*self.payloads], {*self.personal}
        for other in others:
            assert (other.destination, other.type, other.plan) == kind
            personal.update(len(payloads) + place for place in other.personal)
            payloads += other.payloads
        return ReleaseBatch(*kind, payloads, personal)


class BatchVerdict(msgspec.Struct, frozen=True, gc=False):
    """What becomes of the items of a batch at one destination, by their index. Only `gateway.engine` makes one.

    `payloads` has what is left of each item, None where it has no release: `ended` says why. `subjects` has the
    identifiers and addresses in each payload. The rest is what `Release` says of single items, of those of which there
    is anything to say.
    """

    destination: str
    type: str
    plan: str
    payloads: Sequence[bytes | None]
    subjects: Sequence[frozenset[Identifier]]
    ended: Mapping[int, Withheld | Refused] = {}
    strip_counts: Mapping[int, StripCounts] = {}
    unplanned: Mapping[int, int] = {}
    stripped_by_category: Mapping[int, Mapping[Category, int]] = {}
    personal: Collection[int] = frozenset()

    def __repr__(self) -> str:
        return f"BatchVerdict({len(self.payloads)} of {self.type} for {self.destination})"

    @property
    def releases(self) -> int:
        """How many items have a release."""
        return len(self.payloads) - len(self.ended)

    def outcome(self, index: int) -> Outcome:
        """Return what becomes of one item."""
        payload = self.payloads[index]
        return self.ended[index] if payload is None else self.release(index, payload)

    def release(self, index: int, payload: bytes) -> Release:
        """Return the release of an item, of which `payload` is left."""
        return Release(
            self.destination,
            self.type,
            self.plan,
            payload,
            self.strip_counts.get(index, _NO_COUNTS),
            self.unplanned.get(index, 0),
            self.stripped_by_category.get(index, _NO_COUNTS),
            index in self.personal,
        )

    def releases_at(self, places: Sequence[int]) -> ReleaseBatch:
        """Return the releases of these items, of which each has one."""
        payloads = [payload for payload in map(self.payloads.__getitem__, places) if payload is not None]
        assert len(payloads) == len(places)
        return ReleaseBatch(self.destination, self.type, self.plan, payloads, _among(places, self.personal))

    def only(self, indices: Sequence[int]) -> BatchVerdict:
        """Return the verdict on some of the items; `indices`, in order, become 0, 1, …."""
        new = {old: index for index, old in enumerate(indices)}
        return BatchVerdict(
            self.destination,
            self.type,
            self.plan,
            [self.payloads[old] for old in indices],
            [self.subjects[old] for old in indices],
            _renumbered(self.ended, new),
            _renumbered(self.strip_counts, new),
            _renumbered(self.unplanned, new),
            _renumbered(self.stripped_by_category, new),
            _among(indices, self.personal),
        )


def _among(places: Sequence[int], chosen: Collection[int]) -> frozenset[int]:
    """Return which of these places are chosen: `places`, in order, become 0, 1, …."""
    return frozenset(new for new, old in enumerate(places) if old in chosen) if chosen else frozenset()


def _renumbered(values: Mapping[int, T], new: Mapping[int, int]) -> Mapping[int, T]:
    return {new[old]: value for old, value in values.items() if old in new}
