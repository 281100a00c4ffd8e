"""A delivery that tests watch, and what entries are decided on by without a directory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from gateway.delivery.entries import EntryBuilder
from gateway.delivery.keys import Keys
from gateway.directory import NoDirectory
from gateway.entry_batch import EntryBatch
from gateway.errors import CallReason, ItemReason, Refused, Retryable
from gateway.model import OutboxEntry
from gateway.pipeline.decide import Decider
from gateway.pipeline.offload import Offload
from tests.support.channels import TIMEOUT_SECONDS

PACKER: Final = EntryBuilder(Keys(bytes(32)), "web")


def decider() -> Decider:
    """Decides without a directory."""
    return Decider(NoDirectory(), Offload())


DeliveryReply = Callable[[Sequence[OutboxEntry]], None]
"""What is said of entries: nothing, or it raises."""


def accept_all(batch: Sequence[OutboxEntry]) -> None:
    """All well."""


def raise_error(error: Exception) -> DeliveryReply:
    """Say that."""

    def reply(batch: Sequence[OutboxEntry]) -> None:
        raise error

    return reply


class FakeDelivery:
    """A delivery that keeps what it gets and replies while it is open."""

    def __init__(self, reply: DeliveryReply = accept_all, *, shut: bool = False, max_waiting: int = 1_000_000) -> None:
        """`max_waiting` entries may wait at once."""
        self.reply = reply
        self.max_waiting = max_waiting
        self.batches: list[Sequence[OutboxEntry]] = []
        """The entries of each call."""
        self.accepted: list[EntryBatch] = []
        """All that came, as it came."""
        self.waiting = 0
        self.closed = 0
        self._open = asyncio.Event()
        self._came = asyncio.Condition()
        if not shut:
            self._open.set()

    @property
    def releases(self) -> list[OutboxEntry]:
        """All that came, in order."""
        return [entry for batch in self.batches for entry in batch]

    def open(self) -> None:
        """Let through what waits and what comes."""
        self._open.set()

    def shut(self) -> None:
        """Hold what comes."""
        self._open.clear()

    @contextmanager
    def replying(self, reply: DeliveryReply) -> Iterator[None]:
        """Reply otherwise for a while."""
        before, self.reply = self.reply, reply
        try:
            yield
        finally:
            self.reply = before

    async def wait_for(self, count: int) -> None:
        """Wait until so many releases have come."""
        async with asyncio.timeout(TIMEOUT_SECONDS), self._came:
            await self._came.wait_for(lambda: len(self.releases) >= count)

    async def accept(self, batches: Sequence[EntryBatch]) -> None:
        entries = [entry for batch in batches for entry in batch.entries()]
        if len(entries) > self.max_waiting:
            raise Refused(ItemReason.TOO_LARGE)
        if self.waiting + len(entries) > self.max_waiting:
            raise Retryable(CallReason.FULL, 1.0)
        self.batches.append(entries)
        self.accepted += batches
        self.waiting += len(entries)
        try:
            async with self._came:
                self._came.notify_all()
            await self._open.wait()
            self.reply(entries)
        finally:
            self.waiting -= len(entries)

    def stores(self, destinations: Collection[str]) -> bool:
        """Return True: a test may read who is in what comes."""
        return True

    async def drained(self) -> None:
        """Nothing is kept."""

    async def close(self, within: float) -> None:
        self.closed += 1
