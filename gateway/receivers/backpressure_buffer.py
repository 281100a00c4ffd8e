"""Entries of a stream before their delivery: in order, a batch at a time, and no faster than the recipients."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from gateway.model import OutboxEntry

MAX_WAITING_ENTRIES: Final = 1024
"""Entries of one stream that may wait while others are being delivered; then the stream's sender waits."""

MAX_WAITING_BYTES: Final = 4 * 1024 * 1024
"""And the bytes of their payloads."""


class BackpressureBuffer:
    """What is put in while a batch is being delivered becomes the next one.

    With one entry a message, while the recipients take long for the first:

        put(A) → [A] is being delivered
        put(B), put(C) → B and C wait
        A is delivered → [B, C] is being delivered
        put(D) … until as much waits as may: `put` returns when the next delivery begins
    """

    def __init__(self, deliver: Callable[[list[OutboxEntry]], Awaitable[None]]) -> None:
        self._deliver = deliver
        self._waiting: list[OutboxEntry] = []
        self._bytes = 0
        self._ended = False
        self._work = asyncio.Event()
        self._capacity = asyncio.Event()

    async def put(self, entries: Sequence[OutboxEntry]) -> None:
        """Have entries delivered; return when more may come."""
        if not entries:
            return
        self._waiting += entries
        self._bytes += sum(len(entry.release.payload) for entry in entries)
        self._work.set()
        if len(self._waiting) >= MAX_WAITING_ENTRIES or self._bytes >= MAX_WAITING_BYTES:
            self._capacity.clear()
            await self._capacity.wait()

    def end(self) -> None:
        """Note that nothing more comes."""
        self._ended = True
        self._work.set()

    async def run(self) -> None:
        """Deliver until the end. Raises what delivery raises."""
        while True:
            await self._work.wait()
            batch, self._waiting, self._bytes = self._waiting, [], 0
            if not batch:
                return
            if not self._ended:
                self._work.clear()
            self._capacity.set()
            await self._deliver(batch)
