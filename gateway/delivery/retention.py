"""What is too old, or has lost its destination, goes: on schedule, counted, and with a record in the outbox."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol, runtime_checkable

from gateway.delivery.attempt import NANOS_PER_SECOND, AttemptDeps
from gateway.errors import DeliveryReason, Reason, Retryable
from gateway.exporters.base import Exporter
from gateway.pipeline.flows import Flows

log = logging.getLogger(__name__)


@runtime_checkable
class RetainingExporter(Protocol):
    """An exporter that keeps what it was given, for as long as its destination's retention says."""

    async def sweep(self, now: float) -> int:
        """Let go of what is too old at `now`, in seconds since 1970; how many files went."""
        ...


class Retention:
    """Sweeps an outbox, and what exporters keep, by the flows in force."""

    def __init__(
        self,
        deps: AttemptDeps,
        flows: Callable[[], Flows],
        exporters: Callable[[], Mapping[str, Exporter]],
        max_age: timedelta,
    ) -> None:
        """`max_age` is how long delivery is tried."""
        self._deps = deps
        self._flows = flows
        self._exporters = exporters
        self._max_age = max_age

    async def run(self, every: float) -> None:
        """Sweep now and every so many seconds, until cancelled. What fails is tried again next time."""
        while True:
            try:
                await self.once()
            except Retryable as error:
                log.warning("the outbox could not be swept: %s", error.reason)
            except Exception as error:  # noqa: BLE001 - the next one may succeed
                log.error("a sweep failed: %s", type(error).__name__)
            await asyncio.sleep(every)

    async def once(self) -> None:
        """Delete what is older than its destination's retention, dead-letter what is older than `max_age`.

        What no flow leads to its destination any more is deleted, too.

        What is in force is asked at every step: nothing that a newer policy leads somewhere goes by an older one.
        """
        for name in sorted({*self._flows().compiler.policy.destinations, *self._deps.outbox.depths()}):
            await self._aged(name)
        await self._cut_off()
        if asides := await self._deps.outbox.discard_quarantined(self._deps.clock.now_ns() - _ns(self._max_age)):
            log.info("%d damaged files of the outbox were older than an item may be", asides)
        for name, exporter in self._exporters().items():
            if isinstance(exporter, RetainingExporter) and (
                gone := await exporter.sweep(self._deps.clock.now_ns() / NANOS_PER_SECOND)
            ):
                log.info("%s: %d files were older than the retention", name, gone)

    async def _aged(self, name: str) -> None:
        """A destination that the policy no longer names has nobody else who says how long its dead letters stay."""
        now, known = self._deps.clock.now_ns(), self._flows().compiler.policy.destinations.get(name)
        retention = self._max_age if known is None else known.retention
        self._dead_lettered(
            name, await self._deps.outbox.dead_letter_expired(name, now - _ns(min(self._max_age, retention)), now)
        )
        self._purged(
            name, await self._deps.outbox.delete_expired(name, now - _ns(retention), now), DeliveryReason.EXPIRED
        )

    async def _cut_off(self) -> None:
        kinds, end = await self._deps.outbox.kinds()
        for destination in sorted({destination for destination, _ in kinds}):
            # Only now, and only of what had come by then: whatever a reload leads here again isn't touched.
            flows = self._flows()
            led = (flows.feeds, flows.lacks)
            lost = {
                kind
                for name, kind in kinds
                if name == destination and not any(leads(kind, destination) for leads in led)
            }
            if lost:
                gone = await self._deps.outbox.delete_of_types(destination, lost, end, self._deps.clock.now_ns())
                self._purged(destination, gone, DeliveryReason.CUT_OFF)

    def _dead_lettered(self, name: str, count: int) -> None:
        if count:
            self._deps.counts.record_dead_letters(name, DeliveryReason.EXPIRED, count)
            log.warning("%s: %d items could not be delivered in time; they are dead letters now", name, count)

    def _purged(self, name: str, count: int, reason: Reason) -> None:
        if count:
            self._deps.counts.record_purge(name, reason, count)
            log.info("%s: %d items were deleted: %s", name, count, reason)


def _ns(age: timedelta) -> int:
    return int(age.total_seconds()) * NANOS_PER_SECOND
