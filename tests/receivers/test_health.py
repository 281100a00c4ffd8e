"""gRPC health for probes, and reflection, over real connections."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from hypothesis import given
from hypothesis import strategies as st
from kannelle.privacy.v1 import analytics_pb2, emit_pb2

from gateway.errors import BadConfig, ItemReason, Reason, Refused
from gateway.receivers.health import MAX_REQUEST_BYTES, MAX_WATCHERS, Health, _service
from tests.support import http2
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS, result_of

CHECK: Final = "/grpc.health.v1.Health/Check"
WATCH: Final = "/grpc.health.v1.Health/Watch"
OURS: Final = emit_pb2.DESCRIPTOR.services_by_name["EmitService"].full_name
OTHER: Final = analytics_pb2.DESCRIPTOR.services_by_name["AnalyticsService"].full_name
SECRET: Final = "anna.secret@example.com"

SERVING, NOT_SERVING, UNKNOWN = (
    HealthCheckResponse.SERVING,
    HealthCheckResponse.NOT_SERVING,
    HealthCheckResponse.SERVICE_UNKNOWN,
)


def hear_all(caplog: pytest.LogCaptureFixture) -> None:
    """Keep all that anybody logs."""
    caplog.set_level(logging.DEBUG)


class Case:
    def __init__(self, health: Health, address: str, channel: grpc.aio.Channel) -> None:
        self.health = health
        self.address = address
        self.channel = channel

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    async def raw(self, data: bytes) -> Any:
        call: Any = self.channel.unary_unary(CHECK)
        return await result_of(call(data))

    async def status(self, name: str = "") -> int:
        return status(await self.raw(request(name)))

    def watch(self, name: str = "", channel: grpc.aio.Channel | None = None) -> Any:
        method: Any = (channel or self.channel).unary_stream(WATCH)
        return method(request(name))


@asynccontextmanager
async def probed(names: Iterable[str] = (), address: str = "127.0.0.1:0") -> AsyncIterator[Case]:
    health = Health(names)
    listening = await health.start(address)
    try:
        async with grpc.aio.insecure_channel(listening, options=CHANNEL_OPTIONS) as channel:
            yield Case(health, listening, channel)
    finally:
        await asyncio.wait_for(health.stop(), TIMEOUT_SECONDS)


def request(name: str) -> bytes:
    data: bytes = HealthCheckRequest(service=name).SerializeToString()
    return data


def status(data: bytes) -> int:
    answer: int = HealthCheckResponse.FromString(data).status
    return answer


async def told(stream: Any) -> int | None:
    """The next status that a watcher hears; None at the end."""
    data = await asyncio.wait_for(stream.read(), TIMEOUT_SECONDS)
    return None if data is grpc.aio.EOF else status(data)


@pytest.mark.parametrize("name", ["", OURS])
async def test_it_serves_from_when_it_says_so_until_it_stops(name: str) -> None:
    async with probed([OURS]) as case:
        assert await case.status(name) == NOT_SERVING
        case.health.serving()
        assert await case.status(name) == SERVING
        case.health.not_serving()
        assert await case.status(name) == NOT_SERVING
        case.health.serving()
        assert await case.status(name) == NOT_SERVING, "a stop is for good"


async def test_it_listens_on_a_unix_socket(tmp_path: Path) -> None:
    async with probed(address=f"unix:{tmp_path}/health.sock") as case:
        assert case.address == f"unix:{tmp_path}/health.sock"
        assert await case.status() == NOT_SERVING


async def test_an_address_that_is_taken_is_a_bad_configuration() -> None:
    async with probed() as case:
        with pytest.raises(BadConfig, match=r"^listeners\.health\.address: can't listen on 127\.0\.0\.1:"):
            await Health().start(case.address)


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        (request(SECRET), grpc.StatusCode.NOT_FOUND, "no such service"),
        (request(OTHER), grpc.StatusCode.NOT_FOUND, "no such service"),
        (b"\x0a\x40" + SECRET.encode(), grpc.StatusCode.INVALID_ARGUMENT, "the message is malformed"),
        (b"\x0a\x02\xff\xfe", grpc.StatusCode.INVALID_ARGUMENT, "the message is malformed"),
        (SECRET.encode() * MAX_REQUEST_BYTES, grpc.StatusCode.RESOURCE_EXHAUSTED, None),
    ],
    ids=["unknown", "not ours", "cut short", "no UTF-8", "too large"],
)
async def test_a_request_that_is_no_good_ends_in_a_fixed_text(
    caplog: pytest.LogCaptureFixture, data: bytes, code: grpc.StatusCode, text: str | None
) -> None:
    hear_all(caplog)
    async with probed([OURS]) as case:
        ended = await case.raw(data)
        assert ended.code is code
        assert text in (None, ended.text)
        assert SECRET not in ended.text
        assert await case.status() == NOT_SERVING
    assert SECRET not in caplog.text


@given(data=st.binary(max_size=64) | st.text(max_size=16).map(request))
def test_any_bytes_name_a_service_or_are_refused(data: bytes) -> None:
    named = _named(data)
    assert named is ItemReason.MALFORMED or _service(request(named)) == named


def _named(data: bytes) -> str | Reason:
    try:
        return _service(data)
    except Refused as refused:
        return refused.reason


@pytest.mark.parametrize(
    "path", [b"/grpc.health.v1.Health/\xff\xfe", b"/grpc.health.v1.Health/check", b"//", CHECK[1:].encode()]
)
async def test_an_odd_path_ends_nothing_but_its_call(path: bytes) -> None:
    async with probed() as case:
        await asyncio.to_thread(http2.send_unanswered, case.port, path)
        assert await case.status() == NOT_SERVING


async def test_a_watcher_hears_each_turn_and_the_end() -> None:
    async with probed([OURS]) as case:
        stream = case.watch(OURS)
        assert await told(stream) == NOT_SERVING
        case.health.serving()
        assert await told(stream) == SERVING
        case.health.serving()
        await asyncio.gather(case.health.stop(), hears(stream, [NOT_SERVING, None]))
        assert await stream.code() is grpc.StatusCode.OK


async def test_a_watcher_of_an_unknown_service_waits_until_the_end() -> None:
    async with probed() as case:
        stream = case.watch(SECRET)
        assert await told(stream) == UNKNOWN
        case.health.serving()
        await asyncio.gather(case.health.stop(), hears(stream, [None]))


async def hears(stream: Any, expected: list[int | None]) -> None:
    assert [await told(stream) for _ in expected] == expected


async def test_watchers_leave_room_for_probes_and_give_theirs_back() -> None:
    async with probed() as case, grpc.aio.insecure_channel(case.address, options=CHANNEL_OPTIONS) as another:
        streams = [case.watch() for _ in range(MAX_WATCHERS // 2)] + [
            case.watch(channel=another) for _ in range(MAX_WATCHERS // 2)
        ]
        assert {await told(stream) for stream in streams} == {NOT_SERVING}
        async with grpc.aio.insecure_channel(case.address, options=CHANNEL_OPTIONS) as third:
            ended = await result_of(case.watch(channel=third).read())
            assert (ended.code, ended.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "FULL")
            check: Any = third.unary_unary(CHECK)
            assert status(await result_of(check(request("")))) == NOT_SERVING
            case.health.serving()
            assert {await told(stream) for stream in streams} == {SERVING}
            streams.pop().cancel()
            assert await again(case, third) == SERVING


async def again(case: Case, channel: grpc.aio.Channel) -> int | None:
    """What the first watcher hears that there is room for."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            stream = case.watch(channel=channel)
            data = await result_of(stream.read())
            stream.cancel()
            if isinstance(data, bytes):
                return status(data)


async def test_a_watcher_that_does_not_read_holds_up_nobody() -> None:
    async with probed() as case:
        with socket.create_connection(("127.0.0.1", case.port), timeout=TIMEOUT_SECONDS) as deaf:
            await asyncio.to_thread(_watch_deaf, deaf)
            stream = case.watch()
            assert await told(stream) == NOT_SERVING
            case.health.serving()
            assert await told(stream) == SERVING
            assert await case.status() == SERVING
            case.health.not_serving()
            assert await told(stream) == NOT_SERVING
            await asyncio.wait_for(case.health.stop(), TIMEOUT_SECONDS)


def _watch_deaf(connection: socket.socket) -> None:
    """Call `Watch` with no window for its answer (RFC 9113, section 6.5.2); returns when the server has read that."""
    no_window = http2.frame(http2.SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
    call = http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.header_block(WATCH.encode()))
    data = http2.frame(http2.DATA, http2.END_STREAM, 1, bytes(5)) + http2.frame(http2.PING, 0, 0, bytes(8))
    connection.sendall(http2.PREFACE + no_window + call + data)
    with connection.makefile("rb") as answer:
        next(kind for kind, _, _ in http2.frames(answer) if kind == http2.PING)


async def test_connections_that_idle_are_bounded_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.receivers.health.MAX_CONNECTIONS", 4)
    monkeypatch.setattr("gateway.receivers.health.MAX_IDLE_MS", 1_000)
    async with probed() as case:
        with ExitStack() as stack:
            idle = [
                stack.enter_context(socket.create_connection(("127.0.0.1", case.port), timeout=TIMEOUT_SECONDS))
                for _ in range(8)
            ]
            for connection in idle:
                with suppress(OSError):
                    connection.sendall(http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0, b""))
            await asyncio.gather(*(asyncio.to_thread(_ends, connection) for connection in idle))
            assert await case.status() == NOT_SERVING


def _ends(connection: socket.socket) -> None:
    """Read until the server hangs up."""
    with suppress(ConnectionError):
        while connection.recv(4096):
            pass
