"""One batch: decided on again, sent, and each lease ended by its outcome."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from gateway.delivery.outbox.interface import NANOS_PER_SECOND, Leased, Outbox
from gateway.delivery.redecider import DecidesAgain
from gateway.delivery.schedule import retry_delay
from gateway.errors import DeliveryReason, Reason, Refused, Rejected, Retryable
from gateway.exporters.base import Delivered, Exporter, Outcome, send_batch
from gateway.model import OutboxEntry, Release, Verdict, Withheld
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


class DeliveryAttempt:
    """A batch of leases of one destination. Whatever happens, each of them ends: acked, dead-lettered or nacked."""

    def __init__(self, destination: str, batch: Sequence[Leased], deps: AttemptDeps) -> None:
        self._destination = destination
        self._batch = batch
        self._deps = deps
        self._unended = {leased.id for leased in batch}
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
        sent, entries = self._without_erased(*await self._releasable())
        if self._cancelled:
            await self._nack(0)
        if self._cancelled or not entries:
            return ()
        begun = time.perf_counter_ns()
        outcomes = await self._send(exporter, entries)
        self._deps.counts.record_delivery(self._destination, outcome_counts(outcomes), time.perf_counter_ns() - begun)
        await self._apply_outcomes(sent, outcomes)
        return outcomes

    async def _send(self, exporter: Exporter, entries: Sequence[OutboxEntry]) -> Sequence[Outcome]:
        # Since the batch was seen not to be cancelled, nothing has been waited for.
        self._sending = asyncio.current_task()
        try:
            return await send_batch(exporter, entries)
        finally:
            self._sending = None

    async def _nack(self, due_ns: int) -> None:
        if self._unended:
            await self._deps.outbox.defer(self._unended, due_ns, failed=False)
            self._unended.clear()

    async def _releasable(self) -> tuple[Sequence[Leased], Sequence[OutboxEntry]]:
        """Return those that may leave by the policy and facts of this moment.

        The others are purged, or wait until that can be decided.
        """
        sent, entries = [], []
        ended: dict[int, Reason] = {}
        decisions = await self._decisions()
        if self._cancelled:
            # Nor is anything purged that was decided on by what is no longer in force.
            return [], []
        for leased, decision in zip(self._batch, decisions, strict=True):
            if decision is None:
                continue
            if isinstance(decision, OutboxEntry):
                sent.append(leased)
                entries.append(decision)
            else:
                ended[leased.id] = decision
        await self._dead_letter({key: reason for key, reason in ended.items() if reason is DeliveryReason.DAMAGED})
        await self._purge({key: reason for key, reason in ended.items() if reason is not DeliveryReason.DAMAGED})
        return sent, entries

    def _without_erased(
        self, sent: Sequence[Leased], entries: Sequence[OutboxEntry]
    ) -> tuple[Sequence[Leased], Sequence[OutboxEntry]]:
        """Return all but what was erased since: that is gone from the outbox already, and its lease is nacked."""
        gone = self._deps.outbox.erased(leased.id for leased in sent)
        pairs = [(leased, entry) for leased, entry in zip(sent, entries, strict=True) if leased.id not in gone]
        return [leased for leased, _ in pairs], [entry for _, entry in pairs]

    async def _decisions(self) -> Sequence[OutboxEntry | Reason | None]:
        """Return what is decided on each item."""
        intact = [leased for leased in self._batch if leased.intact]
        verdicts = dict(
            zip([leased.id for leased in intact], await self._deps.redecider.decide_all(intact), strict=True)
        )
        return [
            self._decision(leased, verdicts[leased.id]) if leased.intact else DeliveryReason.DAMAGED
            for leased in self._batch
        ]

    def _decision(self, leased: Leased, verdict: Verdict | Exception) -> OutboxEntry | Reason | None:
        """Return an item's entry, or why it may not leave; None where that can't be decided now."""
        match verdict:
            case Release():
                return OutboxEntry(verdict, leased.key, leased.fingerprint, leased.received_ns)
            case Withheld() | Refused():
                return verdict.reason
            case Retryable():
                return None
        # Not its text: it may hold a value.
        log.error("%s: an item could not be decided on: %s", self._destination, type(verdict).__name__)
        return None

    async def _apply_outcomes(self, sent: Sequence[Leased], outcomes: Sequence[Outcome]) -> None:
        pairs = list(zip(sent, outcomes, strict=True))
        delivered = [leased.id for leased, outcome in pairs if isinstance(outcome, Delivered)]
        if delivered:
            await self._deps.outbox.ack(delivered)
            self._unended.difference_update(delivered)
        await self._dead_letter(
            {leased.id: outcome.reason for leased, outcome in pairs if isinstance(outcome, Rejected)}
        )
        await self._defer((leased, outcome) for leased, outcome in pairs if isinstance(outcome, Retryable))

    async def _defer(self, retries: Iterable[tuple[Leased, Retryable]]) -> None:
        """Defer items; those that failed equally often wait equally long, and may be sent together again."""
        waits: dict[tuple[int, float | None], list[int]] = {}
        for leased, retry in retries:
            waits.setdefault((leased.attempts + 1, retry.after), []).append(leased.id)
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


def outcome_counts(outcomes: Iterable[Outcome]) -> Mapping[DeliveryOutcome, int]:
    """Return how many there are of each outcome."""
    return Counter(_OUTCOME_LABELS[type(outcome)] for outcome in outcomes)
