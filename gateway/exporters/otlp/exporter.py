"""OTLP over gRPC to a collector: what is sent, and what the answers mean.

How a request is put together: see `otlp/join.py`.

https://opentelemetry.io/docs/specs/otlp/#otlpgrpc
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress, islice
from typing import Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from gateway.entry_batch import EntryBatch
from gateway.errors import BadConfig, DeliveryReason, EndReason, ItemReason, Rejected, Retryable
from gateway.exporters.base import DELIVERED, BatchLimits, Outcome
from gateway.exporters.batching import send_bisecting
from gateway.exporters.otlp.endpoint import GrpcEndpoint
from gateway.otlp.join import is_joinable, join
from gateway.otlp.messages import RESPONSES
from gateway.otlp.signals import BY_ITEM, SIGNALS, Signal

log = logging.getLogger(__name__)

MAX_REQUEST_ITEMS: Final = 8192
MAX_REQUEST_BYTES: Final = 2 * 1024 * 1024
"""How large a request should get, before compression: half of what gRPC servers take by default."""

REJECTION_REASONS: Final[Mapping[grpc.StatusCode, EndReason]] = {
    grpc.StatusCode.INVALID_ARGUMENT: DeliveryReason.REJECTED,
    grpc.StatusCode.ALREADY_EXISTS: DeliveryReason.REJECTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ItemReason.TOO_LARGE,
}
"""Codes that blame what was sent; RESOURCE_EXHAUSTED does without RetryInfo only.

Others pass, or an operator can fix them.
"""

_COMPRESSION: Final = {"gzip": grpc.Compression.Gzip, "none": grpc.Compression.NoCompression}


class OtlpExporter:
    """Sends items of OTLP's signals to a collector over gRPC; takes no other type.

    A request for each signal, however large.

    A request that the collector blames is halved until the items at fault are alone.

    Guarantee: `delivered` means that the collector answered OK. At least once: a request whose answer got lost is sent
    again. Of a partial success OTLP doesn't say which records were rejected, and forbids sending any again: all are
    `delivered`, and `rejected` counts the loss.
    """

    def __init__(
        self, endpoint: str, *, compression: str = "gzip", timeout: float = 10.0, ca: str | None = None
    ) -> None:
        """`endpoint` is `https://host:port`, or `http://host:port` on loopback.

        `timeout`, in seconds, is a request's; `ca` a PEM file.

        Without `ca`, gRPC's own root certificates count. Nothing is connected before the first batch. Raises BadConfig.
        """
        if compression not in _COMPRESSION:
            raise BadConfig(f"compression: must be one of {', '.join(_COMPRESSION)}")
        self.limits = BatchLimits(max_items=MAX_REQUEST_ITEMS, max_bytes=MAX_REQUEST_BYTES)
        self._collector = CollectorClient(GrpcEndpoint.parse(endpoint, ca), _COMPRESSION[compression], timeout)
        self._senders = {signal: SignalSender(signal, self._collector) for signal in SIGNALS}

    @property
    def rejected(self) -> Mapping[str, int]:
        """Log records, spans and data points, by signal, that the collector rejected while it took others."""
        return {signal.name: sender.rejected for signal, sender in self._senders.items()}

    async def send(self, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
        """Send items: delivered is what the collector took, rejected what it blames, and what is no signal's item.

        Signals go one after the other, each on its own account.
        """
        if self._collector.closed:
            raise Retryable
        sent = {name: await self._send_type(name, batches) for name in dict.fromkeys(map(_type, batches))}
        if len(sent) == 1:
            return next(iter(sent.values()))
        rest = {name: iter(outcomes) for name, outcomes in sent.items()}
        return [outcome for batch in batches for outcome in islice(rest[_type(batch)], len(batch))]

    async def _send_type(self, name: str, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
        """Send the items of one type and return their outcomes."""
        items = [payload for batch in batches if _type(batch) == name for payload in batch.releases.payloads]
        if name not in BY_ITEM:
            return [Rejected(ItemReason.UNKNOWN_TYPE)] * len(items)
        return await self._senders[BY_ITEM[name]].send(items)

    async def close(self) -> None:
        """Close the connection; requests under way are cancelled, and raise Retryable."""
        await self._collector.close()


def _type(batch: EntryBatch) -> str:
    return batch.releases.type


class CollectorClient:
    """One collector's methods, by a connection that is made when first needed."""

    def __init__(self, endpoint: GrpcEndpoint, compression: grpc.Compression, timeout_seconds: float) -> None:
        self.target = endpoint.target
        self.closed = False
        self._endpoint = endpoint
        self._compression = compression
        self._timeout = timeout_seconds
        self._channel: grpc.aio.Channel | None = None
        self._export_methods: Mapping[Signal, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}

    async def export(self, signal: Signal, request: bytes) -> bytes:
        """Send a request and return the response. Raises AioRpcError; Retryable if this is closed, or is meanwhile."""
        # Bytes in, bytes out: an answer that can't be read shall be ours to judge, not gRPC's.
        if self.closed:
            raise Retryable
        if self._channel is None:
            self._channel = self._endpoint.channel()
            self._export_methods = {signal: self._channel.unary_unary(signal.method) for signal in SIGNALS}
        method = self._export_methods[signal]
        try:
            return await method(request, timeout=self._timeout, compression=self._compression)
        except asyncio.CancelledError:
            if not self.closed or _is_cancelled():
                raise
            raise Retryable from None

    async def close(self) -> None:
        """Close the connection."""
        self.closed = True
        if self._channel is not None:
            await self._channel.close()


class SignalSender:
    """Sends items of one signal, and reads what a collector says of them."""

    def __init__(self, signal: Signal, collector: CollectorClient) -> None:
        self.rejected = 0
        self._signal = signal
        self._collector = collector
        self._last_code = grpc.StatusCode.OK

    async def send(self, items: Sequence[bytes]) -> Sequence[Outcome]:
        """Send items and return the outcome of each."""
        try:
            return await send_bisecting(self.send_request, items)
        except DecodeError:
            # One that can't be read is no fault of the others.
            joinable = [*map(is_joinable, items)]
        sent = iter(await send_bisecting(self.send_request, [*compress(items, joinable)]) if any(joinable) else ())
        return [next(sent) if fits else Rejected(ItemReason.MALFORMED) for fits in joinable]

    async def send_request(self, items: Sequence[bytes]) -> Sequence[Outcome]:
        """Send one request. Raises Retryable and Rejected of it all, and DecodeError for an item that can't be read."""
        request = join(items)
        try:
            response = await self._collector.export(self._signal, request)
        except grpc.aio.AioRpcError as error:
            raise self._outcome_of(error) from None
        self._record_status(grpc.StatusCode.OK)
        self._read_response(response)
        return [DELIVERED] * len(items)

    def _outcome_of(self, error: grpc.aio.AioRpcError) -> Retryable | Rejected:
        outcome = outcome_of_status(error.code(), error.trailing_metadata())
        if isinstance(outcome, Retryable):
            self._record_status(error.code())
        return outcome

    def _read_response(self, response: bytes) -> None:
        """Count what a collector rejected while it took others. Raises Retryable where that can't be read."""
        try:
            partial = RESPONSES[self._signal].FromString(response).partial_success
        except DecodeError:
            raise Retryable from None
        rejected = getattr(partial, f"rejected_{self._signal.records}")
        if rejected > 0:
            self._count_rejected(rejected)

    def _count_rejected(self, rejected: int) -> None:
        # As the total doubles: a collector that keeps rejecting shall not fill the log.
        before = self.rejected
        self.rejected += rejected
        if before.bit_length() < self.rejected.bit_length():
            records = self._signal.records.replace("_", " ")
            log.warning("%s rejected %d %s so far", self._collector.target, self.rejected, records)

    def _record_status(self, code: grpc.StatusCode) -> None:
        # Once, until the answer changes.
        if code is not self._last_code:
            level = logging.INFO if code is grpc.StatusCode.OK else logging.WARNING
            log.log(level, "%s answers %s to %s", self._collector.target, code.name, self._signal.name)
        self._last_code = code


def _is_cancelled() -> bool:
    """Whether it is the running task that is cancelled, rather than what it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def outcome_of_status(
    code: grpc.StatusCode, trailers: Iterable[tuple[str, str | bytes]] | None
) -> Retryable | Rejected:
    """Return what a status other than OK means for all that was sent. Its text is not looked at."""
    info = _retry_info(trailers)
    if code not in REJECTION_REASONS or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and info is not None):
        return Retryable(after=_seconds(info))
    return Rejected(REJECTION_REASONS[code])


def _seconds(info: RetryInfo | None) -> float | None:
    if info is None or not info.HasField("retry_delay"):
        return None
    seconds: float = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
    return max(0.0, seconds)


def _retry_info(trailers: Iterable[tuple[str, str | bytes]] | None) -> RetryInfo | None:
    for key, value in trailers or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            return _unpacked(value)
    return None


def _unpacked(status: bytes) -> RetryInfo | None:
    info = RetryInfo()
    try:
        return info if any(detail.Unpack(info) for detail in Status.FromString(status).details) else None
    except DecodeError:
        return None
