"""The four walks through the gateway that `docs/architecture.md` describes.

From received bytes to the acknowledged entry, or to the answer; and from a policy's file to its plans.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sized
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc

from gateway.app import Gateway
from gateway.config import Config, Inbound, Listeners, Local, Outbound, Reload
from gateway.loading import load_sources
from gateway.standins.collector import Collector
from gateway.standins.segment import SegmentStandIn
from tests.e2e import clients_and_vendor
from tests.support.call_recorder import QUIET_SECONDS, Recorder, Walk
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS
from tests.support.proxied_calls import invoke, proxy_channel
from tests.support.proxy_certificates import certificate_for, dns, write_tls
from tests.support.proxy_policy import INBOUND, ONE_METHOD, OUTBOUND, note, policy, write_contract
from tests.support.recording_upstream import RecordingUpstream
from tests.support.requests import LOGS, TRACK, event, logs_request, track_request

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


class Call:
    """A method whose requests come out at a stand-in."""

    def __init__(self, channel: grpc.aio.Channel, method: str, arrived: Sized) -> None:
        self._method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
        self._arrived = arrived

    async def deliver(self, request: bytes) -> None:
        """Send a request and wait until it has arrived."""
        count = len(self._arrived)
        await self._method(request)
        await _until(lambda: len(self._arrived) > count)


async def event_to_vendor(folder: Path, recorder: Recorder) -> Walk:
    """Return an event, from the call that brings it to its acknowledged entry in the outbox."""
    os.environ["SEGMENT_WRITE_KEY"] = SegmentStandIn.write_key
    vendor = SegmentStandIn()
    await vendor.start()
    (folder / "policy.yaml").write_text(clients_and_vendor.POLICY.format(url=vendor.url, delivery="stored"))
    try:
        async with (
            _running(_config(folder)) as (_, addresses),
            grpc.aio.insecure_channel(addresses["local"], options=CHANNEL_OPTIONS) as channel,
        ):
            call = Call(channel, TRACK, vendor.accepted)
            await call.deliver(track_request(event("usr_1")))
            await asyncio.sleep(QUIET_SECONDS)
            return await recorder.record(call.deliver(track_request(event("usr_2"))))
    finally:
        await vendor.stop()


async def log_record_to_collector(folder: Path, recorder: Recorder) -> Walk:
    """Return a log record, from the call that brings it to the collector."""
    async with Collector() as collector:
        (folder / "policy.yaml").write_text(LOGS_POLICY.format(url=collector.endpoint))
        async with (
            _running(_config(folder)) as (_, addresses),
            grpc.aio.insecure_channel(addresses["local"], options=CHANNEL_OPTIONS) as channel,
        ):
            call = Call(channel, LOGS, collector.requests)
            await call.deliver(logs_request("INFO").SerializeToString())
            await asyncio.sleep(QUIET_SECONDS)
            return await recorder.record(call.deliver(logs_request("WARN").SerializeToString()))


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
                await _proxied(channel, note(op="first"))
                await asyncio.sleep(QUIET_SECONDS)
                return await recorder.record(_proxied(channel, note(op="second")))


async def _proxied(channel: grpc.Channel, message: bytes) -> None:
    result = await asyncio.to_thread(invoke, channel, ONE_METHOD, message)
    assert result.code == grpc.StatusCode.OK, result


async def policy_to_plan(folder: Path, recorder: Recorder) -> Walk:
    """Return a policy, from its file to the plans that a running gateway works by."""
    path = folder / "policy.yaml"
    path.write_text(LOGS_POLICY.format(url="http://127.0.0.1:1"))
    async with _running(_config(folder)) as (running, _):
        return await recorder.record(_reloaded(running, path))


def _shorten_retention(path: Path) -> None:
    path.write_text(path.read_text().replace("30d", "29d"))


async def _reloaded(running: Gateway, path: Path) -> None:
    before = running._parts.current.now
    _shorten_retention(path)
    running.reload()
    await _until(lambda: running._parts.current.now is not before)


WALKS: Final[Mapping[str, Callable[[Path, Recorder], Awaitable[Walk]]]] = {
    "event to vendor": event_to_vendor,
    "log record to collector": log_record_to_collector,
    "proxied call": proxied_call,
    "policy to plan": policy_to_plan,
}
