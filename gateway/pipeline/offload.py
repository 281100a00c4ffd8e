"""Costly work in threads, so that the event loop goes on.

One piece at a time, callers in turn, and a rest after what was long.

Work begins where its size says. What takes more than it may there begins again in a lane for such work: bytes alone
don't tell.

Python runs one thread at a time. More threads would only take turns from the event loop, which has to ask for each of
its own.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, Generic, TypeVar

from gateway.detectors.work_limit import WorkLimitExceeded, work_limit
from gateway.pipeline.caller import CALLER
from gateway.telemetry import ResourceUsage

COSTLY_BYTES: Final = 8_192
"""Bytes of input from which on work leaves the event loop: it can take a second a megabyte."""

BULKY_BYTES: Final = 131_072
"""Bytes of input from which on work has a lane of its own, or what is less would wait for it."""

ITEM_BYTES: Final = 256
"""What an item costs beside its own bytes, in bytes."""

CHUNK_BYTES: Final = 4 * COSTLY_BYTES
"""What items cost that are worked on together, before others have their turn."""

LONG_SECONDS: Final = 0.02
"""CPU seconds from which on a piece of work is followed by a rest as long as it was itself."""

MAX_REST_SECONDS: Final = 0.2

INLINE_EFFORT: Final = 2 * COSTLY_BYTES
"""Characters, as `effort` counts them, that the detectors may look at in the event loop: some milliseconds."""

LANE_EFFORT: Final = 4 * BULKY_BYTES
"""The same in the lane that most costly work has, where others wait: some tenths of a second."""

BULKY_EFFORT: Final = 16 * LANE_EFFORT
"""The same in the lane of what is bulky."""

T = TypeVar("T")


def chunks(items: Iterable[T], size: Callable[[T], int]) -> Iterator[tuple[list[T], int]]:
    """Yield items that are worked on together, and what they cost in bytes; `size` tells an item's own."""
    chunk, cost = list[T](), 0
    for item in items:
        more = size(item) + ITEM_BYTES
        if chunk and cost + more > CHUNK_BYTES:
            yield chunk, cost
            chunk, cost = [], 0
        chunk.append(item)
        cost += more
    if chunk:
        yield chunk, cost


class Offload:
    """Runs work where its size says. Belongs to one event loop."""

    def __init__(self) -> None:
        self._costly, self._bulky = _Lane("costly", LANE_EFFORT), _Lane("bulky", BULKY_EFFORT)
        self._laborious = _Lane("laborious", None)

    async def run(self, size: int, work: Callable[[], T]) -> T:
        """Return what `work`, on an input of `size` bytes, returns.

        Raises what it raises. It may begin anew, so it changes nothing.
        """
        try:
            return await self._begin(size, work)
        except WorkLimitExceeded:
            return await self._again(size, work)

    async def _begin(self, size: int, work: Callable[[], T]) -> T:
        if size >= COSTLY_BYTES:
            return await (self._bulky if size >= BULKY_BYTES else self._costly).run(work)
        with work_limit(INLINE_EFFORT):
            return work()

    async def _again(self, size: int, work: Callable[[], T]) -> T:
        if size < COSTLY_BYTES:
            with suppress(WorkLimitExceeded):
                return await self._costly.run(work)
        return await self._laborious.run(work)

    def uses(self) -> Mapping[str, Callable[[], ResourceUsage]]:
        """What tells how much waits for each lane."""
        return {f"offload_{lane.name}": lane.use for lane in (self._costly, self._bulky, self._laborious)}

    def close(self) -> None:
        """Begin no more; what has begun ends by itself."""
        for lane in (self._costly, self._bulky, self._laborious):
            lane.close()


class _Work(Generic[T]):
    """A piece of work, and the CPU seconds that it took. Raises Laborious if it takes more effort than it may."""

    def __init__(self, work: Callable[[], T], most: int | None) -> None:
        self.spent = 0.0
        self._work = work
        self._most = most

    def __call__(self) -> T:
        begun = time.thread_time()
        try:
            with work_limit(self._most):
                return self._work()
        finally:
            self.spent = time.thread_time() - begun


class _Lane:
    """One thread, for which callers queue.

    Each has its own queue, and the queues have their turns one after another.
    """

    def __init__(self, name: str, most: int | None) -> None:
        """`most` is the effort that a piece of work may take here."""
        self.name = name
        self._most = most
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._busy = False
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}

    def use(self) -> ResourceUsage:
        """How many pieces of work wait for their turn."""
        return ResourceUsage(sum(map(len, self._queues.values())), None)

    async def run(self, work: Callable[[], T]) -> T:
        await self._enter(CALLER.get())
        timed = _Work(work, self._most)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, timed)
        finally:
            self._leave(timed.spent)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _enter(self, caller: str) -> None:
        if not self._busy:
            self._busy = True
            return
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(caller, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # One that was given its turn as it was cancelled passes it on.
            if not turn.cancelled():
                self._next()
            raise

    def _leave(self, spent: float) -> None:
        if spent > LONG_SECONDS:
            asyncio.get_running_loop().call_later(min(spent, MAX_REST_SECONDS), self._next)
        else:
            self._next()

    def _next(self) -> None:
        while self._queues:
            caller = next(iter(self._queues))
            queue = self._queues.pop(caller)
            turn = queue.popleft()
            if queue:
                self._queues[caller] = queue
            if not turn.done():
                turn.set_result(None)
                return
        self._busy = False
