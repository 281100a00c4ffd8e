"""Channels to a gateway, calls through them, and what calls end with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import grpc
import msgspec
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

TIMEOUT_SECONDS: Final = 60
"""How long anything here may take: so long that a busy machine doesn't matter, since only what hangs takes it."""

CHANNEL_OPTIONS: Final = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))


@asynccontextmanager
async def fake_http_proxy(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[bytes]]:
    """A proxy that the environment names, credentials and all, and what is asked of it."""
    asked: list[bytes] = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(1024))
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as server:
        for name in ("grpc_proxy", "https_proxy", "http_proxy", "all_proxy"):
            for spelt in (name, name.upper()):
                monkeypatch.setenv(spelt, f"http://user:planted@127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for name in ("no_grpc_proxy", "no_proxy"):
            for spelt in (name, name.upper()):
                monkeypatch.delenv(spelt, raising=False)
        yield asked


class CallStatus(msgspec.Struct, frozen=True):
    """How a call ended: the status, and what it says to programs. `after` is the RetryInfo's, in seconds."""

    code: grpc.StatusCode
    text: str
    reason: str = ""
    domain: str = ""
    after: float | None = None


def status_of(error: grpc.RpcError) -> CallStatus:
    """What a failed call tells."""
    assert isinstance(error, (grpc.aio.AioRpcError, grpc.Call))
    trailers = dict(error.trailing_metadata() or ())
    status = Status.FromString(trailers.get("grpc-status-details-bin", b""))
    info, retry = ErrorInfo(), RetryInfo()
    has_info, has_retry = (any(detail.Unpack(into) for detail in status.details) for into in (info, retry))
    if has_info:
        assert (status.code, status.message) == (error.code().value[0], error.details())
    after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9 if has_retry else None
    return CallStatus(error.code(), error.details() or "", info.reason, info.domain, after)


async def result_of(call: Any) -> Any:
    """A call's answer, or how it ended without one."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await call
    except grpc.aio.AioRpcError as error:
        return status_of(error)


@contextmanager
def blocking_channel(address: str) -> Iterator[grpc.Channel]:
    """A connection for blocking calls."""
    with grpc.insecure_channel(address, options=CHANNEL_OPTIONS) as channel:
        yield channel


def call(
    channel: grpc.Channel, path: str, data: bytes | Iterator[bytes], *, kind: str = "unary_unary", **options: Any
) -> Any:
    """Call a method with any bytes, or a stream of them; its answer's bytes, or how the call ended."""
    method: Any = getattr(channel, kind)(path)
    try:
        return method(data, **{"timeout": TIMEOUT_SECONDS, **options})
    except grpc.RpcError as error:
        return status_of(error)
