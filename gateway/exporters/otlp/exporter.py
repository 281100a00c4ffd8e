"""OTLP over gRPC to a collector: what is sent, and what the answers mean.

How a request is put together is `join.py`'s.

https://opentelemetry.io/docs/specs/otlp/#otlpgrpc
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import compress
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from gateway.errors import BadConfig, CallReason, DeliveryReason, ItemReason, Reason, Retryable
from gateway.exporters.base import DELIVERED, BatchLimits, Outcome, Rejected, Retry, indices_by_type
from gateway.exporters.batching import send_bisecting
from gateway.exporters.otlp.endpoint import GrpcEndpoint
from gateway.exporters.otlp.join import is_joinable, join
from gateway.model import OutboxEntry
from gateway.signals import BY_ITEM, LOGS, METRICS, SIGNALS, TRACES, Signal

log = logging.getLogger(__name__)

MAX_REQUEST_ITEMS: Final = 8192
MAX_REQUEST_BYTES: Final = 2 * 1024 * 1024
"""How large a request should get, before compression: half of what gRPC servers take by default."""

REJECTION_REASONS: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: DeliveryReason.REJECTED,
    grpc.StatusCode.ALREADY_EXISTS: DeliveryReason.REJECTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ItemReason.TOO_LARGE,
}
"""Codes that blame what was sent; RESOURCE_EXHAUSTED does without RetryInfo only.

Others pass, or an operator can mend them.
"""

_COMPRESSION: Final = {"gzip": grpc.Compression.Gzip, "none": grpc.Compression.NoCompression}


_RESPONSES: Final[Mapping[Signal, type[Any]]] = {
    LOGS: ExportLogsServiceResponse,
    TRACES: ExportTraceServiceResponse,
    METRICS: ExportMetricsServiceResponse,
}


class OtlpExporter:
    """Sends items of OTLP's signals to a collector over gRPC; takes no other type.

    A request for each signal in a batch, however large.

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
        self._endpoint = GrpcEndpoint.parse(endpoint, ca)
        self._compression = _COMPRESSION[compression]
        self._timeout = timeout
        self._channel: grpc.aio.Channel | None = None
        self._export_methods: Mapping[Signal, Any] = {}
        self._closed = False
        self._last_codes = dict.fromkeys(SIGNALS, grpc.StatusCode.OK)
        self.rejected = {signal.name: 0 for signal in SIGNALS}
        """Log records, spans and data points, by signal, that the collector rejected while it took others."""

    async def send(self, batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
        """Delivered what the collector took; Rejected what it blames, and what holds no signal's item; Retry all else.

        Signals go one after the other, each on its own account.
        """
        if self._closed:
            raise Retryable(CallReason.UNAVAILABLE)
        outcomes: list[Outcome] = [Rejected(ItemReason.UNKNOWN_TYPE)] * len(batch)
        for name, places in indices_by_type(batch).items():
            if name in BY_ITEM:
                fates = await self._send_items(BY_ITEM[name], [batch[place].release.payload for place in places])
                for place, fate in zip(places, fates, strict=True):
                    outcomes[place] = fate
        return outcomes

    async def close(self) -> None:
        """Close the connection; requests under way are cancelled, and Retry."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    async def _send_items(self, signal: Signal, items: Sequence[bytes]) -> Sequence[Outcome]:
        ask = partial(self._send_or_reason, signal)
        try:
            return await send_bisecting(ask, items)
        except DecodeError:
            # One that can't be read is no fault of the others.
            sound = [*map(is_joinable, items)]
        fates = iter(await send_bisecting(ask, [*compress(items, sound)]) if any(sound) else ())
        return [next(fates) if readably else Rejected(ItemReason.MALFORMED) for readably in sound]

    async def _send_or_reason(self, signal: Signal, items: Sequence[bytes]) -> Sequence[Outcome] | Reason:
        fate = await self._send_request(signal, join(items))
        return fate if isinstance(fate, Reason) else [fate] * len(items)

    async def _send_request(self, signal: Signal, request: bytes) -> Outcome | Reason:
        if self._closed:
            return Retry()
        try:
            answer = await self._call(signal, request)
        except grpc.aio.AioRpcError as error:
            return self._classify_error(signal, error)
        except asyncio.CancelledError:
            if not self._closed or _is_cancelled():
                raise
            return Retry()
        self._record_status(signal, grpc.StatusCode.OK)
        return self._accepted(signal, answer)

    async def _call(self, signal: Signal, request: bytes) -> bytes:
        # Bytes in, bytes out: an answer that can't be read shall be ours to judge, not gRPC's.
        if self._channel is None:
            self._channel = self._endpoint.channel()
            self._export_methods = {signal: self._channel.unary_unary(signal.method) for signal in SIGNALS}
        answer: bytes = await self._export_methods[signal](
            request, timeout=self._timeout, compression=self._compression
        )
        return answer

    def _classify_error(self, signal: Signal, error: grpc.aio.AioRpcError) -> Retry | Reason:
        fate = classify_status(error.code(), error.trailing_metadata())
        if not isinstance(fate, Reason):
            self._record_status(signal, error.code())
        return fate

    def _accepted(self, signal: Signal, answer: bytes) -> Outcome:
        try:
            partial = _RESPONSES[signal].FromString(answer).partial_success
        except DecodeError:
            return Retry()
        rejected = getattr(partial, f"rejected_{signal.records}")
        if rejected > 0:
            self._count_rejected(signal, rejected)
        return DELIVERED

    def _count_rejected(self, signal: Signal, rejected: int) -> None:
        # As the total doubles: a collector that keeps rejecting shall not fill the log.
        before = self.rejected[signal.name]
        total = self.rejected[signal.name] = before + rejected
        if before.bit_length() < total.bit_length():
            log.warning("%s rejected %d %s so far", self._endpoint.target, total, signal.records.replace("_", " "))

    def _record_status(self, signal: Signal, code: grpc.StatusCode) -> None:
        # Once, until the answer changes.
        if code is not self._last_codes[signal]:
            level = logging.INFO if code is grpc.StatusCode.OK else logging.WARNING
            log.log(level, "%s answers %s to %s", self._endpoint.target, code.name, signal.name)
        self._last_codes[signal] = code


def _is_cancelled() -> bool:
    """Whether it is the running task that is cancelled, rather than what it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def classify_status(code: grpc.StatusCode, trailers: Iterable[tuple[str, str | bytes]] | None) -> Retry | Reason:
    """What an answer other than OK means for all that was sent: not now, or a reason why not as it is.

    Its text is not looked at.
    """
    info = _retry_info(trailers)
    if code not in REJECTION_REASONS or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and info is not None):
        return Retry(_seconds(info))
    return REJECTION_REASONS[code]


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
