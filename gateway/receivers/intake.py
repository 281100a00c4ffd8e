"""The way of every item, whatever received it: flow, facts, decision, delivery."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from gateway.delivery import Delivery
from gateway.delivery.packer import Packer, Sent
from gateway.directory import Directory
from gateway.errors import Reason, Refused
from gateway.minimise.flows import LARGE, Flow
from gateway.model import Parcel, Verdict, Withheld
from gateway.telemetry import Counts
from gateway.telemetry.traces import tell_items

MOST: Final = 10_000
"""Items in one call, at most, and rejected ones in one stream; and how many withheld ones an answer names."""

TURN: Final = 0.005
"""Seconds that one call decides on its items before others get their turn."""


class Asked(msgspec.Struct, frozen=True):
    """A raw item's flow, the item's message, and the request ID that it came with; empty where it came without."""

    flow: Flow
    item: bytes
    request_id: str = ""

    def __repr__(self) -> str:
        return "Asked(…)"


Resolve = Callable[[bytes], Asked]
"""What a raw item asks for. Raises Refused."""


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

    def __init__(self, directory: Directory, delivery: Delivery, packer: Packer, counts: Counts | None = None) -> None:
        """`counts` is told of each item."""
        self._packer = packer
        self._directory = directory
        self._delivery = delivery
        self._counts = Counts() if counts is None else counts

    async def one(self, resolve: Resolve, raw: bytes) -> tuple[Verdict, ...]:
        """Decide on one item and deliver its releases. Raises Refused, Retryable, Permanent."""
        verdicts, parcels = await self._decide(resolve, raw, 0)
        tell_items(1)
        await self.deliver(parcels)
        return verdicts

    async def many(self, resolve: Resolve, raws: Iterable[bytes]) -> Batch:
        """Decide on each item by itself and deliver all parcels together. Raises Refused for too many, Retryable, Permanent."""
        batch, since = Batch(), time.monotonic()
        pending: list[Parcel] = []
        for index, raw in enumerate(raws):
            if index == MOST:
                raise Refused(Reason.TOO_MANY_ITEMS)
            pending += await self.add(batch, resolve, raw, index)
            if time.monotonic() - since > TURN:
                await asyncio.sleep(0)
                since = time.monotonic()
        tell_items(batch.count)
        await self.deliver(pending)
        return batch

    async def add(self, batch: Batch, resolve: Resolve, raw: bytes, at: int = 0) -> list[Parcel]:
        """Decide on one more item of a batch, the one `at` an index of its request; its parcels, not yet delivered.

        Raises Refused for too many rejected ones.
        """
        index = batch.count
        try:
            verdicts, parcels = await self._decide(resolve, raw, at)
        except Refused as error:
            batch.rejected.append((index, error.reason))
            if len(batch.rejected) > MOST:
                raise Refused(Reason.TOO_MANY_ITEMS) from None
            return []
        batch.accepted += 1
        if len(batch.withheld) < MOST and any(isinstance(verdict, Withheld) for verdict in verdicts):
            batch.withheld.append(index)
        return parcels

    async def deliver(self, pending: list[Parcel]) -> None:
        """Deliver parcels. Raises Retryable, Refused."""
        if pending:
            await self._delivery.accept(pending)

    async def _decide(self, resolve: Resolve, raw: bytes, index: int) -> tuple[tuple[Verdict, ...], list[Parcel]]:
        """Decide on one item, and count it, also a refused one."""
        key = ""
        try:
            asked = resolve(raw)
            flow, item = asked.flow, asked.item
            key = flow.key
            subject, now = flow.subject(item), time.time_ns()
            facts = self._directory.at_hand(subject, now) or await self._directory.facts(subject, now)
            begun = time.perf_counter_ns()
            verdicts = flow.decide(item, facts) if len(item) < LARGE else await asyncio.to_thread(flow.decide, item, facts)
        except Refused as error:
            self._counts.rejected(key, error.reason)
            raise
        self._counts.decided(flow, verdicts, time.perf_counter_ns() - begun)
        return verdicts, self._packer.pack(flow, verdicts, now, Sent(item, asked.request_id, index))
