"""What comes by a stream before it is worked on: in order, a batch at a time, and no faster than the work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MAX_WAITING_ITEMS: Final = 1024
"""Items of one stream that may wait while others are worked on; then the stream's sender waits."""

MAX_WAITING_BYTES: Final = 4 * 1024 * 1024
"""And their bytes."""


class BackpressureBuffer(Generic[T]):
    """What is put in while a batch is being worked on becomes the next one.

    With one item a message, while the work takes long for the first:

        put(A) → [A] is being worked on
        put(B), put(C) → B and C wait
        A is done → [B, C] is being worked on
        put(D) … until as much waits as may: `put` returns when the next batch begins
    """

    def __init__(
        self,
        work: Callable[[list[T]], Awaitable[None]],
        size: Callable[[T], int],
        count: Callable[[T], int] | None = None,
    ) -> None:
        """`work` is done on a batch; `size` tells what is put in in bytes, `count` in items, if it isn't one."""
        self._do = work
        self._size = size
        self._count_of = count
        self._count = 0
        self._waiting: list[T] = []
        self._bytes = 0
        self._ended = False
        self._work = asyncio.Event()
        self._capacity = asyncio.Event()

    async def put(self, items: Sequence[T]) -> None:
        """Have items worked on; return when more may come."""
        if not items:
            return
        self._waiting += items
        self._bytes += sum(map(self._size, items))
        self._count += len(items) if self._count_of is None else sum(map(self._count_of, items))
        self._work.set()
        if self._count >= MAX_WAITING_ITEMS or self._bytes >= MAX_WAITING_BYTES:
            self._capacity.clear()
            await self._capacity.wait()

    def end(self) -> None:
        """Note that nothing more comes."""
        self._ended = True
        self._work.set()

    async def run(self) -> None:
        """Work until the end. Raises what the work raises."""
        while True:
            await self._work.wait()
            batch, self._waiting, self._bytes, self._count = self._waiting, [], 0, 0
            if not batch:
                return
            if not self._ended:
                self._work.clear()
            self._capacity.set()
            await self._do(batch)
