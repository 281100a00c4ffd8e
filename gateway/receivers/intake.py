"""The way of every item, whatever received it: flow, facts, decision, delivery."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from gateway.delivery import Delivery
from gateway.directory import Directory
from gateway.errors import Reason, Refused
from gateway.minimise.flows import Flow
from gateway.model import Release, Verdict, Withheld
from gateway.telemetry import Counts
from gateway.telemetry.traces import tell_items

MOST: Final = 10_000
"""Items in one call, at most, and rejected ones in one stream; and how many withheld ones an answer names."""

TURN: Final = 0.005
"""Seconds that one call decides on its items before others get their turn."""

LARGE: Final = 8_192
"""Bytes of an item from which on it is decided on in a thread: it could take seconds, in which nobody else would be heard."""

Resolve = Callable[[bytes], tuple[Flow, bytes]]
"""The flow of a raw item, and the item's message. Raises Refused."""


class Batch(msgspec.Struct):
    """What became of the items of one call so far; indices are from 0, in the order sent."""

    accepted: int = 0
    rejected: list[tuple[int, Reason]] = []
    withheld: list[int] = []

    @property
    def count(self) -> int:
        """Items seen so far; the next one's index."""
        return self.accepted + len(self.rejected)


class Intake:
    """Takes items in, one or many, and returns when they are safe."""

    def __init__(self, directory: Directory, delivery: Delivery, counts: Counts | None = None) -> None:
        """`counts` is told of each item."""
        self._directory = directory
        self._delivery = delivery
        self._counts = Counts() if counts is None else counts

    async def one(self, resolve: Resolve, raw: bytes) -> tuple[Verdict, ...]:
        """Decide on one item and deliver its releases. Raises Refused, Retryable, Permanent."""
        verdicts = await self._decide(resolve, raw)
        tell_items(1)
        await self.deliver(releases(verdicts))
        return verdicts

    async def many(self, resolve: Resolve, raws: Iterable[bytes]) -> Batch:
        """Decide on each item by itself and deliver all releases together. Raises Refused for too many, Retryable, Permanent."""
        batch, since = Batch(), time.monotonic()
        pending: list[Release] = []
        for raw in raws:
            if batch.count == MOST:
                raise Refused(Reason.TOO_MANY_ITEMS)
            pending += await self.add(batch, resolve, raw)
            if time.monotonic() - since > TURN:
                await asyncio.sleep(0)
                since = time.monotonic()
        tell_items(batch.count)
        await self.deliver(pending)
        return batch

    async def add(self, batch: Batch, resolve: Resolve, raw: bytes) -> list[Release]:
        """Decide on one more item of a batch; its releases, not yet delivered. Raises Refused for too many rejected ones."""
        index = batch.count
        try:
            verdicts = await self._decide(resolve, raw)
        except Refused as error:
            batch.rejected.append((index, error.reason))
            if len(batch.rejected) > MOST:
                raise Refused(Reason.TOO_MANY_ITEMS) from None
            return []
        batch.accepted += 1
        if len(batch.withheld) < MOST and any(isinstance(verdict, Withheld) for verdict in verdicts):
            batch.withheld.append(index)
        return releases(verdicts)

    async def deliver(self, pending: list[Release]) -> None:
        """Deliver releases. Raises Retryable, Permanent, Refused."""
        if pending:
            await self._delivery.accept(pending)

    async def _decide(self, resolve: Resolve, raw: bytes) -> tuple[Verdict, ...]:
        """Decide on one item, and count it, also a refused one."""
        key = ""
        try:
            flow, item = resolve(raw)
            key = flow.key
            subject, now = flow.subject(item), time.time_ns()
            facts = self._directory.at_hand(subject, now) or await self._directory.facts(subject, now)
            begun = time.perf_counter_ns()
            verdicts = flow.decide(item, facts) if len(item) < LARGE else await asyncio.to_thread(flow.decide, item, facts)
        except Refused as error:
            self._counts.rejected(key, error.reason)
            raise
        self._counts.decided(flow, verdicts, time.perf_counter_ns() - begun)
        return verdicts


def releases(verdicts: Iterable[Verdict]) -> list[Release]:
    """The verdicts that go out."""
    return [verdict for verdict in verdicts if isinstance(verdict, Release)]
