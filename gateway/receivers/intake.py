"""The way of every item, whatever received it: flow, decision, delivery."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, TypeVar

import msgspec

from gateway.delivery import Delivery
from gateway.delivery.entries import EntryBuilder, ItemSource
from gateway.errors import CallReason, ItemReason, Reason, RefusalReason, Refused
from gateway.model import OutboxEntry, Subject, Withheld
from gateway.pipeline.decide import Decider, Verdicts
from gateway.pipeline.flows import Flow
from gateway.pipeline.offload import chunks
from gateway.telemetry import Counts
from gateway.telemetry.traces import set_item_count

T = TypeVar("T")

MOST: Final = 10_000
"""Items in one call, at most, and rejected ones in one stream; and how many withheld ones an answer names."""


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A raw item's flow, the item's message, and the request ID that it came with; empty where it came without.

    `verbose`: its caller wants complete receipts.
    """

    flow: Flow
    item: bytes
    request_id: str = ""
    verbose: bool = False

    def __repr__(self) -> str:
        return "Asked(…)"


Resolve = Callable[[bytes], Asked]
"""What a raw item asks for. Raises Refused."""


class Answered(msgspec.Struct, frozen=True, gc=False):
    """One item, as it was asked for, and the verdicts on it."""

    asked: Asked
    verdicts: Verdicts

    def __repr__(self) -> str:
        return "Answered(…)"


class Batch(msgspec.Struct):
    """What became of the items of one call so far; indices are from 0, in the order sent."""

    accepted: int = 0
    rejected: list[tuple[int, Reason]] = []
    withheld: list[int] = []

    @property
    def count(self) -> int:
        """Items seen so far; the next one's index."""
        return self.accepted + len(self.rejected)


class _Decided(msgspec.Struct, gc=False):
    """What became of one item: entries, or the reason why it is refused.

    Without either, the facts must be waited for.
    """

    index: int
    received_ns: int
    asked: Asked | None = None
    subject: Subject | None = None
    verdicts: Verdicts | None = None
    entries: Sequence[OutboxEntry] = ()
    refused: RefusalReason | None = None
    took_ns: int = 0

    def __repr__(self) -> str:
        return "_Decided(…)"


class Intake:
    """Takes items in, one or many, and returns when they are safe."""

    def __init__(
        self, decider: Decider, delivery: Delivery, packer: EntryBuilder, counts: Counts | None = None
    ) -> None:
        """`counts` is told of each item."""
        self._packer = packer
        self._decider = decider
        self._delivery = delivery
        self._counts = Counts() if counts is None else counts

    async def one(self, resolve: Resolve, raw: bytes) -> Answered:
        """Decide on one item and deliver its releases. Raises Refused, Retryable, Rejected."""
        (decided,) = await self._decide(resolve, (raw,), 0, len(raw))
        if decided.refused is not None or decided.asked is None:
            raise Refused(decided.refused or CallReason.INTERNAL)
        set_item_count(1)
        await self.deliver(decided.entries)
        return Answered(decided.asked, decided.verdicts or ())

    async def many(self, resolve: Resolve, raws: Iterable[bytes]) -> Batch:
        """Decide on each item by itself and deliver all entries together.

        Raises Refused for too many, Retryable, Rejected.
        """
        batch, pending = Batch(), list[OutboxEntry]()
        for chunk, size in chunks(raws, len):
            if batch.count + len(chunk) > MOST:
                raise Refused(ItemReason.TOO_MANY_ITEMS)
            if batch.count:
                await asyncio.sleep(0)
            for decided in await self._decide(resolve, chunk, batch.count, size):
                pending += self._enter(batch, decided)
        set_item_count(batch.count)
        await self.deliver(pending)
        return batch

    async def add(self, batch: Batch, resolve: Resolve, raw: bytes) -> Sequence[OutboxEntry]:
        """Decide on one more item of a batch, sent by itself; its entries, not yet delivered.

        Raises Refused for too many rejected ones.
        """
        (decided,) = await self._decide(resolve, (raw,), 0, len(raw))
        return self._enter(batch, decided)

    async def deliver(self, pending: Sequence[OutboxEntry]) -> None:
        """Deliver entries. Raises Retryable, Refused."""
        if pending:
            await self._delivery.accept(pending)

    async def apart(self, size: int, work: Callable[[], T]) -> T:
        """Return what `work` on an input of `size` bytes returns, in a thread if it could take long."""
        return await self._decider.off_loop(size, work)

    async def _decide(self, resolve: Resolve, raws: Sequence[bytes], first: int, size: int) -> Sequence[_Decided]:
        """Decide on items that cost `size` bytes together, and count them.

        Raises Retryable where facts can't be had.
        """
        together = await self._decider.off_loop(size, partial(self._decide_all, resolve, raws, first))
        for decided in together:
            if decided.verdicts is None and decided.refused is None:
                await self._wait(decided)
            self._count(decided)
        return together

    def _decide_all(self, resolve: Resolve, raws: Sequence[bytes], first: int) -> Sequence[_Decided]:
        """Decide on items in whatever thread this is."""
        return [self._decide_one(resolve, raw, index) for index, raw in enumerate(raws, first)]

    def _decide_one(self, resolve: Resolve, raw: bytes, index: int) -> _Decided:
        decided = _Decided(index, time.time_ns())
        begun = time.perf_counter_ns()
        try:
            decided.asked = asked = resolve(raw)
            decided.subject, verdicts = self._decider.decide_inline(asked.flow, asked.item, decided.received_ns)
            if verdicts is not None:
                self._pack(decided, asked, verdicts)
        except Refused as error:
            decided.refused = error.reason
        decided.took_ns = time.perf_counter_ns() - begun
        return decided

    async def _wait(self, decided: _Decided) -> None:
        """Decide on an item whose facts aren't at hand."""
        asked, subject = decided.asked, decided.subject
        assert asked is not None
        assert subject is not None
        try:
            self._pack(
                decided, asked, await self._decider.with_facts(asked.flow, asked.item, decided.received_ns, subject)
            )
        except Refused as error:
            decided.refused = error.reason

    def _pack(self, decided: _Decided, asked: Asked, verdicts: Verdicts) -> None:
        sent = ItemSource(asked.item, asked.request_id, decided.index)
        decided.entries = self._packer.entries_of(asked.flow, verdicts, decided.received_ns, sent)
        decided.verdicts = verdicts

    def _count(self, decided: _Decided) -> None:
        if decided.refused is not None or decided.asked is None:
            key = "" if decided.asked is None else decided.asked.flow.key
            self._counts.record_rejection(key, decided.refused or CallReason.INTERNAL)
        else:
            self._counts.record_decision(decided.asked.flow, decided.verdicts or (), decided.took_ns)

    def _enter(self, batch: Batch, decided: _Decided) -> Sequence[OutboxEntry]:
        """Note what became of one more item of a batch; its entries. Raises Refused for too many rejected ones."""
        index = batch.count
        if decided.refused is not None:
            batch.rejected.append((index, decided.refused))
            if len(batch.rejected) > MOST:
                raise Refused(ItemReason.TOO_MANY_ITEMS)
            return ()
        batch.accepted += 1
        if len(batch.withheld) < MOST and any(isinstance(verdict, Withheld) for verdict in decided.verdicts or ()):
            batch.withheld.append(index)
        return decided.entries
