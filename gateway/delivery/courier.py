"""From the outbox to one recipient, batch by batch. What becomes of one is `carry.py`'s, when to send `schedule.py`'s."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from gateway.delivery.carry import Carried, Desk
from gateway.delivery.outbox import Leased
from gateway.delivery.schedule import Circuit, cut
from gateway.errors import Retryable
from gateway.exporters.base import Bounds, Exporter, Outcome, Retry

log = logging.getLogger(__name__)

LOOK: Final = 1.0
"""How often the outbox is looked at though nobody said that something came, in seconds: what was postponed falls due by itself."""


class Courier:
    """Carries what waits for one destination. A recipient that fails is left alone for longer and longer.

    At least once: what a crash finds unsettled is sent again, under the same key.
    """

    def __init__(self, destination: str, exporter: Exporter, desk: Desk) -> None:
        """It begins at once. The exporter isn't closed."""
        self.exporter = exporter
        self.circuit = Circuit()
        self._destination = destination
        self._desk = desk
        self._woken = asyncio.Event()
        self._idle = asyncio.Event()
        self._stopping = False
        self._sending: set[asyncio.Task[None]] = set()
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

    async def stop(self, within: float) -> None:
        """Take nothing more, and let what is under way settle, for `within` seconds at most; what doesn't is sent again one day."""
        # Not cancelled: a lease that is being taken would be nobody's.
        self._stopping = True
        self._woken.set()
        await self._loop
        if not self._sending:
            return
        _, late = await asyncio.wait(self._sending, timeout=within)
        if late:
            log.warning("%s: %d batches were still under way", self._destination, len(late))
            for task in late:
                task.cancel()
            await asyncio.wait(late)

    async def _run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            if self.circuit.broken:
                await self._give_back()
            if not self._ready and self._slots():
                self._ready.extend(cut(await self._lease(), self.exporter.bounds.items))
            if not self._begin():
                await self._rest()
        await self._give_back()
        self._idle.set()

    def _slots(self) -> int:
        """How many more batches may be under way."""
        return self.circuit.slots(self._desk.clock.monotonic(), self.exporter.bounds.at_once, len(self._sending))

    def _begin(self) -> bool:
        """Send what is ready, as far as the recipient may have it; whether anything was."""
        begun = [self._ready.popleft() for _ in range(min(self._slots(), len(self._ready)))]
        for batch in begun:
            task = asyncio.create_task(self._carry(batch))
            self._sending.add(task)
            task.add_done_callback(self._ended)
        return bool(begun)

    async def _give_back(self) -> None:
        ids = [leased.id for batch in self._ready for leased in batch]
        self._ready.clear()
        if ids:
            with suppress(Retryable):
                await self._desk.outbox.postpone(ids, 0, failed=False)

    async def _lease(self) -> Sequence[Leased]:
        """What may be sent now; nothing while the outbox can't be read."""
        bounds = self.exporter.bounds
        if self.circuit.broken:
            bounds = Bounds(1, bounds.bytes)
        await self._linger(bounds)
        try:
            return await self._desk.outbox.lease(self._destination, bounds, self._desk.clock.now_ns())
        except Retryable:
            return ()

    async def _linger(self, bounds: Bounds) -> None:
        """Wait for company, unless there is enough for a batch."""
        depth = self._desk.outbox.depths().get(self._destination)
        if bounds.linger and depth is not None and 0 < depth.items < bounds.items:
            await asyncio.sleep(bounds.linger)

    async def _rest(self) -> None:
        """Until something comes, a batch ends, or it is time to look by oneself."""
        if not self._sending:
            self._idle.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), LOOK)

    async def _carry(self, batch: Sequence[Leased]) -> None:
        try:
            self._judge(await Carried(self._destination, batch, self._desk).by(self.exporter))
        except Retryable as error:
            log.warning("%s: the outbox could not be written to: %s", self._destination, error.reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, the courier goes on
            # Not its text, nor a traceback that ends in it: both may hold values.
            log.error("%s: a batch failed: %s", self._destination, type(error).__name__)

    def _judge(self, outcomes: Sequence[Outcome]) -> None:
        """What a batch tells of the recipient itself."""
        retries = [outcome for outcome in outcomes if isinstance(outcome, Retry) and not outcome.alone]
        if len(retries) < len(outcomes):
            self.circuit = self.circuit.succeeded()
        elif retries:
            self._failed(max((retry.after for retry in retries if retry.after is not None), default=None))

    def _failed(self, asked: float | None) -> None:
        was, clock = self.circuit, self._desk.clock
        self.circuit = was.failed(clock.monotonic(), asked, clock.draw())
        if self.circuit.broken and not was.broken:
            log.warning("%s: the recipient failed %d times in a row; it is tried less often now", self._destination, self.circuit.failures)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        self._woken.set()
