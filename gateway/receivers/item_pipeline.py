"""What every item goes through, whatever received it: flow, decision, delivery."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from gateway.batch_verdict import BatchVerdict
from gateway.delivery import Delivery
from gateway.delivery.entries import BatchSource, EntryBuilder
from gateway.entry_batch import EntryBatch
from gateway.errors import ItemReason, Reason, RefusalReason, Refused
from gateway.model import Verdict
from gateway.pipeline.batch_decision import BatchDecision
from gateway.pipeline.decide import Decider, UndecidedBatch, Verdicts
from gateway.pipeline.flows import Flow
from gateway.pipeline.offload import Chunks
from gateway.telemetry import Counts
from gateway.telemetry.traces import set_item_count

MAX_CALL_ITEMS: Final = 10_000
"""Items in one call, and rejected ones in one stream; and how many withheld ones an answer names."""


class ResolvedItems(msgspec.Struct, frozen=True, gc=False):
    """Items that follow one another in a call and have one flow, and the request ID that they came with.

    The ID is empty where they came without; `first` is the index of the first one in its request. `verbose`: their
    caller wants complete receipts.
    """

    flow: Flow
    messages: Sequence[bytes]
    request_id: str = ""
    first: int = 0
    verbose: bool = False

    def __repr__(self) -> str:
        return f"ResolvedItems({len(self.messages)} items)"


class ItemResolver(Protocol):
    """Knows what the raw items of one call are."""

    def resolve(self, raws: Sequence[bytes], first: int) -> Sequence[ResolvedItems | RefusalReason]:
        """Return items with their flows, in their order, in whatever thread this is; `first` is the first's index.

        In the place of one that has no flow stands the reason.
        """
        ...


class AcceptedItem(msgspec.Struct, frozen=True, gc=False):
    """An item that was decided on; `verbose`: its caller wants complete receipts."""

    message: bytes
    verdicts: Verdicts
    verbose: bool

    def __repr__(self) -> str:
        return "AcceptedItem(…)"


class _DecidedItems(msgspec.Struct, frozen=True, gc=False):
    """Items that were decided on, the entries of their releases, and how long deciding took."""

    resolved: ResolvedItems
    decision: BatchDecision
    entries: Sequence[EntryBatch]
    took_ns: int

    def __repr__(self) -> str:
        return "_DecidedItems(…)"


class _WaitingItems(msgspec.Struct, frozen=True, gc=False):
    """Items that can't be decided on before the facts about some of them have come."""

    resolved: ResolvedItems
    undecided: UndecidedBatch
    received_ns: int
    took_ns: int

    def __repr__(self) -> str:
        return "_WaitingItems(…)"


class BatchOutcome(msgspec.Struct):
    """What became of the items of one call so far; indices are from 0, in the order sent."""

    accepted: int = 0
    rejected: list[tuple[int, Reason]] = []
    withheld: list[int] = []

    @property
    def count(self) -> int:
        """How many items came so far; the next one's index."""
        return self.accepted + len(self.rejected)

    def reject(self, rejected: Iterable[tuple[int, RefusalReason]]) -> None:
        """Note items that were rejected. Raises Refused for too many."""
        self.rejected += rejected
        if len(self.rejected) > MAX_CALL_ITEMS:
            raise Refused(ItemReason.TOO_MANY_ITEMS)

    def add(self, decision: BatchDecision) -> None:
        """Note what became of the next items. Raises Refused for too many rejected ones."""
        first = self.count
        self.accepted += len(decision.indices)
        if room := MAX_CALL_ITEMS - len(self.withheld):
            self.withheld += [first + index for index in decision.withheld[:room]]
        if decision.refused:
            self.reject((first + index, reason) for index, reason in sorted(decision.refused.items()))


class ItemPipeline:
    """Takes items, one or many, and returns when they are safe."""

    def __init__(
        self, decider: Decider, delivery: Delivery, entry_builder: EntryBuilder, counts: Counts | None = None
    ) -> None:
        """`counts` counts each item."""
        self._decide_batch, self._with_facts = decider.decide_batch_inline, decider.batch_with_facts
        self._entries_of = entry_builder.entries_of
        self._stores = delivery.stores
        self._counts = Counts() if counts is None else counts
        self.deliver = delivery.accept
        """Returns when entries are safe. Raises Retryable, Refused."""
        self.off_loop = decider.off_loop
        """Returns what work on an input of so many bytes returns, in a thread if it could take long."""

    async def take_one(self, resolver: ItemResolver, raw: bytes) -> AcceptedItem:
        """Decide on one item and deliver its releases. Raises Refused, Retryable, Rejected."""
        (decided,) = await self._decide(resolver, (raw,), 0, len(raw))
        if isinstance(decided, _DecidedItems):
            if decided.decision.refused:
                raise Refused(decided.decision.refused[0])
            set_item_count(1)
            if decided.entries:
                await self.deliver(decided.entries)
            (message,) = decided.resolved.messages
            verdicts = tuple([_verdict(verdict) for verdict in decided.decision.verdicts])
            return AcceptedItem(message, verdicts, decided.resolved.verbose)
        raise Refused(decided)

    async def take_many(self, resolver: ItemResolver, raws: Sequence[bytes]) -> BatchOutcome:
        """Decide on each item by itself and deliver all entries together.

        Raises Refused for too many, of which none is decided on or counted, Retryable, Rejected.
        """
        if len(raws) > MAX_CALL_ITEMS:
            raise Refused(ItemReason.TOO_MANY_ITEMS)
        outcome, entries = BatchOutcome(), list[EntryBatch]()
        chunks = Chunks(raws, len)
        for chunk, size in chunks:
            if outcome.count:
                await asyncio.sleep(0)
            entries += await self._add(outcome, resolver, chunks, chunk, size)
        set_item_count(outcome.count)
        if entries:
            await self.deliver(entries)
        return outcome

    async def add(self, outcome: BatchOutcome, resolver: ItemResolver, raws: Sequence[bytes]) -> Sequence[EntryBatch]:
        """Decide on more items and return their entries, not yet delivered. Raises Refused for too many rejected ones.

        Each was sent by itself: it is the first of its request.
        """
        entries, chunks = list[EntryBatch](), Chunks(raws, len)
        for chunk, size in chunks:
            entries += await self._add(outcome, resolver, chunks, chunk, size)
        return entries

    async def _add(
        self, outcome: BatchOutcome, resolver: ItemResolver, chunks: Chunks[bytes], chunk: Sequence[bytes], size: int
    ) -> Sequence[EntryBatch]:
        """Decide on the next chunk of a call's items, note what became of them, and return their entries."""
        entries, took_ns = list[EntryBatch](), 0
        for decided in await self._decide(resolver, chunk, outcome.count, size):
            if isinstance(decided, _DecidedItems):
                outcome.add(decided.decision)
                entries += decided.entries
                took_ns += decided.took_ns
            else:
                outcome.reject(((outcome.count, decided),))
        # Not how long others had their turn before: then many calls at once would have small chunks, and more turns.
        chunks.record_duration(took_ns)
        return entries

    async def _decide(
        self, resolver: ItemResolver, raws: Sequence[bytes], first: int, size: int
    ) -> Sequence[_DecidedItems | RefusalReason]:
        """Decide on items that cost `size` bytes together, and count them; the index of the first is `first`.

        Raises Retryable where facts can't be had.
        """
        decided: list[_DecidedItems | RefusalReason] = []
        for items in await self.off_loop(size, self._decide_inline, resolver, raws, first):
            if isinstance(items, _WaitingItems):
                items = await self._decide_waiting(items, size)  # noqa: PLW2901 - the same items, decided on
            if isinstance(items, _DecidedItems):
                self._counts.record_batch(items.resolved.flow, items.decision, items.took_ns)
            else:
                self._counts.record_rejections("", {items: 1})
            decided.append(items)
        return decided

    def _decide_inline(
        self, resolver: ItemResolver, raws: Sequence[bytes], first: int
    ) -> Sequence[_DecidedItems | _WaitingItems | RefusalReason]:
        """Decide on items in whatever thread this is."""
        decided: list[_DecidedItems | _WaitingItems | RefusalReason] = []
        begun_ns, received_ns = time.perf_counter_ns(), time.time_ns()
        for resolved in resolver.resolve(raws, first):
            if isinstance(resolved, ResolvedItems):
                decided.append(self._decide_resolved(resolved, received_ns, begun_ns))
                begun_ns = time.perf_counter_ns()
            else:
                decided.append(resolved)
        return decided

    def _decide_resolved(
        self, resolved: ResolvedItems, received_ns: int, begun_ns: int
    ) -> _DecidedItems | _WaitingItems:
        messages = resolved.messages
        received = [received_ns] * len(messages)
        # Who is in what its recipient takes at once is never asked.
        identifiers = self._stores(resolved.flow.destinations)
        decision = self._decide_batch(resolved.flow, messages, received, identifiers=identifiers)
        if isinstance(decision, UndecidedBatch):
            return _WaitingItems(resolved, decision, received_ns, time.perf_counter_ns() - begun_ns)
        entries = self._entries(resolved, decision, received_ns, identifiers=identifiers)
        return _DecidedItems(resolved, decision, entries, time.perf_counter_ns() - begun_ns)

    async def _decide_waiting(self, items: _WaitingItems, size: int) -> _DecidedItems:
        """Decide on items once the facts about them have come. Raises Retryable where they can't be had."""
        resolved = items.resolved
        decision = await self._with_facts(items.undecided, size)
        identifiers = items.undecided.identifiers
        entries = self._entries(resolved, decision, items.received_ns, identifiers=identifiers)
        return _DecidedItems(resolved, decision, entries, items.took_ns)

    def _entries(
        self, resolved: ResolvedItems, decision: BatchDecision, received_ns: int, *, identifiers: bool
    ) -> Sequence[EntryBatch]:
        """Return the entries of items in which somebody was looked for, or not."""
        source = BatchSource(resolved.messages, resolved.request_id, resolved.first)
        later = None if identifiers else resolved.flow.identifiers_in
        return self._entries_of(decision, [received_ns] * len(resolved.messages), source, later)


def _verdict(verdict: BatchVerdict) -> Verdict:
    """Return the verdict on the one item of a batch, which isn't refused."""
    outcome = verdict.outcome(0)
    assert not isinstance(outcome, Refused)
    return outcome
