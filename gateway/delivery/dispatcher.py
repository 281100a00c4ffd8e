"""Delivery by way of an outbox: what is accepted is stored, and a worker for each destination delivers it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress

import msgspec

from gateway.delivery.attempt import AttemptDeps
from gateway.delivery.direct import DirectDelivery
from gateway.delivery.redecider import DecidesAgain
from gateway.delivery.worker import DeliveryWorker
from gateway.entry_batch import EntryBatch
from gateway.errors import CallReason, DeliveryReason, Retryable
from gateway.exporters.base import Exporter, ImmediateExporter, count_entries
from gateway.model import QueueDepth

log = logging.getLogger(__name__)


class OutboxDispatcher:
    """Stores entries and has them delivered. All entries of one call are stored in one transaction, or none."""

    def __init__(self, deps: AttemptDeps) -> None:
        """Close the outbox of `deps` with the dispatcher; its redecider decides until the first `replace`."""
        self._deps = deps
        self._direct_delivery = DirectDelivery(deps)
        self._direct: frozenset[str] = frozenset()
        """The destinations whose recipients are tried first."""
        self._exporters: dict[str, Exporter] = {}
        self._immediate: dict[str, ImmediateExporter] = {}
        self._workers: dict[str, DeliveryWorker] = {}
        self._last: dict[str, DeliveryWorker] = {}
        """Workers that are retired and haven't ended, the last of each destination."""
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False

    def replace(
        self, exporters: Mapping[str, Exporter], redecider: DecidesAgain, direct: frozenset[str] = frozenset()
    ) -> None:
        """Deliver by these exporters, and decide by `redecider`, from this moment on; to those in `direct` at once.

        Where either is another one for a destination, nothing more leaves by the old: its worker is retired, and the
        next begins once it has ended. Exporters that are no longer among them are closed once no worker has them.
        """
        deps = msgspec.structs.replace(self._deps, redecider=redecider)
        gone = {
            name: worker for name, worker in self._workers.items() if not _lives_on(worker, name, exporters, redecider)
        }
        for name, worker in gone.items():
            self._last[name] = self._workers.pop(name)
            worker.retire()
        left = set(self._exporters.values()) - set(exporters.values())
        self._exporters, self._direct = dict(exporters), direct
        self._immediate = {
            name: exporter for name, exporter in exporters.items() if isinstance(exporter, ImmediateExporter)
        }
        for name, exporter in exporters.items():
            if name in self._workers:
                self._workers[name].deps = deps
            else:
                self._workers[name] = DeliveryWorker(name, exporter, deps, self._last.get(name))
        if left or gone:
            self._later(self._retire(gone, left))

    async def accept(self, batches: Sequence[EntryBatch]) -> None:
        """Store entries and return after the commit, or once their recipient has them. Raises as an outbox does.

        What a call that began before a reload has for a destination which is no more is cut off: counted, not stored.
        """
        if self._closed:
            raise Retryable(CallReason.UNAVAILABLE)
        by_destination: dict[str, list[EntryBatch]] = {}
        for batch in batches:
            by_destination.setdefault(batch.destination, []).append(batch)
        for name in by_destination.keys() - self._exporters.keys():
            self._deps.counts.record_purge(name, DeliveryReason.CUT_OFF, count_entries(by_destination.pop(name)))
        immediate = {name: self._immediate[name] for name in by_destination if name in self._immediate}
        stored = [batch for name, group in by_destination.items() if name not in immediate for batch in group]
        if stored:
            await self._send_or_store(by_destination.keys() - immediate.keys(), stored)
        for name, exporter in immediate.items():
            exporter.consume(by_destination[name])

    def stores(self, destinations: Collection[str]) -> bool:
        """Return whether entries for these are stored: what has one destination is not, where its recipient is near."""
        names = [name for name in destinations if name not in self._immediate]
        return len(names) > 1 or not all(name in self._direct and self._is_near(name) for name in names)

    def _is_near(self, name: str) -> bool:
        worker = self._workers.get(name)
        return worker is not None and worker.is_near()

    async def _send_or_store(self, names: Collection[str], batches: Sequence[EntryBatch]) -> None:
        """Have entries for these destinations at their recipient, or stored."""
        worker = self._direct_worker(batches) if len(names) == 1 else None
        if worker is not None:
            if not await self._direct_delivery.accept(worker, batches):
                return
        else:
            await self._direct_delivery.wait_for(batches)
            await self._deps.outbox.accept(batches, self._deps.clock.now_ns())
        for name in names:
            # A reload may have come meanwhile.
            if name in self._workers:
                self._workers[name].wake()

    def _direct_worker(self, batches: Sequence[EntryBatch]) -> DeliveryWorker | None:
        """Return the worker of the destination that entries are for, where they may be sent at once."""
        name = batches[0].destination
        return self._workers[name] if name in self._direct and self._workers[name].takes_directly(batches) else None

    def broken(self) -> Iterable[str]:
        """Return the destinations whose recipients fail again and again."""
        return [name for name, worker in self._workers.items() if worker.circuit.is_open]

    def depths(self) -> Mapping[str, QueueDepth]:
        """Return what waits, by destination."""
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
        """Take no more, send for `within` seconds, close exporters for as long again, and close the outbox."""
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
        """Wait for workers to end, then close exporters that no worker has."""
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
    """Return whether a worker does as it would if it began now."""
    return exporters.get(name) is worker.exporter and redecider.terms(name) == worker.deps.redecider.terms(name)


async def _close(exporter: Exporter) -> None:
    try:
        await exporter.close()
    except Exception as error:  # noqa: BLE001 - whatever it is, there is nothing more to close
        log.error("an exporter could not be closed: %s", type(error).__name__)
