"""What may leave, as OTLP to the gateway's local listener: a bounded queue, and as many tries as it takes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Sequence
from ipaddress import ip_address
from typing import Final

from gateway.batch_verdict import ReleaseBatch
from gateway.entry_batch import EntryBatch
from gateway.errors import BadConfig, Rejected, Retryable
from gateway.exporters.base import Delivered, Exporter, Outcome
from gateway.exporters.otlp.exporter import OtlpExporter
from gateway.model import Release
from gateway.pipe.file_descriptor import RemainingSeconds
from gateway.pipe.filter import KeptLine
from gateway.pipe.line_counts import DropReason, LineCounts

MAX_QUEUED_BYTES: Final = 8 * 1024 * 1024
"""The bytes of records that may wait for the gateway."""

STALL_SECONDS: Final = 5.0
"""How long, in seconds, a gateway that takes nothing is waited for when no more lines come and there is no hurry."""

MIN_CLOSE_SECONDS: Final = 0.5
"""How long, in seconds, it is waited for even where no time is left."""

MIN_RETRY_SECONDS: Final = 0.1
MAX_RETRY_SECONDS: Final = 5.0
"""Seconds between two tries, at first and at most."""

QueuedRecord = tuple[Release, bool, bool]
"""A release, whether its line was stripped of something, and whether of all but level, time and IDs."""

NO_IDEMPOTENCY_KEY: Final = bytes(16)
"""The key of a record: no collector asks for it."""

_MAX_RETRY_AFTER_SECONDS: Final = 30.0  # seconds, the longest pause that a gateway can ask for
_POLL_SECONDS: Final = 0.1
_MAX_BATCH_RECORDS: Final = 512
_RECORD_OVERHEAD_BYTES: Final = 512  # what an object needs beside its bytes


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


class OtlpSink:
    """Sends records from a thread of its own. What doesn't fit into the queue while the gateway is away is dropped.

    Where there is no hurry, as with a file's lines, room is waited for as long as the gateway takes something.
    """

    closed_by: DropReason | None = None

    def __init__(
        self,
        address: str,
        counts: LineCounts,
        *,
        remaining: RemainingSeconds | None = None,
        max_queued_bytes: int = MAX_QUEUED_BYTES,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        """`address` is `host:port` on loopback, `remaining` tells how much time is left; without it there is no hurry.

        Raises BadConfig.
        """
        self._endpoint = endpoint(address)
        self._counts = counts
        self._remaining = remaining
        self._free_bytes = max_queued_bytes
        self._stall_seconds = stall_seconds
        self._progress_at = time.monotonic()
        self._queue: deque[QueuedRecord] = deque()
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, batch: Sequence[KeptLine]) -> None:
        """Queue a batch; what there is no room for is counted as dropped."""
        with self._changed:
            taken = 0
            for kept in batch:
                if self._has_room(cost := _cost(kept.release)):
                    self._free_bytes -= cost
                    self._queue.append((kept.release, kept.stripped, kept.bare))
                    taken += 1
            self._changed.notify_all()
        if taken < len(batch):
            self._counts.count_dropped(DropReason.GATEWAY_AWAY, len(batch) - taken)

    def close(self) -> None:
        """Wait until all is sent, for some seconds at most; what is not is counted as dropped."""
        with self._changed:
            remaining = self._remaining and self._remaining()
            self._deadline = time.monotonic() + (
                self._stall_seconds if remaining is None else max(remaining, MIN_CLOSE_SECONDS)
            )
            self._changed.notify_all()
        self._thread.join()

    def _has_room(self, cost: int) -> bool:
        """Whether a record may wait.

        For room it is waited itself where there is no hurry, as long as the gateway takes something.
        """
        while cost > self._free_bytes and not self._remaining and self._stall_deadline() > time.monotonic():
            self._changed.notify_all()
            self._changed.wait(_POLL_SECONDS)
        return cost <= self._free_bytes

    def _stall_deadline(self) -> float:
        return self._progress_at + self._stall_seconds

    def _run(self) -> None:
        try:
            asyncio.run(self._send_all())
        except Exception:  # noqa: BLE001 its text may hold a value; what is still queued counts as dropped
            self._drop_queued(DropReason.FAULT)
        else:
            self._drop_queued(DropReason.GATEWAY_AWAY)

    def _drop_queued(self, reason: DropReason) -> None:
        """Count what is queued as dropped, and take no more."""
        with self._changed:
            self._free_bytes = 0
            if self._queue:
                self._counts.count_dropped(reason, len(self._queue))
            self._queue.clear()

    async def _send_all(self) -> None:
        exporter, pause = OtlpExporter(self._endpoint, compression="none"), MIN_RETRY_SECONDS
        while batch := await asyncio.to_thread(self._next):
            retry = await self._before_deadline(self._send(exporter, batch))
            if self._seconds_left() == 0.0:
                break
            pause = MIN_RETRY_SECONDS if retry is None else min(2 * pause, MAX_RETRY_SECONDS)
            if retry is not None:
                await self._before_deadline(
                    asyncio.sleep(max(pause / 2, min(retry.after or 0.0, _MAX_RETRY_AFTER_SECONDS)), None)
                )
        await exporter.close()

    async def _before_deadline(self, work: Awaitable[Retryable | None]) -> Retryable | None:
        """Return the result of some work, None if time is up before."""
        task = asyncio.ensure_future(work)
        while not (await asyncio.wait({task}, timeout=_POLL_SECONDS))[0]:
            if self._seconds_left() == 0.0:
                task.cancel()
                return None
        return task.result()

    def _next(self) -> Sequence[QueuedRecord]:
        """The next records, which stay in the queue until something became of them; none when no more come."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._deadline is not None)
            return [self._queue[index] for index in range(min(_MAX_BATCH_RECORDS, len(self._queue)))]

    async def _send(self, exporter: Exporter, batch: Sequence[QueuedRecord]) -> Retryable | None:
        """Send a batch and forget what needs no other try; return why and when the rest does."""
        try:
            outcomes = await exporter.send([_entries([release for release, *_ in batch])])
        except Retryable as error:
            return error
        except Rejected as error:
            outcomes = [error] * len(batch)
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Retryable):
                return outcome
            self._remove(waiting, outcome)
        return None

    def _remove(self, waiting: QueuedRecord, outcome: Outcome) -> None:
        release, stripped, bare = waiting
        with self._changed:
            self._queue.popleft()
            self._free_bytes += _cost(release)
            self._progress_at = time.monotonic()
            self._changed.notify_all()
        if isinstance(outcome, Delivered):
            self._counts.count_passed(1, int(stripped), int(bare))
        else:
            self._counts.count_dropped(DropReason.GATEWAY_REFUSED)

    def _seconds_left(self) -> float | None:
        """How many seconds are left, if no more records come."""
        if self._deadline is None:
            return None
        until = max(self._deadline, self._stall_deadline()) if not self._remaining else self._deadline
        return max(0.0, until - time.monotonic())


def _entries(releases: Sequence[Release]) -> EntryBatch:
    return EntryBatch(ReleaseBatch.of(releases), NO_IDEMPOTENCY_KEY * len(releases), [0] * len(releases))


def _cost(release: Release) -> int:
    return len(release.payload) + _RECORD_OVERHEAD_BYTES
