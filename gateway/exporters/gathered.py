"""What many callers send to an exporter, gathered into fewer and larger batches while it is busy. How a batch is sent is the exporter's."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, islice
from typing import Final

import msgspec

from gateway.errors import Reason, Retryable
from gateway.exporters.base import Exporter, Outcome, Retry, by_type, fare
from gateway.model import Release

_LATER: Final = Retry()

_FRAME: Final = 6
"""A payload's tag and its length, in bytes: five of length at most."""


class Bounds(msgspec.Struct, frozen=True):
    """How much goes into one batch: releases, and bytes, where one release may be larger; and how many batches of a type go at once."""

    items: int = 8192
    bytes: int = 2 * 1024 * 1024
    at_once: int = 4


class Gathered:
    """An exporter in front of another. A batch holds releases of one type, and types don't wait for one another.

    As long as fewer batches than `at_once` are under way, one goes as it comes: nothing is held back for company. What comes meanwhile goes
    with the next one, whole where it isn't larger than a batch; what is larger takes turns with the others. A batch that comes back with
    nothing but Retry ends its callers' calls: what they have left fares alike, and isn't sent.
    What was handed over settles even if its caller goes away. What waits is kept in memory, and bounded by what
    hands it over: `Direct` bounds what is in flight.
    """

    def __init__(self, exporter: Exporter, bounds: Bounds = Bounds()) -> None:  # noqa: B008 - it is frozen
        """`exporter` is closed with this one."""
        self._exporter = exporter
        self._bounds = bounds
        self._lines: dict[str, _Line] = {}
        self._closed = False

    async def send(self, batch: Sequence[Release]) -> Sequence[Outcome]:
        """The exporter's outcomes, of this batch alone. What it raises becomes outcomes."""
        if self._closed:
            raise Retryable(Reason.UNAVAILABLE)
        outcomes: list[Outcome] = [_LATER] * len(batch)
        places = by_type(batch)
        calls = [self._line(name).join([batch[place] for place in held]) for name, held in places.items()]
        for held, fates in zip(places.values(), await asyncio.gather(*calls), strict=True):
            for place, fate in zip(held, fates, strict=True):
                outcomes[place] = fate
        return outcomes

    async def close(self) -> None:
        """Close the exporter. What still waits is Retry; what is under way fares as the exporter has it, and is waited for."""
        self._closed = True
        for line in self._lines.values():
            line.let_go()
        await self._exporter.close()
        for line in self._lines.values():
            await line.ended()

    def _line(self, name: str) -> _Line:
        if name not in self._lines:
            self._lines[name] = _Line(self._exporter, self._bounds)
        return self._lines[name]


class _Line:
    """The calls that wait, first come, first served, and the batches under way: of one type."""

    def __init__(self, exporter: Exporter, bounds: Bounds) -> None:
        self._exporter = exporter
        self._bounds = bounds
        self._waiting: deque[_Call] = deque()
        self._running: set[asyncio.Task[Sequence[Outcome]]] = set()

    def join(self, releases: Sequence[Release]) -> asyncio.Future[Sequence[Outcome]]:
        """Their outcomes, once all are known. No release, no line."""
        call = _Call(releases)
        self._waiting.append(call)
        self._go()
        return call.settled

    def let_go(self) -> None:
        """Send nothing more."""
        while self._waiting:
            self._waiting.popleft().end(_LATER)

    async def ended(self) -> None:
        """Wait for what is under way."""
        if self._running:
            await asyncio.wait(self._running)

    def _go(self) -> None:
        while len(self._running) < self._bounds.at_once and (parts := self._gather()):
            task = asyncio.create_task(fare(self._exporter, [release for part in parts for release in part.releases]))
            self._running.add(task)
            # A callback runs once, even for a task that is cancelled before its first step.
            task.add_done_callback(partial(self._settle, parts))

    def _gather(self) -> Sequence[_Part]:
        """The next batch. A call is cut only where it makes a batch of its own; then what is left of it goes to the end of the line."""
        parts: list[_Part] = []
        items, size = self._bounds.items, self._bounds.bytes
        while self._waiting:
            call = self._waiting[0]
            end = call.fitting(items, size)
            if parts and end < len(call.releases):
                break
            part = call.take(max(end, call.begun + 1))
            parts.append(part)
            items, size = items - (part.end - part.start), size - part.size
            self._waiting.popleft()
            if call.waits:
                self._waiting.append(call)
                break
        return parts

    def _settle(self, parts: Sequence[_Part], task: asyncio.Task[Sequence[Outcome]]) -> None:
        self._running.discard(task)
        if task.cancelled():
            # Nobody here does that: the loop is coming to its end.
            self.let_go()
        fates = [_LATER] * sum(part.end - part.start for part in parts) if task.cancelled() else task.result()
        left = iter(fates)
        for part in parts:
            part.call.settle(part.start, [*islice(left, part.end - part.start)])
        if all(isinstance(fate, Retry) for fate in fates):
            self._end([part.call for part in parts], fates[-1])
        self._go()

    def _end(self, calls: Sequence[_Call], fate: Outcome) -> None:
        for call in calls:
            if call.waits:
                self._waiting.remove(call)
                call.end(fate)


class _Call:
    """Releases of one type that one caller sends, and how they have fared. Those before `begun` wait no longer."""

    def __init__(self, releases: Sequence[Release]) -> None:
        self.releases = releases
        self.begun = 0
        self.settled: asyncio.Future[Sequence[Outcome]] = asyncio.get_running_loop().create_future()
        self._sizes = [0, *accumulate(len(release.payload) + _FRAME for release in releases)]
        self._outcomes: list[Outcome] = [_LATER] * len(releases)
        self._open = len(releases)

    @property
    def waits(self) -> bool:
        """Whether some of it does."""
        return self.begun < len(self.releases)

    def fitting(self, items: int, size: int) -> int:
        """Up to where it fits into so many releases and bytes."""
        last = min(self.begun + items, len(self.releases))
        return bisect_right(self._sizes, self._sizes[self.begun] + size, self.begun, last + 1) - 1

    def take(self, end: int) -> _Part:
        """The next of it, up to `end`."""
        start, self.begun = self.begun, end
        return _Part(self, start, end, self._sizes[end] - self._sizes[start])

    def settle(self, start: int, fates: Sequence[Outcome]) -> None:
        """Note how those from `start` fared."""
        self._outcomes[start : start + len(fates)] = fates
        self._open -= len(fates)
        # Where the caller has gone, it is cancelled.
        if not self._open and not self.settled.done():
            self.settled.set_result(self._outcomes)

    def end(self, fate: Outcome) -> None:
        """Send no more of it."""
        start, self.begun = self.begun, len(self.releases)
        self.settle(start, [fate] * (self.begun - start))


@dataclass(frozen=True, slots=True)
class _Part:
    """What of a call goes with one batch, and its size in bytes."""

    call: _Call
    start: int
    end: int
    size: int

    @property
    def releases(self) -> Sequence[Release]:
        """Those of it."""
        return self.call.releases[self.start : self.end]
