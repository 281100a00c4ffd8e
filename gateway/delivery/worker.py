"""From the outbox to one recipient, batch by batch. See `attempt.py` for one batch, `schedule.py` for when to send."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, Final

from gateway.delivery.attempt import AttemptDeps, DeliveryAttempt
from gateway.delivery.breaker import CircuitBreaker
from gateway.delivery.direct_sends import DirectSends
from gateway.delivery.outbox.interface import LeasedBatch
from gateway.delivery.schedule import Circuit, batches_by_attempts
from gateway.entry_batch import EntryBatch
from gateway.errors import Retryable
from gateway.exporters.base import BatchLimits, Exporter, Outcome, count_entries

log = logging.getLogger(__name__)

STRAGGLER_WARNING_SECONDS: Final = 10.0
"""When the log tells of an exporter that still sends a cancelled batch, in seconds."""

POLL_SECONDS: Final = 1.0
"""How often the outbox is read though `wake` wasn't called, in seconds: what was deferred falls due by itself."""


class DeliveryWorker:
    """Delivers what waits for one destination. A recipient that fails is left alone for longer and longer.

    At least once: what is on a lease at a crash is sent again, under the same key.
    """

    def __init__(
        self, destination: str, exporter: Exporter, deps: AttemptDeps, predecessor: DeliveryWorker | None = None
    ) -> None:
        """Begin once `predecessor`, which must be retired, has ended. The exporter isn't closed."""
        self.exporter = exporter
        self.deps = deps
        """What the next batches are decided by; those in flight keep theirs."""
        self.breaker: CircuitBreaker = (
            CircuitBreaker(destination, deps.clock)
            if predecessor is None or predecessor.exporter is not exporter
            else predecessor.breaker
        )
        self._destination = destination
        self._predecessor = predecessor
        self._woken = asyncio.Event()
        self._idle = asyncio.Event()
        self._stopping = False
        self._sending: dict[asyncio.Task[None], DeliveryAttempt] = {}
        self._direct = DirectSends(destination, exporter, self.breaker, deps.counts, self)
        self._ready: deque[Sequence[LeasedBatch]] = deque()
        """Batches that are leased and wait to be sent."""
        self._loop: asyncio.Task[None] = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Look for entries: some have come."""
        self._idle.clear()
        self._woken.set()

    async def wait_idle(self) -> None:
        """Wait until nothing can be sent now: everything is sent, or the rest isn't due."""
        self.wake()
        await self._idle.wait()

    @property
    def circuit(self) -> Circuit:
        """How the recipient fares."""
        return self.breaker.circuit

    def takes_directly(self, batches: Sequence[EntryBatch]) -> bool:
        """Return whether entries that aren't stored may be sent at once.

        Not while something older waits, nor until a recipient that failed has taken something since, nor what another
        plan would make of them now, nor what was received before somebody was erased, nor more than goes into one
        batch.
        """
        limits = self.exporter.limits
        return (
            self.is_near()
            and not self._direct.full
            and count_entries(batches) <= limits.max_items
            and sum([batch.payload_bytes for batch in batches]) <= limits.max_bytes
            and self.is_up_to_date(batches)
        )

    def is_near(self) -> bool:
        """Return whether the recipient may be sent at this moment what isn't stored."""
        depth = self.deps.outbox.depths().get(self._destination)
        return (
            not self._stopping
            and self._predecessor is None
            and (depth is None or not depth.items)
            and not self.circuit.failures
            and self.exporter.limits.max_in_flight > 0
        )

    def is_up_to_date(self, batches: Sequence[EntryBatch]) -> bool:
        """Return whether batches would be decided on now as they were."""
        erasure_ns = self.deps.outbox.last_erasure_ns
        return all(self.deps.redecider.is_current(batch.releases) for batch in batches) and not (
            erasure_ns and min([min(batch.received_ns) for batch in batches]) <= erasure_ns
        )

    def stored_in_flight(self) -> int:
        """Return how many batches are on their way that were stored."""
        return len(self._sending)

    async def send_directly(self, batches: Sequence[EntryBatch]) -> Sequence[Outcome] | None:
        """Send entries that aren't stored and return the outcome of each; None if there was none in time.

        What is given up may have arrived all the same.
        """
        return await self._direct.send(batches)

    def retire(self) -> None:
        """Lease and send no more, from this moment on: what isn't sent is nacked, what is in flight is cancelled.

        What is cancelled may have arrived all the same; the next worker sends it again, under the same key.
        """
        self._stopping = True
        self._woken.set()
        for attempt in self._sending.values():
            attempt.cancel()
        self._direct.cancel()

    async def wait_retired(self) -> None:
        """Wait until nothing is leased or in flight any more."""
        await asyncio.wait([self._loop])
        if not self._in_flight:
            return
        _, late = await asyncio.wait(self._in_flight, timeout=STRAGGLER_WARNING_SECONDS)
        if late:
            log.warning("%s: %d batches that were given up are still under way", self._destination, len(late))
            await asyncio.wait(late)

    async def stop(self, grace_seconds: float) -> None:
        """Lease nothing more, and wait for what is in flight, for `grace_seconds` at most.

        What isn't answered by then is sent again one day.
        """
        # Not cancelled: nobody would have what is being leased.
        self._stopping = True
        self._woken.set()
        self._direct.resume()
        if self._predecessor is not None:
            # Not begun, so nothing is leased.
            self._loop.cancel()
        await asyncio.wait([self._loop])
        self._idle.set()
        if not self._in_flight:
            return
        _, late = await asyncio.wait(self._in_flight, timeout=grace_seconds)
        if late:
            log.warning("%s: %d batches were still under way", self._destination, len(late))
            for task in late:
                task.cancel()
            await asyncio.wait(late)

    @property
    def _in_flight(self) -> Collection[asyncio.Task[Any]]:
        return (*self._sending, *self._direct.tasks)

    async def _run(self) -> None:
        if self._predecessor is not None:
            await self._predecessor.wait_retired()
            self._predecessor = None
        while not self._stopping:
            self._woken.clear()
            if self.circuit.is_open:
                await self._nack_ready()
            if not self._ready and self._free_slots():
                self._ready.extend(batches_by_attempts(await self._lease(), self.exporter.limits.max_items))
            if not self._start_batches():
                await self._wait()
        await self._nack_ready()
        self._idle.set()

    def _free_slots(self) -> int:
        """Return how many more batches may be in flight."""
        if self._stopping:
            return 0
        return self.circuit.free_slots(
            self.deps.clock.monotonic(),
            self.exporter.limits.max_in_flight,
            len(self._sending) + self._direct.in_flight,
        )

    def _start_batches(self) -> bool:
        """Send what is ready, as far as the recipient may have it. Return whether anything was."""
        begun = [self._ready.popleft() for _ in range(min(self._free_slots(), len(self._ready)))]
        for batches in begun:
            attempt = DeliveryAttempt(self._destination, batches, self.deps)
            task = asyncio.create_task(self._deliver(attempt))
            self._sending[task] = attempt
            task.add_done_callback(self._batch_done)
        return bool(begun)

    async def _nack_ready(self) -> None:
        ids = [number for batches in self._ready for batch in batches for number in batch.ids]
        self._ready.clear()
        if ids:
            with suppress(Retryable):
                await self.deps.outbox.defer(ids, 0, failed=False)

    async def _lease(self) -> Sequence[LeasedBatch]:
        """Lease what may be sent now; nothing while the outbox can't be read."""
        limits = self.exporter.limits
        if self.circuit.is_open:
            limits = BatchLimits(1, limits.max_bytes)
        await self._linger(limits)
        try:
            return await self.deps.outbox.lease(self._destination, limits, self.deps.clock.now_ns())
        except Retryable:
            return ()

    async def _linger(self, limits: BatchLimits) -> None:
        """Wait for a fuller batch, unless there is enough for one."""
        depth = self.deps.outbox.depths().get(self._destination)
        if limits.linger_seconds and depth is not None and 0 < depth.items < limits.max_items:
            await asyncio.sleep(limits.linger_seconds)

    async def _wait(self) -> None:
        """Wait until something comes, a batch ends, or `POLL_SECONDS` are over."""
        if not self._sending:
            self._idle.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), POLL_SECONDS)

    async def _deliver(self, attempt: DeliveryAttempt) -> None:
        circuit = self.circuit
        try:
            self.breaker.record_outcomes(circuit, await attempt.run(self.exporter))
        except Retryable as error:
            log.warning("%s: the outbox could not be written to: %s", self._destination, error.reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker goes on
            # Not its text, nor a traceback that ends in it: both may hold values.
            log.error("%s: a batch failed: %s", self._destination, type(error).__name__)

    def _batch_done(self, task: asyncio.Task[None]) -> None:
        del self._sending[task]
        self._woken.set()
        self._direct.resume()
