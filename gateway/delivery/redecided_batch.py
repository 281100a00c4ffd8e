"""What was minimised before, and what became of it when decided on again: by the batch, each item by its place."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from gateway.batch_verdict import BatchVerdict, ReleaseBatch
from gateway.errors import Reason, Refused
from gateway.model import Identifier, Withheld
from gateway.pipeline.batch_decision import BatchDecision

_NONE_ENDED: Final[Mapping[int, Reason]] = {}
_NONE_UNDECIDED: Final[Mapping[int, Exception]] = {}


class MinimisedBatch(Protocol):
    """What was minimised once, for one destination: it was stored, or handed over. Its columns are by place."""

    @property
    def destination(self) -> str:
        """For which it was minimised."""
        ...

    @property
    def type(self) -> str:
        """The type of the messages."""
        ...

    @property
    def payloads(self) -> Sequence[bytes]:
        """The messages."""
        ...

    @property
    def received_ns(self) -> Sequence[int]:
        """When the items were received, in nanoseconds since 1970."""
        ...

    @property
    def personal(self) -> Collection[int]:
        """The places of the items that were about personal accounts, as their releases said."""
        ...


class RedecidedBatch(msgspec.Struct, frozen=True, gc=False):
    """What became of a minimised batch, by place: each place is in exactly one of `places`, `ended`, `undecided`.

    `places` are those of what may leave, in order; `releases` theirs, None where nothing may; `subjects` the
    identifiers and addresses in them, where they were asked for. `ended` says why something may not leave. `undecided`
    has Retryable where facts can't be had, and whatever else went wrong.
    """

    places: Sequence[int]
    releases: ReleaseBatch | None
    subjects: Sequence[frozenset[Identifier]] = ()
    ended: Mapping[int, Reason] = _NONE_ENDED
    undecided: Mapping[int, Exception] = _NONE_UNDECIDED

    def __repr__(self) -> str:
        return f"RedecidedBatch({len(self.places)} may leave, {len(self.ended)} not, {len(self.undecided)} undecided)"


class Part(msgspec.Struct, frozen=True, gc=False):
    """Neighbouring places of a batch, which is the `number`th of several."""

    number: int
    batch: MinimisedBatch
    places: range

    def __repr__(self) -> str:
        return f"Part({len(self.places)} items)"

    @property
    def flow(self) -> tuple[str, str]:
        """What decides on it: the type and the destination."""
        return self.batch.type, self.batch.destination

    @property
    def payloads(self) -> Sequence[bytes]:
        """The messages."""
        return self.batch.payloads[self.places.start : self.places.stop]

    @property
    def received_ns(self) -> Sequence[int]:
        """When the items were received."""
        return self.batch.received_ns[self.places.start : self.places.stop]

    def singles(self) -> Sequence[Part]:
        """Return it cut into parts of one item."""
        return [Part(self.number, self.batch, range(place, place + 1)) for place in self.places]


def ended_part(part: Part, reason: Reason) -> RedecidedBatch:
    """Return that nothing of a part may leave."""
    return RedecidedBatch((), None, ended=dict.fromkeys(part.places, reason))


def undecided_part(part: Part, error: Exception) -> RedecidedBatch:
    """Return that nothing of a part is decided."""
    # Without its traceback, whose frames hold values.
    return RedecidedBatch((), None, undecided=dict.fromkeys(part.places, error.with_traceback(None)))


def decided_part(part: Part, decision: BatchDecision, first: int, *, identifiers: bool) -> RedecidedBatch:
    """Return what became of a part; in the decision, which is for one destination, its first item's index is `first`.

    With `identifiers`, who is in what may leave is told too.
    """
    (verdict,), indices, refused = decision.verdicts, decision.indices, decision.refused
    shift, last = part.places.start - first, first + len(part.places)
    rows: Sequence[int] = range(bisect_left(indices, first), bisect_left(indices, last))
    ended: dict[int, Reason] = {}
    if refused:
        ended = {index + shift: refused[index] for index in range(first, last) if index in refused}
    if verdict.ended:
        ended |= {indices[row] + shift: _reason(verdict, row) for row in rows if row in verdict.ended}
        rows = [row for row in rows if row not in verdict.ended]
    places = [indices[row] + shift for row in rows] if ended else part.places
    subjects = [verdict.subjects[row] for row in rows] if identifiers else ()
    return RedecidedBatch(places, verdict.releases_at(rows) if rows else None, subjects, ended)


def _reason(verdict: BatchVerdict, row: int) -> Reason:
    end: Withheld | Refused = verdict.ended[row]
    return end.reason


def joined(parts: Sequence[RedecidedBatch]) -> RedecidedBatch:
    """Return what became of a batch, from what became of its parts, which are in order."""
    if len(parts) == 1:
        return parts[0]
    releases = [part.releases for part in parts if part.releases is not None]
    return RedecidedBatch(
        [place for part in parts for place in part.places],
        releases[0].joined(releases[1:]) if releases else None,
        [subjects for part in parts for subjects in part.subjects],
        {place: reason for part in parts for place, reason in part.ended.items()},
        {place: error for part in parts for place, error in part.undecided.items()},
    )
