"""OTLP/gRPC, from the unmodified OpenTelemetry SDK and from generated messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from gateway.errors import CallReason, EndReason, ItemReason
from gateway.model import OutboxEntry
from gateway.otlp import signals
from gateway.otlp.messages import RESPONSES
from gateway.otlp.signals import Signal
from gateway.receivers.statuses import DEFAULT_RETRY_SECONDS, DOMAIN, STATUS
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS, CallStatus
from tests.support.fake_delivery import FakeDelivery
from tests.support.requests import LOGS, PROFILES, field, logs_request, nested
from tests.support.running_gateway import RunningGateway, run_gateway

LOGS_OF_A_VENDOR: Final = """
version: 1
controller: Check it Out S.A.S.
user_id: {pattern: "usr_[A-Za-z0-9]{1,32}"}
ceilings:
  FR: [USER_ID, WORK_EMAIL, OPERATIONAL]
destinations:
  vendor:
    recipient: vendor
    region: FR
    purpose: analytics
    legal_basis: CONTRACT
    allow: [USER_ID, WORK_EMAIL, OPERATIONAL]
    retention: 30d
flows:
  otlp/logs: [vendor]
otlp:
  attributes: {user.id: USER_ID, user.email: WORK_EMAIL}
"""


ALL_SIGNALS: Final = LOGS_OF_A_VENDOR.replace("otlp/logs: [vendor]", "otlp/traces: [vendor]\n  otlp/metrics: [vendor]")


class Watching(OTLPLogExporter):
    """The SDK's exporter, as it is; it only keeps what its exports came to."""

    def __init__(self, address: str, **options: Any) -> None:
        super().__init__(f"http://{address}", insecure=True, channel_options=cast(Any, CHANNEL_OPTIONS), **options)
        self.results: list[LogRecordExportResult] = []

    def export(self, batch: Sequence[ReadableLogRecord], **options: Any) -> LogRecordExportResult:
        self.results.append(super().export(batch, **options))
        return self.results[-1]


def said(address: str, *records: dict[str, Any], **options: Any) -> list[LogRecordExportResult]:
    """Log records through the SDK, one export each."""
    exporter = Watching(address, **options)
    provider = LoggerProvider(Resource({"service.name": "video", "host.name": "ana-laptop"}), shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    logger = provider.get_logger("app", "1.0")
    for record in records:
        logger.emit(**record)
    provider.shutdown()
    return exporter.results


def taken(release: OutboxEntry) -> LogRecord:
    (scope,) = ResourceLogs.FromString(release.payload).scope_logs
    (record,) = scope.log_records
    return record


def attributes(held: Any) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in held.attributes}


SUCCESS: Final = LogRecordExportResult.SUCCESS
RECORD: Final = {
    "body": "server started",
    "severity_text": "INFO",
    "attributes": {"user.id": "usr_1", "client.address": "192.0.2.7"},
}


@pytest.mark.parametrize(
    "compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate]
)
async def test_what_the_sdk_logs_arrives_minimised(compression: grpc.Compression, tmp_path: Path) -> None:
    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        results = await asyncio.to_thread(
            said, gateway.address, RECORD, {"body": "ana@acme.example signed in"}, compression=compression
        )
    assert results == [SUCCESS] * 2
    one, other = map(taken, gate.releases)
    assert (one.body.string_value, one.severity_text, attributes(one)) == (
        "server started",
        "INFO",
        {"user.id": "usr_1"},
    )
    assert not other.HasField("body")
    logs = ResourceLogs.FromString(gate.releases[0].payload)
    assert (attributes(logs.resource)["service.name"], "host.name" in attributes(logs.resource)) == ("video", False)
    assert (logs.scope_logs[0].scope.name, logs.scope_logs[0].scope.version) == ("app", "1.0")


class Heard(logging.Handler):
    """Knows when the SDK is going to try again."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.retrying = asyncio.Event()
        self.delays: list[object] = []
        self._loop = loop

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg.startswith("Transient error") and isinstance(record.args, tuple):
            self.delays.append(record.args[3])
            self._loop.call_soon_threadsafe(self.retrying.set)


async def test_the_sdk_comes_back_when_a_full_gateway_asked_it_to(tmp_path: Path) -> None:
    gate, heard = FakeDelivery(shut=True, max_waiting=1), Heard(asyncio.get_running_loop())
    sdk = logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter")
    sdk.addHandler(heard)
    try:
        async with run_gateway(tmp_path, gate) as gateway:
            other = asyncio.create_task(gateway.raw(LOGS, logs_request("DEBUG").SerializeToString()))
            await gate.wait_for(1)
            logging_ = asyncio.create_task(asyncio.to_thread(said, gateway.address, RECORD))
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await heard.retrying.wait()
            gate.open()
            assert isinstance(await other, bytes)
            assert await logging_ == [SUCCESS]
    finally:
        sdk.removeHandler(heard)
    assert heard.delays == [DEFAULT_RETRY_SECONDS]
    assert [taken(release).severity_text for release in gate.releases] == ["DEBUG", "INFO"]


async def exported(gateway: RunningGateway, request: ExportLogsServiceRequest | bytes) -> ExportLogsServiceResponse:
    data = request if isinstance(request, bytes) else request.SerializeToString()
    return ExportLogsServiceResponse.FromString(await gateway.raw(LOGS, data))


def with_attribute(key: str, value: bytes) -> bytes:
    """A request with one record and its attribute; `value` is a serialised `AnyValue`."""
    attribute = field(6, field(1, key.encode()) + field(2, value))
    return field(1, field(2, field(2, attribute)))


def listed(data: bytes) -> bytes:
    """An `AnyValue` in a list in an `AnyValue`."""
    return field(5, field(1, data))


NOT_UTF8: Final = b"\x0a\x08\x12\x06\x12\x04\x1a\x02\xff\xff"
"""A request with one record whose severity text isn't UTF-8."""


def test_the_broken_record_is_what_it_says() -> None:
    assert logs_request("xx").SerializeToString().replace(b"xx", b"\xff\xff") == NOT_UTF8


async def test_what_is_wrong_with_a_record_rejects_that_one_only(tmp_path: Path) -> None:
    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        assert await exported(gateway, field(1, b"")) == ExportLogsServiceResponse()
        whole = await exported(gateway, logs_request("INFO", "WARN"))
        assert not whole.HasField("partial_success")
        deep = with_attribute("user.id", nested(60, listed))
        partly = (
            await exported(gateway, NOT_UTF8 + logs_request("ERROR").SerializeToString() + deep + NOT_UTF8)
        ).partial_success
        assert (partly.rejected_log_records, partly.error_message) == (3, "MALFORMED, TOO_DEEP")
        none = (await exported(gateway, NOT_UTF8)).partial_success
        assert (none.rejected_log_records, none.error_message) == (1, "MALFORMED")
    assert [taken(release).severity_text for release in gate.releases] == ["INFO", "WARN", "ERROR"]


def spans(*names: bytes) -> bytes:
    return b"".join(field(1, field(2, field(2, field(5, name)))) for name in names)


def metrics(*names: bytes, points: int) -> bytes:
    """Gauges with so many data points each."""
    return b"".join(field(1, field(2, field(2, field(1, name) + field(5, field(1, b"") * points)))) for name in names)


@pytest.mark.parametrize(
    ("signal", "data", "rejected", "kept"),
    [
        (signals.TRACES, spans(b"GET", b"\xff", b"POST", b"\xff"), 2, 2),
        (signals.METRICS, metrics(b"queue.depth", b"queue of Ana", points=3) + metrics(b"", points=2), 5, 1),
        (signals.METRICS, metrics(b"\xff", points=3) + field(1, field(2, field(2, b"\x0a"))), 4, 0),
    ],
)
async def test_each_signal_says_how_much_was_rejected(
    signal: Signal, data: bytes, rejected: int, kept: int, tmp_path: Path
) -> None:
    """Of metrics, data points; one that can't be read counts as one."""
    async with run_gateway(tmp_path, gate := FakeDelivery(), policy=ALL_SIGNALS) as gateway:
        answer: Any = RESPONSES[signal].FromString(await gateway.raw(signal.method, data))
    assert getattr(answer.partial_success, f"rejected_{signal.records}") == rejected
    assert len(gate.releases) == kept


async def test_profiles_are_refused_with_a_clear_text(tmp_path: Path) -> None:
    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        assert await gateway.raw(PROFILES, b"") == CallStatus(*STATUS[CallReason.NO_PLAN], "NO_PLAN", DOMAIN)
    assert gate.releases == []


async def test_a_withheld_record_counts_as_accepted(tmp_path: Path) -> None:
    emails = (b"ana@gmail.com", b"ana@acme.example")
    request = b"".join(with_attribute("user.email", field(1, email)) for email in emails)
    async with run_gateway(tmp_path, gate := FakeDelivery(), policy=LOGS_OF_A_VENDOR) as gateway:
        assert await exported(gateway, request) == ExportLogsServiceResponse()
    assert [attributes(taken(release)) for release in gate.releases] == [{"user.email": "ana@acme.example"}]


AMPLIFIED: Final = ExportLogsServiceRequest()
_group = AMPLIFIED.resource_logs.add()
_group.resource.attributes.add(key="host.name").value.string_value = "x" * 1_000_000
_group.scope_logs.add().log_records.extend([LogRecord()] * 10_000)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a resource for each of many records", AMPLIFIED.SerializeToString(), ItemReason.TOO_LARGE),
        ("many resources without a record", b"\x0a\x00" * 1_300_000, ItemReason.TOO_LARGE),
        ("many scopes without a record", b"\x0a\x80\x89\x7a" + b"\x12\x00" * 1_000_000, ItemReason.TOO_LARGE),
    ],
)
async def test_too_much_of_a_request_is_refused_at_once(
    name: str, data: bytes, reason: EndReason, tmp_path: Path
) -> None:
    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        assert await gateway.raw(LOGS, data) == CallStatus(*STATUS[reason], reason.value, DOMAIN)
    assert gate.releases == []
