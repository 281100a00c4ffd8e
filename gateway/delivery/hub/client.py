"""From an agent to its hub: what is handed over is the hub's once it says so. See `stream.py` for a stream."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from typing import Final

import grpc
import grpc.aio

from gateway.config import Hub
from gateway.delivery.hub.encoding import ENTRY_BYTES, counted_bytes
from gateway.delivery.hub.status import HubStatus
from gateway.delivery.hub.stream import AWAY_RETRY_SECONDS, HubStream, Unacknowledged
from gateway.entry_batch import EntryBatch
from gateway.errors import CallReason, ItemReason, Refused, Retryable
from gateway.exporters.batching import chunks
from gateway.telemetry.counts import Counts

MAX_PENDING_ENTRIES: Final = 65_536
MAX_PENDING_BYTES: Final = 64 * 1024 * 1024
"""What may be in flight at once: entries, and bytes of them."""

MAX_GROUP_BYTES: Final = 15 * 1024 * 1024
"""Bytes of a group, at most, and so of all releases of one item: a hub takes messages of 16 MiB."""

MAX_STREAM_SECONDS: Final = 600.0
"""How long a stream is used, in seconds; a hub ends connections by their age, and would cut it off."""

BASE_RECONNECT_SECONDS: Final = 0.1
MAX_RECONNECT_SECONDS: Final = 3.0
"""For how long a hub that can't be reached is left alone, in seconds."""

FULL_RETRY_SECONDS: Final = 1.0

KEEP_OPEN_SECONDS: Final = 5.0
"""How often a stream is opened where none is open, in seconds, on average."""

REACH_SECONDS: Final = 1.0
"""The same while the hub is away."""

_CHANNEL_OPTIONS: Final = (
    ("grpc.primary_user_agent", "kannelle-privacy-gateway"),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 3_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_send_message_length", -1),
    # No proxy of the environment comes between.
    ("grpc.enable_http_proxy", 0),
)


def reconnect_delay(failures: int, jitter: float) -> float:
    """Return for how many seconds a hub is left alone after failures in a row."""
    return jitter * min(MAX_RECONNECT_SECONDS, BASE_RECONNECT_SECONDS * 2.0 ** min(failures, 16))


class HubClient:
    """Hands entries to a hub over one stream at a time, by mutual TLS."""

    def __init__(
        self, hub: Hub, credentials: Callable[[], tuple[int, grpc.ChannelCredentials]], counts: Counts | None = None
    ) -> None:
        """`credentials` come with the generation of the certificate: with another one, another stream is opened."""
        self.status = HubStatus(counts or Counts())
        self._hub = hub
        self._credentials = credentials
        self._stream: HubStream | None = None
        self._generation = -1
        self._opened_at = self._retry_at = 0.0
        self._failures = 0
        self._items = self._bytes = 0
        self._draining: set[asyncio.Task[None]] = set()
        self._closed = False
        self._keep_open_task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Keep a stream open from now on.

        A hub that is away, or lets nobody in, is known before there is something to hand over.
        """
        self._keep_open_task = asyncio.create_task(self._keep_open())

    async def _keep_open(self) -> None:
        while True:
            with suppress(Retryable):
                self._current_stream()
            pause = KEEP_OPEN_SECONDS if self.status.is_up else REACH_SECONDS
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - jitter

    async def accept(self, batches: Sequence[EntryBatch], within: float | None = None) -> None:
        """Return when the hub has stored all. What is larger than a group is sent as several, whole items each.

        Raises Unacknowledged when the hub doesn't say so within as many seconds, else within the configured ones: it
        may have stored them; Retryable FULL when too much is in flight; what the hub says else; Refused TOO_LARGE for
        an item that is.
        """
        groups = groups_of(batches)
        count, size = sum(map(len, batches)), counted_bytes(batches)
        if self._items and (self._items + count > MAX_PENDING_ENTRIES or self._bytes + size > MAX_PENDING_BYTES):
            raise Retryable(CallReason.FULL, FULL_RETRY_SECONDS)
        self._items, self._bytes = self._items + count, self._bytes + size
        try:
            await self._send_groups(groups, self._hub.timeout if within is None else within)
        finally:
            self._items, self._bytes = self._items - count, self._bytes - size

    def stores(self, destinations: Collection[str]) -> bool:  # noqa: ARG002 - as `Delivery` has it
        """Nothing is stored here."""
        return False

    async def drained(self) -> None:
        """Return at once: nothing is stored here."""

    async def close(self, within: float) -> None:
        """Take no more, and wait for what is in flight."""
        self._closed = True
        if self._keep_open_task is not None:
            self._keep_open_task.cancel()
        if self._stream is not None:
            self._drain(self._stream, within)
        if self._draining:
            await asyncio.wait(self._draining)

    async def _send_groups(self, groups: Sequence[Sequence[EntryBatch]], within: float) -> None:
        stream, begun = self._current_stream(), time.monotonic()
        try:
            results = await asyncio.wait_for(asyncio.gather(*map(stream.send, groups), return_exceptions=True), within)
        except TimeoutError:
            if stream.heard_at < begun:
                stream.abort()
            raise Unacknowledged(AWAY_RETRY_SECONDS) from None
        if stream.acknowledged:
            self._failures = 0
        _raise_first([result for result in results if isinstance(result, Exception)])

    def _current_stream(self) -> HubStream:
        """Return the stream to use, a new one where the last has ended, is old, or has an old certificate.

        Raises Unacknowledged.
        """
        if self._closed:
            raise Unacknowledged(AWAY_RETRY_SECONDS)
        if self._stream is not None and self._stream.ended:
            self._back_off(self._stream)
            self._stream = None
        now = time.monotonic()
        if now < self._retry_at:
            raise Unacknowledged(self._retry_at - now)
        return self._open_stream(now)

    def _back_off(self, stream: HubStream) -> None:
        """Leave the hub alone for a while, from the moment when the stream ended."""
        self._failures = 0 if stream.acknowledged else self._failures + 1
        self._retry_at = stream.ended_at + reconnect_delay(self._failures, random.random())  # noqa: S311 - jitter

    def _open_stream(self, now: float) -> HubStream:
        generation, credentials = self._credentials()
        if self._stream is not None and (generation != self._generation or now - self._opened_at > MAX_STREAM_SECONDS):
            self._drain(self._stream, self._hub.timeout)
            self._stream = None
        if self._stream is None:
            self._generation, self._opened_at = generation, now
            self._stream = HubStream(
                grpc.aio.secure_channel(f"dns:///{self._hub.address}", credentials, options=_CHANNEL_OPTIONS),
                self.status,
            )
        return self._stream

    def _drain(self, stream: HubStream, within: float) -> None:
        task = asyncio.create_task(stream.close(within))
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)


def _raise_first(errors: Sequence[Exception]) -> None:
    """Raise one of the errors of several groups: a Retryable if there is one, for sending again helps then."""
    if errors:
        raise min(errors, key=lambda error: not isinstance(error, Retryable))


def groups_of(batches: Sequence[EntryBatch]) -> Sequence[Sequence[EntryBatch]]:
    """Return the groups that entries are sent in: one if that isn't too large, else groups of whole items.

    Releases of one item have one time of receipt, in whatever batches they are. With groups of 15 MiB at most and items
    A of 10 MiB (for two destinations), B of 4 MiB and C of 6 MiB: [[A, B], [A]], [[C]]. Raises Refused TOO_LARGE for an
    item that no message holds.
    """
    if 0 < counted_bytes(batches) <= MAX_GROUP_BYTES:
        return [batches]
    sizes = dict[int, int]()
    for batch in batches:
        for payload, received_ns in zip(batch.releases.payloads, batch.received_ns, strict=True):
            sizes[received_ns] = sizes.get(received_ns, 0) + len(payload) + ENTRY_BYTES
    if any(size > MAX_GROUP_BYTES for size in sizes.values()):
        raise Refused(ItemReason.TOO_LARGE)
    times = list(sizes)
    ranges = chunks([*sizes.values()], len(sizes), MAX_GROUP_BYTES)
    return [list(_received_at({times[at] for at in found}, batches)) for found in ranges]


def _received_at(times: Collection[int], batches: Sequence[EntryBatch]) -> Iterator[EntryBatch]:
    """Yield what of batches was received at these times."""
    for batch in batches:
        places = [place for place, received_ns in enumerate(batch.received_ns) if received_ns in times]
        if places:
            yield batch.select(places)
