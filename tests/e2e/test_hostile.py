"""What nobody should send: the gateway refuses it or takes it, keeps its memory, and goes on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

import grpc
import pytest

from tests.e2e.large_messages import repeated_field, repeated_record
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS, blocking_channel, call
from tests.support.gateway_process import GatewayProcess
from tests.support.http2 import Fields, send_unanswered
from tests.support.requests import (
    ALL_METHODS,
    EMIT,
    LOGS,
    STREAM,
    TRACK,
    TRACK_BATCH,
    V1,
    any_message,
    emit_request,
    field,
    group,
    logs_request,
    nested,
    track_request,
)

MB: Final = 1024 * 1024
MOST_MEMORY: Final = 192 * MB
"""By how much one hostile message of 4 MB may raise the most memory in use: less than 50-fold."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("hostile")) as process:
        assert process.address
        yield process
        assert process.stop() == 0


@pytest.fixture(scope="module")
def channel(gateway: GatewayProcess) -> Iterator[grpc.Channel]:
    options = [*CHANNEL_OPTIONS, ("grpc.max_send_message_length", -1), ("grpc.max_metadata_size", MB)]
    with grpc.insecure_channel(gateway.address, options=options) as channel:
        yield channel


@pytest.fixture(autouse=True)
def unharmed(gateway: GatewayProcess, channel: grpc.Channel) -> Iterator[None]:
    """After each test the same process answers, on an old connection and on a new one."""
    assert isinstance(call(channel, TRACK, track_request()), bytes)
    yield
    assert isinstance(call(channel, TRACK, track_request()), bytes)
    with blocking_channel(gateway.address) as another:
        assert isinstance(call(another, LOGS, logs_request("INFO").SerializeToString()), bytes)
    assert gateway.alive


MESSAGES: list[tuple[str, str, bytes]] = [
    ("a million empty items", TRACK_BATCH, repeated_field(2, b"")),
    ("a million empty resources", LOGS, repeated_field(1, b"")),
    ("a million empty scopes", LOGS, field(1, repeated_field(2, b""))),
    ("a million empty records", LOGS, repeated_record(b"", 2 * MB - 100)),
    ("many empty attributes", LOGS, repeated_record(repeated_field(6, b"", MB // 4))),
    ("many empty properties", TRACK, field(2, field(2, b"video.exported") + repeated_field(4, b"", MB // 4))),
    ("a million unknown fields", TRACK, track_request() + b"\x78\x01" * (2 * MB - 100)),
    ("a million times the same", TRACK, repeated_field(2, b"\x12\x0evideo.exported")),
    ("a large ID", TRACK, field(1, bytes(4 * MB - 100))),
    ("a large name", TRACK, field(2, field(2, b"a" * (4 * MB - 100)))),
    ("large text", f"{V1}SupportService/SendMessage", field(2, field(6, b"@" * (4 * MB - 100)))),
    ("a large type", EMIT, field(2, field(1, b"/" * (4 * MB - 100)))),
    ("a resource for each of many records", LOGS, repeated_record(b"", 5000, repeated_field(1, b"\x0a\x01x", 2 * MB))),
    ("groups 101 deep", TRACK, track_request() + nested(101, group)),
    ("groups 200 deep in an item", TRACK, field(2, nested(200, group))),
    ("groups 10,000 deep", LOGS, nested(10_000, group)),
    ("a million groups that don't end", TRACK, b"\x7b" * (4 * MB - 100)),
    (
        "messages 10,000 deep in what goes",
        LOGS,
        repeated_record(field(5, nested(10_000, lambda data: field(6, field(1, data))))),
    ),
    (
        "messages 10,000 deep in what stays",
        LOGS,
        repeated_record(field(6, field(2, nested(10_000, lambda data: field(5, field(1, data)))))),
    ),
    (
        "10,000 Any",
        EMIT,
        emit_request(
            "google.protobuf.Any",
            nested(10_000, lambda data: any_message("google.protobuf.Any", data).SerializeToString()),
        ),
    ),
]


@pytest.mark.parametrize(("name", "path", "data"), MESSAGES, ids=[row[0] for row in MESSAGES])
def test_one_message_costs_bounded_memory(
    name: str, path: str, data: bytes, gateway: GatewayProcess, channel: grpc.Channel
) -> None:
    gateway.reset_peak()
    before = gateway.rss
    answer = call(channel, path, data)
    assert isinstance(answer, bytes) or answer.code in {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.FAILED_PRECONDITION,
    }
    assert gateway.peak - before < MOST_MEMORY


@pytest.mark.parametrize(("path", "compression"), [(TRACK, grpc.Compression.Gzip), (LOGS, grpc.Compression.Deflate)])
def test_a_bomb_does_not_go_off(
    path: str, compression: grpc.Compression, gateway: GatewayProcess, channel: grpc.Channel
) -> None:
    gateway.reset_peak()
    before = gateway.rss
    assert call(channel, path, bytes(200 * MB), compression=compression).code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert gateway.peak - before < 64 * MB


def test_ten_megabytes_are_too_large(channel: grpc.Channel) -> None:
    assert call(channel, TRACK, bytes(10 * MB)).code is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("path", ALL_METHODS)
def test_any_bytes_are_refused_or_taken(path: str, channel: grpc.Channel) -> None:
    chance = random.Random(path)
    method: Any = channel.unary_unary(path)
    sent = [method.future(chance.randbytes(chance.randrange(1, 200)), timeout=TIMEOUT_SECONDS) for _ in range(1000)]
    codes = {one.code() for one in sent}
    # A stream of one wrong message is a stream with a rejected item.
    assert codes <= {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OK, grpc.StatusCode.FAILED_PRECONDITION}


HEADERS: list[tuple[str, Fields]] = [
    ("upper case", [(b"X-User", b"ana")]),
    ("not ASCII", [(b"x-\xc3\xa9", b"\xff\xfe")]),
    ("no name", [(b"", b"x")]),
    ("a new line", [(b"x-a", b"b\r\nc: d")]),
    ("a zero", [(b"x-a\0b", b"\0")]),
    ("another pseudo header", [(b":user", b"ana")]),
    ("a second path", [(b":path", b"/other")]),
    ("a second authority", [(b":authority", b"\xff")]),
    ("an endless time", [(b"grpc-timeout", b"99999999999999H")]),
    ("no time", [(b"grpc-timeout", b"")]),
    ("time of nothing", [(b"grpc-timeout", b"-1x")]),
    ("an unheard encoding", [(b"grpc-encoding", b"unheard")]),
    ("gzip that isn't", [(b"grpc-encoding", b"gzip")]),
    ("another content type", [(b"content-type", b"text/html")]),
    ("bytes that aren't base64", [(b"x-bin", b"!!!!")]),
    ("a reserved name", [(b"grpc-status", b"0"), (b"grpc-message", b"%zz")]),
    ("many", [(b"x-%d" % number, b"y" * 20) for number in range(100)]),
    ("connection", [(b"connection", b"close"), (b"transfer-encoding", b"chunked")]),
]


@pytest.mark.parametrize(("name", "fields"), HEADERS, ids=[row[0] for row in HEADERS])
def test_odd_metadata_does_no_harm(name: str, fields: Fields, gateway: GatewayProcess) -> None:
    send_unanswered(gateway.port, TRACK.encode(), fields=fields)
    send_unanswered(gateway.port, TRACK.encode(), fields=fields, data=b"\x01\x00\x00\x00\x04\x1f\x8b\xff\xff")


@pytest.mark.parametrize("size", [4_000, 16_000, 200_000])
def test_much_metadata_does_no_harm(size: int, channel: grpc.Channel) -> None:
    answer = call(channel, TRACK, track_request(), metadata=[("x-large", "x" * size)])
    assert isinstance(answer, bytes) or answer.code is grpc.StatusCode.RESOURCE_EXHAUSTED


PATHS: Final = [
    b"/\xff",
    TRACK.encode() + b"\xff",
    b"/\xc3\x28/TrackEvent",
    b"/\xed\xa0\x80/x",
    b"",
    b"*",
    b"x",
    b"/" * 120,
    b"/\0",
    b"/%ff%00",
]


@pytest.mark.parametrize("path", PATHS)
def test_odd_paths_do_no_harm(path: bytes, gateway: GatewayProcess) -> None:
    send_unanswered(gateway.port, path)


FRAMES: Final = [
    b"",
    b"\0",
    b"\0\xff\xff\xff\xff",
    b"\x01\0\0\0\0",
    b"\x02\0\0\0\x01x",
    b"\0\0\0\0\x05abc",
    b"\0\0\0\0\0\0\0\0\0\0",
]


@pytest.mark.parametrize("data", FRAMES)
@pytest.mark.parametrize("path", [TRACK, STREAM])
def test_odd_frames_do_no_harm(path: str, data: bytes, gateway: GatewayProcess) -> None:
    send_unanswered(gateway.port, path.encode(), data=data)


def test_many_streams_at_once_are_all_served(channel: grpc.Channel) -> None:
    method: Any = channel.stream_unary(STREAM)
    begun = [iter([track_request()] * 5) for _ in range(200)]
    calls = [method.future(items, timeout=TIMEOUT_SECONDS) for items in begun]
    assert {one.code() for one in calls} == {grpc.StatusCode.OK}
