"""Deciding again: the only way in which stored or handed-over bytes become a release.

What was minimised once is minimised by the policy and the facts of the moment, so that what was tightened, objected to
or cut off since doesn't leave.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from gateway.delivery.outbox.interface import Leased
from gateway.errors import DeliveryReason, ItemReason, Retryable
from gateway.model import Release, Subject, Verdict, Withheld
from gateway.pipeline.decide import Decider
from gateway.pipeline.flows import Flows
from gateway.pipeline.offload import Chunks


class DecidesAgain(Protocol):
    """Decides on what was minimised before."""

    def terms(self, destination: str) -> object:
        """Return what decisions for a destination go by: while it is equal, they are alike."""
        ...

    def is_current(self, release: Release) -> bool:
        """Return whether the plan that made a release is the one by which it would be decided on now."""
        ...

    async def decide(
        self, destination: str, type: str, payload: bytes, received_ns: int, *, personal: bool = False
    ) -> Verdict:
        """Return the verdict on a minimised item received at `received_ns`.

        Raises Refused, and Retryable when facts can't be had.

        `personal`: the item was about a personal account, as its release says.
        """
        ...

    async def decide_all(self, items: Sequence[Leased]) -> Sequence[Verdict | Exception]:
        """Return what `decide` returns or raises, for each leased item."""
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

    async def decide(
        self, destination: str, type: str, payload: bytes, received_ns: int, *, personal: bool = False
    ) -> Verdict:
        """As in `DecidesAgain`."""
        flows = self._flows()
        if not flows.feeds(type, destination):
            return _without_flow(flows, type, destination)
        _, (verdict,) = await self._decider.decide(
            flows.only(type, destination), payload, received_ns, personal=personal
        )
        return verdict

    async def decide_all(self, items: Sequence[Leased]) -> Sequence[Verdict | Exception]:
        """As in `DecidesAgain`; costly work takes turns with that of others."""
        flows, verdicts = self._flows(), list[Verdict | Exception]()
        chunks = Chunks(items, _payload_bytes)
        for chunk, cost in chunks:
            begun_ns = time.perf_counter_ns()
            together = await self._decider.off_loop(cost, self._decide_chunk, flows, chunk)
            chunks.record_duration(time.perf_counter_ns() - begun_ns)
            verdicts += [
                await self._with_facts(flows, item, found) for item, found in zip(chunk, together, strict=True)
            ]
        return verdicts

    def _decide_chunk(self, flows: Flows, items: Sequence[Leased]) -> Sequence[Verdict | Exception | Subject]:
        """Return the verdicts, in any thread; a subject where its facts must be waited for."""
        return [self._decide_one(flows, item) for item in items]

    def _decide_one(self, flows: Flows, item: Leased) -> Verdict | Exception | Subject:
        try:
            if not flows.feeds(item.type, item.destination):
                return _without_flow(flows, item.type, item.destination)
            flow = flows.only(item.type, item.destination)
            subject, verdicts = self._decider.decide_inline(
                flow, item.payload, item.received_ns, personal=item.personal
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this item's alone
            return error
        return subject if verdicts is None else verdicts[0]

    async def _with_facts(
        self, flows: Flows, item: Leased, found: Verdict | Exception | Subject
    ) -> Verdict | Exception:
        if not isinstance(found, Subject):
            return found
        flow = flows.only(item.type, item.destination)
        try:
            (verdict,) = await self._decider.with_facts(
                flow, item.payload, item.received_ns, found, personal=item.personal
            )
        except Exception as error:  # noqa: BLE001 - as above
            return error
        return verdict


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


def _payload_bytes(item: Leased) -> int:
    return len(item.payload)
