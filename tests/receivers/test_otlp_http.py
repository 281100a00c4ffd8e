"""OTLP/HTTP, from the unmodified OpenTelemetry SDK and over raw connections."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from gateway.config import LocalHttp
from gateway.entry_batch import EntryBatch
from gateway.errors import BadConfig, CallReason, EndReason, ItemReason, Reason, Refused, Retryable
from gateway.otlp.signals import LOGS, METRICS, SIGNALS, TRACES
from gateway.pipeline.caller import CALLER
from gateway.pipeline.flows import Flows
from gateway.receivers import body, otlp_http
from gateway.receivers.body import gunzip
from gateway.receivers.connection import MAX_FIELD_BYTES, MAX_FIELDS, MAX_LINE_BYTES, Limits
from gateway.receivers.otlp_http_faults import JSON, PROTOBUF
from gateway.receivers.statuses import STATUS
from tests.support.channels import TIMEOUT_SECONDS
from tests.support.fake_delivery import FakeDelivery, raise_error
from tests.support.requests import logs_request
from tests.support.running_gateway import RunningGateway, run_gateway

SECRET: Final = "anna.secret@example.com"
LOOPBACK: Final = LocalHttp(address="127.0.0.1:0")
SMALL: Final = LocalHttp(address="127.0.0.1:0", max_message_bytes=1024)
ONE: Final = logs_request("INFO").SerializeToString()


class Answer(msgspec.Struct, frozen=True):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def refusal(self) -> tuple[int, int, str]:
        """HTTP's status, and what is in the body."""
        if self.headers["Content-Type"] == PROTOBUF:
            said = Status.FromString(self.body)
            return self.status, said.code, said.message
        told = json.loads(self.body)
        return self.status, told["code"], told["message"]


class Connection:
    """A connection of a client that knows HTTP/1.1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def read(self) -> Answer:
        """The next answer."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            first, *fields = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = {name: value.strip() for name, _, value in (field.partition(":") for field in fields)}
            return Answer(
                int(first.split()[1]), headers, await self._reader.readexactly(int(headers.get("Content-Length", "0")))
            )

    async def ended(self) -> bool:
        """Whether the server hangs up without a word more."""
        try:
            return await asyncio.wait_for(self._reader.read(), TIMEOUT_SECONDS) == b""
        except ConnectionResetError:
            return True


@asynccontextmanager
async def connected(gateway: RunningGateway) -> AsyncIterator[Connection]:
    host, _, port = gateway.http.rpartition(":")
    reader, writer = await (
        asyncio.open_unix_connection(port) if host == "unix" else asyncio.open_connection(host.strip("[]"), int(port))
    )
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


def posted(body: bytes = ONE, path: str = LOGS.path, kind: str = PROTOBUF, *more: str, method: str = "POST") -> bytes:
    """A request; `more` are header fields."""
    fields = (
        f"{method} {path} HTTP/1.1",
        "Host: x",
        *((f"Content-Type: {kind}",) if kind else ()),
        f"Content-Length: {len(body)}",
        *more,
    )
    return "\r\n".join((*fields, "", "")).encode() + body


async def said(gateway: RunningGateway, request: bytes) -> Answer:
    async with connected(gateway) as connection:
        connection.write(request)
        return await connection.read()


def levels(gate: FakeDelivery) -> list[str]:
    """The severity texts of what came."""
    return [
        ResourceLogs.FromString(release.payload).scope_logs[0].log_records[0].severity_text for release in gate.releases
    ]


SPANS: Final = ExportTraceServiceRequest()
SPANS.resource_spans.add().scope_spans.add().spans.add(name="GET", trace_id=b"\1" * 16, span_id=b"\2" * 8)
POINTS: Final = ExportMetricsServiceRequest()
_metric = POINTS.resource_metrics.add().scope_metrics.add().metrics.add(name="requests", unit="1")
_metric.sum.data_points.add(as_int=1, time_unix_nano=1767322800000000000)
REQUESTS: Final[dict[Any, Message]] = {LOGS: logs_request("INFO"), TRACES: SPANS, METRICS: POINTS}


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
async def test_each_signal_has_its_path(tmp_path: Path, signal: Any) -> None:
    async with run_gateway(tmp_path, gate := FakeDelivery(), local_http=LOOPBACK) as gateway:
        found = await said(gateway, posted(REQUESTS[signal].SerializeToString(), signal.path))
    assert (found.status, found.body, found.headers["Content-Type"], found.headers["Server"]) == (
        200,
        b"",
        PROTOBUF,
        "",
    )
    assert [release.type for release in gate.releases] == [signal.item]


@pytest.mark.parametrize("kind", [JSON, "application/json; charset=utf-8", "Application/JSON;x=y"])
async def test_json_is_answered_in_json(tmp_path: Path, kind: str) -> None:
    body = b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"severityText": "INFO", "unknown": [1]}]}]}]}'
    async with run_gateway(tmp_path, gate := FakeDelivery(), local_http=LOOPBACK) as gateway:
        found = await said(gateway, posted(body, LOGS.path, kind))
    assert (found.status, found.body, found.headers["Content-Type"]) == (200, b"{}", JSON)
    assert levels(gate) == ["INFO"]


async def test_a_body_that_takes_a_thread_is_read_all_the_same(tmp_path: Path) -> None:
    record = b'{"severityText": "INFO"}'
    body = b'{"resourceLogs": [{"scopeLogs": [{"logRecords": [' + b",".join([record] * 400) + b"]}]}]}"
    async with run_gateway(tmp_path, gate := FakeDelivery(), local_http=LOOPBACK) as gateway:
        found = await said(gateway, posted(gzip.compress(body), LOGS.path, JSON, "Content-Encoding: gzip"))
        assert (await said(gateway, posted(b"[" * 10_000, LOGS.path, JSON))).refusal == (
            400,
            *expected(ItemReason.TOO_DEEP),
        )
    assert (found.status, levels(gate)) == (200, ["INFO"] * 400)


def expected(reason: EndReason) -> tuple[int, str]:
    """The code and the text of a reason."""
    code, text = STATUS[reason]
    value: Any = code.value
    return value[0], text


BROKEN: Final = logs_request("INFO").SerializeToString() + logs_request("xx").SerializeToString().replace(
    b"xx", b"\xff\xff"
)
"""Two records, the second of which isn't UTF-8."""


async def test_partial_success_is_told_as_grpc_tells_it(tmp_path: Path) -> None:
    async with run_gateway(tmp_path, gate := FakeDelivery(), local_http=LOOPBACK) as gateway:
        found = await said(gateway, posted(BROKEN))
    response = ExportLogsServiceResponse.FromString(found.body)
    assert (found.status, response.partial_success.rejected_log_records, response.partial_success.error_message) == (
        200,
        1,
        "MALFORMED",
    )
    assert levels(gate) == ["INFO"]


async def test_partial_success_in_json_is_proto_jsons(tmp_path: Path) -> None:
    request = {
        "resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": SECRET, "sum": {"dataPoints": [{}, {}]}}]}]}]
    }
    async with run_gateway(tmp_path, FakeDelivery(), local_http=LOOPBACK) as gateway:
        found = await said(gateway, posted(json.dumps(request).encode(), METRICS.path, JSON))
    told = json.loads(found.body)["partialSuccess"]
    assert (found.status, told["rejectedDataPoints"], set(told)) == (200, "2", {"rejectedDataPoints", "errorMessage"})
    assert SECRET.encode() not in found.body


REFUSED: Final[dict[str, tuple[bytes, int, EndReason]]] = {
    "another path": (posted(path="/v1/events"), 404, CallReason.UNKNOWN_METHOD),
    "a slash too many": (posted(path="/v1/logs/"), 404, CallReason.UNKNOWN_METHOD),
    "a path in capitals": (posted(path="/V1/logs"), 404, CallReason.UNKNOWN_METHOD),
    "an encoded path": (posted(path="/v1/%6cogs"), 404, CallReason.UNKNOWN_METHOD),
    "another host's": (posted(path="http://x/v1/logs"), 404, CallReason.UNKNOWN_METHOD),
    "GET": (posted(b"", method="GET"), 405, CallReason.UNKNOWN_METHOD),
    "PUT": (posted(method="PUT"), 405, CallReason.UNKNOWN_METHOD),
    "profiles": (posted(path="/v1development/profiles"), 501, CallReason.NO_PLAN),
    "a page": (posted(ONE, LOGS.path, PROTOBUF, "Origin: https://evil.example"), 403, CallReason.CALLER_NOT_ALLOWED),
    "a page from nowhere": (posted(ONE, LOGS.path, JSON, "Origin: null"), 403, CallReason.CALLER_NOT_ALLOWED),
    "a page that asks first": (
        posted(b"", LOGS.path, "", "Origin: http://x", method="OPTIONS"),
        403,
        CallReason.CALLER_NOT_ALLOWED,
    ),
    "not protobuf": (posted(b"\xff"), 400, ItemReason.MALFORMED),
    "not JSON": (posted(SECRET.encode(), LOGS.path, JSON), 400, ItemReason.MALFORMED),
    "nothing for JSON": (posted(b"", LOGS.path, JSON), 400, ItemReason.MALFORMED),
    "not gzip": (posted(ONE, LOGS.path, PROTOBUF, "Content-Encoding: gzip"), 400, ItemReason.MALFORMED),
    "a web socket": (
        posted(ONE, LOGS.path, PROTOBUF, "Connection: Upgrade", "Upgrade: websocket"),
        400,
        ItemReason.MALFORMED,
    ),
    "many resources": (posted(b"\x0a\x00" * 10_001), 400, ItemReason.TOO_MANY_ITEMS),
    "too long": (posted(b"\x0a\x00" * 3_000_000), 413, ItemReason.TOO_LARGE),
    "too long, unpacked": (
        posted(gzip.compress(bytes(5_000_000)), LOGS.path, PROTOBUF, "Content-Encoding: gzip"),
        413,
        ItemReason.TOO_LARGE,
    ),
}


@pytest.mark.parametrize(("request_", "status", "reason"), REFUSED.values(), ids=REFUSED)
async def test_what_is_not_taken_is_refused_in_the_encoding_of_the_request(
    tmp_path: Path, request_: bytes, status: int, reason: EndReason
) -> None:
    async with run_gateway(tmp_path, gate := FakeDelivery(), local_http=LOOPBACK) as gateway:
        found = await said(gateway, request_)
        assert (await said(gateway, posted())).status == 200
    number, text = expected(reason)
    # What is malformed may have a hint behind its text: `test_hints.py`.
    assert found.refusal[:2] == (status, number)
    assert found.refusal[2] == text or (reason is ItemReason.MALFORMED and found.refusal[2].startswith(f"{text}: "))
    assert found.headers["Content-Type"] == (PROTOBUF if PROTOBUF.encode() in request_ else JSON)
    assert found.headers.get("Allow") == ("POST" if status == 405 else None)
    assert "Retry-After" not in found.headers
    assert levels(gate) == ["INFO"]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("", ()),
        ("text/plain", ()),
        ("application/grpc", ()),
        ("application/x-protobuf+json", ()),
        (PROTOBUF, ("Content-Encoding: deflate",)),
        (PROTOBUF, ("Content-Encoding: gzip, gzip",)),
        (PROTOBUF, ("Content-Encoding: gzip", "Content-Encoding: gzip")),
    ],
)
async def test_another_type_or_encoding_is_not_supported(tmp_path: Path, kind: str, more: tuple[str, ...]) -> None:
    async with run_gateway(tmp_path, FakeDelivery(), local_http=LOOPBACK) as gateway:
        found = await said(gateway, posted(ONE, LOGS.path, kind, *more))
    assert found.refusal[0] == 415
    assert found.refusal[2].startswith("the content encoding must be " if more else "the content type must be ")
    assert found.headers.get("Accept-Encoding") == ("gzip" if more else None)


@pytest.mark.parametrize("encoding", ["identity", "gzip", "GZIP"])
async def test_a_body_comes_packed_or_not(tmp_path: Path, encoding: str) -> None:
    body = ONE if encoding == "identity" else gzip.compress(ONE[:5]) + gzip.compress(ONE[5:])
    async with run_gateway(tmp_path, gate := FakeDelivery(), local_http=LOOPBACK) as gateway:
        assert (await said(gateway, posted(body, LOGS.path, PROTOBUF, f"Content-Encoding: {encoding}"))).status == 200
    assert levels(gate) == ["INFO"]


PACKED: Final = gzip.compress(b"x" * 1000, mtime=0)


@pytest.mark.parametrize(
    ("raw", "most", "expected"),
    [
        (PACKED, 1000, b"x" * 1000),
        (PACKED, 999, ItemReason.TOO_LARGE),
        (PACKED * 3, 3000, b"x" * 3000),
        (PACKED * 3, 2999, ItemReason.TOO_LARGE),
        (gzip.compress(b"", mtime=0), 0, b""),
        (PACKED + gzip.compress(b"", mtime=0), 1000, b"x" * 1000),
        (b"", 1000, ItemReason.MALFORMED),
        (PACKED[:-1], 1000, ItemReason.MALFORMED),
        (PACKED[:12], 1000, ItemReason.MALFORMED),
        (PACKED[:5], 1000, ItemReason.MALFORMED),
        (PACKED[:-8] + b"\0" * 8, 1000, ItemReason.MALFORMED),
        (PACKED[:20] + b"\xff" * 20, 1000, ItemReason.MALFORMED),
        (PACKED + b"anna", 1000, ItemReason.MALFORMED),
        (PACKED + PACKED[:9], 1000, ItemReason.MALFORMED),
        (b"anna.secret", 1000, ItemReason.MALFORMED),
        (b"\x1f\x8b\x08\x04\x00", 1000, ItemReason.MALFORMED),
        (b"\x1f\x8b\x08\x1f" + b"\xff" * 30, 1000, ItemReason.MALFORMED),
    ],
)
def test_gzip_is_read_within_a_bound(raw: bytes, most: int, expected: bytes | Reason) -> None:
    if isinstance(expected, bytes):
        assert gunzip(raw, most) == expected
        return
    with pytest.raises(Refused) as caught:
        gunzip(raw, most)
    assert caught.value.reason is expected


def test_a_bomb_takes_no_more_memory_than_the_bound() -> None:
    bomb = gzip.compress(bytes(10_000_000)) * 100
    tracemalloc.start()
    try:
        with pytest.raises(Refused):
            gunzip(bomb, 100_000)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("after", "told"), [(None, None), (0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (30.0, "30"), (1e9, "3600")]
)
async def test_a_recipient_that_is_away_makes_clients_come_back(
    tmp_path: Path, after: float | None, told: str | None
) -> None:
    async with run_gateway(
        tmp_path, FakeDelivery(raise_error(Retryable(CallReason.UNAVAILABLE, after))), local_http=LOOPBACK
    ) as gateway:
        found = await said(gateway, posted())
    assert found.refusal == (503, *expected(CallReason.UNAVAILABLE))
    assert found.headers.get("Retry-After") == told


async def test_a_full_gateway_makes_clients_come_back(tmp_path: Path) -> None:
    async with run_gateway(tmp_path, gate := FakeDelivery(shut=True, max_waiting=1), local_http=LOOPBACK) as gateway:
        first = asyncio.create_task(said(gateway, posted()))
        await gate.wait_for(1)
        found = await said(gateway, posted())
        gate.open()
        assert (await first).status == 200
    assert found.refusal == (429, *expected(CallReason.FULL))
    assert found.headers["Retry-After"] == "1"


async def test_too_many_calls_at_once_are_told_to_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.services.MAX_LOCAL_CALLS", 1)
    async with run_gateway(tmp_path, gate := FakeDelivery(shut=True), local_http=LOOPBACK) as gateway:
        first = asyncio.create_task(said(gateway, posted()))
        await gate.wait_for(1)
        found = await said(gateway, posted(b'{"resourceLogs": []}', LOGS.path, JSON))
        gate.open()
        assert (await first).status == 200
        assert (await said(gateway, posted())).status == 200
    assert found.refusal == (429, *expected(CallReason.FULL))
    assert found.headers["Retry-After"] == "1"


class Noted(FakeDelivery):
    """Notes whose calls come."""

    def __init__(self) -> None:
        super().__init__()
        self.callers: list[str] = []

    async def accept(self, batches: Sequence[EntryBatch]) -> None:
        self.callers.append(CALLER.get())
        await super().accept(batches)


async def test_each_connection_is_a_caller_that_has_turns_of_its_own(tmp_path: Path) -> None:
    async with (
        run_gateway(tmp_path, gate := Noted(), local_http=LOOPBACK) as gateway,
        connected(gateway) as first,
        connected(gateway) as second,
    ):
        for connection in (first, second, first):
            connection.write(posted())
            assert (await connection.read()).status == 200
    one, other, again = gate.callers
    assert one == again != other


async def test_who_sends_slowly_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.services.MAX_LOCAL_CALLS", 2)
    async with (
        run_gateway(tmp_path, gate := FakeDelivery(), local_http=LOOPBACK) as gateway,
        connected(gateway) as first,
        connected(gateway) as second,
    ):
        for slow in (first, second):
            slow.write(posted()[:-1])
        await until(gateway, 200)
        found = await first.read()
        second.write(posted()[-1:])
        assert (await second.read()).status == 200
    assert found.refusal == (429, *expected(CallReason.FULL))
    assert found.headers["Retry-After"] == "1"
    assert levels(gate) == ["INFO"]


async def test_a_caller_that_goes_leaves_its_room_and_is_not_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.services.MAX_LOCAL_CALLS", 1)
    async with run_gateway(tmp_path, gate := FakeDelivery(shut=True), local_http=LOOPBACK) as gateway:
        async with connected(gateway) as connection:
            connection.write(posted()[:-3])
            assert (await until(gateway, 200)).status == 200
        async with connected(gateway) as connection:
            connection.write(posted())
            await gate.wait_for(1)
            assert (await said(gateway, posted(b""))).status == 429
        gate.open()
        assert (await until(gateway, 200)).status == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def until(gateway: RunningGateway, status: int) -> Answer:
    """Ask until the answer is this one."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            if (found := await said(gateway, posted(b""))).status == status:
                return found


async def test_a_flow_that_the_policy_lacks_is_not_taken(tmp_path: Path) -> None:
    policy = """
version: 1
controller: Check it Out S.A.S.
user_id: {pattern: "usr_[A-Za-z0-9]{1,32}"}
destinations:
  log: {recipient: log, region: FR, purpose: essential, legal_basis: LEGITIMATE_INTERESTS, allow: [OPERATIONAL], retention: 30d}
flows:
  otlp/logs: [log]
"""
    async with run_gateway(tmp_path, FakeDelivery(), policy=policy, local_http=LOOPBACK) as gateway:
        assert (await said(gateway, posted())).status == 200
        found = await said(gateway, posted(b"", TRACES.path))
    assert found.refusal == (400, *expected(ItemReason.UNKNOWN_FLOW))


async def test_an_error_of_our_own_says_nothing_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(flows: Flows, flow: str) -> Any:
        raise LookupError(SECRET)

    async with run_gateway(tmp_path, FakeDelivery(), local_http=LOOPBACK) as gateway:
        monkeypatch.setattr(Flows, "of", failing)
        found = await said(gateway, posted())
    assert found.refusal == (500, *expected(CallReason.INTERNAL))
    assert "a call failed: LookupError" in caplog.text
    assert SECRET not in caplog.text


async def test_a_slow_body_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "MAX_BODY_SECONDS", 0.05)
    monkeypatch.setattr(otlp_http, "LIMITS", Limits(connections=10, idle=60, linger=0.05))
    async with run_gateway(tmp_path, FakeDelivery(), local_http=LOOPBACK) as gateway, connected(gateway) as connection:
        connection.write(posted()[:-1])
        found = await connection.read()
        assert await connection.ended()
    assert found.refusal == (408, 4, "the request took too long to arrive")


async def test_a_connection_is_kept(tmp_path: Path) -> None:
    async with (
        run_gateway(tmp_path, gate := FakeDelivery(), local_http=LOOPBACK) as gateway,
        connected(gateway) as connection,
    ):
        connection.write(posted())
        assert (await connection.read()).status == 200
        connection.write(posted(b"\xff") + posted(logs_request("WARN").SerializeToString()))
        assert [(await connection.read()).status for _ in range(2)] == [400, 200]
    assert levels(gate) == ["INFO", "WARN"]


async def test_a_refusal_is_heard_before_the_body_is_sent_whole(tmp_path: Path) -> None:
    async with run_gateway(tmp_path, FakeDelivery(), local_http=SMALL) as gateway, connected(gateway) as connection:
        connection.write(posted(bytes(3_000_000)))
        assert (await connection.read()).refusal == (413, *expected(ItemReason.TOO_LARGE))
        assert await connection.ended()


def chunked(*pieces: bytes) -> bytes:
    head, _, _ = posted(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked").partition(b"\r\n\r\n")
    return head + b"\r\n\r\n" + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (chunked(ONE[:3], ONE[3:], b""), 200),
        (chunked(bytes(600), bytes(600), b""), 413),
        (chunked(ONE[:3]) + f"{SECRET}\r\n".encode(), 400),
    ],
)
async def test_a_body_may_come_in_chunks(tmp_path: Path, data: bytes, status: int) -> None:
    async with run_gateway(tmp_path, FakeDelivery(), local_http=SMALL) as gateway:
        assert (await said(gateway, data)).status == status


async def test_a_caller_that_asks_first_is_told_to_go_on(tmp_path: Path) -> None:
    head, _, body = posted(ONE, LOGS.path, PROTOBUF, "Expect: 100-Continue").partition(b"\r\n\r\n")
    async with (
        run_gateway(tmp_path, gate := FakeDelivery(), local_http=LOOPBACK) as gateway,
        connected(gateway) as connection,
    ):
        connection.write(head + b"\r\n\r\n")
        assert (await connection.read()).status == 100
        connection.write(body)
        assert (await connection.read()).status == 200
    assert levels(gate) == ["INFO"]


@pytest.mark.parametrize(
    ("expectation", "length", "status"),
    [("100-continue", 2_000_000, 413), ("100-continue", "1024", 100), ("pay me", 3, 417)],
)
async def test_a_caller_that_asks_first_may_be_refused(
    tmp_path: Path, expectation: str, length: int, status: int
) -> None:
    head = posted(b"", LOGS.path, PROTOBUF, f"Expect: {expectation}").replace(
        b"Content-Length: 0", f"Content-Length: {length}".encode()
    )
    async with run_gateway(tmp_path, FakeDelivery(), local_http=SMALL) as gateway:
        assert (await said(gateway, head)).status == status


async def test_the_oldest_idle_connection_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_http, "LIMITS", Limits(connections=2, idle=60))
    async with (
        run_gateway(tmp_path, gate := FakeDelivery(shut=True), local_http=LOOPBACK) as gateway,
        connected(gateway) as busy,
        connected(gateway) as idle,
    ):
        busy.write(posted())
        await gate.wait_for(1)
        async with connected(gateway) as another:
            assert await idle.ended()
            another.write(posted(b""))
            assert (await another.read()).status == 200
        gate.open()
        assert (await busy.read()).status == 200


async def test_an_idle_connection_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_http, "LIMITS", Limits(connections=2, idle=0.05, head=0.05))
    async with run_gateway(tmp_path, FakeDelivery(), local_http=LOOPBACK) as gateway, connected(gateway) as connection:
        connection.write(b"POST /v1/logs HTTP/1.1\r\nx: ")
        assert await connection.ended()


async def test_a_stop_lets_calls_in_flight_finish_and_takes_no_more(tmp_path: Path) -> None:
    async with (
        run_gateway(tmp_path, gate := FakeDelivery(shut=True), local_http=LOOPBACK) as gateway,
        connected(gateway) as busy,
        connected(gateway) as idle,
    ):
        busy.write(posted())
        await gate.wait_for(1)
        stopping = asyncio.create_task(site(gateway).stop(TIMEOUT_SECONDS))
        assert await idle.ended()
        with pytest.raises(OSError, match="Connect call failed"):
            await said(gateway, posted())
        gate.open()
        found = await busy.read()
        assert await busy.ended()
        await stopping
    assert (found.status, found.headers["Connection"]) == (200, "close")


async def test_a_stop_does_not_wait_longer_than_it_may(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        run_gateway(tmp_path, gate := FakeDelivery(shut=True), local_http=LOOPBACK) as gateway,
        connected(gateway) as busy,
    ):
        busy.write(posted())
        await gate.wait_for(1)
        await asyncio.wait_for(site(gateway).stop(0.01), TIMEOUT_SECONDS)
        assert await busy.ended()
        gate.open()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def site(gateway: RunningGateway) -> otlp_http.OtlpHttp:
    (found,) = (one.server for one in gateway.gateway._services if isinstance(one.server, otlp_http.OtlpHttp))
    return found


HOSTILE: Final = {
    "no HTTP": f"{SECRET}\r\n\r\n".encode(),
    "a bad header": f"POST /v1/logs HTTP/1.1\r\nHost: x\r\n{SECRET}\r\n\r\n".encode(),
    "a bad length": f"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Length: {SECRET}\r\n\r\n".encode(),
    "a length and chunks": posted(ONE, LOGS.path, PROTOBUF, "Transfer-Encoding: chunked"),
    "two lengths": posted(ONE, LOGS.path, PROTOBUF, "Content-Length: 1"),
    "a long line": posted(path="/" + SECRET * MAX_LINE_BYTES),
    "a long field": posted(ONE, LOGS.path, PROTOBUF, "x: " + SECRET * MAX_FIELD_BYTES),
    "many fields": posted(ONE, LOGS.path, PROTOBUF, *(f"x: {SECRET}" for _ in range(2 * MAX_FIELDS))),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SECRET.encode(),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
async def test_what_is_no_http_ends_in_a_fixed_text_and_is_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    caplog.set_level(logging.DEBUG)
    async with run_gateway(tmp_path, gate := FakeDelivery(), local_http=LOOPBACK) as gateway:
        async with connected(gateway) as connection:
            connection.write(data)
            found = await connection.read()
            assert await connection.ended()
        assert (await said(gateway, posted())).status == 200
    assert found.refusal == (400, *expected(ItemReason.MALFORMED))
    assert SECRET not in caplog.text
    assert levels(gate) == ["INFO"]


async def test_it_listens_on_a_unix_socket_but_not_on_another_programs(tmp_path: Path) -> None:
    given = LocalHttp(address=f"unix:{tmp_path}/otlp.sock")
    for _ in range(2):
        async with run_gateway(tmp_path, gate := FakeDelivery(), local_http=given) as gateway:
            assert gateway.http == given.address
            assert (await said(gateway, posted())).status == 200
            with pytest.raises(
                BadConfig,
                match=r"^listeners\.local_http\.address: can't listen on unix:.*, where another program does$",
            ):
                await otlp_http.OtlpHttp(given, None, None, 1).start()  # type: ignore[arg-type]
        assert levels(gate) == ["INFO"]


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_what_the_sdk_sends_arrives(tmp_path: Path, compression: Compression) -> None:
    def send(endpoint: str) -> None:
        logger = LoggerProvider(shutdown_on_exit=False)
        logger.add_log_record_processor(
            SimpleLogRecordProcessor(OTLPLogExporter(f"{endpoint}/v1/logs", compression=compression))
        )
        logger.get_logger("app").emit(severity_text="INFO", body="anna.secret signed in")
        logger.shutdown()
        tracer = TracerProvider(shutdown_on_exit=False)
        tracer.add_span_processor(
            SimpleSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces", compression=compression))
        )
        tracer.get_tracer("app").start_span("GET").end()
        tracer.shutdown()
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(f"{endpoint}/v1/metrics", compression=compression), 3_600_000
        )
        meter = MeterProvider([reader], shutdown_on_exit=False)
        meter.get_meter("app").create_counter("requests").add(1)
        meter.shutdown()

    async with run_gateway(tmp_path, gate := FakeDelivery(), local_http=LOOPBACK) as gateway:
        await asyncio.to_thread(send, f"http://{gateway.http}")
    assert [release.type for release in gate.releases] == [LOGS.item, TRACES.item, METRICS.item]
    assert all(b"anna.secret" not in release.payload for release in gate.releases)


async def test_it_is_off_where_it_is_not_wanted(tmp_path: Path) -> None:
    async with run_gateway(tmp_path, FakeDelivery()) as gateway:
        assert gateway.http == ""
        assert [service.name for service in gateway.gateway._services] == ["local"]


def test_the_request_of_the_tests_is_one() -> None:
    assert ExportLogsServiceRequest.FromString(BROKEN.replace(b"\xff\xff", b"xx")) == logs_request("INFO", "xx")
