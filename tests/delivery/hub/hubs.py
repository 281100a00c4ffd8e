"""A hub's end of `DeliveryService` on loopback, over mutual TLS, before a delivery to watch; and an agent's end."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import grpc
from kannelle.privacy.v1 import delivery_pb2

from gateway import config
from gateway.batch_verdict import ReleaseBatch
from gateway.delivery import Delivery
from gateway.delivery.hub.client import HubClient
from gateway.delivery.hub.stream import METHOD
from gateway.entry_batch import KEY_BYTES, EntryBatch
from gateway.errors import Retryable
from gateway.listeners import Listener
from gateway.model import Identifier
from gateway.pipeline.flows import Flows
from gateway.receivers.caller import Callers
from gateway.receivers.guard import Guard
from gateway.receivers.hub import receiver
from gateway.receivers.hub.agent_log import AgentLog
from gateway.receivers.hub.group_store import EntriesAgain
from gateway.receivers.hub.rollout import Rollout
from gateway.receivers.incoming import AGENT as AGENT_CALLER
from gateway.receivers.incoming import Context, Incoming
from gateway.telemetry.counts import Counts
from gateway.telemetry.traces import RpcMethod
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


def entry(text: str, *, received_ns: int = NOW_NS, payload: bytes | None = None) -> EntryBatch:
    """One entry with a text for a payload, unless that is given, and for a key."""
    payload = text.encode() if payload is None else payload
    return EntryBatch(
        ReleaseBatch("crm", "a.Type", PLAN, [payload]),
        text.encode().ljust(KEY_BYTES, b"\0"),
        [received_ns],
        fingerprints=b"the mark",
    )


def entries(*texts: str) -> EntryBatch:
    """A batch of entries with these texts."""
    return joined([entry(text) for text in texts])


def joined(batches: Sequence[EntryBatch]) -> EntryBatch:
    """Batches of one flow and one plan as one."""
    releases = batches[0].releases
    return EntryBatch(
        ReleaseBatch(
            releases.destination,
            releases.type,
            releases.plan,
            [payload for batch in batches for payload in batch.releases.payloads],
        ),
        b"".join(batch.keys for batch in batches),
        [received_ns for batch in batches for received_ns in batch.received_ns],
        fingerprints=b"".join(batch.fingerprints for batch in batches),
    )


def unchanged_entries(
    flows: Flows, agent: str, given: EntryBatch, identifiers: Sequence[frozenset[Identifier]] | None
) -> EntryBatch:
    """The entries that an agent handed over."""
    return given


class TestedHub:
    """A hub that can be stopped and started again where it was."""

    def __init__(self, folder: Path, delivery: Delivery, agents: Sequence[str], repack: EntriesAgain) -> None:
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
    folder: Path, delivery: Delivery, *, agents: Sequence[str] = (AGENT,), repack: EntriesAgain = unchanged_entries
) -> AsyncIterator[TestedHub]:
    """One that runs."""
    one = TestedHub(folder, delivery, agents, repack)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


class FormerHub:
    """A hub of the version that knew no batches: it doesn't say that it takes them, and acknowledges them unseen."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        """Those of the entries that it acknowledged."""
        self.unseen = 0
        """Batches in groups that it acknowledged."""
        self.port = 0
        self._listener: Listener | None = None

    async def accept(self, requests: Incoming, context: Context) -> None:
        """Store and acknowledge each group."""
        await context.send_initial_metadata(())
        async for raw in requests:
            groups = delivery_pb2.AcceptRequest.FromString(raw).groups
            self.payloads += [one.payload for group in groups for one in group.entries]
            self.unseen += sum(len(group.batches) for group in groups)
            answer = delivery_pb2.AcceptResponse(
                acknowledgements=[delivery_pb2.Acknowledgement(id=group.id) for group in groups]
            )
            await context.write(answer.SerializeToString())

    async def start(self) -> None:
        given = config.Delivery(address=f"127.0.0.1:{self.port}")
        self._listener = Listener("delivery", given, _SERVED.server_credentials())
        behaviour = Guard(MAX_STREAMS).relay(self.accept, RpcMethod(receiver.SERVICE, "Accept"), AGENT_CALLER)
        handler: Any = grpc.stream_stream_rpc_method_handler(behaviour)
        self._listener.server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(receiver.SERVICE, {"Accept": handler}),)
        )
        self.port = int((await self._listener.start()).rpartition(":")[2])

    async def stop(self, grace: float = 0.0) -> None:
        if self._listener is not None:
            await self._listener.stop(grace)


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


MakeGroup = Callable[..., delivery_pb2.EntryGroup]
"""Makes a group of a number, entries, and what each of them says otherwise, by the names of `Entry`'s fields."""


def group_of_entries(number: int, *entries: EntryBatch, **changed: Any) -> delivery_pb2.EntryGroup:
    """A group as agents sent it that knew no batches."""
    group = delivery_pb2.EntryGroup(id=number)
    for one in entries:
        for place, payload in enumerate(one.releases.payloads):
            group.entries.add(
                **{
                    "destination": one.destination,
                    "type": one.releases.type,
                    "plan": bytes.fromhex(one.releases.plan),
                    "payload": payload,
                    "key": one.key(place),
                    "fingerprint": one.fingerprint(place),
                    "received_at_ns": one.received_ns[place],
                    **changed,
                }
            )
    return group


def group_of_batches(number: int, *entries: EntryBatch, **changed: Any) -> delivery_pb2.EntryGroup:
    """The same as one batch, as agents send it."""
    group = delivery_pb2.EntryGroup(id=number)
    if entries:
        batch = joined(entries)
        columns = {
            "destination": batch.destination,
            "type": batch.releases.type,
            "plan": bytes.fromhex(batch.releases.plan),
            "payloads": batch.releases.payloads,
            "keys": batch.keys,
            "fingerprints": batch.fingerprints,
            "received_at_ns": batch.received_ns,
        }
        if "received_at_ns" in changed:
            changed["received_at_ns"] = [changed["received_at_ns"]]
        plural = {"key": "keys", "fingerprint": "fingerprints"}
        group.batches.add(**{**columns, **{plural.get(name, name): value for name, value in changed.items()}})
    return group


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


async def accept_with_retries(delivery: Delivery, batches: Sequence[EntryBatch]) -> None:
    """Hand entries over, as often as it takes."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            with suppress(Retryable):
                return await delivery.accept(batches)
            await asyncio.sleep(0.02)


async def until(holds: Callable[[], object]) -> None:
    """Look again and again until something holds."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
