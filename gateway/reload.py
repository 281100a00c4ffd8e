"""Files that change under a running gateway: noticed, loaded, and put in force if they are sound.

What was in force stays if they aren't. The caller says how to load, and how to put in force.
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
from gateway.telemetry import ReloadState, ReloadSubject, Telemetry
from gateway.telemetry.checks import Check

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 2.0
"""Seconds between two looks at the files."""

MAX_READ_ATTEMPTS: Final = 5
"""How often files are read again that change meanwhile."""

T = TypeVar("T")

FileStamp = tuple[str, int, int, int, int, int]
"""A file: path, device, inode, change and modification time in nanoseconds, size."""


FileStamps = frozenset[FileStamp]
"""All files that something is read from, as they are at one moment."""


class LoadFailure(msgspec.Struct, frozen=True):
    """Why nothing was loaded."""

    reason: str


class FileWatcher:
    """Tells when files have changed and come to rest. Blocks: use it from a thread, one at a time."""

    def __init__(
        self, paths: Callable[[], Iterable[Path]], loaded: FileStamps, *, interval_seconds: float = POLL_SECONDS
    ) -> None:
        """`paths` are files and folders, asked for at each look. `interval_seconds` between two looks, 0 for none.

        `loaded`: what `read_stamps` returned before the files were first read, so that no change is missed.
        """
        self.interval_seconds = interval_seconds
        self._paths = paths
        self._loaded = self._latest = loaded

    def has_settled_change(self) -> bool:
        """Whether the files aren't those last read, and are the same as at the last look.

        Whatever writes them has paused, at least.
        """
        before, self._latest = self._latest, read_stamps(self._paths)
        return before == self._latest != self._loaded

    def read(self, load: Callable[[], T]) -> T | LoadFailure:
        """What `load` returns for files that stay the same meanwhile: no half of an old set with half of a new one."""
        for _ in range(MAX_READ_ATTEMPTS):
            before = read_stamps(self._paths)
            loaded = _try_load(load)
            if read_stamps(self._paths) == before:
                self._loaded = before
                return loaded
        return LoadFailure(f"the files changed while they were read, {MAX_READ_ATTEMPTS} times")


class Reloader(Generic[T]):
    """Keeps one thing in force as its files say. `state` tells how that stands."""

    def __init__(
        self,
        subject: ReloadSubject,
        watcher: FileWatcher,
        load: Callable[[], T],
        apply: Callable[[T], Awaitable[None] | None],
        telemetry: Telemetry,
    ) -> None:
        """`load` runs in a thread, `apply` on the event loop; both may raise, and then nothing may have changed."""
        self.state = ReloadState(subject, ok=True, since=datetime.now(UTC))
        self._watcher, self._load, self._apply = watcher, load, apply
        self._telemetry = telemetry
        self._requested = self._completed = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Condition()

    @property
    def check(self) -> Check:
        """The state as a check. The gateway is ready all the same: it goes on with what was in force."""
        state = self.state
        return Check(state.subject, state.ok, state.since, "" if state.ok else "NOT_RELOADED", state.reason)

    def request(self) -> None:
        """Load soon, whether anything has changed or not; for SIGHUP, on the event loop."""
        self._requested += 1
        self._wake.set()

    async def wait_until_idle(self) -> ReloadState:
        """The state after all that was requested so far."""
        asked = self._requested
        async with self._idle:
            await self._idle.wait_for(lambda: self._completed >= asked)
        return self.state

    async def run(self) -> None:
        """Look and load until cancelled."""
        while True:
            if await self._wait_for_request() or await asyncio.to_thread(self._watcher.has_settled_change):
                await self._reload()

    async def _wait_for_request(self) -> bool:
        """Whether a load was requested before it is time to look."""
        try:
            async with asyncio.timeout(self._watcher.interval_seconds or None):
                return await self._wake.wait()
        except TimeoutError:
            return False

    async def _reload(self) -> None:
        asked = self._requested
        self._wake.clear()
        loaded = await asyncio.to_thread(self._watcher.read, self._load)
        self._record(loaded if isinstance(loaded, LoadFailure) else await self._put_in_force(loaded))
        async with self._idle:
            self._completed = asked
            self._idle.notify_all()

    async def _put_in_force(self, loaded: T) -> LoadFailure | None:
        try:
            applied = self._apply(loaded)
            if inspect.isawaitable(applied):
                await applied
        except Exception as error:  # noqa: BLE001 - whatever it is, the next change must be looked at
            return LoadFailure(_error_text(error))
        return None

    def _record(self, failed: LoadFailure | None) -> None:
        what, ok = self.state.subject, failed is None
        since = datetime.now(UTC) if ok or self.state.ok else self.state.since
        self.state = ReloadState(what, ok, since, "" if failed is None else failed.reason)
        self._telemetry.record_reload(what, "ok" if ok else "failed")
        if ok:
            log.info("%s: reloaded", what)
        else:
            log.error("%s: not reloaded, what was in force stays: %s", what, self.state.reason)


def _try_load(load: Callable[[], T]) -> T | LoadFailure:
    try:
        return load()
    except BaseException as error:  # noqa: BLE001 - SystemExit would end the gateway, StopIteration never arrive
        return LoadFailure(_error_text(error))


def _error_text(error: BaseException) -> str:
    """The text of an error of ours; of another only its type, for its text may hold anything."""
    return str(error) if isinstance(error, BadSetup) else type(error).__name__


def read_stamps(paths: Callable[[], Iterable[Path]]) -> FileStamps:
    """The files and folders of `paths` as they are now. Blocks."""
    try:
        return frozenset(_file_stamps(paths()))
    except Exception as error:  # noqa: BLE001 - not to know the files is a change too: loading tells what is wrong
        return frozenset({(type(error).__name__, 0, 0, 0, 0, 0)})


def _file_stamps(paths: Iterable[Path]) -> Iterator[FileStamp]:
    """Yield the stamp of each file, also in folders below.

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
