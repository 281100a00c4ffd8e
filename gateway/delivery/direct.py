"""Delivery before storing: where a recipient is near, it is tried first, and what it didn't take is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import islice

from gateway.delivery.attempt import AttemptDeps
from gateway.delivery.worker import DeliveryWorker
from gateway.entry_batch import EntryBatch
from gateway.errors import Retryable
from gateway.exporters.base import Delivered, Outcome, all_delivered


class DirectDelivery:
    """Sends the entries of one call to their recipient, and stores under the same keys what it didn't take.

    Of a call with 500 log records, to a collector that is there, and then to one that is away:

        sent, answered                   → acknowledged; nothing is stored
        sent, no answer within a second  → stored, then acknowledged; the collector may have them twice: that is counted
        the next call                    → stored, for those before it wait
    """

    def __init__(self, deps: AttemptDeps) -> None:
        self._outbox, self._clock = deps.outbox, deps.clock
        self._turns = _Turns()
        """Those of the entries that can come again and are being sent, by their keys."""
        self._unnoted: list[EntryBatch] = []
        """What was delivered and can come again, and couldn't be noted as known."""

    async def accept(self, worker: DeliveryWorker, batches: Sequence[EntryBatch]) -> bool:
        """Return when the recipient has all entries, or those that it hasn't are stored: whether any are.

        What is known under its key is neither sent nor stored again. Raises as an outbox does.
        """
        if any(batch.fingerprints for batch in batches):
            return await self._accept_named(worker, batches)
        _, left = await self._send(worker, batches)
        return await self._store(left)

    async def _accept_named(self, worker: DeliveryWorker, batches: Sequence[EntryBatch]) -> bool:
        """Accept entries of which some can come again."""
        async with self._turns.take(_keys(batches)):
            await self._note()
            sent, left = await self._send(worker, await self._outbox.unknown(batches))
            self._unnoted += [batch for batch in sent if batch.fingerprints]
            # Delivered is delivered: what can't be noted now is noted before anything else that can come again.
            with suppress(Retryable):
                await self._note()
            return await self._store(left)

    async def wait_for(self, batches: Sequence[EntryBatch]) -> None:
        """Return once none of these is on its way: what of them was delivered is known by then."""
        if self._turns.taken:
            await self._turns.wait_for(_keys(batches))

    async def _store(self, batches: Sequence[EntryBatch]) -> bool:
        """Store entries; return whether there are any."""
        if batches:
            await self._outbox.accept(batches, self._clock.now_ns())
        return bool(batches)

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

    @staticmethod
    async def _send(
        worker: DeliveryWorker, batches: Sequence[EntryBatch]
    ) -> tuple[Sequence[EntryBatch], Sequence[EntryBatch]]:
        """Send entries and return those that the recipient has acknowledged, and those that it hasn't."""
        # Since their turn came, another policy may be in force, or something older wait.
        if not batches or not worker.takes_directly(batches):
            return (), batches
        outcomes = await worker.send_directly(batches)
        if outcomes is None:
            return (), batches
        return (batches, ()) if all_delivered(outcomes) else _parted(batches, outcomes)


class _Turns:
    """Who has which keys, and who waits for them: all who want the same have them one after another, as they came.

    Each waits for the last one before it alone, however many there are.
    """

    def __init__(self) -> None:
        self._last: dict[bytes, asyncio.Future[None]] = {}
        """The end of the last one's turn that wants a key."""

    @property
    def taken(self) -> bool:
        """Whether anybody has any."""
        return bool(self._last)

    @asynccontextmanager
    async def take(self, keys: Collection[bytes]) -> AsyncIterator[None]:
        """Wait until nobody who came before has any of these keys, and have them."""
        before = self._ends(keys)
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._last.update(dict.fromkeys(keys, end))
        try:
            if before:
                await asyncio.wait(before)
            yield
        finally:
            self._end(keys, end, before)

    async def wait_for(self, keys: Collection[bytes]) -> None:
        """Return once nobody has any of these keys."""
        while before := self._ends(keys):
            await asyncio.wait(before)

    def _ends(self, keys: Collection[bytes]) -> set[asyncio.Future[None]]:
        return {self._last[key] for key in keys if key in self._last}

    def _end(
        self, keys: Collection[bytes], end: asyncio.Future[None], before: Collection[asyncio.Future[None]]
    ) -> None:
        """End a turn: of one that left before it came, when those before it have ended."""
        for other in before:
            if not other.done():
                other.add_done_callback(lambda _: self._end(keys, end, before))
                return
        for key in keys:
            if self._last.get(key) is end:
                del self._last[key]
        end.set_result(None)


def _keys(batches: Iterable[EntryBatch]) -> Collection[bytes]:
    """Return the keys of entries that can come again."""
    return [batch.key(place) for batch in batches if batch.fingerprints for place in range(len(batch))]


def _parted(
    batches: Sequence[EntryBatch], outcomes: Sequence[Outcome]
) -> tuple[Sequence[EntryBatch], Sequence[EntryBatch]]:
    """Return what was delivered, and what wasn't."""
    sent, left, rest = list[EntryBatch](), list[EntryBatch](), iter(outcomes)
    for batch in batches:
        delivered = [isinstance(outcome, Delivered) for outcome in islice(rest, len(batch))]
        for found, those in ((True, sent), (False, left)):
            places = [place for place, was in enumerate(delivered) if was is found]
            if places:
                those.append(batch if len(places) == len(batch) else batch.select(places))
    return sent, left
