"""One stream from an agent to its hub: groups of entries out, acknowledgements in.

See `client.py` for when another is opened.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from kannelle.privacy.v1 import delivery_pb2, receipt_pb2

from gateway.causes import cause_of
from gateway.delivery.hub.encoding import TAKES_BATCHES, counted_bytes, encode_group
from gateway.delivery.hub.status import HubStatus
from gateway.entry_batch import EntryBatch
from gateway.errors import CallReason, Cause, ItemReason, Reason, RefusalReason, Refused, Retryable

if TYPE_CHECKING:
    Call = grpc.aio.StreamStreamCall[bytes, bytes]

METHOD: Final = "/kannelle.privacy.v1.DeliveryService/Accept"

MAX_REQUEST_BYTES: Final = 1024 * 1024
"""How large a request gets, unless one group is larger."""

AWAY_RETRY_SECONDS: Final = 1.0
"""When a caller is told to come again while the hub is away, in seconds, unless it is left alone for another while."""

_REASON_PREFIX: Final = "REASON_"


class Unacknowledged(Retryable):
    """The hub is away, or didn't say what became of it: it may have stored it."""

    def __init__(self, after: float) -> None:
        super().__init__(CallReason.UNAVAILABLE, after)


class HubStream:
    """A stream, open from its making on. Once it has ended, for whatever reason, nothing more can be sent over it."""

    def __init__(self, channel: grpc.aio.Channel, status: HubStatus) -> None:
        """Close the channel when the stream ends. `status` hears how the hub is."""
        self._status = status
        self.acknowledged = False
        """Whether the hub has acknowledged something, and not fallen silent since."""
        self.heard_at = self.ended_at = time.monotonic()
        """When the hub was last heard, and when the stream ended, in seconds of a clock that nobody sets."""
        self.code = grpc.StatusCode.OK
        """What the stream ended with."""
        self._channel = channel
        self._waiting: OrderedDict[int, Sequence[EntryBatch]] = OrderedDict()
        """Groups that aren't on their way, by their IDs. What they are as bytes depends on the hub at the other end."""
        self._takes_batches = False
        self._open: dict[int, asyncio.Future[None]] = {}
        self._next = 1
        self._work = asyncio.Event()
        self._let_in = asyncio.Event()
        self._draining = False
        self._task = asyncio.create_task(self._run())

    @property
    def ended(self) -> bool:
        """Whether it has ended, or takes no more."""
        return self._draining or self._task.done()

    def send(self, batches: Sequence[EntryBatch]) -> asyncio.Future[None]:
        """Send a group; done when the hub has stored it. Raises Retryable and Refused then, as the hub says.

        One that is cancelled before it is on its way isn't sent.
        """
        number, self._next = self._next, self._next + 1
        self._waiting[number] = batches
        stored = self._open[number] = asyncio.get_running_loop().create_future()
        stored.add_done_callback(partial(self._forget, number))
        self._work.set()
        return stored

    def abort(self) -> None:
        """End now: the hub has fallen silent."""
        self.acknowledged, self._draining, self.code = False, True, grpc.StatusCode.DEADLINE_EXCEEDED
        self.ended_at = time.monotonic()
        self._status.failed(Cause.UPSTREAM_TIMEOUT)
        self._task.cancel()

    async def close(self, grace_seconds: float) -> None:
        """Send nothing new, and end once all is acknowledged or `grace_seconds` have passed."""
        self._draining = True
        self._work.set()
        _, late = await asyncio.wait([self._task], timeout=grace_seconds)
        if late:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            call: Call = self._channel.stream_stream(METHOD)()
            reading, writing = asyncio.create_task(self._read(call)), asyncio.create_task(self._write(call))
            try:
                await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
                # Nothing is left to write, or it can't be written: either way the hub says what comes of it.
                await reading
            finally:
                call.cancel()
                for task in (reading, writing):
                    task.cancel()
                await asyncio.gather(reading, writing, return_exceptions=True)
        finally:
            self.ended_at = time.monotonic()
            self._fail_open_groups()
            await self._channel.close()

    async def _write(self, call: Call) -> None:
        """Write nothing before the hub lets the agent in, or a refusal could be lost.

        gRPC forgets the status of a call that ends while a message is being written. Whatever it says of a stream that
        has ended is no more than that: the reader ends too.
        """
        await self._let_in.wait()
        with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError, grpc.aio.UsageError):
            while True:
                await self._work.wait()
                if self._waiting:
                    await call.write(self._request())
                elif self._draining:
                    await call.done_writing()
                    return
                else:
                    self._work.clear()

    def _request(self) -> bytes:
        """Return one request of what waits: groups, one behind the other."""
        groups: list[bytes] = []
        size = 0
        while self._waiting:
            number, batches = next(iter(self._waiting.items()))
            if groups and size + counted_bytes(batches) > MAX_REQUEST_BYTES:
                break
            del self._waiting[number]
            groups.append(self._encoded(number, batches))
            size += len(groups[-1])
        return b"".join(groups)

    def _encoded(self, number: int, batches: Sequence[EntryBatch]) -> bytes:
        """Return a group as bytes; nothing for one of which none can be made, which fails alone."""
        try:
            return encode_group(number, batches, takes_batches=self._takes_batches)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this group's
            stored = self._open.get(number)
            if stored is not None and not stored.done():
                stored.set_exception(error)
            return b""

    async def _read(self, call: Call) -> None:
        with suppress(DecodeError):
            try:
                # A hub says at once that it lets an agent in.
                metadata = await call.initial_metadata()
                if not call.done():
                    self._takes_batches = TAKES_BATCHES in tuple(metadata)
                    self._status.reached()
                    self._let_in.set()
                async for raw in call:
                    self._acknowledge(delivery_pb2.AcceptResponse.FromString(raw).acknowledgements)
            except grpc.aio.AioRpcError as error:
                self.code = error.code()
                self._status.failed(_cause(error))

    def _acknowledge(self, acknowledgements: Iterable[delivery_pb2.Acknowledgement]) -> None:
        self.acknowledged, self.heard_at = True, time.monotonic()
        self._status.reached()
        for one in acknowledgements:
            stored = self._open.get(one.id)
            if stored is None or stored.done():
                continue
            if (error := _error(one)) is None:
                stored.set_result(None)
            else:
                stored.set_exception(error)

    def _forget(self, number: int, _: asyncio.Future[None]) -> None:
        """Drop a group that nobody waits for any more."""
        self._open.pop(number, None)
        self._waiting.pop(number, None)

    def _fail_open_groups(self) -> None:
        """Fail what isn't acknowledged, stored or not: sending it again, under its keys, does no harm."""
        for stored in self._open.values():
            if not stored.done():
                stored.set_exception(Unacknowledged(AWAY_RETRY_SECONDS))


_REASONS: Final[Mapping[int, RefusalReason]] = {
    receipt_pb2.Reason.Value(f"{_REASON_PREFIX}{reason}"): reason
    for kind in (ItemReason, CallReason)
    for reason in kind
}
"""The reasons that a hub may give, by their numbers."""


def _error(one: delivery_pb2.Acknowledgement) -> Exception | None:
    """Return the error that an acknowledgement stands for; an unknown reason is INTERNAL."""
    if one.reason == receipt_pb2.REASON_UNSPECIFIED:
        return None
    reason = _REASONS.get(one.reason, CallReason.INTERNAL)
    if one.HasField("retry_after"):
        return Retryable(reason, max(0.0, one.retry_after.ToNanoseconds() / 1e9))
    return Refused(reason)


_REFUSAL_REASONS: Final = {
    grpc.StatusCode.PERMISSION_DENIED: CallReason.CALLER_NOT_ALLOWED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: CallReason.FULL,
    grpc.StatusCode.UNIMPLEMENTED: CallReason.UNKNOWN_METHOD,
}
"""What a hub says that refuses a stream, by its code."""


def _cause(error: grpc.aio.AioRpcError) -> Cause | Reason:
    """Return why a stream ended."""
    if (refusal := _REFUSAL_REASONS.get(error.code())) is not None:
        return refusal
    return cause_of(error.code(), error.details() or "", ready=False, tls=True) or Cause.UPSTREAM_FAILED
