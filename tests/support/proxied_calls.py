"""A gateway whose proxy runs in this process, and calls through it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import yaml
from kannelle.privacy.v1.access_pb2 import AccessEntry

from gateway.app import Gateway
from gateway.config import Config, Inbound, Listeners, Local, Outbound
from gateway.loading import load_sources
from gateway.tls import Material
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS
from tests.support.fake_delivery import FakeDelivery
from tests.support.proxy_certificates import certificate_for, dns, write_tls
from tests.support.proxy_policy import INBOUND, OUTBOUND, policy, write_contract
from tests.support.recording_upstream import Pairs, RecordingUpstream


@contextmanager
def proxy_channel(address: str, authority: str, held: Material | None = None) -> Iterator[grpc.Channel]:
    """A caller's connection; with a certificate to `inbound`, whose own is for localhost."""
    options = [
        *CHANNEL_OPTIONS,
        ("grpc.default_authority", authority),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", 1 << 20),
    ]
    options += [("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]
    if held is None:
        with grpc.insecure_channel(address, options=options) as channel:
            yield channel
        return
    options.append(("grpc.ssl_target_name_override", "localhost"))
    credentials = grpc.ssl_channel_credentials(held.ca, held.key or None, held.certificate or None)
    with grpc.secure_channel(address, credentials, options=options) as channel:
        yield channel


class CallResult:
    """All that a caller learns of a call."""

    def __init__(self, call: Any) -> None:
        self.answers: list[bytes] = []
        with suppress(grpc.RpcError):
            self.answers.extend(call)
        self.initial = [(key, value) for key, value in call.initial_metadata() or ()]
        self.code: grpc.StatusCode = call.code()
        self.text: str = call.details() or ""
        self.trailing = [(key, value) for key, value in call.trailing_metadata() or ()]

    def __repr__(self) -> str:
        return f"Told({self.code}, {self.text!r}, {self.initial}, {self.answers}, {self.trailing})"


def invoke(channel: grpc.Channel, path: str, *messages: bytes, metadata: Pairs = (), **options: Any) -> CallResult:
    """Call a method of any kind with any bytes."""
    # On the wire all kinds are one; only this one shows all that comes.
    method: Any = channel.stream_stream(path)
    return CallResult(method(iter(messages), **{"timeout": TIMEOUT_SECONDS, "metadata": tuple(metadata), **options}))


class ProxyGateway:
    """A gateway in this process, with routes to an upstream."""

    def __init__(
        self, gateway: Gateway, addresses: Mapping[str, str], access: FakeDelivery, upstream: RecordingUpstream
    ) -> None:
        self.gateway = gateway
        self.addresses = addresses
        self.access = access
        self.upstream = upstream

    async def entries(self, count: int) -> list[AccessEntry]:
        """The access log, once it has so many entries; it is empty then."""
        await self.access.wait_for(count)
        releases = self.access.releases
        self.access.batches.clear()
        return [AccessEntry.FromString(release.payload) for release in releases]


@asynccontextmanager
async def run_proxy(
    folder: Path, routes: Sequence[str] = (*OUTBOUND, *INBOUND), *, inbound: Inbound | None = None
) -> AsyncIterator[ProxyGateway]:
    """Run one on free ports of loopback."""
    access = FakeDelivery()
    with RecordingUpstream() as upstream:
        (folder / "policy.yaml").write_text(policy(upstream.port, routes))
        config = Config(
            policy=folder / "policy.yaml",
            contracts=(write_contract(folder),),
            state=folder / "state",
            service="web",
            listeners=Listeners(
                local=Local(address="127.0.0.1:0"),
                local_http=None,
                outbound=Outbound(address="127.0.0.1:0"),
                inbound=inbound or Inbound(address="127.0.0.1:0"),
            ),
            tls=write_tls(folder, certificate_for(dns("localhost"))),
        )
        gateway = Gateway(config, access, source=load_sources)
        addresses = await gateway.start()
        try:
            yield ProxyGateway(gateway, addresses, access, upstream)
        finally:
            await gateway.stop()


def proxy_environ(folder: Path, port: int, **more: str) -> Mapping[str, str]:
    """What a gateway in a process of its own must be told to be the same."""
    tls = write_tls(folder, certificate_for(dns("localhost")))
    (folder / "policy.yaml").write_text(policy(port))
    settings = {
        "policy": folder / "policy.yaml",
        "contracts": yaml.safe_dump([str(write_contract(folder))], default_flow_style=True).strip(),
        "service": "web",
        "tls__certificate": tls.certificate,
        "tls__key": tls.key,
        "tls__ca": tls.ca,
        "stop__grace": "1s",
        **{f"listeners__{name}__address": "127.0.0.1:0" for name in ("outbound", "inbound", "http")},
        **more,
    }
    return {f"PRIVACY_GATEWAY__{name.upper()}": str(value) for name, value in settings.items()}
