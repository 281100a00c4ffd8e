"""Calls between services in mass: many streams at once, and one side slower than the other.

What memory that takes is measured.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS
from tests.support.gateway_process import GatewayProcess
from tests.support.ports import reserved
from tests.support.proxy_process import gateway, method, outbound_channel, policy, route, wait_until_stable
from tests.support.upstreams import UpstreamProcess, item, parse_item, serve_methods

MB: Final = 1024 * 1024
BODY: Final = item(body=bytes(64 * 1024))
GIGABYTE: Final = 16 * 1024
"""So many messages of 64 KiB."""

HELD: Final = 16 * MB
"""What may be on its way to a reader that doesn't read: flow-control windows and socket buffers of both connections."""

GROWTH: Final = 40 * MB
"""What a stream may take of the gateway's memory, however much passes through it."""

STREAMS: Final = 1000
A_STREAM: Final = 150 * 1024
"""What a stream that is open may take of the gateway's memory."""


async def test_a_thousand_streams_at_once_are_served(tmp_path: Path) -> None:
    with reserved() as port, UpstreamProcess(port), gateway(tmp_path, policy(route("up", port))) as process:
        options = (*CHANNEL_OPTIONS, ("grpc.default_authority", "up"))
        async with (
            grpc.aio.insecure_channel(process.listener_address("outbound"), options) as channel,
            asyncio.timeout(3 * TIMEOUT_SECONDS),
        ):
            await _turn(method(channel, "Both")())
            before = process.rss
            streams = [method(channel, "Both")() for _ in range(STREAMS)]
            for word in ("one", "two"):
                assert set(await asyncio.gather(*(_said(stream, item(op=word)) for stream in streams))) == {
                    item(op=word)
                }
            assert process.rss - before < STREAMS * A_STREAM
            assert set(await asyncio.gather(*(_turn(stream) for stream in streams))) == {grpc.StatusCode.OK}


async def _said(stream: Any, word: bytes) -> bytes:
    await stream.write(word)
    answer: bytes = await stream.read()
    return answer


async def _turn(stream: Any) -> grpc.StatusCode:
    """End a stream; how it ended."""
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    code: grpc.StatusCode = await stream.code()
    return code


class Source:
    """Says the same so often, and counts how often it was asked to."""

    def __init__(self, most: int = GIGABYTE) -> None:
        self.count = 0
        self._most = most

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self._most):
            self.count += 1
            yield BODY

    @property
    def bytes(self) -> int:
        return self.count * len(BODY)


def test_a_reader_that_stops_holds_back_an_upstream_with_a_gigabyte(tmp_path: Path) -> None:
    source = Source()
    with (
        serve_methods(Down=lambda request, context: iter(source)) as port,
        gateway(tmp_path, policy(route("up", port))) as process,
        outbound_channel(process, "up") as channel,
    ):
        before = _quiet(process)
        stream = method(channel, "Down")(item(), timeout=3 * TIMEOUT_SECONDS)
        assert [next(stream) for _ in range(3)] == [BODY] * 3
        assert wait_until_stable(lambda: source.bytes) < HELD
        assert all(next(stream) == BODY for _ in range(1000))
        assert wait_until_stable(lambda: source.bytes) < 1003 * len(BODY) + HELD
        stream.cancel()
        assert process.peak - before < GROWTH


def test_an_upstream_that_stops_reading_holds_back_a_caller_with_a_gigabyte(tmp_path: Path) -> None:
    source, go_on = Source(), threading.Event()
    with (
        serve_methods(Up=lambda requests, context: _slowly(requests, go_on)) as port,
        gateway(tmp_path, policy(route("up", port))) as process,
        outbound_channel(process, "up") as channel,
    ):
        before = _quiet(process)
        call = method(channel, "Up").future(iter(source), timeout=3 * TIMEOUT_SECONDS)
        assert wait_until_stable(lambda: source.bytes) < HELD
        go_on.set()
        assert parse_item(call.result()).op == "1000"
        assert process.peak - before < GROWTH


def _slowly(requests: Iterator[bytes], go_on: threading.Event) -> bytes:
    """Read three messages, and later a thousand in all."""
    assert all(next(requests) == BODY for _ in range(3))
    assert go_on.wait(TIMEOUT_SECONDS)
    assert all(next(requests) == BODY for _ in range(997))
    return item(op="1000")


@pytest.mark.soak
@pytest.mark.parametrize("name", ["Down", "Up"])
def test_a_gigabyte_passes_in_bounded_memory(tmp_path: Path, name: str) -> None:
    source = Source()
    with (
        serve_methods(
            Down=lambda request, context: iter(source),
            Up=lambda requests, context: item(op=str(sum(request == BODY for request in requests))),
        ) as port,
        gateway(tmp_path, policy(route("up", port))) as process,
        outbound_channel(process, "up") as channel,
    ):
        before = _quiet(process)
        if name == "Down":
            assert sum(answer == BODY for answer in method(channel, name)(item())) == GIGABYTE
        else:
            assert parse_item(method(channel, name)(iter(source))).op == str(GIGABYTE)
        assert process.peak - before < GROWTH


def _quiet(process: GatewayProcess) -> int:
    """What memory it takes before anything comes."""
    process.reset_peak()
    return process.rss
