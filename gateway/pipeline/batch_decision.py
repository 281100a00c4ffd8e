"""What became of a batch's items at the destinations of their flow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gateway.batch_verdict import BatchVerdict
from gateway.errors import RefusalReason, Refused
from gateway.model import Outcome


class BatchDecision(msgspec.Struct, frozen=True, gc=False):
    """What became of the items of a batch.

    Of those that some destination's plan refuses, by index, the reason; of the others, at `indices`, the verdicts of
    each destination: the first item of a verdict is that at the first index.
    """

    indices: Sequence[int]
    verdicts: Sequence[BatchVerdict]
    refused: Mapping[int, RefusalReason] = {}

    @property
    def withheld(self) -> Sequence[int]:
        """The indices of the items that some destination doesn't get, though none refuses them."""
        places = {place for verdict in self.verdicts for place in verdict.ended}
        return [self.indices[place] for place in sorted(places)]

    def outcomes(self, verdict: BatchVerdict) -> Sequence[Outcome]:
        """Return what became of each item at one destination, whose verdict is among these."""
        places = {index: place for place, index in enumerate(self.indices)}
        return [
            verdict.outcome(places[index]) if index in places else Refused(self.refused[index])
            for index in range(len(self.indices) + len(self.refused))
        ]
