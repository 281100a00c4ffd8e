"""The access log: an entry for each call, minimised and delivered as any item is, in batches beside the calls."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal

import grpc
import msgspec
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from kannelle.privacy.v1.access_pb2 import LISTENER_INBOUND, LISTENER_OUTBOUND, AccessEntry, ShadowField

from gateway.delivery.entries import EntryBuilder
from gateway.errors import Cause, Reason, Refused, Rejected, Retryable
from gateway.model import NO_SUBJECT, OutboxEntry, Subject
from gateway.pipeline.decide import Decider
from gateway.pipeline.flows import Flow, Flows
from gateway.policy.document import Mode, TrafficDirection
from gateway.telemetry import Counts, ProxyCallResult, ResourceUsage

log = logging.getLogger(__name__)

FLOW: Final = AccessEntry.DESCRIPTOR.full_name

PAUSE: Final = 0.2
"""Seconds between batches."""

BATCH: Final = 512
"""Entries in one batch."""

MOST: Final = 65_536
"""Entries that may wait. What comes beyond that is dropped, and counted: calls don't wait for their log."""

CODES: Final[Mapping[int, str]] = {code.value[0]: code.name for code in grpc.StatusCode}
"""The names of gRPC's codes, by number."""

LONGEST: Final = 320
"""Characters of the longest identifier that an entry holds: those of the longest e-mail address."""

_LISTENERS: Final = {TrafficDirection.OUTBOUND: LISTENER_OUTBOUND, TrafficDirection.INBOUND: LISTENER_INBOUND}


class Access(msgspec.Struct, frozen=True):
    """What is logged of a call, and by `route`, `destination` and `reason` counted.

    `received_ns` in nanoseconds since 1970, `took_ns` in nanoseconds.
    """

    listener: TrafficDirection
    method: str
    peer: str
    code: int
    received_ns: int
    took_ns: int
    bytes_in: int = 0
    bytes_out: int = 0
    fields_stripped: int = 0
    subject: Subject = NO_SUBJECT
    mode: Mode = Mode.ENFORCE
    shadow: tuple[tuple[str, Reason, int], ...] = ()
    route: str = ""
    destination: str = ""
    reason: Reason | Cause | Literal[""] = ""

    def __repr__(self) -> str:
        return "Access(…)"


class AccessLog:
    """Takes entries at once, delivers them later."""

    def __init__(
        self,
        flows: Callable[[], Flows],
        decider: Decider,
        deliver: Callable[[list[OutboxEntry]], Awaitable[None]],
        packer: EntryBuilder,
        telemetry: Counts,
    ) -> None:
        """`flows` are those in force; `telemetry` counts the calls, and the entries that were lost."""
        self._flows = flows
        self._decider = decider
        self._deliver = deliver
        self._packer = packer
        self._telemetry = telemetry
        self._waiting: list[Access] = []
        self._work = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def add(self, access: Access) -> None:
        """Count a call, and log it."""
        ended = ProxyCallResult(
            access.listener, CODES[access.code], access.route, access.destination, access.reason, access.mode
        )
        self._telemetry.record_proxy_call(ended, access.took_ns)
        self._telemetry.record_proxy_fields_stripped(access.fields_stripped)
        if len(self._waiting) >= MOST:
            self._telemetry.record_access_log_drops()
            return
        self._waiting.append(access)
        self._work.set()

    def use(self) -> ResourceUsage:
        """How many entries wait, of how many may."""
        return ResourceUsage(len(self._waiting), MOST)

    def start(self) -> None:
        """Begin to deliver."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Deliver what waits, and end."""
        self._stopping = True
        self._work.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not (self._stopping and not self._waiting):
            await self._work.wait()
            if not self._stopping and len(self._waiting) < BATCH:
                await asyncio.sleep(PAUSE)
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            if not self._waiting and not self._stopping:
                self._work.clear()
            await self._send(batch)

    async def _send(self, batch: list[Access]) -> None:
        """Deliver a batch, or lose it: what a log has no room for isn't kept in memory for long."""
        try:
            flow = self._flows().find(FLOW)
            if flow is not None and (
                entries := [entry for access in batch for entry in await self._minimised(flow, access)]
            ):
                await self._deliver(entries)
        except (Retryable, Rejected, Refused) as error:
            log.warning("%d entries of the access log were lost: %s", len(batch), error.reason)
            self._telemetry.record_access_log_drops(len(batch))
        except Exception as error:  # noqa: BLE001 - the log goes on, whatever became of one batch
            log.error("%d entries of the access log were lost: %s", len(batch), type(error).__name__)
            self._telemetry.record_access_log_drops(len(batch))

    async def _minimised(self, flow: Flow, access: Access) -> list[OutboxEntry]:
        entry, begun = _entry(access), time.perf_counter_ns()
        _, verdicts = await self._decider.decide(flow, entry, access.received_ns)
        self._telemetry.record_decision(flow, verdicts, time.perf_counter_ns() - begun)
        return self._packer.entries_of(flow, verdicts, access.received_ns)


def _entry(access: Access) -> bytes:
    seconds, nanos = divmod(access.received_ns, 10**9)
    took, rest = divmod(access.took_ns, 10**9)
    entry = AccessEntry(
        time=Timestamp(seconds=seconds, nanos=nanos),
        listener=_LISTENERS[access.listener],
        method=access.method,
        peer=access.peer,
        code=access.code,
        duration=Duration(seconds=took, nanos=rest),
        bytes_in=access.bytes_in,
        bytes_out=access.bytes_out,
        fields_stripped=access.fields_stripped,
        user_id=access.subject.user_id,
        work_email=access.subject.work_email,
        shadow=[ShadowField(path=path, reason=reason, count=count) for path, reason, count in access.shadow],
    )
    return entry.SerializeToString()


def told(subject: Subject) -> Subject:
    """A subject as an entry may hold it: without what is longer than any identifier."""
    if max(len(subject.user_id), len(subject.work_email)) <= LONGEST:
        return subject
    return Subject(*(name if len(name) <= LONGEST else "" for name in (subject.user_id, subject.work_email)))
