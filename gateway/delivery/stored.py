"""Delivery by way of an outbox: what is accepted is stored, and couriers carry it to the recipients."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress

from gateway.delivery.carry import Desk
from gateway.delivery.courier import Courier
from gateway.errors import Reason, Retryable
from gateway.exporters.base import Exporter, Immediate
from gateway.model import Depth, Parcel

log = logging.getLogger(__name__)


class Stored:
    """Stores parcels and has them carried. All parcels of one call are stored in one transaction, or none."""

    def __init__(self, desk: Desk) -> None:
        """The desk's outbox is closed with the delivery."""
        self._desk = desk
        self._exporters: dict[str, Exporter] = {}
        self._immediate: dict[str, Immediate] = {}
        self._couriers: dict[str, Courier] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False

    def replace(self, exporters: Mapping[str, Exporter]) -> None:
        """Deliver by these from now on. Those that are no longer among them are closed once they have nothing under way."""
        left = set(self._exporters.values()) - set(exporters.values())
        self._exporters = dict(exporters)
        self._immediate = {name: exporter for name, exporter in exporters.items() if isinstance(exporter, Immediate)}
        gone = [self._couriers.pop(name) for name, courier in [*self._couriers.items()] if exporters.get(name) is not courier.exporter]
        for name, exporter in exporters.items():
            if name not in self._couriers:
                self._couriers[name] = Courier(name, exporter, self._desk)
        if left or gone:
            self._later(_retire(gone, left))

    async def accept(self, parcels: Sequence[Parcel]) -> None:
        """Store parcels; returns after the commit. Raises as an outbox does.

        What a call that began before a reload has for a destination which is no more is cut off: counted, not stored.
        """
        if self._closed:
            raise Retryable(Reason.UNAVAILABLE)
        lots: dict[str, list[Parcel]] = {}
        for parcel in parcels:
            lots.setdefault(parcel.release.destination, []).append(parcel)
        for name in lots.keys() - self._exporters.keys():
            self._desk.counts.purged(name, Reason.CUT_OFF, len(lots.pop(name)))
        immediate = {name: self._immediate[name] for name in lots if name in self._immediate}
        kept = [parcel for name, lot in lots.items() if name not in immediate for parcel in lot]
        if kept:
            await self._desk.outbox.accept(kept, self._desk.clock.now_ns())
        for name, exporter in immediate.items():
            exporter.settle(lots[name])
        for name in lots:
            # A reload may have come meanwhile.
            if name in self._couriers:
                self._couriers[name].wake()

    def broken(self) -> Iterable[str]:
        """The destinations whose recipients fail again and again."""
        return [name for name, courier in self._couriers.items() if courier.circuit.broken]

    def depths(self) -> Mapping[str, Depth]:
        """What waits, by destination."""
        return self._desk.outbox.depths()

    async def drained(self) -> None:
        """Wait until nothing waits."""
        while any(depth.items for depth in self.depths().values()):
            await self.idle()
            await asyncio.sleep(0.01)

    async def idle(self) -> None:
        """Wait until nothing can be sent now."""
        await asyncio.gather(*(courier.idle() for courier in self._couriers.values()))

    async def close(self, within: float = 10.0) -> None:
        """Take no more, send what can be sent for `within` seconds at most, then let go of exporters, for as long at most, and outbox."""
        self._closed = True
        with suppress(TimeoutError):
            await asyncio.wait_for(self.idle(), within)
        await asyncio.gather(*(courier.stop(1.0) for courier in self._couriers.values()))
        self._later(_retire((), set(self._exporters.values())))
        _, late = await asyncio.wait(self._leaving, timeout=within)
        for task in late:
            task.cancel()
        if late:
            log.warning("at the end, exporters were still busy after %g s", within)
        await self._desk.outbox.close()

    def _later(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def _retire(couriers: Iterable[Courier], exporters: Iterable[Exporter]) -> None:
    """Let go of couriers, then of exporters that nobody has."""
    for courier in couriers:
        await courier.stop(10.0)
    for exporter in exporters:
        try:
            await exporter.close()
        except Exception as error:  # noqa: BLE001 - the others shall be closed all the same
            log.error("an exporter could not be closed: %s", type(error).__name__)
