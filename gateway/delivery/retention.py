"""Deletes what is too old or has lost its destination: on schedule, counted, and with a record in the outbox."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Protocol, runtime_checkable

from gateway.delivery.attempt import AttemptDeps
from gateway.delivery.outbox.interface import NANOS_PER_SECOND
from gateway.errors import DeliveryReason, Reason, Retryable
from gateway.exporters.base import Exporter
from gateway.pipeline.flows import Flows

log = logging.getLogger(__name__)


@runtime_checkable
class RetainingExporter(Protocol):
    """An exporter that keeps what it was given, for as long as its destination's retention says."""

    async def sweep(self, now: float) -> int:
        """Delete what is too old at `now`, in seconds since 1970. Return how many files."""
        ...


class Retention:
    """Applies retention to an outbox, and to what exporters keep, by the flows in force."""

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

    async def run(self, interval_seconds: float) -> None:
        """Delete now and every so many seconds, until cancelled. What fails is tried again next time."""
        while True:
            try:
                await self.once()
            except Retryable as error:
                log.warning("the outbox could not be swept: %s", error.reason)
            except Exception as error:  # noqa: BLE001 - the next one may succeed
                log.error("a sweep failed: %s", type(error).__name__)
            await asyncio.sleep(interval_seconds)

    async def once(self) -> None:
        """Delete what is older than its destination's retention, dead-letter what is older than `max_age`.

        Where no dead letters are kept, those of an earlier configuration wait again.

        What no flow leads to its destination any more is deleted, too.

        What is in force is read at every step: nothing that a newer policy leads somewhere is deleted by an older one.
        """
        for name in sorted({*self._flows().compiler.policy.destinations, *self._deps.outbox.depths()}):
            await self._apply_to_destination(name)
        await self._delete_cut_off()
        if discarded := await self._deps.outbox.discard_quarantined(self._deps.clock.now_ns() - _ns(self._max_age)):
            log.info("%d damaged files of the outbox were older than an item may be", discarded)
        for name, exporter in self._exporters().items():
            if isinstance(exporter, RetainingExporter) and (
                gone := await exporter.sweep(self._deps.clock.now_ns() / NANOS_PER_SECOND)
            ):
                log.info("%s: %d files were older than the retention", name, gone)

    async def _apply_to_destination(self, name: str) -> None:
        """Dead-letter and delete what is too old; a destination that the policy no longer names has `max_age`."""
        now, known = self._deps.clock.now_ns(), self._flows().compiler.policy.destinations.get(name)
        retention = self._max_age if known is None else known.retention
        if self._deps.keeps_dead_letters:
            expired = await self._deps.outbox.dead_letter_expired(name, now - _ns(min(self._max_age, retention)), now)
            self._dead_lettered(name, expired)
        elif replayed := await self._deps.outbox.replay(name, now):
            log.info("%s: %d dead letters are handed over again: an agent keeps none", name, replayed)
        self._purged(
            name, await self._deps.outbox.delete_expired(name, now - _ns(retention), now), DeliveryReason.EXPIRED
        )

    async def _delete_cut_off(self) -> None:
        """Delete what no flow leads to its destination any more."""
        kinds, end = await self._deps.outbox.kinds()
        for destination in sorted({destination for destination, _ in kinds}):
            # Only now, and only of what had come by then: whatever a reload leads here again isn't touched.
            flows = self._flows()
            lost = {type_ for name, type_ in kinds if name == destination and not _is_fed(flows, type_, name)}
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


def _is_fed(flows: Flows, type_: str, destination: str) -> bool:
    """Return whether a flow leads a type to a destination, even where the type's contract is missing."""
    return flows.feeds(type_, destination) or flows.lacks(type_, destination)


def _ns(age: timedelta) -> int:
    return int(age.total_seconds()) * NANOS_PER_SECOND
