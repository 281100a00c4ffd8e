"""What every item goes through, whatever received it: flow, decision, delivery."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from gateway.delivery import Delivery
from gateway.delivery.entries import EntryBuilder, ItemSource
from gateway.errors import ItemReason, Reason, RefusalReason, Refused
from gateway.model import OutboxEntry, Subject, Withheld
from gateway.pipeline.decide import Decider, Verdicts
from gateway.pipeline.flows import Flow
from gateway.pipeline.offload import chunks
from gateway.telemetry import Counts
from gateway.telemetry.traces import set_item_count

MAX_CALL_ITEMS: Final = 10_000
"""Items in one call, and rejected ones in one stream; and how many withheld ones an answer names."""


class ResolvedItem(msgspec.Struct, frozen=True, gc=False):
    """An item's flow, its message, and the request ID that it came with; empty where it came without.

    `verbose`: its caller wants complete receipts.
    """

    flow: Flow
    message: bytes
    request_id: str = ""
    verbose: bool = False

    def __repr__(self) -> str:
        return "ResolvedItem(…)"


class ItemResolver(Protocol):
    """Knows what the raw items of one call are."""

    def resolve(self, raw: bytes) -> ResolvedItem:
        """Return an item with its flow, in whatever thread this is. Raises Refused."""
        ...


class AcceptedItem(msgspec.Struct, frozen=True, gc=False):
    """An item that was decided on, and the entries of its releases, which may be none."""

    resolved: ResolvedItem
    verdicts: Verdicts
    entries: Sequence[OutboxEntry]
    took_ns: int

    def __repr__(self) -> str:
        return "AcceptedItem(…)"


class RefusedItem(msgspec.Struct, frozen=True, gc=False):
    """An item that goes nowhere; `flow_key` is empty where it has no flow."""

    flow_key: str
    reason: RefusalReason


class _WaitingItem(msgspec.Struct, frozen=True, gc=False):
    """An item that can't be decided on before the facts about its subject have come."""

    resolved: ResolvedItem
    subject: Subject
    index: int
    received_ns: int
    took_ns: int

    def __repr__(self) -> str:
        return "_WaitingItem(…)"


class BatchOutcome(msgspec.Struct):
    """What became of the items of one call so far; indices are from 0, in the order sent."""

    accepted: int = 0
    rejected: list[tuple[int, Reason]] = []
    withheld: list[int] = []

    @property
    def count(self) -> int:
        """How many items came so far; the next one's index."""
        return self.accepted + len(self.rejected)

    def add(self, item: AcceptedItem | RefusedItem) -> Sequence[OutboxEntry]:
        """Note what became of one more item and return its entries. Raises Refused for too many rejected ones."""
        index = self.count
        if isinstance(item, RefusedItem):
            self.rejected.append((index, item.reason))
            if len(self.rejected) > MAX_CALL_ITEMS:
                raise Refused(ItemReason.TOO_MANY_ITEMS)
            return ()
        self.accepted += 1
        if len(self.withheld) < MAX_CALL_ITEMS and any(isinstance(verdict, Withheld) for verdict in item.verdicts):
            self.withheld.append(index)
        return item.entries


class ItemPipeline:
    """Takes items, one or many, and returns when they are safe."""

    def __init__(
        self, decider: Decider, delivery: Delivery, entry_builder: EntryBuilder, counts: Counts | None = None
    ) -> None:
        """`counts` counts each item."""
        self._decide_inline, self._with_facts = decider.decide_inline, decider.with_facts
        self._entries_of = entry_builder.entries_of
        self._counts = Counts() if counts is None else counts
        self.deliver = delivery.accept
        """Returns when entries are safe. Raises Retryable, Refused."""
        self.off_loop = decider.off_loop
        """Returns what work on an input of so many bytes returns, in a thread if it could take long."""

    async def take_one(self, resolver: ItemResolver, raw: bytes) -> AcceptedItem:
        """Decide on one item and deliver its releases. Raises Refused, Retryable, Rejected."""
        (decided,) = await self._decide(resolver, (raw,), 0, len(raw))
        if isinstance(decided, RefusedItem):
            raise Refused(decided.reason)
        set_item_count(1)
        if decided.entries:
            await self.deliver(decided.entries)
        return decided

    async def take_many(self, resolver: ItemResolver, raws: Iterable[bytes]) -> BatchOutcome:
        """Decide on each item by itself and deliver all entries together.

        Raises Refused for too many, Retryable, Rejected.
        """
        outcome, entries = BatchOutcome(), list[OutboxEntry]()
        for chunk, size in chunks(raws, len):
            if outcome.count + len(chunk) > MAX_CALL_ITEMS:
                raise Refused(ItemReason.TOO_MANY_ITEMS)
            if outcome.count:
                await asyncio.sleep(0)
            for decided in await self._decide(resolver, chunk, outcome.count, size):
                entries += outcome.add(decided)
        set_item_count(outcome.count)
        if entries:
            await self.deliver(entries)
        return outcome

    async def add(self, outcome: BatchOutcome, resolver: ItemResolver, raw: bytes) -> Sequence[OutboxEntry]:
        """Decide on one more item, sent by itself, and return its entries, not yet delivered.

        Raises Refused for too many rejected ones.
        """
        (decided,) = await self._decide(resolver, (raw,), 0, len(raw))
        return outcome.add(decided)

    async def _decide(
        self, resolver: ItemResolver, raws: Sequence[bytes], first: int, size: int
    ) -> Sequence[AcceptedItem | RefusedItem]:
        """Decide on items that cost `size` bytes together, and count them; the index of the first is `first`.

        Raises Retryable where facts can't be had.
        """
        decided: list[AcceptedItem | RefusedItem] = []
        for item in await self.off_loop(size, self._decide_all, resolver, raws, first):
            if isinstance(item, _WaitingItem):
                item = await self._decide_waiting(item)  # noqa: PLW2901 - the same item, decided on
            if isinstance(item, RefusedItem):
                self._counts.record_rejection(item.flow_key, item.reason)
            else:
                self._counts.record_decision(item.resolved.flow, item.verdicts, item.took_ns)
            decided.append(item)
        return decided

    def _decide_all(
        self, resolver: ItemResolver, raws: Sequence[bytes], first: int
    ) -> Sequence[AcceptedItem | RefusedItem | _WaitingItem]:
        """Decide on items in whatever thread this is."""
        return [self._decide_one(resolver, raw, index) for index, raw in enumerate(raws, first)]

    def _decide_one(self, resolver: ItemResolver, raw: bytes, index: int) -> AcceptedItem | RefusedItem | _WaitingItem:
        received_ns, begun_ns, flow_key = time.time_ns(), time.perf_counter_ns(), ""
        try:
            resolved = resolver.resolve(raw)
            flow_key = resolved.flow.key
            subject, verdicts = self._decide_inline(resolved.flow, resolved.message, received_ns)
            if verdicts is None:
                return _WaitingItem(resolved, subject, index, received_ns, time.perf_counter_ns() - begun_ns)
            entries = self._entries(resolved, verdicts, index, received_ns)
        except Refused as error:
            return RefusedItem(flow_key, error.reason)
        return AcceptedItem(resolved, verdicts, entries, time.perf_counter_ns() - begun_ns)

    async def _decide_waiting(self, item: _WaitingItem) -> AcceptedItem | RefusedItem:
        """Decide on an item once its facts have come. Raises Retryable where they can't be had."""
        resolved = item.resolved
        try:
            verdicts = await self._with_facts(resolved.flow, resolved.message, item.received_ns, item.subject)
            entries = self._entries(resolved, verdicts, item.index, item.received_ns)
        except Refused as error:
            return RefusedItem(resolved.flow.key, error.reason)
        return AcceptedItem(resolved, verdicts, entries, item.took_ns)

    def _entries(
        self, resolved: ResolvedItem, verdicts: Verdicts, index: int, received_ns: int
    ) -> Sequence[OutboxEntry]:
        source = ItemSource(resolved.message, resolved.request_id, index)
        return self._entries_of(resolved.flow, verdicts, received_ns, source)
