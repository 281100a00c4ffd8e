"""Files that change under a running gateway: seen, loaded, and put in force if they are sound.

What was in force stays if they aren't.

What is loaded, and what it means to be in force, is the caller's.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISDIR
from typing import Final, Generic, TypeVar

import msgspec

from gateway.errors import BadSetup
from gateway.telemetry import State, Telemetry, What
from gateway.telemetry.checks import Check

log = logging.getLogger(__name__)

EVERY: Final = 2.0
"""Seconds between two looks at the files."""

TRIES: Final = 5
"""How often files are read again that change meanwhile."""

T = TypeVar("T")

Mark = tuple[str, int, int, int, int, int]
"""A file: path, device, inode, change and modification time in nanoseconds, size."""


class Failed(msgspec.Struct, frozen=True):
    """Why nothing was loaded."""

    reason: str


class Watch:
    """Tells when files have changed and come to rest. Blocks: use it from a thread, one at a time."""

    def __init__(self, paths: Callable[[], Iterable[Path]], *, every: float = EVERY) -> None:
        """`paths` are files and folders, asked for at each look; `every`: seconds between two looks, 0 for none.

        Make the watch before the files are first read, lest a change is missed.
        """
        self.every = every
        self._paths = paths
        self._taken = self._seen = self._look()

    def due(self) -> bool:
        """Whether the files aren't those last read, and are the same as at the last look.

        Who writes them has paused, at least.
        """
        before, self._seen = self._seen, self._look()
        return before == self._seen != self._taken

    def read(self, load: Callable[[], T]) -> T | Failed:
        """What `load` returns for files that stay the same meanwhile: no half of an old set with half of a new one."""
        for _ in range(TRIES):
            before = self._look()
            loaded = _attempt(load)
            if self._look() == before:
                self._taken = before
                return loaded
        return Failed(f"the files changed while they were read, {TRIES} times")

    def _look(self) -> frozenset[Mark]:
        try:
            return frozenset(_marks(self._paths()))
        except Exception as error:  # noqa: BLE001 - not to know the files is a change too: loading tells what is wrong
            return frozenset({(type(error).__name__, 0, 0, 0, 0, 0)})


class Reloader(Generic[T]):
    """Keeps one thing in force as its files say. `state` tells how that stands."""

    def __init__(
        self,
        what: What,
        watch: Watch,
        load: Callable[[], T],
        apply: Callable[[T], Awaitable[None] | None],
        telemetry: Telemetry,
    ) -> None:
        """`load` runs in a thread, `apply` on the event loop; both may raise, and then nothing may have changed."""
        self.state = State(what, ok=True, since=datetime.now(UTC))
        self._watch, self._load, self._apply = watch, load, apply
        self._telemetry = telemetry
        self._asked = self._served = 0
        self._woken = asyncio.Event()
        self._done = asyncio.Condition()

    @property
    def check(self) -> Check:
        """The state, for who asks whether the gateway is ready: it is, by what was in force."""
        state = self.state
        return Check(state.subject, state.ok, state.since, "" if state.ok else "NOT_RELOADED", state.reason)

    def request(self) -> None:
        """Load soon, whether anything has changed or not; for SIGHUP, on the event loop."""
        self._asked += 1
        self._woken.set()

    async def settled(self) -> State:
        """The state after all that was requested so far."""
        asked = self._asked
        async with self._done:
            await self._done.wait_for(lambda: self._served >= asked)
        return self.state

    async def run(self) -> None:
        """Look and load until cancelled."""
        while True:
            if await self._is_asked() or await asyncio.to_thread(self._watch.due):
                await self._reload()

    async def _is_asked(self) -> bool:
        """Whether a load was requested before it is time to look."""
        try:
            async with asyncio.timeout(self._watch.every or None):
                return await self._woken.wait()
        except TimeoutError:
            return False

    async def _reload(self) -> None:
        asked = self._asked
        self._woken.clear()
        loaded = await asyncio.to_thread(self._watch.read, self._load)
        self._note(loaded if isinstance(loaded, Failed) else await self._put_in_force(loaded))
        async with self._done:
            self._served = asked
            self._done.notify_all()

    async def _put_in_force(self, loaded: T) -> Failed | None:
        try:
            applied = self._apply(loaded)
            if inspect.isawaitable(applied):
                await applied
        except Exception as error:  # noqa: BLE001 - whatever it is, the next change must be looked at
            return Failed(_reason(error))
        return None

    def _note(self, failed: Failed | None) -> None:
        what, ok = self.state.subject, failed is None
        since = datetime.now(UTC) if ok or self.state.ok else self.state.since
        self.state = State(what, ok, since, "" if failed is None else failed.reason)
        self._telemetry.reloaded(what, "ok" if ok else "failed")
        if ok:
            log.info("%s: reloaded", what)
        else:
            log.error("%s: not reloaded, what was in force stays: %s", what, self.state.reason)


def _attempt(load: Callable[[], T]) -> T | Failed:
    try:
        return load()
    except BaseException as error:  # noqa: BLE001 - in a thread: SystemExit would end the gateway, StopIteration never arrive
        return Failed(_reason(error))


def _reason(error: BaseException) -> str:
    """What may be said of an error: another's text may hold anything."""
    return str(error) if isinstance(error, BadSetup) else type(error).__name__


def _marks(paths: Iterable[Path]) -> Iterator[Mark]:
    """The mark of each file, also in folders below.

    Links are followed: Kubernetes changes a volume by pointing `..data` elsewhere.
    """
    waiting = [str(path) for path in paths]
    folders: set[tuple[int, int]] = set()
    while waiting:
        path = waiting.pop()
        try:
            found = Path(path).stat()
            if not S_ISDIR(found.st_mode):
                yield path, found.st_dev, found.st_ino, found.st_ctime_ns, found.st_mtime_ns, found.st_size
            elif (found.st_dev, found.st_ino) not in folders:
                folders.add((found.st_dev, found.st_ino))
                waiting += (str(inner) for inner in Path(path).iterdir())
        except OSError as error:
            yield path, 0, 0, 0, 0, error.errno or 0
