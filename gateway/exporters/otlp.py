"""OTLP over gRPC to a collector: what is sent, and what the answers mean. How a request is put together is `regroup.py`'s.

https://opentelemetry.io/docs/specs/otlp/#otlpgrpc
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from gateway.errors import BadConfig, Reason, Retryable
from gateway.exporters.base import DELIVERED, LOGS, Outcome, Rejected, Retry
from gateway.exporters.endpoint import Endpoint
from gateway.exporters.regroup import regroup
from gateway.model import Release

log = logging.getLogger(__name__)

METHOD: Final = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"

REQUEST_BYTES: Final = 2 * 1024 * 1024
"""How large a request gets, before compression: half of what gRPC servers take by default."""

RETRYABLE: Final = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""Codes that allow another try. RESOURCE_EXHAUSTED does with RetryInfo only."""

_COMPRESSION: Final = {"gzip": grpc.Compression.Gzip, "none": grpc.Compression.NoCompression}


class Otlp:
    """Sends log records to an OTLP collector over gRPC; takes no other type.

    Guarantee: `delivered` means that the collector answered OK. At least once: a request whose answer got lost is sent again.
    Of a partial success OTLP doesn't say which records were rejected, and forbids sending any again: all are `delivered`, and
    `rejected` counts the loss.
    """

    def __init__(
        self, endpoint: str, *, compression: str = "gzip", timeout: float = 10.0, ca: str | None = None, request_bytes: int = REQUEST_BYTES
    ) -> None:
        """`endpoint` is `https://host:port`, or `http://host:port` on loopback; `timeout`, in seconds, is a request's; `ca` a PEM file.

        Without `ca`, gRPC's own root certificates count. Nothing is connected before the first batch. Raises BadConfig.
        """
        if compression not in _COMPRESSION:
            raise BadConfig(f"compression: must be one of {', '.join(_COMPRESSION)}")
        self._endpoint = Endpoint.parse(endpoint, ca)
        self._compression = _COMPRESSION[compression]
        self._timeout = timeout
        self._request_bytes = request_bytes
        self._channel: grpc.aio.Channel | None = None
        self._export: Any = None
        self._closed = False
        self._last = grpc.StatusCode.OK
        self.rejected = 0
        """Records that the collector rejected while it took others."""

    async def send(self, batch: Sequence[Release]) -> Sequence[Outcome]:
        """Delivered what the collector took; Retry by OTLP's rules; Rejected otherwise, and every release that is no log record."""
        if self._closed:
            raise Retryable(Reason.UNAVAILABLE)
        fates = iter(await self._send_logs([release for release in batch if release.type == LOGS]))
        return [next(fates) if release.type == LOGS else Rejected(Reason.UNKNOWN_TYPE) for release in batch]

    async def close(self) -> None:
        """Close the connection; requests under way are cancelled."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    async def _send_logs(self, logs: Sequence[Release]) -> Sequence[Outcome]:
        """One request after the other, in order; the first that can't be taken now ends it."""
        outcomes: list[Outcome] = []
        for part in parts(logs, self._request_bytes):
            outcome = await self._send_part(part)
            outcomes += [outcome] * len(part)
            if isinstance(outcome, Retry):
                return outcomes + [outcome] * (len(logs) - len(outcomes))
        return outcomes

    async def _send_part(self, part: Sequence[Release]) -> Outcome:
        try:
            answer = await self._call(regroup([release.payload for release in part]))
        except DecodeError:
            return Rejected(Reason.MALFORMED)
        except grpc.aio.AioRpcError as error:
            self._note(error.code())
            return judge(error.code(), error.trailing_metadata())
        self._note(grpc.StatusCode.OK)
        return self._taken(answer)

    async def _call(self, request: bytes) -> bytes:
        # Bytes in, bytes out: an answer that can't be read shall be ours to judge, not gRPC's.
        if self._channel is None:
            self._channel = self._endpoint.channel()
            self._export = self._channel.unary_unary(METHOD)
        answer: bytes = await self._export(request, timeout=self._timeout, compression=self._compression)
        return answer

    def _taken(self, answer: bytes) -> Outcome:
        try:
            rejected = ExportLogsServiceResponse.FromString(answer).partial_success.rejected_log_records
        except DecodeError:
            return Retry()
        if rejected > 0:
            # As the total doubles: a collector that keeps rejecting shall not fill the log.
            before, self.rejected = self.rejected, self.rejected + rejected
            if before.bit_length() < self.rejected.bit_length():
                log.warning("%s rejected %d log records so far", self._endpoint.target, self.rejected)
        return DELIVERED

    def _note(self, code: grpc.StatusCode) -> None:
        # Once, until the answer changes.
        if code is not self._last:
            log.log(logging.INFO if code is grpc.StatusCode.OK else logging.WARNING, "%s answers %s", self._endpoint.target, code.name)
        self._last = code


def parts(logs: Sequence[Release], size: int) -> Iterator[Sequence[Release]]:
    """Cut a batch, in order, so that each part makes a request of at most `size` bytes; a release larger than that stands alone."""
    part: list[Release] = []
    left = size
    for release in logs:
        # Its tag and its length, which has at most five bytes.
        needed = len(release.payload) + 6
        if part and needed > left:
            yield part
            part, left = [], size
        part.append(release)
        left -= needed
    if part:
        yield part


def judge(code: grpc.StatusCode, trailers: Iterable[tuple[str, str | bytes]] | None) -> Outcome:
    """What an answer other than OK means for what was sent. Its text is not looked at."""
    info = _retry_info(trailers)
    if code in RETRYABLE or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and info is not None):
        return Retry(_seconds(info))
    return Rejected(Reason.TOO_LARGE if code is grpc.StatusCode.RESOURCE_EXHAUSTED else Reason.INTERNAL)


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
