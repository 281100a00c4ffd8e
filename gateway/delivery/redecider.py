"""Deciding again: the only way in which stored or handed-over bytes become a release.

What was minimised once is minimised by the policy and the facts of the moment, so that what was tightened, objected to
or cut off since doesn't leave.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from operator import attrgetter
from typing import Protocol

import msgspec

from gateway.batch_verdict import ReleaseBatch
from gateway.delivery.redecided_batch import (
    MinimisedBatch,
    Part,
    RedecidedBatch,
    decided_part,
    ended_part,
    joined,
    undecided_part,
)
from gateway.errors import DeliveryReason, ItemReason, Retryable
from gateway.exporters.batching import chunks
from gateway.pipeline.batch_decision import BatchDecision
from gateway.pipeline.decide import Decider, UndecidedBatch
from gateway.pipeline.flows import Flows
from gateway.pipeline.offload import CHUNK_BYTES, ITEM_BYTES, Chunks

_Decided = BatchDecision | UndecidedBatch | DeliveryReason | Exception
"""What became of parts of one flow: a decision, or the facts about some must be waited for; or none of them may leave,
or something went wrong.
"""


class DecidesAgain(Protocol):
    """Decides on what was minimised before."""

    def terms(self, destination: str) -> object:
        """Return what decisions for a destination go by: while it is equal, they are alike."""
        ...

    def is_current(self, releases: ReleaseBatch) -> bool:
        """Return whether the plan that made releases is the one by which they would be decided on now."""
        ...

    async def decide_all(
        self, batches: Sequence[MinimisedBatch], *, identifiers: bool = False
    ) -> Sequence[RedecidedBatch]:
        """Return what becomes of each minimised batch: of each item as if it were alone.

        With `identifiers`, it is told who is in what may leave.
        """
        ...


class Redecider:
    """Decides by the flows in force, or by those of one moment."""

    def __init__(self, flows: Callable[[], Flows], decider: Decider) -> None:
        self._flows = flows
        self._decider = decider

    def deciding_by(self, flows: Flows) -> Redecider:
        """Return what decides by these flows, whatever comes into force."""
        return Redecider(_FixedFlows(flows).current, self._decider)

    def terms(self, destination: str) -> object:
        """As in `DecidesAgain`."""
        return self._flows().terms(destination)

    def is_current(self, releases: ReleaseBatch) -> bool:
        """As in `DecidesAgain`."""
        flows, term = self._flows(), (releases.type, releases.destination)
        return flows.feeds(*term) and flows.engine(*term).digest == releases.plan

    async def decide_all(
        self, batches: Sequence[MinimisedBatch], *, identifiers: bool = False
    ) -> Sequence[RedecidedBatch]:
        """As in `DecidesAgain`; those of one flow together. Costly work takes turns with that of others."""
        again = _Deciding(self._flows(), self._decider, identifiers)
        found = [list[RedecidedBatch]() for _ in batches]
        chunks = Chunks(_parts(batches), _own_bytes)
        for chunk, cost in chunks:
            begun_ns = time.perf_counter_ns()
            for run, decided in await self._decider.off_loop(cost, again.decide_chunk, chunk):
                for part, redecided in await again.redecided(run, decided):
                    found[part.number].append(redecided)
            chunks.record_duration(time.perf_counter_ns() - begun_ns)
        return [joined(parts) for parts in found]


class _Deciding(msgspec.Struct, frozen=True):
    """Decides on the batches of one call."""

    flows: Flows
    decider: Decider
    identifiers: bool

    def decide_chunk(self, parts: Sequence[Part]) -> Sequence[tuple[Sequence[Part], _Decided]]:
        """Decide on parts, those of one flow that follow one another together, in any thread."""
        chunk: list[tuple[Sequence[Part], _Decided]] = []
        for _, group in groupby(parts, attrgetter("flow")):
            run = list(group)
            decided = self._decide_run(run)
            if isinstance(decided, Exception):
                # Whatever it is, it is one item's alone.
                chunk += [((item,), self._decide_run((item,))) for item in _singles(run)]
            else:
                chunk.append((run, decided))
        return chunk

    async def redecided(self, run: Sequence[Part], decided: _Decided) -> Sequence[tuple[Part, RedecidedBatch]]:
        """Return what becomes of each part, once the facts have come.

        Where they can't be had for one, the others are decided on.
        """
        if isinstance(decided, UndecidedBatch):
            try:
                decided = await self.decider.batch_with_facts(decided, sum(map(_cost, run)))
            except Exception as error:  # noqa: BLE001 - who decides on each alone tells whose it is
                if len(run) > 1 or len(run[0].places) > 1:
                    alone = [((item,), self._decide_run((item,))) for item in _singles(run)]
                    return [one for item, again in alone for one in await self.redecided(item, again)]
                decided = error
        if isinstance(decided, DeliveryReason):
            return [(part, ended_part(part, decided)) for part in run]
        if isinstance(decided, Exception):
            return [(part, undecided_part(part, decided)) for part in run]
        return self._decided_parts(run, decided)

    def _decided_parts(self, run: Sequence[Part], decision: BatchDecision) -> Sequence[tuple[Part, RedecidedBatch]]:
        found, first = list[tuple[Part, RedecidedBatch]](), 0
        for part in run:
            found.append((part, decided_part(part, decision, first, identifiers=self.identifiers)))
            first += len(part.places)
        return found

    def _decide_run(self, run: Sequence[Part]) -> _Decided:
        term = run[0].flow
        try:
            if not self.flows.feeds(*term):
                return _without_flow(self.flows, *term)
            return self.decider.decide_batch_inline(
                self.flows.only(*term),
                [payload for part in run for payload in part.payloads],
                [received_ns for part in run for received_ns in part.received_ns],
                _personal(run),
                identifiers=self.identifiers,
            )
        except Exception as error:  # noqa: BLE001 - as above
            return error


class _FixedFlows(msgspec.Struct, frozen=True):
    """Flows that stay the same, whatever comes into force."""

    flows: Flows

    def current(self) -> Flows:
        """Return them."""
        return self.flows


def _without_flow(flows: Flows, type: str, destination: str) -> DeliveryReason:
    """Return why nothing may leave that no flow leads on.

    Raises Retryable where one does and its type's contract is missing: it waits for that.
    """
    if flows.lacks(type, destination):
        raise Retryable(ItemReason.UNKNOWN_TYPE)
    return DeliveryReason.CUT_OFF


def _parts(batches: Sequence[MinimisedBatch]) -> Iterator[Part]:
    """Yield batches cut into parts that cost no more than the first chunk may; an item that costs more is alone."""
    for number, batch in enumerate(batches):
        costs = [len(payload) + ITEM_BYTES for payload in batch.payloads]
        for places in chunks(costs, len(costs), CHUNK_BYTES):
            yield Part(number, batch, places)


def _singles(run: Sequence[Part]) -> Iterable[Part]:
    return chain.from_iterable(part.singles() for part in run)


def _personal(run: Sequence[Part]) -> frozenset[int]:
    """Return the indices in a run of what was about personal accounts."""
    personal, first = set[int](), 0
    for part in run:
        if part.batch.personal:
            personal.update(first + at for at, place in enumerate(part.places) if place in part.batch.personal)
        first += len(part.places)
    return frozenset(personal)


def _cost(part: Part) -> int:
    return sum(map(len, part.payloads)) + ITEM_BYTES * len(part.places)


def _own_bytes(part: Part) -> int:
    """Return what a part costs beside what `Chunks` counts for each."""
    return _cost(part) - ITEM_BYTES
