"""Channels to upstreams.

One for all routes that are alike, kept over reloads, closed when the last call on an old one has error.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Collection
from typing import Final

import grpc
import msgspec

from gateway.causes import cause_of
from gateway.errors import Cause
from gateway.policy.document import Retry, Route
from gateway.receivers.proxy.tls_probe import speaks_tls
from gateway.receivers.proxy.upstream_call import UpstreamError

KEEPALIVE_MILLIS: Final = 300_000 + 10_000
"""Time between pings while calls are silent.

Servers take no more than one in five minutes, unless configured otherwise.
"""

PING_TIMEOUT_MILLIS: Final = 20_000
"""How long the answer to a ping may take."""

CONNECT_TIMEOUT_MILLIS: Final = 5_000
"""How long an attempt to connect may take."""

LOOKAHEAD_BYTES: Final = 1024 * 1024
"""How far an upstream may be ahead of a call's reader.

A fixed window, where gRPC's own grows to 16 MB with the connection's speed.
"""

TLS_PROBE_INTERVAL_SECONDS: Final = 60.0
"""How long the result of a TLS probe is believed."""

ChannelOption = tuple[str, str | int]


class Target(msgspec.Struct, frozen=True):
    """What makes a channel: routes with equal targets share one.

    `generation` is that of the TLS material, None for plaintext.
    """

    address: str
    authority: str
    max_message_bytes: int
    retry: Retry | None
    generation: int | None

    @staticmethod
    def of(route: Route, generation: int) -> Target:
        """Return the target of a route, with TLS material of a generation."""
        upstream = route.upstream if isinstance(route.upstream, str) else _address_list(route.upstream)
        return Target(
            upstream, route.authority, route.max_message_bytes, route.retry, None if route.local else generation
        )


def _address_list(addresses: Collection[str]) -> str:
    """Return a gRPC target of IP addresses: https://github.com/grpc/grpc/blob/master/doc/naming.md."""
    family = "ipv6" if any(address.startswith("[") for address in addresses) else "ipv4"
    return f"{family}:{','.join(addresses)}"


class Upstream:
    """A channel, and how many calls use it."""

    def __init__(self, target: Target, credentials: grpc.ChannelCredentials | None) -> None:
        options = _options(target)
        if credentials is None:
            self.channel = grpc.aio.insecure_channel(target.address, options)
        else:
            self.channel = grpc.aio.secure_channel(target.address, credentials, options)
        self._target = target
        self._wants_tls = False
        self._next_probe_at = 0.0
        self._probe: asyncio.Task[None] | None = None
        self._calls = 0
        self._retired = False
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> None:
        self._calls += 1

    def __exit__(self, *_: object) -> None:
        self._calls -= 1
        if self._retired and not self._calls:
            self._idle.set()

    def cause(self, error: UpstreamError) -> Cause | None:
        """Return why a call over this channel has no response; None where the upstream itself said so."""
        if error.trailing:
            return None
        ready = self.channel.get_state() is grpc.ChannelConnectivity.READY
        plaintext = self._target.generation is None
        cause = cause_of(error.code, error.text, ready=ready, tls=not plaintext)
        if not plaintext or cause is not Cause.UPSTREAM_RESET or ready:
            return cause
        self._start_probe()
        return Cause.UPSTREAM_WANTS_TLS if self._wants_tls else cause

    def _start_probe(self) -> None:
        """Find out, beside the calls, whether the upstream wants TLS, unless that was just done."""
        now = time.monotonic()
        if self._probe is None and now >= self._next_probe_at:
            self._next_probe_at = now + TLS_PROBE_INTERVAL_SECONDS
            self._probe = asyncio.create_task(self._probe_tls())

    async def _probe_tls(self) -> None:
        self._wants_tls = await speaks_tls(self._target.address)
        self._probe = None

    async def retire(self) -> None:
        """Close once no call uses it any more."""
        self._retired = True
        if self._calls:
            self._idle.clear()
        await self._idle.wait()
        await self.channel.close()


class Upstreams:
    """The channels in use. `credentials` are those of the TLS material of the moment."""

    def __init__(self, credentials: Callable[[], grpc.ChannelCredentials]) -> None:
        self._credentials = credentials
        self._open: dict[Target, Upstream] = {}
        self._retiring: set[asyncio.Task[None]] = set()

    def of(self, target: Target) -> Upstream:
        """Return the channel for a target, opened if need be. It connects with its first call."""
        if target not in self._open:
            self._open[target] = Upstream(target, None if target.generation is None else self._credentials())
        return self._open[target]

    def retire_others(self, targets: Collection[Target]) -> None:
        """Close the channels for other targets once their calls in flight have ended."""
        for target in self._open.keys() - set(targets):
            task = asyncio.create_task(self._open.pop(target).retire())
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def close(self) -> None:
        """Close all, whoever uses them."""
        for task in tuple(self._retiring):
            task.cancel()
        for upstream in self._open.values():
            await upstream.channel.close()
        self._open.clear()


def _options(target: Target) -> list[ChannelOption]:
    return [
        ("grpc.default_authority", target.authority),
        ("grpc.max_receive_message_length", target.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.service_config", _service_config(target)),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.enable_http_proxy", 0),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", LOOKAHEAD_BYTES),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.keepalive_time_ms", KEEPALIVE_MILLIS),
        ("grpc.keepalive_timeout_ms", PING_TIMEOUT_MILLIS),
        ("grpc.initial_reconnect_backoff_ms", 250),
        ("grpc.min_reconnect_backoff_ms", CONNECT_TIMEOUT_MILLIS),
        ("grpc.max_reconnect_backoff_ms", 10_000),
    ]


def _service_config(target: Target) -> str:
    """https://github.com/grpc/grpc/blob/master/doc/service_config.md."""
    config: dict[str, object] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if target.retry is not None:
        config["methodConfig"] = [{"name": [{}], "retryPolicy": _retry_policy(target.retry)}]
    return json.dumps(config)


def _retry_policy(retry: Retry) -> dict[str, object]:
    return {
        "maxAttempts": retry.max_attempts,
        "initialBackoff": f"{retry.initial_backoff:.3f}s",
        "maxBackoff": f"{retry.max_backoff:.3f}s",
        "backoffMultiplier": retry.backoff_multiplier,
        "retryableStatusCodes": sorted(retry.codes),
    }
