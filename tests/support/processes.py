"""A running gateway for tests: in this process with a delivery to watch, or as a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import grpc
import msgspec
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from gateway.app import Gateway
from gateway.config import Config, Listeners, Local, LocalHttp, Telemetry, Traces
from gateway.contracts.contract import Contract
from gateway.delivery import Delivery
from gateway.delivery.entries import EntryBuilder
from gateway.delivery.keys import Keys
from gateway.directory import NoDirectory
from gateway.errors import CallReason, ItemReason, Refused, Retryable
from gateway.loading import load_sources
from gateway.model import OutboxEntry, Release
from gateway.pipeline.decide import Decider
from gateway.pipeline.offload import Offload
from gateway.policy.load import PolicyFile

TIMEOUT_SECONDS: Final = 60
"""How long anything here may take: so long that a busy machine doesn't matter, since only what hangs takes it."""

CHANNEL_OPTIONS: Final = (("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1))

PACKER: Final = EntryBuilder(Keys(bytes(32)), "web")


def decider() -> Decider:
    """Decides without a directory."""
    return Decider(NoDirectory(), Offload())


DeliveryReply = Callable[[Sequence[OutboxEntry]], None]
"""What is said of entries: nothing, or it raises."""


def accept_all(batch: Sequence[OutboxEntry]) -> None:
    """All well."""


def raise_error(error: Exception) -> DeliveryReply:
    """Say that."""

    def reply(batch: Sequence[OutboxEntry]) -> None:
        raise error

    return reply


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


class FakeDelivery:
    """A delivery that keeps what it gets and replies while it is open."""

    def __init__(self, reply: DeliveryReply = accept_all, *, shut: bool = False, max_waiting: int = 1_000_000) -> None:
        """`most` entries may wait at once."""
        self.reply = reply
        self.max_waiting = max_waiting
        self.batches: list[Sequence[Release]] = []
        self.entries: list[OutboxEntry] = []
        self.waiting = 0
        self.closed = 0
        self._open = asyncio.Event()
        self._came = asyncio.Condition()
        if not shut:
            self._open.set()

    @property
    def releases(self) -> list[Release]:
        """All that came, in order."""
        return [release for batch in self.batches for release in batch]

    def open(self) -> None:
        """Let through what waits and what comes."""
        self._open.set()

    def shut(self) -> None:
        """Hold what comes."""
        self._open.clear()

    @contextmanager
    def replying(self, reply: DeliveryReply) -> Iterator[None]:
        """Reply otherwise for a while."""
        before, self.reply = self.reply, reply
        try:
            yield
        finally:
            self.reply = before

    async def wait_for(self, count: int) -> None:
        """Wait until so many releases have come."""
        async with asyncio.timeout(TIMEOUT_SECONDS), self._came:
            await self._came.wait_for(lambda: len(self.releases) >= count)

    async def accept(self, entries: Sequence[OutboxEntry]) -> None:
        if len(entries) > self.max_waiting:
            raise Refused(ItemReason.TOO_LARGE)
        if self.waiting + len(entries) > self.max_waiting:
            raise Retryable(CallReason.FULL, 1.0)
        self.batches.append([entry.release for entry in entries])
        self.entries += entries
        self.waiting += len(entries)
        try:
            async with self._came:
                self._came.notify_all()
            await self._open.wait()
            self.reply(entries)
        finally:
            self.waiting -= len(entries)

    async def drained(self) -> None:
        """Nothing is kept."""

    async def close(self, within: float) -> None:
        self.closed += 1


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


SERVE_COMMAND: Final = (sys.executable, "-m", "gateway", "serve")

SERVE_AT_LOG_LEVEL: Final = """
import logging, os, sys
from gateway import app
from gateway.config import load
logging.basicConfig(level=os.environ.get("LEVEL", "INFO"))
sys.exit(app.serve(load(None, os.environ)))
"""
"""`serve` with what nobody can set: LEVEL, how much everything in the process logs."""


class ProcessorTime(NamedTuple):
    """What a process's main thread had of a processor: proc(5), schedstat."""

    run_seconds: float
    waited_seconds: float

    def is_starved_since(self, earlier: ProcessorTime) -> bool:
        """Return whether it has waited for a processor for longer than it ran: others had the machine."""
        return self.waited_seconds - earlier.waited_seconds > self.run_seconds - earlier.run_seconds


class GatewayProcess:
    """A gateway in a process of its own. `said` is what it wrote to standard output and standard error so far."""

    def __init__(self, folder: Path, *, environ: Mapping[str, str] | None = None, address: str = "127.0.0.1:0") -> None:
        """Start it in `folder`, which is its working folder: its state is in `.privacy-gateway` there."""
        http = {"PRIVACY_GATEWAY__LISTENERS__LOCAL_HTTP__ADDRESS": "127.0.0.1:0"}
        given = {"PRIVACY_GATEWAY__LISTENERS__LOCAL__ADDRESS": address, **http, **(environ or {})}
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PRIVACY_GATEWAY__", "GRPC_", "PYTHONASYNCIO"))
        }
        self._process = subprocess.Popen(
            (sys.executable, "-c", SERVE_AT_LOG_LEVEL) if "LEVEL" in given else SERVE_COMMAND,
            cwd=folder,
            env={**kept, **given},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.state = folder / ".privacy-gateway"
        self.output = b""
        self._output_grew = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def address(self) -> str:
        """Where it listens, once it does."""
        return self.listener_address("local")

    def listener_address(self, name: str) -> str:
        """Where one of its listeners is, once it is."""
        return self.wait_for_output(rb'\b%s listening on ([^\s"]+)' % name.encode())[1].decode()

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def rss(self) -> int:
        """Bytes of memory that it uses now: proc(5)."""
        return _status(self.pid, "VmRSS")

    @property
    def peak(self) -> int:
        """The most that it has used."""
        return _status(self.pid, "VmHWM")

    def reset_peak(self) -> None:
        """From now on `peak` counts anew: proc(5), clear_refs."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    @property
    def cpu(self) -> float:
        """Seconds of processor time that it has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def processor_time(self) -> ProcessorTime:
        run, waited, _ = map(int, Path(f"/proc/{self.pid}/schedstat").read_text().split())
        return ProcessorTime(run / 1e9, waited / 1e9)

    def wait_for_output(self, pattern: bytes) -> re.Match[bytes]:
        """Wait until it has said something that matches."""
        found: list[re.Match[bytes]] = []

        def heard() -> bool:
            found.extend(re.finditer(pattern, self.output))
            return bool(found) or not self._reader.is_alive()

        with self._output_grew:
            assert self._output_grew.wait_for(heard, TIMEOUT_SECONDS), f"never said {pattern!r}"
        assert found, f"ended without saying {pattern!r}: {self.output!r}"
        return found[0]

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        code = self._process.wait(TIMEOUT_SECONDS)
        self._reader.join(TIMEOUT_SECONDS)
        return code

    def stop(self) -> int:
        """End it as Kubernetes would."""
        self.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._output_grew:
                self.output += line
                self._output_grew.notify_all()
        with self._output_grew:
            self._output_grew.notify_all()


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


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
