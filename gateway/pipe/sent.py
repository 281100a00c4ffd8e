"""What may leave, as OTLP to the gateway's local listener: a bounded queue, and as many tries as it takes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from ipaddress import ip_address
from typing import Any, Final

from gateway.errors import BadConfig, Permanent, Retryable
from gateway.exporters.base import Delivered, Exporter, Outcome, Rejected, Retry
from gateway.exporters.otlp import Otlp
from gateway.model import OutboxEntry, Release
from gateway.pipe.descriptor import Left
from gateway.pipe.sieve import Kept
from gateway.pipe.tally import Loss, Tally

WAITING: Final = 8 * 1024 * 1024
"""The bytes of records that may wait for the gateway."""

PATIENCE: Final = 5.0
"""How long, in seconds, a gateway that takes nothing is waited for when no more lines come and nobody hurries."""

LEAST: Final = 0.5
"""How long, in seconds, it is waited for even where no time is left."""

FIRST: Final = 0.1
LONGEST: Final = 5.0
"""Seconds between two tries, at first and at most."""

Waiting = tuple[Release, bool, bool]
"""A release, whether its line was stripped of something, and whether of all but level, time and IDs."""

ONCE: Final = bytes(16)
"""The key of a record: no collector asks for it."""

_AFTER: Final = 30.0  # seconds, the longest pause that a gateway can ask for
_TICK: Final = 0.1
_BATCH: Final = 512
_COST: Final = 512  # what an object needs beside its bytes


def endpoint(address: str) -> str:
    """The URL of a local listener at `host:port`. Raises BadConfig unless that is on loopback."""
    host, _, port = address.rpartition(":")
    if not _is_loopback(host.removeprefix("[").removesuffix("]")) or not (
        port.isascii() and port.isdigit() and 0 < int(port) < 65536
    ):
        raise BadConfig("local: must be host:port on loopback, such as 127.0.0.1:4317")
    return f"http://{address}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Sent:
    """Sends records from a thread of its own. What doesn't fit into the queue while the gateway is away is dropped.

    Where nobody hurries, as with a file's lines, room is waited for as long as the gateway takes something.
    """

    shut: Loss | None = None

    def __init__(
        self,
        address: str,
        tally: Tally,
        *,
        left: Left | None = None,
        waiting: int = WAITING,
        patience: float = PATIENCE,
    ) -> None:
        """`address` is `host:port` on loopback, `left` how much time there is at the end; without it nobody hurries.

        Raises BadConfig.
        """
        self._endpoint = endpoint(address)
        self._tally = tally
        self._left_at_end = left
        self._room = waiting
        self._patience = patience
        self._settled_at = time.monotonic()
        self._queue: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._until: float | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, batch: Sequence[Kept]) -> None:
        """Queue a batch; what there is no room for is counted as dropped."""
        with self._changed:
            taken = 0
            for kept in batch:
                if self._has_room(cost := _cost(kept.release)):
                    self._room -= cost
                    self._queue.append((kept.release, kept.stripped, kept.bare))
                    taken += 1
            self._changed.notify_all()
        if taken < len(batch):
            self._tally.dropped(Loss.GATEWAY_AWAY, len(batch) - taken)

    def close(self) -> None:
        """Wait until all is sent, for some seconds at most; what is not is counted as dropped."""
        with self._changed:
            left = self._left_at_end and self._left_at_end()
            self._until = time.monotonic() + (self._patience if left is None else max(left, LEAST))
            self._changed.notify_all()
        self._thread.join()

    def _has_room(self, cost: int) -> bool:
        """Whether a record may wait.

        For room it is waited itself where nobody hurries, as long as the gateway takes something.
        """
        while cost > self._room and not self._left_at_end and self._patience_ends() > time.monotonic():
            self._changed.notify_all()
            self._changed.wait(_TICK)
        return cost <= self._room

    def _patience_ends(self) -> float:
        return self._settled_at + self._patience

    def _run(self) -> None:
        try:
            asyncio.run(self._send_all())
        except Exception:  # noqa: BLE001 its text may hold a value; what is still queued counts as dropped
            self._give_up(Loss.FAULT)
        else:
            self._give_up(Loss.GATEWAY_AWAY)

    def _give_up(self, loss: Loss) -> None:
        """Count what is queued as dropped, and take no more."""
        with self._changed:
            self._room = 0
            if self._queue:
                self._tally.dropped(loss, len(self._queue))
            self._queue.clear()

    async def _send_all(self) -> None:
        exporter, pause = Otlp(self._endpoint, compression="none"), FIRST
        while batch := await asyncio.to_thread(self._next):
            retry = await self._within(self._send(exporter, batch))
            if self._left() == 0.0:
                break
            pause = FIRST if retry is None else min(2 * pause, LONGEST)
            if retry is not None:
                await self._within(asyncio.sleep(max(pause / 2, min(retry.after or 0.0, _AFTER)), None))
        await exporter.close()

    async def _within(self, work: Coroutine[Any, Any, Retry | None]) -> Retry | None:
        """What some work comes to, unless time is up before."""
        task = asyncio.ensure_future(work)
        while not (await asyncio.wait({task}, timeout=_TICK))[0]:
            if self._left() == 0.0:
                task.cancel()
                return None
        return task.result()

    def _next(self) -> Sequence[Waiting]:
        """The next records, which stay in the queue until they fared; none when no more come."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._until is not None)
            return [self._queue[index] for index in range(min(_BATCH, len(self._queue)))]

    async def _send(self, exporter: Exporter, batch: Sequence[Waiting]) -> Retry | None:
        """Send a batch, and forget what needs no other try. If something does: when."""
        try:
            outcomes = await exporter.send([OutboxEntry(release, ONCE, b"", 0) for release, *_ in batch])
        except Retryable as error:
            return Retry(error.after)
        except Permanent as error:
            outcomes = [Rejected(error.reason)] * len(batch)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Retry):
                return outcome
            self._settle(waiting, outcome)
        return None

    def _settle(self, waiting: Waiting, outcome: Outcome) -> None:
        release, stripped, bare = waiting
        with self._changed:
            self._queue.popleft()
            self._room += _cost(release)
            self._settled_at = time.monotonic()
            self._changed.notify_all()
        if isinstance(outcome, Delivered):
            self._tally.passed(1, int(stripped), int(bare))
        else:
            self._tally.dropped(Loss.GATEWAY_REFUSED)

    def _left(self) -> float | None:
        """How many seconds are left, if no more records come."""
        if self._until is None:
            return None
        until = max(self._until, self._patience_ends()) if not self._left_at_end else self._until
        return max(0.0, until - time.monotonic())


def _cost(release: Release) -> int:
    return len(release.payload) + _COST
