"""One batch: decided on again, sent, and each lease ended by its outcome."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from gateway.delivery.outbox.interface import NANOS_PER_SECOND, LeasedBatch, Outbox
from gateway.delivery.redecider import DecidesAgain
from gateway.delivery.schedule import retry_delay
from gateway.entry_batch import EntryBatch, entries_at
from gateway.errors import DeliveryReason, Reason, Rejected, Retryable
from gateway.exporters.base import Delivered, Exporter, Outcome, all_delivered, send_batches
from gateway.telemetry.counts import Counts, DeliveryOutcome

log = logging.getLogger(__name__)

UNDECIDED_RETRY_SECONDS: Final = 1.0
"""When what can't be decided on now is leased again, in seconds: not at once, or nothing else would be done."""


class Clock(msgspec.Struct, frozen=True):
    """Where times and randomness come from.

    Nanoseconds since 1970, seconds of a clock that nobody sets, a number from 0 to 1.
    """

    now_ns: Callable[[], int] = time.time_ns
    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random


SYSTEM_CLOCK: Final = Clock()

_OUTCOME_LABELS: Final[Mapping[type[Outcome], DeliveryOutcome]] = {
    Delivered: "delivered",
    Retryable: "retry",
    Rejected: "rejected",
}


class AttemptDeps(msgspec.Struct, frozen=True):
    """What all workers share."""

    outbox: Outbox
    redecider: DecidesAgain
    counts: Counts
    clock: Clock = SYSTEM_CLOCK
    keeps_dead_letters: bool = True
    """An agent keeps none: what its hub refuses for good is deleted and counted."""


class _Released(msgspec.Struct, frozen=True, gc=False):
    """What may leave of a leased batch: its entries, and their places there."""

    leased: LeasedBatch
    places: Sequence[int]
    entries: EntryBatch

    def __repr__(self) -> str:
        return f"_Released({len(self.places)} entries)"

    @property
    def ids(self) -> Sequence[int]:
        """The IDs of the entries."""
        ids = self.leased.ids
        return ids if len(self.places) == len(ids) else [ids[place] for place in self.places]

    def without(self, gone: Collection[int]) -> _Released:
        """Return what is left without entries of these IDs."""
        rows = [row for row, number in enumerate(self.ids) if number not in gone]
        return _Released(self.leased, [self.places[row] for row in rows], self.entries.select(rows))


class DeliveryAttempt:
    """Leased batches of one destination. Whatever happens, each lease ends: acked, dead-lettered or nacked."""

    def __init__(self, destination: str, batches: Sequence[LeasedBatch], deps: AttemptDeps) -> None:
        self._destination = destination
        self._batches = batches
        self._deps = deps
        self._unended = {number for batch in batches for number in batch.ids}
        self._cancelled = False
        self._sending: asyncio.Task[object] | None = None

    def cancel(self) -> None:
        """Send nothing of it from now on: what isn't sent is nacked, what is in flight is cancelled and nacked too.

        What the recipient has answered already is acked, deferred or dead-lettered by that.
        """
        self._cancelled = True
        if self._sending is not None:
            self._sending.cancel()

    async def run(self, exporter: Exporter) -> Sequence[Outcome]:
        """Send what may leave. Return the outcomes. Raises Retryable where the outbox can't be written to."""
        try:
            return await self._redecide_and_send(exporter)
        except asyncio.CancelledError:
            await self._nack(0)
            raise
        finally:
            await self._nack(self._deps.clock.now_ns() + int(UNDECIDED_RETRY_SECONDS * NANOS_PER_SECOND))

    async def _redecide_and_send(self, exporter: Exporter) -> Sequence[Outcome]:
        released = self._without_erased(await self._releasable())
        if self._cancelled:
            await self._nack(0)
        if self._cancelled or not released:
            return ()
        begun = time.perf_counter_ns()
        outcomes = await self._send(exporter, [one.entries for one in released])
        self._deps.counts.record_delivery(self._destination, outcome_counts(outcomes), time.perf_counter_ns() - begun)
        await self._apply_outcomes(released, outcomes)
        return outcomes

    async def _send(self, exporter: Exporter, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
        # Since it was seen not to be cancelled, nothing has been waited for.
        self._sending = asyncio.current_task()
        try:
            return await send_batches(exporter, batches)
        finally:
            self._sending = None

    async def _nack(self, due_ns: int) -> None:
        if self._unended:
            await self._deps.outbox.defer(self._unended, due_ns, failed=False)
            self._unended.clear()

    async def _releasable(self) -> Sequence[_Released]:
        """Return what may leave by the policy and facts of this moment.

        The rest is purged, or waits until that can be decided.
        """
        intact = [part for batch in self._batches for part in _intact_parts(batch)]
        again = await self._deps.redecider.decide_all(intact)
        if self._cancelled:
            # Nor is anything purged that was decided on by what is no longer in force.
            return ()
        damaged = [batch.ids[place] for batch in self._batches for place in batch.damaged]
        await self._dead_letter(dict.fromkeys(damaged, DeliveryReason.DAMAGED))
        ended: dict[int, Reason] = {}
        for batch, one in zip(intact, again, strict=True):
            ended.update((batch.ids[place], reason) for place, reason in one.ended.items())
            self._log_failures(one.undecided.values())
        await self._purge(ended)
        return [
            _Released(batch, one.places, entries_at(batch, one.places, one.releases))
            for batch, one in zip(intact, again, strict=True)
            if one.releases is not None
        ]

    def _log_failures(self, errors: Iterable[Exception]) -> None:
        for error in errors:
            if not isinstance(error, Retryable):
                # Not its text: it may hold a value.
                log.error("%s: an item could not be decided on: %s", self._destination, type(error).__name__)

    def _without_erased(self, released: Sequence[_Released]) -> Sequence[_Released]:
        """Return all but what was erased since: that is gone from the outbox already, and its lease is nacked."""
        gone = self._deps.outbox.erased(_ids(released))
        return [left for one in released if (left := one.without(gone)).places] if gone else released

    async def _apply_outcomes(self, released: Sequence[_Released], outcomes: Sequence[Outcome]) -> None:
        if all_delivered(outcomes):
            await self._ack(_ids(released))
            return
        attempts_by_entry = [one.leased.attempts for one in released for _ in one.places]
        sent = [*zip(_ids(released), attempts_by_entry, outcomes, strict=True)]
        await self._ack([number for number, _, outcome in sent if isinstance(outcome, Delivered)])
        await self._dead_letter(
            {number: outcome.reason for number, _, outcome in sent if isinstance(outcome, Rejected)}
        )
        waits: dict[tuple[int, float | None], list[int]] = {}
        for number, attempts, outcome in sent:
            if isinstance(outcome, Retryable):
                waits.setdefault((attempts + 1, outcome.after), []).append(number)
        await self._defer(waits)

    async def _ack(self, ids: Sequence[int]) -> None:
        if ids:
            await self._deps.outbox.ack(ids)
            self._unended.difference_update(ids)

    async def _defer(self, waits: Mapping[tuple[int, float | None], Sequence[int]]) -> None:
        """Defer entries, by how often they have failed now and what their recipient asks for.

        Those that failed equally often wait equally long, and may be sent together again.
        """
        for (failures, retry_after), ids in waits.items():
            wait = retry_delay(failures, retry_after, self._deps.clock.random())
            due = self._deps.clock.now_ns() + int(wait * NANOS_PER_SECOND)
            await self._deps.outbox.defer(ids, due)
            self._unended.difference_update(ids)

    async def _purge(self, reasons: Mapping[int, Reason]) -> None:
        if reasons:
            await self._deps.outbox.purge(self._destination, reasons, self._deps.clock.now_ns())
            self._unended.difference_update(reasons)
            for reason, count in Counter(reasons.values()).items():
                self._deps.counts.record_purge(self._destination, reason, count)
                log.info("%s: %d items may not leave any more: %s", self._destination, count, reason)

    async def _dead_letter(self, reasons: Mapping[int, Reason]) -> None:
        if not self._deps.keeps_dead_letters:
            for reason, count in Counter(reasons.values()).items():
                log.warning("%s: the hub refuses %d items for good: %s", self._destination, count, reason)
            await self._purge(reasons)
        elif reasons:
            await self._deps.outbox.dead_letter(reasons, self._deps.clock.now_ns())
            self._unended.difference_update(reasons)
            for reason, count in Counter(reasons.values()).items():
                self._deps.counts.record_dead_letters(self._destination, reason, count)
                log.warning("%s: %d dead letters: %s", self._destination, count, reason)


def outcome_counts(outcomes: Sequence[Outcome]) -> Mapping[DeliveryOutcome, int]:
    """Return how many there are of each outcome."""
    if all_delivered(outcomes):
        return {"delivered": len(outcomes)}
    return Counter(_OUTCOME_LABELS[type(outcome)] for outcome in outcomes)


def _ids(released: Sequence[_Released]) -> Sequence[int]:
    """Return the IDs of all entries: of a single batch that is released whole, its own."""
    return released[0].ids if len(released) == 1 else [number for one in released for number in one.ids]


def _intact_parts(batch: LeasedBatch) -> Iterator[LeasedBatch]:
    """Yield what lies between the damaged entries of a batch."""
    start = 0
    for place in sorted(batch.damaged):
        if start < place:
            yield batch.part(start, place)
        start = place + 1
    if start < len(batch.ids):
        yield batch.part(start, len(batch.ids))
