"""Which of the gateway's functions run on four walks through it, and in which order.

`python -m tests.support.walk [--list]` prints figures, and the functions. A walk is what `docs/architecture.md`
describes: from received bytes to the acknowledged entry, or to the answer.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import grpc
import msgspec

import gateway
from gateway.app import Gateway
from gateway.config import Config, Inbound, Listeners, Local, Outbound, Reload
from gateway.loading import load_sources
from gateway.standins.collector import Collector
from gateway.standins.segment import SegmentStandIn
from tests.e2e import clients_and_vendor
from tests.support.processes import CHANNEL_OPTIONS, TIMEOUT_SECONDS
from tests.support.proxy import (
    INBOUND,
    ONE_METHOD,
    OUTBOUND,
    RecordingUpstream,
    certificate_for,
    dns,
    invoke,
    note,
    policy,
    proxy_channel,
    write_contract,
    write_tls,
)
from tests.support.requests import LOGS, TRACK, event, logs_request, track_request

ROOT: Final = Path(gateway.__file__).parent
STAND_INS: Final = (ROOT / "demo", ROOT / "standins")
QUIET_SECONDS: Final = 0.5
"""How long after the last thing that can be seen from outside something may still be written."""

LOGS_POLICY: Final = """
version: 1
controller: Check it Out S.A.S.
user_id: {{pattern: "usr_[A-Za-z0-9]{{1,32}}"}}
ceilings: {{FR: [OPERATIONAL]}}
destinations:
  logs: {{recipient: log, region: FR, purpose: essential.service, legal_basis: CONTRACT, allow: [OPERATIONAL],
    retention: 30d, exporter: {{kind: otlp, endpoint: "{url}"}}}}
flows: {{otlp/logs: [logs]}}
"""


class Walk(msgspec.Struct, frozen=True):
    """Functions as `gateway/file.py::Class.method`, in the order of their first calls.

    `closures` are those without a name of their own: lambdas, and functions inside others.
    """

    functions: tuple[str, ...]
    closures: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """The files of all of them, in the order of their first calls."""
        return tuple(dict.fromkeys(name.partition("::")[0] for name in (*self.functions, *self.closures)))


class Recorder:
    """Notes what runs in any thread that starts after it, while it is `recording`."""

    def __init__(self) -> None:
        self._called: dict[CodeType, None] = {}
        self._recording = False

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if self._recording and event == "call":
            self._called.setdefault(frame.f_code)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Be the profiler of this thread, and of those that start meanwhile."""
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    async def record(self, steps: Callable[[], Awaitable[object]]) -> Walk:
        """Return what runs meanwhile."""
        self._called.clear()
        self._recording = True
        try:
            await steps()
            await asyncio.sleep(QUIET_SECONDS)
        finally:
            self._recording = False
        return _walk(self._called)


def _walk(called: Mapping[CodeType, None]) -> Walk:
    functions: list[str] = []
    closures: list[str] = []
    for code in called:
        path = Path(code.co_filename)
        if (
            not path.is_relative_to(ROOT)
            or any(map(path.is_relative_to, STAND_INS))
            or code.co_name.startswith(("<list", "<set", "<dict", "<gen", "<mod"))
        ):
            continue
        name = f"gateway/{path.relative_to(ROOT)}::{code.co_qualname}"
        (closures if "<" in code.co_qualname else functions).append(name)
    return Walk(tuple(dict.fromkeys(functions)), tuple(dict.fromkeys(closures)))


@asynccontextmanager
async def _running(config: Config) -> AsyncIterator[tuple[Gateway, Mapping[str, str]]]:
    running = Gateway(config, source=load_sources)
    addresses = await running.start()
    try:
        yield running, addresses
    finally:
        await running.stop()


def _config(folder: Path, **more: Any) -> Config:
    listeners = Listeners(local=Local(address="127.0.0.1:0"), local_http=None)
    settings = {
        "policy": folder / "policy.yaml",
        "state": folder / "state",
        "listeners": listeners,
        "reload": Reload(every=0.0),
    }
    return Config(**{**settings, "insecure_loopback": True, **more})


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not holds():  # noqa: ASYNC110 - what is waited for happens outside
            await asyncio.sleep(0.01)


async def event_to_vendor(folder: Path, recorder: Recorder) -> Walk:
    """Return an event, from the call that brings it to its acknowledged entry in the outbox."""
    os.environ["SEGMENT_WRITE_KEY"] = SegmentStandIn.write_key
    vendor = SegmentStandIn()
    await vendor.start()
    (folder / "policy.yaml").write_text(clients_and_vendor.POLICY.format(url=vendor.url))
    try:
        async with (
            _running(_config(folder)) as (_, addresses),
            grpc.aio.insecure_channel(addresses["local"], options=CHANNEL_OPTIONS) as channel,
        ):
            call: Any = channel.unary_unary(TRACK)

            async def send(user: str, count: int) -> None:
                await call(track_request(event(user)))
                await _until(lambda: len(vendor.accepted) == count)

            await send("usr_1", 1)
            await asyncio.sleep(QUIET_SECONDS)
            return await recorder.record(lambda: send("usr_2", 2))
    finally:
        await vendor.stop()


async def log_record_to_collector(folder: Path, recorder: Recorder) -> Walk:
    """Return a log record, from the call that brings it to its acknowledged entry in the outbox."""
    async with Collector() as collector:
        (folder / "policy.yaml").write_text(LOGS_POLICY.format(url=collector.endpoint))
        async with (
            _running(_config(folder)) as (_, addresses),
            grpc.aio.insecure_channel(addresses["local"], options=CHANNEL_OPTIONS) as channel,
        ):
            call: Any = channel.unary_unary(LOGS)

            async def send(text: str, count: int) -> None:
                await call(logs_request(text).SerializeToString())
                await _until(lambda: len(collector.requests) == count)

            await send("INFO", 1)
            await asyncio.sleep(QUIET_SECONDS)
            return await recorder.record(lambda: send("WARN", 2))


async def proxied_call(folder: Path, recorder: Recorder) -> Walk:
    """Return a call between services, from its first bytes to the end of its answer."""
    with RecordingUpstream() as upstream:
        (folder / "policy.yaml").write_text(policy(upstream.port, (*OUTBOUND, *INBOUND)))
        listeners = Listeners(
            local=Local(address="127.0.0.1:0"),
            local_http=None,
            outbound=Outbound(address="127.0.0.1:0"),
            inbound=Inbound(address="127.0.0.1:0"),
        )
        tls = write_tls(folder, certificate_for(dns("localhost")))
        config = _config(folder, contracts=(write_contract(folder),), service="web", listeners=listeners, tls=tls)
        async with _running(config) as (_, addresses):
            with proxy_channel(addresses["outbound"], "enforce.example") as channel:

                async def call(text: str) -> None:
                    result = await asyncio.to_thread(invoke, channel, ONE_METHOD, note(op=text))
                    assert result.code == grpc.StatusCode.OK, result

                await call("first")
                await asyncio.sleep(QUIET_SECONDS)
                return await recorder.record(lambda: call("second"))


async def policy_to_plan(folder: Path, recorder: Recorder) -> Walk:
    """Return a policy, from its file to the plans that a running gateway works by."""
    path = folder / "policy.yaml"
    path.write_text(LOGS_POLICY.format(url="http://127.0.0.1:1"))
    async with _running(_config(folder)) as (running, _):
        before = running._parts.current.now

        async def reload() -> None:
            path.write_text(path.read_text().replace("30d", "29d"))
            running.reload()
            await _until(lambda: running._parts.current.now is not before)

        return await recorder.record(reload)


WALKS: Final[Mapping[str, Callable[[Path, Recorder], Awaitable[Walk]]]] = {
    "event to vendor": event_to_vendor,
    "log record to collector": log_record_to_collector,
    "proxied call": proxied_call,
    "policy to plan": policy_to_plan,
}


def trace(name: str, folder: Path) -> Walk:
    """Go one of the walks."""
    recorder = Recorder()

    async def go() -> Walk:
        return await WALKS[name](folder, recorder)

    with recorder.installed():
        return asyncio.run(go())


def main() -> None:
    """Print a row of figures for each walk; with `--list`, also what runs on it."""
    logging.disable()
    print("| walk | functions | closures | files |\n|---|---|---|---|")
    for name in WALKS:
        with tempfile.TemporaryDirectory() as folder:
            walk = trace(name, Path(folder))
        print(f"| {name} | {len(walk.functions)} | {len(walk.closures)} | {len(walk.files)} |")
        if "--list" in sys.argv:
            print("\n".join(f"  {one}" for one in (*walk.functions, *walk.closures)))


if __name__ == "__main__":
    main()
