"""Calls that are opened and go no further, in the process that users run: everybody else goes on being served."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, Final

import grpc
import pytest

from gateway.receivers.incoming import MESSAGE_SECONDS
from tests.support import proxy_process
from tests.support.channels import TIMEOUT_SECONDS, blocking_channel
from tests.support.channels import call as called
from tests.support.gateway_process import GatewayProcess
from tests.support.http2 import (
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    call,
    frame,
    frames,
    header_block,
)
from tests.support.requests import LOGS, PREVIEW, STREAM, TRACK, TRACK_BATCH, track_request
from tests.support.upstreams import SERVICE, item, serve_methods

MB: Final = 1024 * 1024
CHECK: Final = "/grpc.health.v1.Health/Check"
WATCH: Final = "/grpc.health.v1.Health/Watch"
UP: Final = f"/{SERVICE}/"
CALLS: Final = 1024
WHOLE: Final = b"\0\0\0\0\1x"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """With a service to flood on `outbound`, and one for others."""
    with (
        serve_methods(One=lambda request, context: request, Both=lambda requests, context: requests) as up,
        serve_methods(One=lambda request, context: request) as other,
        proxy_process.gateway(
            tmp_path_factory.mktemp("calls"),
            proxy_process.policy(proxy_process.route("up", up), proxy_process.route("other", other)),
        ) as process,
    ):
        yield process
        assert process.stop() == 0


def port(process: GatewayProcess, listener: str) -> int:
    return int(process.listener_address(listener).rpartition(":")[2])


def served(process: GatewayProcess) -> None:
    """Others are: on new connections, on every listener."""
    with (
        blocking_channel(process.listener_address("local")) as local,
        blocking_channel(process.listener_address("health")) as health,
        proxy_process.outbound_channel(process, "other") as outbound,
    ):
        assert called(health, CHECK, b"") == b"\x08\x01"
        assert called(local, TRACK, track_request()).code is grpc.StatusCode.FAILED_PRECONDITION, (
            "this policy has no flow for it"
        )
        assert proxy_process.call_through(outbound, "One", item(op="a")) == [item(op="a")]


@contextmanager
def flooding(
    port: int, path: str, connections: int, *, flags: int = 0
) -> Iterator[Sequence[tuple[socket.socket, BinaryIO]]]:
    """So many calls of headers alone, over so many connections, all of which the server has read."""
    with ExitStack() as stack:
        opened_ = [stack.enter_context(_flood(port, path, CALLS // connections, flags)) for _ in range(connections)]
        yield opened_


@contextmanager
def _flood(port: int, path: str, count: int, flags: int) -> Iterator[tuple[socket.socket, BinaryIO]]:
    block = header_block(path.encode(), authority=b"up")
    with (
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection,
        connection.makefile("rb") as answer,
    ):
        calls = (frame(HEADERS, END_HEADERS | flags, 2 * number + 1, block) for number in range(count))
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b"") + frame(SETTINGS, 1, 0, b"") + b"".join(calls))
        yield connection, answer


def ends(answer: BinaryIO, count: int) -> int:
    """Wait until so many calls have ended; how many have."""
    seen: set[int] = set()
    for kind, stream, _ in frames(answer):
        assert kind != GOAWAY
        if kind in (HEADERS, RST_STREAM):
            seen.add(stream)
        if len(seen) == count:
            break
    return len(seen)


UNARY: Final = [
    ("local", TRACK),
    ("local", LOGS),
    ("outbound", f"{UP}One"),
    ("outbound", f"{UP}Down"),
    ("health", CHECK),
    ("health", WATCH),
]
STREAMS: Final = [("local", STREAM), ("outbound", f"{UP}Up"), ("outbound", f"{UP}Both")]


@pytest.mark.parametrize("connections", [1, 16])
@pytest.mark.parametrize(("listener", "path"), [*UNARY, *STREAMS], ids=lambda value: value.rpartition("/")[2])
def test_calls_of_headers_alone_keep_nobody_out(
    listener: str, path: str, connections: int, gateway: GatewayProcess
) -> None:
    with flooding(port(gateway, listener), path, connections):
        served(gateway)


@pytest.mark.parametrize("connections", [1, 16])
@pytest.mark.parametrize(("listener", "path"), [*UNARY, ("local", STREAM)], ids=lambda value: value.rpartition("/")[2])
def test_calls_that_end_with_their_headers_are_answered_at_once(
    listener: str, path: str, connections: int, gateway: GatewayProcess
) -> None:
    with flooding(port(gateway, listener), path, connections, flags=END_STREAM) as flood:
        served(gateway)
        assert {ends(answer, CALLS // connections) for _, answer in flood} == {CALLS // connections}


def test_unary_calls_without_a_message_end_within_the_bound(gateway: GatewayProcess) -> None:
    with ExitStack() as stack:
        floods = [
            (flood, CALLS // connections)
            for connections in (1, 16)
            for listener, path in (("local", TRACK), ("outbound", f"{UP}One"), ("health", CHECK))
            for flood in stack.enter_context(flooding(port(gateway, listener), path, connections))
        ]
        for (connection, answer), count in floods:
            connection.settimeout(MESSAGE_SECONDS + TIMEOUT_SECONDS)
            assert ends(answer, count) == count
        served(gateway)


def test_memory_does_not_grow_with_calls_of_headers_alone(gateway: GatewayProcess) -> None:
    def flood() -> int:
        for listener, path in UNARY:
            with flooding(port(gateway, listener), path, 4):
                served(gateway)
        return gateway.rss

    _, before, *_, after = [flood() for _ in range(6)]
    assert after - before < 16 * MB


BROKEN: Final = {
    "another first byte": b"\2" + WHOLE[1:],
    "the last first byte": b"\xff" + WHOLE[1:],
    "half a prefix": WHOLE[:3],
    "half a message": WHOLE[:-1],
    "longer than it says": b"\0\0\0\0\2x",
    "nothing": b"",
    "an empty message": bytes(5),
    "compressed, and not so": b"\1\0\0\0\4\x1f\x8b\xff\xff",
    "half a message after a whole one": b"\0\0\0\0\0" + WHOLE[:-1],
}
KINDS: Final = [
    ("local", TRACK),
    ("local", TRACK_BATCH),
    ("local", STREAM),
    ("local", LOGS),
    ("local", PREVIEW),
    ("outbound", f"{UP}One"),
    ("outbound", f"{UP}Down"),
]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize(("listener", "path"), KINDS, ids=lambda value: value.rpartition("/")[2])
def test_a_broken_frame_is_acknowledged_nowhere(listener: str, path: str, broken: str, gateway: GatewayProcess) -> None:
    head = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        (b":authority", b"up"),
        (b"te", b"trailers"),
    ]
    fields = [*head, (b"content-type", b"application/grpc"), (b"grpc-encoding", b"gzip")]
    kind, said = call(port(gateway, listener), fields, BROKEN[broken])
    assert kind == HEADERS
    if listener == "local":
        assert b"grpc-status\x010" not in said
    served(gateway)
