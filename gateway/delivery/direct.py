"""Delivery without a store: a call is acknowledged when its exporters have settled. No retries: the caller sends again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, Final

import msgspec

from gateway.errors import Permanent, Reason, Refused, Retryable
from gateway.exporters.base import DELIVERED, Delivered, Exporter, Immediate, Outcome, Rejected, Retry, fare
from gateway.model import Release
from gateway.telemetry.counts import Counts, Fared

log = logging.getLogger(__name__)


class Load(msgspec.Struct, frozen=True):
    """Releases, and the bytes of their payloads."""

    items: int = 0
    bytes: int = 0

    @staticmethod
    def of(releases: Sequence[Release]) -> Load:
        """What these releases weigh."""
        return Load(len(releases), sum(len(release.payload) for release in releases))

    def __add__(self, other: Load) -> Load:
        return Load(self.items + other.items, self.bytes + other.bytes)

    def __sub__(self, other: Load) -> Load:
        return Load(self.items - other.items, self.bytes - other.bytes)

    def within(self, bound: Load) -> bool:
        """Whether neither exceeds the bound."""
        return self.items <= bound.items and self.bytes <= bound.bytes


BOUND: Final = Load(items=65_536, bytes=64 * 1024 * 1024)
"""What may be in flight at once, by default."""


_FARED: Final[Mapping[type[Outcome], Fared]] = {Delivered: "delivered", Retry: "retry", Rejected: "rejected"}


class Direct:
    """Hands each release to its destination's exporter and waits for the outcome.

    At least once, and not all or nothing: when one exporter can't take its part, another may have taken its own already, and gets it
    again with the caller's next try. Only a store in between can do better. Once handed to an exporter, a batch settles even if its
    caller goes away, and counts as in flight until then.
    """

    def __init__(self, exporters: Mapping[str, Exporter], *, bound: Load = BOUND, after: float = 1.0, counts: Counts | None = None) -> None:
        """`exporters` are by destination, and closed with the delivery; `bound` is what may be in flight.

        `after` is how long, in seconds, a caller that finds it full is asked to wait. `counts` is told of each batch.
        """
        self._exporters: dict[str, Exporter] = {}
        self._immediate: dict[str, Immediate] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._bound = bound
        self._after = after
        self._counts = Counts() if counts is None else counts
        self._closed = False
        self._running: set[asyncio.Task[Sequence[Outcome]]] = set()
        self.in_flight = Load()
        """What exporters have and haven't settled."""
        self.replace(exporters)

    def replace(self, exporters: Mapping[str, Exporter]) -> None:
        """Use these from now on. Those that are no longer among them are closed once they have settled what they were handed."""
        left = set(self._exporters.values()) - set(exporters.values())
        self._exporters = dict(exporters)
        self._immediate = {name: exporter for name, exporter in exporters.items() if isinstance(exporter, Immediate)}
        if left:
            task = asyncio.create_task(_retire(left, tuple(self._running)))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def accept(self, releases: Sequence[Release]) -> None:
        """Send releases, those of one destination as one batch, all destinations at once; returns when all have theirs.

        Raises before anything is sent: Retryable FULL; Refused UNKNOWN_DESTINATION; Refused TOO_LARGE for more than could ever fit.
        Raises once all have settled: Retryable UNAVAILABLE if one can't take its part now, else Permanent if one never will.
        """
        if self._closed:
            raise Retryable(Reason.UNAVAILABLE)
        batches = _by_destination(releases)
        if not batches.keys() <= self._exporters.keys():
            raise Refused(Reason.UNKNOWN_DESTINATION)
        later = {name: batch for name, batch in batches.items() if name not in self._immediate}
        if later:
            self._admit(later.values())
        outcomes = [self._settle(name, batch) for name, batch in batches.items() if name in self._immediate]
        if later:
            outcomes += await self._send(later)
        _conclude(chain.from_iterable(outcomes))

    async def close(self, within: float = 10.0) -> None:
        """Take no more, let what is under way settle for `within` seconds at most, then close the exporters, for as long at most."""
        self._closed = True
        await _finish(self._running, within)
        await _finish(self._leaving, within)
        await _finish([asyncio.create_task(exporter.close()) for exporter in set(self._exporters.values())], within)

    def _settle(self, destination: str, batch: Sequence[Release]) -> Sequence[Outcome]:
        begun = time.perf_counter_ns()
        outcomes = self._immediate[destination].settle(batch)
        self._count(destination, outcomes, begun)
        return outcomes

    def _count(self, destination: str, outcomes: Sequence[Outcome], begun: int) -> None:
        """Count how a batch fared since it was begun."""
        self._counts.delivered(destination, _fared(outcomes), time.perf_counter_ns() - begun)

    def _admit(self, batches: Iterable[Sequence[Release]]) -> None:
        load = sum(map(Load.of, batches), Load())
        if not load.within(self._bound):
            raise Refused(Reason.TOO_LARGE)
        if not (self.in_flight + load).within(self._bound):
            raise Retryable(Reason.FULL, self._after)

    async def _send(self, batches: Mapping[str, Sequence[Release]]) -> list[Sequence[Outcome]]:
        tasks = [self._start(name, batch) for name, batch in batches.items()]
        # Unlike `gather`, this leaves the tasks alone when the caller goes away.
        await asyncio.wait(tasks)
        return [_outcomes(task, len(batch)) for task, batch in zip(tasks, batches.values(), strict=True)]

    def _start(self, destination: str, batch: Sequence[Release]) -> asyncio.Task[Sequence[Outcome]]:
        load, begun = Load.of(batch), time.perf_counter_ns()
        task = asyncio.create_task(fare(self._exporters[destination], batch))
        # A callback runs once, even for a task that is cancelled before its first step.
        self.in_flight += load
        self._running.add(task)
        task.add_done_callback(partial(self._settled, destination, load, begun))
        return task

    def _settled(self, destination: str, load: Load, begun: int, task: asyncio.Task[Sequence[Outcome]]) -> None:
        self.in_flight -= load
        self._running.discard(task)
        self._count(destination, _outcomes(task, load.items), begun)


def _by_destination(releases: Sequence[Release]) -> dict[str, list[Release]]:
    batches: dict[str, list[Release]] = {}
    for release in releases:
        batches.setdefault(release.destination, []).append(release)
    return batches


def _outcomes(task: asyncio.Task[Sequence[Outcome]], releases: int) -> Sequence[Outcome]:
    """What a task that has ended came to, for each release. Only `close` cancels one."""
    return [Retry()] * releases if task.cancelled() else task.result()


def _fared(outcomes: Sequence[Outcome]) -> Mapping[Fared, int]:
    """How many fared how; most often all alike."""
    if outcomes.count(DELIVERED) == len(outcomes):
        return {"delivered": len(outcomes)}
    return Counter(_FARED[type(outcome)] for outcome in outcomes)


def _conclude(outcomes: Iterable[Outcome]) -> None:
    troubles = [outcome for outcome in outcomes if outcome is not DELIVERED]
    if not troubles:
        return
    retries = [trouble for trouble in troubles if isinstance(trouble, Retry)]
    if retries:
        raise Retryable(Reason.UNAVAILABLE, max((retry.after for retry in retries if retry.after is not None), default=None))
    for trouble in troubles:
        if isinstance(trouble, Rejected):
            raise Permanent(trouble.reason)


async def _retire(exporters: Iterable[Exporter], running: Collection[asyncio.Task[Any]]) -> None:
    """Close exporters when what runs now has ended."""
    if running:
        await asyncio.wait(running)
    for exporter in exporters:
        await exporter.close()


async def _finish(tasks: Collection[asyncio.Task[Any]], within: float) -> None:
    """Wait for tasks, and cancel those that take longer."""
    if not tasks:
        return
    done, late = await asyncio.wait(tasks, timeout=within)
    for task in late:
        task.cancel()
    failed = [task for task in done if not task.cancelled() and task.exception() is not None]
    if late or failed:
        log.warning("at the end, %d deliveries or exporters failed and %d were still busy after %g s", len(failed), len(late), within)
