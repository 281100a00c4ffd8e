"""Delivery before storing: where a recipient is near, it is tried first, and what it didn't take is stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress

from gateway.delivery.attempt import AttemptDeps, outcome_counts
from gateway.delivery.worker import DeliveryWorker
from gateway.errors import Retryable
from gateway.exporters.base import Delivered
from gateway.model import OutboxEntry


class DirectDelivery:
    """Sends the entries of one call to their recipient, and stores under the same keys what it didn't take.

    Of a call with 500 log records, to a collector that is there, and then to one that is away:

        sent, answered                   → acknowledged; nothing is stored
        sent, no answer within a second  → stored, then acknowledged; the collector may have them twice: that is counted
        the next call                    → stored, for those before it wait
    """

    def __init__(self, deps: AttemptDeps) -> None:
        self._outbox, self._counts, self._clock = deps.outbox, deps.counts, deps.clock
        self._under_way: dict[bytes, asyncio.Event] = {}
        """The keys of requests that can come again and are being sent."""
        self._unnoted: list[OutboxEntry] = []
        """What was delivered and can come again, and couldn't be noted as known."""

    async def accept(self, worker: DeliveryWorker, entries: Sequence[OutboxEntry]) -> bool:
        """Return when the recipient has all entries, or those that it hasn't are stored: whether any are.

        What is known under its key is neither sent nor stored again. Raises as an outbox does.
        """
        named = [entry.key for entry in entries if entry.fingerprint]
        async with self._alone(named):
            if named:
                await self._note()
            new = await self._outbox.unknown(entries) if named else entries
            # Since its turn came, another policy may be in force, or something older wait.
            left = await self._send(worker, new) if new and worker.takes_directly(new) else new
            if named and len(left) < len(new):
                kept = {entry.key for entry in left}
                self._unnoted += [entry for entry in new if entry.key not in kept]
                # Delivered is delivered: what can't be noted now is noted before anything else that can come again.
                with suppress(Retryable):
                    await self._note()
            if left:
                await self._outbox.accept(left, self._clock.now_ns())
            return bool(left)

    async def wait_for(self, entries: Sequence[OutboxEntry]) -> None:
        """Return once none of these is on its way: what of them was delivered is known by then."""
        if self._under_way:
            await self._wait_for([entry.key for entry in entries])

    async def _note(self) -> None:
        """Note what was delivered as known. Raises Retryable where the outbox can't be written."""
        if not self._unnoted:
            return
        noted, self._unnoted = self._unnoted, []
        try:
            await self._outbox.remember(noted, self._clock.now_ns())
        except (Retryable, asyncio.CancelledError):
            self._unnoted += noted
            raise

    async def _send(self, worker: DeliveryWorker, entries: Sequence[OutboxEntry]) -> Sequence[OutboxEntry]:
        """Send entries and return those that the recipient hasn't acknowledged."""
        begun, destination = time.perf_counter_ns(), entries[0].release.destination
        try:
            outcomes = await worker.send_directly(entries)
        except asyncio.CancelledError:
            self._counts.record_direct_fallback(destination)
            raise
        if outcomes is None:
            self._counts.record_direct_fallback(destination)
            return entries
        self._counts.record_delivery(destination, outcome_counts(outcomes), time.perf_counter_ns() - begun)
        if any(isinstance(outcome, Retryable) for outcome in outcomes):
            self._counts.record_direct_fallback(destination)
        return [entry for entry, outcome in zip(entries, outcomes, strict=True) if not isinstance(outcome, Delivered)]

    @asynccontextmanager
    async def _alone(self, keys: Collection[bytes]) -> AsyncIterator[None]:
        """Wait until none of these keys is under way, and have them so."""
        await self._wait_for(keys)
        ended = asyncio.Event()
        self._under_way.update(dict.fromkeys(keys, ended))
        try:
            yield
        finally:
            for key in keys:
                self._under_way.pop(key, None)
            ended.set()

    async def _wait_for(self, keys: Collection[bytes]) -> None:
        while (other := next((self._under_way[key] for key in keys if key in self._under_way), None)) is not None:
            await other.wait()
