"""Deciding again: the only way in which stored or handed-over bytes become a release.

What was minimised once is minimised by the policy and the facts of the moment, so that what was tightened, objected to
or cut off since doesn't leave.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Protocol

import msgspec

from gateway.errors import DeliveryReason, ItemReason, Retryable
from gateway.model import Release, Verdict, Withheld
from gateway.pipeline.decide import Decider, UndecidedBatch
from gateway.pipeline.flows import Flows
from gateway.pipeline.offload import Chunks


class MinimisedItem(Protocol):
    """What was minimised once, for one destination: it was stored, or handed over.

    `personal`: the item was about a personal account, as its release said.
    """

    @property
    def destination(self) -> str:
        """For which it was minimised."""
        ...

    @property
    def type(self) -> str:
        """The type of the message."""
        ...

    @property
    def payload(self) -> bytes:
        """The message."""
        ...

    @property
    def received_ns(self) -> int:
        """When the item was received, in nanoseconds since 1970."""
        ...

    @property
    def personal(self) -> bool:
        """Whether it was about a personal account."""
        ...


_Decided = Sequence[Verdict | Exception] | UndecidedBatch | Exception
"""What became of items of one flow; or the facts about some must be waited for, or something went wrong."""


class DecidesAgain(Protocol):
    """Decides on what was minimised before."""

    def terms(self, destination: str) -> object:
        """Return what decisions for a destination go by: while it is equal, they are alike."""
        ...

    def is_current(self, release: Release) -> bool:
        """Return whether the plan that made a release is the one by which it would be decided on now."""
        ...

    async def decide_all(self, items: Sequence[MinimisedItem]) -> Sequence[Verdict | Exception]:
        """Return the verdict on each minimised item, or what went wrong with it.

        That it is refused, Retryable where its facts can't be had, and whatever should not have happened.
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

    def is_current(self, release: Release) -> bool:
        """As in `DecidesAgain`."""
        flows, term = self._flows(), (release.type, release.destination)
        return flows.feeds(*term) and flows.engine(*term).digest == release.plan

    async def decide_all(self, items: Sequence[MinimisedItem]) -> Sequence[Verdict | Exception]:
        """As in `DecidesAgain`; those of one flow by the batch. Costly work takes turns with that of others."""
        flows, verdicts = self._flows(), list[Verdict | Exception]()
        chunks = Chunks(items, _payload_bytes)
        for chunk, cost in chunks:
            begun_ns = time.perf_counter_ns()
            for run, decided in await self._decider.off_loop(cost, self._decide_chunk, flows, chunk):
                verdicts += await self._verdicts(flows, run, decided)
            chunks.record_duration(time.perf_counter_ns() - begun_ns)
        return verdicts

    def _decide_chunk(
        self, flows: Flows, items: Sequence[MinimisedItem]
    ) -> Sequence[tuple[Sequence[MinimisedItem], _Decided]]:
        """Decide on items, those of one flow that follow one another together, in any thread."""
        chunk: list[tuple[Sequence[MinimisedItem], _Decided]] = []
        for _, group in groupby(items, _flow_of):
            run = list(group)
            decided = self._decide_run(flows, run)
            if isinstance(decided, Exception):
                # Whatever it is, it is one item's alone.
                chunk += [((item,), self._decide_run(flows, (item,))) for item in run]
            else:
                chunk.append((run, decided))
        return chunk

    def _decide_run(self, flows: Flows, run: Sequence[MinimisedItem]) -> _Decided:
        term = _flow_of(run[0])
        try:
            if not flows.feeds(*term):
                return [_without_flow(flows, *term)] * len(run)
            decision = self._decider.decide_batch_inline(
                flows.only(*term),
                [item.payload for item in run],
                [item.received_ns for item in run],
                frozenset(index for index, item in enumerate(run) if item.personal),
                identifiers=False,
            )
        except Exception as error:  # noqa: BLE001 - who decides on each alone tells whose it is
            return error
        return decision if isinstance(decision, UndecidedBatch) else decision.outcomes(decision.verdicts[0])

    async def _verdicts(
        self, flows: Flows, run: Sequence[MinimisedItem], decided: _Decided
    ) -> Sequence[Verdict | Exception]:
        """Return the verdicts, once the facts have come; where they can't be had for one, the others have theirs."""
        if isinstance(decided, Exception):
            return [decided]
        if not isinstance(decided, UndecidedBatch):
            return decided
        try:
            decision = await self._decider.batch_with_facts(decided, sum(map(_payload_bytes, run)))
        except Exception as error:  # noqa: BLE001 - as above
            if len(run) == 1:
                return [error]
            alone = [((item,), self._decide_run(flows, (item,))) for item in run]
            return [one for item, again in alone for one in await self._verdicts(flows, item, again)]
        return decision.outcomes(decision.verdicts[0])


class _FixedFlows(msgspec.Struct, frozen=True):
    """Flows that stay the same, whatever comes into force."""

    flows: Flows

    def current(self) -> Flows:
        """Return them."""
        return self.flows


def _without_flow(flows: Flows, type: str, destination: str) -> Withheld:
    """Return the verdict on what no flow leads on.

    Raises Retryable where one does and its type's contract is missing: it waits for that.
    """
    if flows.lacks(type, destination):
        raise Retryable(ItemReason.UNKNOWN_TYPE)
    return Withheld(destination, DeliveryReason.CUT_OFF)


def _payload_bytes(item: MinimisedItem) -> int:
    return len(item.payload)


def _flow_of(item: MinimisedItem) -> tuple[str, str]:
    return item.type, item.destination
