"""Deciding again: the only way in which stored or handed-over bytes become a release.

What was minimised once is minimised by the policy and the facts of the moment, so that what was tightened, objected to or cut off since
doesn't leave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.directory import Directory
from gateway.errors import Reason
from gateway.minimise.flows import LARGE, Flows
from gateway.model import Verdict, Withheld


class Again:
    """Decides by the flows in force."""

    def __init__(self, flows: Callable[[], Flows], directory: Directory) -> None:
        self._flows = flows
        self._directory = directory

    async def decide(self, destination: str, type: str, payload: bytes, received_ns: int) -> Verdict:
        """The verdict on a minimised item received at `received_ns`. Raises Refused, and Retryable when facts can't be had."""
        flows = self._flows()
        if not flows.feeds(type, destination):
            return Withheld(destination, Reason.CUT_OFF)
        flow = flows.only(type, destination)
        subject = flow.subject(payload)
        facts = self._directory.at_hand(subject, received_ns) or await self._directory.facts(subject, received_ns)
        if len(payload) < LARGE:
            return flow.decide(payload, facts)[0]
        return (await asyncio.to_thread(flow.decide, payload, facts))[0]
