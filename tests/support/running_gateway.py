"""A gateway that runs in this process, with a delivery to watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import grpc

from gateway.app import Gateway
from gateway.config import Config, Listeners, Local, LocalHttp, Telemetry, Traces
from gateway.contracts.contract import Contract
from gateway.delivery import Delivery
from gateway.loading import load_sources
from gateway.policy.load import PolicyFile
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS, blocking_channel, call, result_of


class RunningGateway:
    """A gateway in this process, and a connection to it."""

    def __init__(self, gateway: Gateway, addresses: Mapping[str, str], channel: grpc.aio.Channel) -> None:
        self.gateway = gateway
        self.address = addresses["local"]
        self.http = addresses.get("local_http", "")
        self.channel = channel

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    async def raw(self, path: str, data: bytes, **options: Any) -> Any:
        """Call a method with any bytes; its answer's bytes, or how the call ended."""
        call: Any = self.channel.unary_unary(path)
        return await result_of(call(data, **options))

    async def raw_stream(self, path: str, items: Iterable[bytes]) -> Any:
        """Stream any bytes to a method; its answer's bytes, or how the call ended."""
        # Not over grpc.aio, whose client makes INTERNAL of a status that comes while it still sends (grpc issue 36066).
        return await asyncio.to_thread(_stream, self.address, path, items)


def _stream(address: str, path: str, items: Iterable[bytes]) -> Any:
    with blocking_channel(address) as channel:
        return call(channel, path, iter(items), kind="stream_unary")


@asynccontextmanager
async def run_gateway(
    folder: Path,
    delivery: Delivery | None = None,
    *,
    policy: str = "",
    contracts: Sequence[Path] = (),
    local: Local | None = None,
    local_http: LocalHttp | None = None,
    traces: float = 0.0,
) -> AsyncIterator[RunningGateway]:
    """Run a gateway on a free port of loopback, its state in `folder`. `local_http` is off unless it is given.

    `delivery` takes what it releases, else an outbox and the policy's exporters; `policy` is its text, else Kannelle's.
    """
    config = Config(
        policy=_written(folder, policy),
        contracts=tuple(contracts),
        state=folder / "state",
        listeners=Listeners(local=local or Local(address="127.0.0.1:0"), local_http=local_http),
        telemetry=Telemetry(traces=Traces(ratio=traces)),
    )
    file, contract = load_sources(config) if policy or contracts else _default()
    gateway = Gateway(config, delivery, source=lambda config: (file, contract))
    addresses = await gateway.start()
    try:
        async with grpc.aio.insecure_channel(addresses["local"], options=CHANNEL_OPTIONS) as channel:
            yield RunningGateway(gateway, addresses, channel)
    finally:
        await asyncio.wait_for(gateway.stop(), TIMEOUT_SECONDS)


@cache
def _default() -> tuple[PolicyFile, Contract]:
    return load_sources(Config())


def _written(folder: Path, policy: str) -> Path | None:
    if not policy:
        return None
    path = folder / "policy.yaml"
    path.write_text(policy)
    return path
