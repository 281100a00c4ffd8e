"""Delivery by way of an outbox: what is accepted is stored, and workers carry it to the recipients."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress

import msgspec

from gateway.delivery.attempt import AttemptDeps
from gateway.delivery.redecider import DecidesAgain
from gateway.delivery.worker import DeliveryWorker
from gateway.errors import CallReason, DeliveryReason, Retryable
from gateway.exporters.base import Exporter, ImmediateExporter
from gateway.model import OutboxEntry, QueueDepth

log = logging.getLogger(__name__)


class OutboxDispatcher:
    """Stores entries and has them carried. All entries of one call are stored in one transaction, or none."""

    def __init__(self, deps: AttemptDeps) -> None:
        """The desk's outbox is closed with the delivery. Its `again` decides until the first `replace`."""
        self._deps = deps
        self._exporters: dict[str, Exporter] = {}
        self._immediate: dict[str, ImmediateExporter] = {}
        self._workers: dict[str, DeliveryWorker] = {}
        self._last: dict[str, DeliveryWorker] = {}
        """Those that were told to leave and haven't yet, the last of each destination."""
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False

    def replace(self, exporters: Mapping[str, Exporter], redecider: DecidesAgain) -> None:
        """Deliver by these exporters, and decide by `again`, from this moment on.

        Where either is another one for a destination, nothing more leaves by the old: its worker leaves, and only then
        the next begins. Exporters that are no longer among them are closed once nobody has them.
        """
        desk = msgspec.structs.replace(self._deps, redecider=redecider)
        gone = {
            name: worker for name, worker in self._workers.items() if not _lives_on(worker, name, exporters, redecider)
        }
        for name, worker in gone.items():
            self._last[name] = self._workers.pop(name)
            worker.retire()
        left = set(self._exporters.values()) - set(exporters.values())
        self._exporters = dict(exporters)
        self._immediate = {
            name: exporter for name, exporter in exporters.items() if isinstance(exporter, ImmediateExporter)
        }
        for name, exporter in exporters.items():
            if name in self._workers:
                self._workers[name].deps = desk
            else:
                self._workers[name] = DeliveryWorker(name, exporter, desk, self._last.get(name))
        if left or gone:
            self._later(self._retire(gone, left))

    async def accept(self, entries: Sequence[OutboxEntry]) -> None:
        """Store entries; returns after the commit. Raises as an outbox does.

        What a call that began before a reload has for a destination which is no more is cut off: counted, not stored.
        """
        if self._closed:
            raise Retryable(CallReason.UNAVAILABLE)
        lots: dict[str, list[OutboxEntry]] = {}
        for entry in entries:
            lots.setdefault(entry.release.destination, []).append(entry)
        for name in lots.keys() - self._exporters.keys():
            self._deps.counts.record_purge(name, DeliveryReason.CUT_OFF, len(lots.pop(name)))
        immediate = {name: self._immediate[name] for name in lots if name in self._immediate}
        kept = [entry for name, lot in lots.items() if name not in immediate for entry in lot]
        if kept:
            await self._deps.outbox.accept(kept, self._deps.clock.now_ns())
        for name, exporter in immediate.items():
            exporter.consume(lots[name])
        for name in lots:
            # A reload may have come meanwhile.
            if name in self._workers:
                self._workers[name].wake()

    def broken(self) -> Iterable[str]:
        """The destinations whose recipients fail again and again."""
        return [name for name, worker in self._workers.items() if worker.circuit.is_open]

    def depths(self) -> Mapping[str, QueueDepth]:
        """What waits, by destination."""
        return self._deps.outbox.depths()

    async def drained(self) -> None:
        """Wait until nothing waits."""
        while any(depth.items for depth in self.depths().values()):
            await self.idle()
            await asyncio.sleep(0.01)

    async def idle(self) -> None:
        """Wait until nothing can be sent now."""
        await asyncio.gather(*(worker.wait_idle() for worker in self._workers.values()))

    async def close(self, within: float = 10.0) -> None:
        """Take no more, send what can be sent for `within` seconds at most, then let go of exporters, for as long at most, and outbox."""
        self._closed = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self.idle(), within)
        await asyncio.gather(*(worker.stop(1.0) for worker in self._workers.values()))
        self._later(self._retire({}, set(self._exporters.values())))
        _, late = await asyncio.wait(self._leaving, timeout=within)
        for task in late:
            task.cancel()
        if late:
            log.warning("at the end, exporters were still busy after %g s", within)
        await self._deps.outbox.close()

    async def _retire(self, workers: Mapping[str, DeliveryWorker], exporters: Iterable[Exporter]) -> None:
        """Let go of workers, then of exporters that nobody has."""
        await asyncio.gather(*(worker.wait_retired() for worker in workers.values()))
        for name, worker in workers.items():
            if self._last.get(name) is worker:
                del self._last[name]
        await asyncio.gather(*map(_close, exporters))

    def _later(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


def _lives_on(worker: DeliveryWorker, name: str, exporters: Mapping[str, Exporter], redecider: DecidesAgain) -> bool:
    """Whether a worker does as it would if it began now."""
    return exporters.get(name) is worker.exporter and redecider.terms(name) == worker.deps.redecider.terms(name)


async def _close(exporter: Exporter) -> None:
    try:
        await exporter.close()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is let go of
        log.error("an exporter could not be closed: %s", type(error).__name__)
