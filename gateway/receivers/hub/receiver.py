"""A hub's end of `DeliveryService`: agents' streams in, acknowledgements out, each when its group is stored."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Final

import grpc
import msgspec
from kannelle.privacy.v1 import delivery_pb2

from gateway.delivery import Delivery
from gateway.delivery.hub.encoding import TAKES_BATCHES
from gateway.delivery.redecider import Redecider
from gateway.errors import CallReason, Refused, Retryable
from gateway.receivers.caller import Callers
from gateway.receivers.fields import Repeated
from gateway.receivers.guard import Guard
from gateway.receivers.hub.agent_log import AgentLog
from gateway.receivers.hub.group_store import EntriesAgain, GroupStore
from gateway.receivers.hub.rollout import Rollout
from gateway.receivers.incoming import AGENT, Context, Incoming
from gateway.receivers.statuses import DEFAULT_RETRY_SECONDS
from gateway.telemetry import Counts
from gateway.telemetry.traces import RpcMethod

SERVICE: Final = "kannelle.privacy.v1.DeliveryService"

MAX_OPEN_GROUPS: Final = 512
MAX_OPEN_BYTES: Final = 32 * 1024 * 1024
"""What one agent may have under way: groups, and bytes, from their arrival until their acknowledgement is sent."""

_GROUPS_FIELD: Final = delivery_pb2.AcceptRequest.GROUPS_FIELD_NUMBER


class HubReceiver(msgspec.Struct, frozen=True):
    """What a hub takes entries by.

    `agents` are the names that may call, as in the configuration; one may have `streams` at once.
    """

    agents: tuple[str, ...]
    max_streams: int
    callers: Callers
    rollout: Rollout
    redecider: Redecider
    entries_again: EntriesAgain
    delivery: Delivery
    counts: Counts
    agent_log: AgentLog
    open_streams: set[_AgentStream] = msgspec.field(default_factory=set)
    """The streams that agents have open, however long they have nothing to hand over."""
    draining: asyncio.Event = msgspec.field(default_factory=asyncio.Event)

    def drain(self) -> None:
        """Take nothing more: each stream ends once all that came over it is acknowledged."""
        self.draining.set()
        for stream in self.open_streams:
            stream.drain()


class AcceptHandler:
    """Takes agents' streams, within the bound on those of one agent, so that none can take what others need."""

    def __init__(self, hub: HubReceiver) -> None:
        self._hub = hub
        self._streams: Counter[str] = Counter()

    async def handle(self, requests: Incoming, context: Context) -> None:
        """Take one stream to its end. Raises Refused, Retryable."""
        hub, streams = self._hub, self._streams
        agent = self._authorize(context)
        if streams[agent] >= hub.max_streams:
            raise Retryable(CallReason.FULL, DEFAULT_RETRY_SECONDS)
        if hub.draining.is_set():
            raise Retryable(CallReason.UNAVAILABLE, DEFAULT_RETRY_SECONDS)
        streams[agent] += 1
        hub.agent_log.connected(agent, streams)
        stream = _AgentStream(hub, agent, context)
        hub.open_streams.add(stream)
        try:
            # The agent learns that it is let in, and how it may say what it hands over, before it has something to.
            await context.send_initial_metadata((TAKES_BATCHES,))
            await stream.run(requests)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            hub.open_streams.discard(stream)
            streams[agent] -= 1
            hub.agent_log.disconnected(agent, streams)

    def _authorize(self, context: Context) -> str:
        """Return the agent that calls. Raises Refused for who is none, and says so."""
        names: Sequence[str] = ()
        try:
            names = self._hub.callers.caller(context.auth_context(), time.time())
            return agent_name(names, self._hub.agents)
        except Refused as error:
            self._hub.agent_log.refused(names, error.reason)
            raise


def handlers(hub: HubReceiver, guard: Guard) -> Iterator[grpc.GenericRpcHandler]:
    """Yield the handler of the service."""
    behaviour = guard.relay(AcceptHandler(hub).handle, RpcMethod(SERVICE, "Accept"), AGENT)
    yield grpc.method_handlers_generic_handler(SERVICE, {"Accept": grpc.stream_stream_rpc_method_handler(behaviour)})


def agent_name(names: Iterable[str], agents: Sequence[str]) -> str:
    """Return which of a caller's names is an agent's, or below a SPIFFE ID that ends in `/*`.

    Raises Refused if none is.

    Of several it is always the same one, whatever their order in the certificate: keys are hashed with it.
    """
    allowed = sorted(name for name in names if any(_matches(name, agent) for agent in agents))
    if not allowed:
        raise Refused(CallReason.CALLER_NOT_ALLOWED)
    return allowed[0]


def _matches(name: str, agent: str) -> bool:
    return name == agent or (agent.endswith("/*") and name.startswith(agent[:-1]))


class _AgentStream:
    """One agent's stream. Groups are stored side by side, so that they share commits."""

    def __init__(self, hub: HubReceiver, agent: str, context: Context) -> None:
        self._store = GroupStore(agent, hub.rollout, hub.redecider, hub.entries_again, hub.delivery, hub.counts).store
        self._context = context
        self._groups = self._bytes = 0
        self._ready: list[tuple[delivery_pb2.Acknowledgement, int]] = []
        self._ended = self._draining = False
        self._work = asyncio.Event()
        self._capacity = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    async def run(self, requests: AsyncIterator[bytes]) -> None:
        """Take what comes until the agent ends the stream, and all is acknowledged.

        Raises Refused for a request that can't be read, and Retryable where it ended because the hub leaves. What the
        agent sent and isn't acknowledged it sends again.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write())
            self._reading = tasks.create_task(self._read(requests, tasks))
            if self._draining:
                self._reading.cancel()
        if self._draining:
            raise Retryable(CallReason.UNAVAILABLE, DEFAULT_RETRY_SECONDS)

    def drain(self) -> None:
        """Read nothing more."""
        self._draining = True
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self, requests: AsyncIterator[bytes], tasks: asyncio.TaskGroup) -> None:
        try:
            async for raw in requests:
                async for group in Repeated(raw, _GROUPS_FIELD).messages():
                    await self._wait_for_capacity(len(group))
                    tasks.create_task(self._finish(group))
        finally:
            self._ended = True
            self._work.set()

    async def _wait_for_capacity(self, size: int) -> None:
        """Wait for room: an agent that doesn't read holds itself up."""
        while self._groups and (self._groups >= MAX_OPEN_GROUPS or self._bytes + size > MAX_OPEN_BYTES):
            self._capacity.clear()
            await self._capacity.wait()
        self._groups += 1
        self._bytes += size

    async def _finish(self, group: bytes) -> None:
        # First the acknowledgement: the list that is looked up before it may have been written by then.
        acknowledgement = await self._store(group)
        self._ready.append((acknowledgement, len(group)))
        self._work.set()

    async def _write(self) -> None:
        while not (self._ended and not self._groups):
            await self._work.wait()
            self._work.clear()
            ready, self._ready = self._ready, []
            if ready:
                await self._context.write(
                    delivery_pb2.AcceptResponse(acknowledgements=[one for one, _ in ready]).SerializeToString()
                )
                self._groups -= len(ready)
                self._bytes -= sum(size for _, size in ready)
                self._capacity.set()
