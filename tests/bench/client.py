"""What calls the servers that are measured: many requests of one method, some at once.

Its own time isn't the server's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

import grpc
import uvloop

from tests.bench.options import OPTIONS
from tests.bench.process import Server

AT_ONCE: Final = 16
CALL_SECONDS: Final = 60


def call(server: Server, path: str, request: bytes = b"", authority: str = "") -> bytes:
    """Return the answer to one call."""
    return asyncio.run(_call(server, path, request, authority))


async def _call(server: Server, path: str, request: bytes, authority: str) -> bytes:
    async with _channel(server, authority) as channel:
        method: Any = channel.unary_unary(path)
        answer: bytes = await method(request, timeout=CALL_SECONDS)
        return answer


def send(
    server: Server, path: str, requests: Iterable[bytes], *, at_once: int = AT_ONCE, authority: str = ""
) -> list[bytes]:
    """Send all, so many at once on one connection; return their answers. Raises grpc.aio.AioRpcError if one fails."""
    return uvloop.run(_send(server, path, requests, at_once, authority))


async def _send(server: Server, path: str, requests: Iterable[bytes], at_once: int, authority: str) -> list[bytes]:
    answers: list[bytes] = []
    async with _channel(server, authority) as channel:
        method: Any = channel.unary_unary(path)
        left = iter(requests)

        async def some() -> None:
            for request in left:
                answer = await method(request, timeout=CALL_SECONDS)
                answers.append(answer)

        await asyncio.gather(*(some() for _ in range(at_once)))
    return answers


def latencies(server: Server, path: str, requests: Iterable[bytes], authority: str = "") -> list[float]:
    """Send all, one by one on one connection; return the seconds of each."""
    return uvloop.run(_latencies(server, path, requests, authority))


async def _latencies(server: Server, path: str, requests: Iterable[bytes], authority: str) -> list[float]:
    taken: list[float] = []
    async with _channel(server, authority) as channel:
        method: Any = channel.unary_unary(path)
        for request in requests:
            begun = time.perf_counter()
            await method(request, timeout=CALL_SECONDS)
            taken.append(time.perf_counter() - begun)
    return taken


def _channel(server: Server, authority: str) -> grpc.aio.Channel:
    options: Sequence[tuple[str, Any]] = (*OPTIONS, *((("grpc.default_authority", authority),) if authority else ()))
    return grpc.aio.insecure_channel(server.address, options)
