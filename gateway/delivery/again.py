"""Deciding again: the only way in which stored or handed-over bytes become a release.

What was minimised once is minimised by the policy and the facts of the moment, so that what was tightened, objected to or cut off since
doesn't leave.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.errors import Reason
from gateway.minimise.flows import Flows
from gateway.model import Verdict, Withheld
from gateway.pipeline.decide import Decider


class Decides(Protocol):
    """Decides on what was minimised before."""

    def terms(self, destination: str) -> object:
        """What decisions for a destination go by: while it is equal, they are alike."""
        ...

    async def decide(self, destination: str, type: str, payload: bytes, received_ns: int) -> Verdict:
        """The verdict on a minimised item received at `received_ns`. Raises Refused, and Retryable when facts can't be had."""
        ...


class Again:
    """Decides by the flows in force, or by those of one moment."""

    def __init__(self, flows: Callable[[], Flows], decider: Decider) -> None:
        self._flows = flows
        self._decider = decider

    def by(self, flows: Flows) -> Again:
        """What decides by these flows, whatever comes into force."""
        return Again(lambda: flows, self._decider)

    def terms(self, destination: str) -> object:
        """As in `Decides`."""
        return self._flows().terms(destination)

    async def decide(self, destination: str, type: str, payload: bytes, received_ns: int) -> Verdict:
        """The verdict on a minimised item received at `received_ns`. Raises Refused, and Retryable when facts can't be had."""
        flows = self._flows()
        if not flows.feeds(type, destination):
            return Withheld(destination, Reason.CUT_OFF)
        _, (verdict,) = await self._decider.decide(flows.only(type, destination), payload, received_ns)
        return verdict
