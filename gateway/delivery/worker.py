"""From the outbox to one recipient, batch by batch.

What becomes of one is `carry.py`'s, when to send `schedule.py`'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from gateway.delivery.attempt import AttemptDeps, DeliveryAttempt
from gateway.delivery.outbox.interface import Leased
from gateway.delivery.schedule import Circuit, cut
from gateway.errors import Retryable
from gateway.exporters.base import Bounds, Exporter, Outcome, Retry

log = logging.getLogger(__name__)

STOP_SECONDS: Final = 10.0
"""When the log tells of an exporter that doesn't let go of a batch that was given up, in seconds."""

LOOK_SECONDS: Final = 1.0
"""How often the outbox is looked at though nobody said that something came, in seconds.

What was postponed falls due by itself.
"""


class DeliveryWorker:
    """Carries what waits for one destination. A recipient that fails is left alone for longer and longer.

    At least once: what a crash finds unsettled is sent again, under the same key.
    """

    def __init__(
        self, destination: str, exporter: Exporter, desk: AttemptDeps, before: DeliveryWorker | None = None
    ) -> None:
        """It begins once the one `before` it, which must have been told to leave, has left.

        The exporter isn't closed.
        """
        self.exporter = exporter
        self.deps = desk
        """By it the next batches are decided on; those under way keep theirs."""
        self.circuit: Circuit = Circuit() if before is None or before.exporter is not exporter else before.circuit
        self._destination = destination
        self._before = before
        self._woken = asyncio.Event()
        self._idle = asyncio.Event()
        self._stopping = False
        self._sending: dict[asyncio.Task[None], DeliveryAttempt] = {}
        self._ready: deque[Sequence[Leased]] = deque()
        """Batches that are leased, and wait for their turn."""
        self._loop: asyncio.Task[None] = asyncio.create_task(self._run())

    def wake(self) -> None:
        """Something has come."""
        self._idle.clear()
        self._woken.set()

    async def idle(self) -> None:
        """Wait until nothing can be sent now: all is, or the rest isn't due."""
        self.wake()
        await self._idle.wait()

    def retire(self) -> None:
        """Lease and send no more, from this moment on: what isn't sent is given back, what is on its way is given up.

        What is given up may have arrived all the same; it is sent again by whoever comes next, under the same key.
        """
        self._stopping = True
        self._woken.set()
        for carried in self._sending.values():
            carried.recall()

    async def retired(self) -> None:
        """Wait until nothing is leased or under way any more."""
        await asyncio.wait([self._loop])
        if not self._sending:
            return
        _, late = await asyncio.wait(self._sending, timeout=STOP_SECONDS)
        if late:
            log.warning("%s: %d batches that were given up are still under way", self._destination, len(late))
            await asyncio.wait(late)

    async def stop(self, within: float) -> None:
        """Take nothing more, and let what is under way settle, for `within` seconds at most.

        What doesn't is sent again one day.
        """
        # Not cancelled: a lease that is being taken would be nobody's.
        self._stopping = True
        self._woken.set()
        if self._before is not None:
            # Not begun, so nothing is leased.
            self._loop.cancel()
        await asyncio.wait([self._loop])
        self._idle.set()
        if not self._sending:
            return
        _, late = await asyncio.wait(self._sending, timeout=within)
        if late:
            log.warning("%s: %d batches were still under way", self._destination, len(late))
            for task in late:
                task.cancel()
            await asyncio.wait(late)

    async def _run(self) -> None:
        if self._before is not None:
            await self._before.retired()
            self._before = None
        while not self._stopping:
            self._woken.clear()
            if self.circuit.is_open:
                await self._nack()
            if not self._ready and self._slots():
                self._ready.extend(cut(await self._lease(), self.exporter.bounds.items))
            if not self._begin():
                await self._rest()
        await self._nack()
        self._idle.set()

    def _slots(self) -> int:
        """How many more batches may be under way."""
        if self._stopping:
            return 0
        return self.circuit.slots(self.deps.clock.monotonic(), self.exporter.bounds.at_once, len(self._sending))

    def _begin(self) -> bool:
        """Send what is ready, as far as the recipient may have it; whether anything was."""
        begun = [self._ready.popleft() for _ in range(min(self._slots(), len(self._ready)))]
        for batch in begun:
            carried = DeliveryAttempt(self._destination, batch, self.deps)
            task = asyncio.create_task(self._carry(carried))
            self._sending[task] = carried
            task.add_done_callback(self._ended)
        return bool(begun)

    async def _nack(self) -> None:
        ids = [leased.id for batch in self._ready for leased in batch]
        self._ready.clear()
        if ids:
            with suppress(Retryable):
                await self.deps.outbox.defer(ids, 0, failed=False)

    async def _lease(self) -> Sequence[Leased]:
        """What may be sent now; nothing while the outbox can't be read."""
        bounds = self.exporter.bounds
        if self.circuit.is_open:
            bounds = Bounds(1, bounds.bytes)
        await self._linger(bounds)
        try:
            return await self.deps.outbox.lease(self._destination, bounds, self.deps.clock.now_ns())
        except Retryable:
            return ()

    async def _linger(self, bounds: Bounds) -> None:
        """Wait for company, unless there is enough for a batch."""
        depth = self.deps.outbox.depths().get(self._destination)
        if bounds.linger and depth is not None and 0 < depth.items < bounds.items:
            await asyncio.sleep(bounds.linger)

    async def _rest(self) -> None:
        """Until something comes, a batch ends, or it is time to look by oneself."""
        if not self._sending:
            self._idle.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), LOOK_SECONDS)

    async def _carry(self, carried: DeliveryAttempt) -> None:
        try:
            self._count_outcomes(await carried.by(self.exporter))
        except Retryable as error:
            log.warning("%s: the outbox could not be written to: %s", self._destination, error.reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker goes on
            # Not its text, nor a traceback that ends in it: both may hold values.
            log.error("%s: a batch failed: %s", self._destination, type(error).__name__)

    def _count_outcomes(self, outcomes: Sequence[Outcome]) -> None:
        """What a batch tells of the recipient itself."""
        retries = [outcome for outcome in outcomes if isinstance(outcome, Retry) and not outcome.alone]
        if len(retries) < len(outcomes):
            self.circuit = self.circuit.succeeded()
        elif retries:
            self._failed(max((retry.after for retry in retries if retry.after is not None), default=None))

    def _failed(self, asked: float | None) -> None:
        was, clock = self.circuit, self.deps.clock
        self.circuit = was.failed(clock.monotonic(), asked, clock.draw())
        if self.circuit.is_open and not was.is_open:
            log.warning(
                "%s: the recipient failed %d times in a row; it is tried less often now",
                self._destination,
                self.circuit.failures,
            )

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._sending[task]
        self._woken.set()
