"""A hub's end of `DeliveryService` on loopback, over mutual TLS, before a delivery to watch; and an agent's end."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import grpc
from kannelle.privacy.v1 import delivery_pb2

from gateway import config
from gateway.delivery import Delivery
from gateway.delivery.hub.client import HubClient
from gateway.delivery.hub.stream import METHOD
from gateway.errors import Retryable
from gateway.listeners import Listener
from gateway.model import OutboxEntry, Release
from gateway.pipeline.flows import Flows
from gateway.receivers.caller import Callers
from gateway.receivers.guard import Guard
from gateway.receivers.hub import receiver
from gateway.receivers.hub.agent_log import AgentLog
from gateway.receivers.hub.group_store import EntryAgain
from gateway.receivers.hub.rollout import Rollout
from gateway.telemetry.counts import Counts
from gateway.tls import Certificates, Material
from tests.delivery.cases import NOW_NS, ScriptedRedecider
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS
from tests.support.proxy_certificates import certificate_for, dns, uri

AGENT: Final = "spiffe://kannelle.example/apps/video"
PLAN: Final = hashlib.sha256(b"a plan").hexdigest()
AGENT_CERTIFICATE: Final = certificate_for(uri(AGENT))
"""An agent's certificate."""

MAX_STREAMS: Final = 8
"""Streams that one agent may have."""

_SERVED: Final = Certificates(certificate_for(dns("localhost")))


def entry(text: str, *, received_ns: int = NOW_NS, payload: bytes | None = None) -> OutboxEntry:
    """An entry with a text for a payload, unless that is given, and for a key."""
    payload = text.encode() if payload is None else payload
    return OutboxEntry(
        Release("crm", "a.Type", PLAN, payload), text.encode().ljust(16, b"\0"), b"the mark", received_ns
    )


def unchanged_entry(  # noqa: PLR0917 - an entry, and what made it
    flows: Flows, agent: str, release: Release, key: bytes, mark: bytes, received_ns: int
) -> OutboxEntry:
    """The entry that an agent handed over."""
    return OutboxEntry(release, key, mark, received_ns)


class TestedHub:
    """A hub that can be stopped and started again where it was."""

    def __init__(self, folder: Path, delivery: Delivery, agents: Sequence[str], repack: EntryAgain) -> None:
        self.redecider = ScriptedRedecider()
        self.port = 0
        self.put_in_force(PLAN)
        self.counts = Counts()
        # `Again` decides as `again.Again` does, and the plans are where `Flows` has them.
        roll_out = Rollout(lambda: self.flows)  # type: ignore[arg-type,return-value]
        again: Any = self.redecider
        register = AgentLog(self.counts)
        self._hub = receiver.HubReceiver(
            tuple(agents), MAX_STREAMS, Callers(), roll_out, again, repack, delivery, self.counts, register
        )
        self._listener: Listener | None = None

    def put_in_force(self, plan: str) -> None:
        """Decide by a plan with this digest from now on."""
        self.flows = SimpleNamespace(digests=frozenset({plan}))

    async def start(self) -> None:
        given = config.Delivery(address=f"127.0.0.1:{self.port}")
        self._listener = Listener("delivery", given, _SERVED.server_credentials())
        self._listener.server.add_generic_rpc_handlers(tuple(receiver.handlers(self._hub, Guard(2 * MAX_STREAMS))))
        self.port = int((await self._listener.start()).rpartition(":")[2])

    async def stop(self, grace: float = 0.0) -> None:
        if self._listener is not None:
            await self._listener.stop(grace)


@asynccontextmanager
async def running_hub(
    folder: Path, delivery: Delivery, *, agents: Sequence[str] = (AGENT,), repack: EntryAgain = unchanged_entry
) -> AsyncIterator[TestedHub]:
    """One that runs."""
    one = TestedHub(folder, delivery, agents, repack)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


# An agent that says what it likes.


def credentials(held: Material | None) -> grpc.ChannelCredentials:
    """A caller's; it trusts the hub, and has a certificate or none."""
    if held is None:
        return grpc.ssl_channel_credentials(AGENT_CERTIFICATE.ca)
    return grpc.ssl_channel_credentials(held.ca, held.key, held.certificate)


@asynccontextmanager
async def stream(port: int, held: Material | None = AGENT_CERTIFICATE) -> AsyncIterator[Any]:
    """A stream of bytes to a hub."""
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials(held), options=CHANNEL_OPTIONS) as channel:
        call: Any = channel.stream_stream(METHOD)(timeout=TIMEOUT_SECONDS)
        yield call


def group(number: int, *entries: OutboxEntry, **changed: Any) -> delivery_pb2.EntryGroup:
    """A group as it is sent; in each of its entries these fields are changed."""
    return delivery_pb2.EntryGroup(id=number, entries=[_drawn(one, changed) for one in entries])


def _drawn(one: OutboxEntry, changed: dict[str, Any]) -> delivery_pb2.Entry:
    release = one.release
    fields = {
        "destination": release.destination,
        "type": release.type,
        "plan": bytes.fromhex(release.plan),
        "payload": release.payload,
    }
    return delivery_pb2.Entry(
        **{**fields, "key": one.key, "fingerprint": one.fingerprint, "received_at_ns": one.received_ns, **changed}
    )


def request(*groups: delivery_pb2.EntryGroup) -> bytes:
    return delivery_pb2.AcceptRequest(groups=groups).SerializeToString()


async def answers(call: Any, count: int) -> list[delivery_pb2.Acknowledgement]:
    """The next acknowledgements of a stream, so many."""
    held: list[delivery_pb2.Acknowledgement] = []
    while len(held) < count:
        raw = await call.read()
        assert raw is not grpc.aio.EOF
        held += delivery_pb2.AcceptResponse.FromString(raw).acknowledgements
    return held


# An agent's uplink.


@asynccontextmanager
async def hub_client(
    port: int,
    current: Callable[[], tuple[int, Material | None]] = lambda: (0, AGENT_CERTIFICATE),
    *,
    patience: float = TIMEOUT_SECONDS,
) -> AsyncIterator[HubClient]:
    """One with the certificate of the moment."""

    def now() -> tuple[int, grpc.ChannelCredentials]:
        generation, held = current()
        return generation, credentials(held)

    one = HubClient(config.Hub(address=f"localhost:{port}", timeout=patience), now)
    try:
        yield one
    finally:
        await one.close(0.0)


async def accept_with_retries(delivery: Delivery, entries: Iterable[OutboxEntry]) -> None:
    """Hand entries over, as often as it takes."""
    batch = list(entries)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            with suppress(Retryable):
                return await delivery.accept(batch)
            await asyncio.sleep(0.02)
