"""A hub's end of `DeliveryService`: agents' entries in, decided on again, acknowledgements out, each when its group is stored."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

import grpc
import msgspec
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from kannelle.privacy.v1 import delivery_pb2

from gateway.delivery import Delivery
from gateway.delivery.redecider import Redecider
from gateway.errors import CallReason, DeliveryReason, ItemReason, Reason, Refused, Rejected, Retryable
from gateway.model import MAX_ITEM_BYTES, OutboxEntry, Release, Withheld
from gateway.receivers.caller import Callers
from gateway.receivers.fields import TURN, Repeated
from gateway.receivers.guard import AFTER, LONGEST, Guard
from gateway.receivers.hub.agent_log import AgentLog
from gateway.receivers.hub.rollout import Rollout
from gateway.receivers.incoming import AGENT, Context
from gateway.receivers.receipts import reason_number
from gateway.telemetry import Counts
from gateway.telemetry.traces import RpcMethod

log = logging.getLogger(__name__)

SERVICE: Final = "kannelle.privacy.v1.DeliveryService"

MAX_OPEN_GROUPS: Final = 512
MAX_OPEN_BYTES: Final = 32 * 1024 * 1024
"""What one agent may have under way: groups, and bytes, from their arrival until their acknowledgement is sent."""

MAX_ENTRY_BYTES: Final = MAX_ITEM_BYTES + 64 * 1024
"""Of an item that may be decided on, and what is said of it.

Parsing an entry is one call, in which nothing else runs.
"""

MAX_GROUP_ENTRIES: Final = 65_536
"""In a group: an agent counts 256 bytes and more for each, and sends no more than 15 MiB."""

_GROUPS_FIELD: Final = delivery_pb2.AcceptRequest.GROUPS_FIELD_NUMBER
_ID_FIELD: Final = delivery_pb2.EntryGroup.ID_FIELD_NUMBER
_ENTRIES: Final = delivery_pb2.EntryGroup.ENTRIES_FIELD_NUMBER

EntryAgain = Callable[[str, Release, bytes, bytes, int], OutboxEntry]
"""The entry of an agent's release: agent, release, the agent's key and mark, time of receipt."""


class HubReceiver(msgspec.Struct, frozen=True):
    """What a hub takes entries by.

    `agents` are the names that may call, as in the configuration; one may have `streams` at once.
    """

    agents: tuple[str, ...]
    max_streams: int
    callers: Callers
    rollout: Rollout
    redecider: Redecider
    entry_again: EntryAgain
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


def handlers(hub: HubReceiver, guard: Guard) -> Iterator[grpc.GenericRpcHandler]:
    """The handler of the service."""
    behaviour = guard.relay(partial(_accept, hub, Counter()), RpcMethod(SERVICE, "Accept"), AGENT)
    yield grpc.method_handlers_generic_handler(SERVICE, {"Accept": grpc.stream_stream_rpc_method_handler(behaviour)})


def agent_name(names: Iterable[str], agents: Sequence[str]) -> str:
    """Which of a caller's names is an agent's, or below a SPIFFE ID that ends in `/*`. Raises Refused if none is.

    Of several it is always the same one, whatever their order in the certificate: keys are hashed with it.
    """
    allowed = sorted(name for name in names if any(_matches(name, agent) for agent in agents))
    if not allowed:
        raise Refused(CallReason.CALLER_NOT_ALLOWED)
    return allowed[0]


def _matches(name: str, agent: str) -> bool:
    return name == agent or (agent.endswith("/*") and name.startswith(agent[:-1]))


async def _accept(hub: HubReceiver, open_: Counter[str], requests: AsyncIterator[bytes], context: Context) -> None:
    """One stream; `open_` counts those of each agent, so that none can take what others need."""
    caller = _authorize(hub, context)
    if open_[caller] >= hub.max_streams:
        raise Retryable(CallReason.FULL, AFTER)
    if hub.draining.is_set():
        raise Retryable(CallReason.UNAVAILABLE, AFTER)
    open_[caller] += 1
    hub.agent_log.connected(caller, open_)
    stream = _AgentStream(hub, caller, context)
    hub.open_streams.add(stream)
    try:
        # The agent learns that it is let in, before it has something to hand over.
        await context.send_initial_metadata(())
        await stream.run(requests)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        hub.open_streams.discard(stream)
        open_[caller] -= 1
        hub.agent_log.disconnected(caller, open_)


def _authorize(hub: HubReceiver, context: Context) -> str:
    """The agent that calls. Raises Refused for who is none, and says so."""
    names: Sequence[str] = ()
    try:
        names = hub.callers.caller(context.auth_context(), time.time())
        return agent_name(names, hub.agents)
    except Refused as error:
        hub.agent_log.refused(names, error.reason)
        raise


class _AgentStream:
    """One agent's stream. Groups are settled side by side, so that they share commits."""

    def __init__(self, hub: HubReceiver, agent: str, context: Context) -> None:
        self._hub = hub
        self._agent = agent
        self._context = context
        self._groups = self._bytes = 0
        self._ready: list[tuple[delivery_pb2.Acknowledgement, int]] = []
        self._ended = self._draining = False
        self._work = asyncio.Event()
        self._capacity = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    async def run(self, requests: AsyncIterator[bytes]) -> None:
        """Until the agent ends the stream, and all is acknowledged. Raises Refused for a request that can't be read.

        Raises Retryable where it ended because the hub leaves. What the agent sent and isn't acknowledged it sends
        again.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write())
            self._reading = tasks.create_task(self._read(requests, tasks))
            if self._draining:
                self._reading.cancel()
        if self._draining:
            raise Retryable(CallReason.UNAVAILABLE, AFTER)

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
        # First the fate: the list that is looked up before it may have been written by then.
        fate = await self._outcome(group)
        self._ready.append((fate, len(group)))
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

    async def _outcome(self, group: bytes) -> delivery_pb2.Acknowledgement:
        """Whatever is wrong with one group ends that one only. Raises Refused where its number can't be read."""
        held = Repeated(group, _ENTRIES, MAX_GROUP_ENTRIES)
        number = await held.integer(_ID_FIELD)
        try:
            await self._store(held)
        except (Refused, Rejected) as error:
            return delivery_pb2.Acknowledgement(id=number, reason=reason_number(error.reason))
        except Retryable as error:
            return _retry_later(number, error.reason, AFTER if error.after is None else error.after)
        except Exception as error:  # noqa: BLE001 - whatever it is, its text goes nowhere
            log.error("a group of entries failed: %s", type(error).__name__)
            return _retry_later(number, CallReason.INTERNAL, AFTER)
        return delivery_pb2.Acknowledgement(id=number)

    async def _store(self, group: Repeated) -> None:
        """Store what may leave of a group, whole, then count what may not."""
        self._hub.rollout.observe()
        entries: list[OutboxEntry] = []
        purged: Counter[tuple[str, Reason]] = Counter()
        since = time.monotonic()
        async for raw in group.messages():
            fate = await self._entry_or_reason(_parsed(raw))
            if isinstance(fate, OutboxEntry):
                entries.append(fate)
            else:
                purged[fate] += 1
            if time.monotonic() - since > TURN:
                await asyncio.sleep(0)
                since = time.monotonic()
        if entries:
            await self._hub.delivery.accept(entries)
        for (destination, reason), count in purged.items():
            self._hub.counts.record_purge(destination, reason, count)

    async def _entry_or_reason(self, one: delivery_pb2.Entry) -> OutboxEntry | tuple[str, Reason]:
        """What this hub's own policy leaves of it, whatever plan made it.

        Or the destination, empty if it is none here, and the reason.

        Raises Refused, and Retryable where a policy may be under way by which more is left. What comes from the future
        has come now, or it would never be too old.
        """
        if (
            len(one.key) != 16
            or len(one.plan) != 32
            or len(one.fingerprint) not in (0, 8)
            or one.received_at_ns >= 2**63
        ):
            raise Refused(ItemReason.MALFORMED)
        now_ns = time.time_ns()
        received_ns = min(one.received_at_ns, now_ns)
        verdict = await self._verdict(one, received_ns)
        if isinstance(verdict, Release):
            return self._hub.entry_again(self._agent, verdict, one.key, one.fingerprint, received_ns)
        self._hub.rollout.check(self._agent, verdict, one.plan.hex(), now_ns - received_ns)
        return (one.destination if verdict is not DeliveryReason.CUT_OFF else "", verdict)

    async def _verdict(self, one: delivery_pb2.Entry, received_ns: int) -> Release | Reason:
        """The release, or why there is none: one item that may not leave takes no other with it."""
        try:
            verdict = await self._hub.redecider.decide(
                one.destination, one.type, one.payload, received_ns, personal=one.personal
            )
        except Refused as error:
            return error.reason
        return verdict.reason if isinstance(verdict, Withheld) else verdict


def _parsed(raw: bytes) -> delivery_pb2.Entry:
    if len(raw) > MAX_ENTRY_BYTES:
        raise Refused(ItemReason.TOO_LARGE)
    try:
        return delivery_pb2.Entry.FromString(raw)
    except DecodeError:
        raise Refused(ItemReason.MALFORMED) from None


def _retry_later(number: int, reason: Reason, after: float) -> delivery_pb2.Acknowledgement:
    delay = Duration()
    delay.FromNanoseconds(int(min(max(0.0, after), LONGEST) * 1e9))
    return delivery_pb2.Acknowledgement(id=number, reason=reason_number(reason), retry_after=delay)
