"""Costly work in threads, so that the event loop goes on.

One piece at a time, callers in turn, and a rest after what was long.

Work begins where its size says. What takes more than it may there begins again in a thread for such work: bytes alone
don't tell. Of three pieces, each on an input of so many bytes:

    100 bytes          → in the event loop
    10,000 bytes       → in the thread "costly"
    100 bytes, laborious → in the event loop, until it has taken what it may there; then anew in "costly", and at last
                           in "laborious", where others of that kind wait

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
from functools import partial
from typing import Final, Generic, ParamSpec, TypeVar

from gateway.detectors.work_limit import WorkLimit, WorkLimitExceeded
from gateway.pipeline.caller import CALLER
from gateway.telemetry import ResourceUsage

COSTLY_BYTES: Final = 8_192
"""Bytes of input from which on work leaves the event loop: it can take a second a megabyte."""

BULKY_BYTES: Final = 131_072
"""Bytes of input from which on work has a thread of its own, or what is less would wait for it."""

ITEM_BYTES: Final = 256
"""What an item costs beside its own bytes, in bytes."""

CHUNK_BYTES: Final = 4 * COSTLY_BYTES
"""What items cost that are worked on together first, before others have their turn."""

MAX_CHUNK_BYTES: Final = BULKY_BYTES - 1
"""What they cost at most, where those before them took no longer than `QUICK_NANOS`."""

QUICK_NANOS: Final = 5_000_000
"""Nanoseconds of work after which others are let wait for twice as much: as long as Python lets one thread run."""

LONG_SECONDS: Final = 0.02
"""CPU seconds from which on a piece of work is followed by a rest as long as it was itself."""

MAX_REST_SECONDS: Final = 0.2

INLINE_EFFORT: Final = 2 * COSTLY_BYTES
"""Characters, as `effort` counts them, that the detectors may look at in the event loop: some milliseconds."""

COSTLY_EFFORT: Final = 4 * BULKY_BYTES
"""The same in the thread that most costly work has, where others wait: some tenths of a second."""

BULKY_EFFORT: Final = 16 * COSTLY_EFFORT
"""The same in the thread of what is bulky."""

T = TypeVar("T")
P = ParamSpec("P")


class Chunks(Generic[T]):
    """Items that are worked on together, before others have their turn: as much as takes them some milliseconds.

    The first chunk is small, and each that was done quickly lets the next one be twice as large. Of items of 2 KiB:

        14 items     → took 1 ms
        28 items     → took 2 ms
        56 items     → took 40 ms
        14 items     → …
    """

    def __init__(self, items: Iterable[T], size: Callable[[T], int]) -> None:
        """`size` tells an item's own bytes."""
        self._items = iter(items)
        self._size = size
        self._max_bytes = CHUNK_BYTES

    def __iter__(self) -> Iterator[tuple[list[T], int]]:
        """Yield chunks, and what each costs in bytes."""
        chunk, cost = list[T](), 0
        for item in self._items:
            more = self._size(item) + ITEM_BYTES
            if chunk and cost + more > self._max_bytes:
                yield chunk, cost
                chunk, cost = [], 0
            chunk.append(item)
            cost += more
        if chunk:
            yield chunk, cost

    def record_duration(self, nanoseconds: int) -> None:
        """Have the next chunk be as large as it may be after one that took so long."""
        self._max_bytes = min(2 * self._max_bytes, MAX_CHUNK_BYTES) if nanoseconds < QUICK_NANOS else CHUNK_BYTES


class Offload:
    """Runs work where its size says. Belongs to one event loop."""

    def __init__(self) -> None:
        self._costly, self._bulky = _WorkThread("costly", COSTLY_EFFORT), _WorkThread("bulky", BULKY_EFFORT)
        self._laborious = _WorkThread("laborious", None)

    async def run(self, size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `work` on these arguments, an input of `size` bytes, returns.

        Raises what it raises. It may begin anew, so it changes nothing.
        """
        try:
            if size < COSTLY_BYTES:
                with WorkLimit(INLINE_EFFORT):
                    return work(*args, **kwargs)
            thread = self._bulky if size >= BULKY_BYTES else self._costly
            return await thread.run(partial(work, *args, **kwargs))
        except WorkLimitExceeded:
            return await self._again(size, partial(work, *args, **kwargs))

    async def _again(self, size: int, work: Callable[[], T]) -> T:
        if size < COSTLY_BYTES:
            with suppress(WorkLimitExceeded):
                return await self._costly.run(work)
        return await self._laborious.run(work)

    def uses(self) -> Mapping[str, Callable[[], ResourceUsage]]:
        """Return what tells how much waits for each thread."""
        return {f"offload_{thread.name}": thread.use for thread in (self._costly, self._bulky, self._laborious)}

    def close(self) -> None:
        """Begin no more; what has begun ends by itself."""
        for thread in (self._costly, self._bulky, self._laborious):
            thread.close()


class _Work(Generic[T]):
    """A piece of work, and the CPU seconds that it took."""

    def __init__(self, work: Callable[[], T], max_effort: int | None) -> None:
        self.cpu_seconds = 0.0
        self._work = work
        self._max_effort = max_effort

    def run(self, done: asyncio.Future[T]) -> None:
        """Do it, and have what it returns or raises in `done`, unless nobody waits for that any more.

        It raises WorkLimitExceeded if it takes more effort than it may.
        """
        if done.cancelled():
            return
        begun = time.thread_time()
        report = _outcome(self._work, self._max_effort)
        self.cpu_seconds = time.thread_time() - begun
        # A closed loop has nobody left to hear of it.
        with suppress(RuntimeError):
            done.get_loop().call_soon_threadsafe(report, done)


def _outcome(work: Callable[[], T], max_effort: int | None) -> Callable[[asyncio.Future[T]], None]:
    """Do work, and return what tells a future what it returned or raised."""
    try:
        with WorkLimit(max_effort):
            return partial(_succeed, work())
    except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits for the work deals with it
        return partial(_fail, error)


def _succeed(result: T, done: asyncio.Future[T]) -> None:
    if not done.done():
        done.set_result(result)


def _fail(error: BaseException, done: asyncio.Future[T]) -> None:
    if not done.done():
        done.set_exception(error)


class _WorkThread:
    """One thread, for which callers queue.

    Each has its own queue, and the queues have their turns one after another.
    """

    def __init__(self, name: str, max_effort: int | None) -> None:
        """`max_effort` is what a piece of work may take here."""
        self.name = name
        self._max_effort = max_effort
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._busy = False
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}

    def use(self) -> ResourceUsage:
        """Return how many pieces of work wait for their turn."""
        return ResourceUsage(sum(map(len, self._queues.values())), None)

    async def run(self, work: Callable[[], T]) -> T:
        await self._enter(CALLER.get())
        timed = _Work(work, self._max_effort)
        try:
            return await self._begin(timed)
        finally:
            self._leave(timed.cpu_seconds)

    def close(self) -> None:
        self._thread.shutdown(wait=False)

    def _begin(self, work: _Work[T]) -> asyncio.Future[T]:
        """Have work done next. `run_in_executor` would go by way of a second future, at twice the cost."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._thread.submit(work.run, done)
        return done

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

    def _leave(self, cpu_seconds: float) -> None:
        if cpu_seconds > LONG_SECONDS:
            asyncio.get_running_loop().call_later(min(cpu_seconds, MAX_REST_SECONDS), self._next)
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
