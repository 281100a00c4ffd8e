"""The access log: an entry for each call, minimised and delivered as any item is, in batches beside the calls."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final, Literal

import grpc
import msgspec
from kannelle.privacy.v1.access_pb2 import LISTENER_INBOUND, LISTENER_OUTBOUND, AccessEntry

from gateway.delivery.entries import EntryBuilder
from gateway.entry_batch import EntryBatch
from gateway.errors import Cause, Reason, Refused, Rejected, Retryable
from gateway.model import NO_SUBJECT, Subject
from gateway.pipeline.decide import Decider
from gateway.pipeline.flows import Flow, Flows
from gateway.policy.document import Mode, TrafficDirection
from gateway.telemetry import Counts, ProxyCallResult, ResourceUsage
from gateway.telemetry.series import NANOS_PER_SECOND
from gateway.telemetry.throttle import LogThrottle

log = logging.getLogger(__name__)

FLOW: Final = AccessEntry.DESCRIPTOR.full_name

BATCH_INTERVAL_SECONDS: Final = 0.2

MAX_BATCH_ENTRIES: Final = 512

MAX_SLICE_ENTRIES: Final = 16
"""Entries that are decided on at one go. Calls have their turn before the next ones."""

RETRY_SECONDS: Final = 1.0
"""When a batch is delivered again that couldn't be, in seconds, unless its recipient says when."""

MAX_WAITING_ENTRIES: Final = 65_536
"""Entries that may wait. What comes beyond that is dropped, and counted: calls don't wait for their log."""

MAX_IDENTIFIER_CHARS: Final = 320
"""The longest identifier that an entry holds: as long as the longest e-mail address."""

_CODE_NAMES: Final[Mapping[int, str]] = {code.value[0]: code.name for code in grpc.StatusCode}
"""The names of gRPC's codes, by number."""

_LISTENERS: Final = {TrafficDirection.OUTBOUND: LISTENER_OUTBOUND, TrafficDirection.INBOUND: LISTENER_INBOUND}


class AccessRecord(msgspec.Struct, frozen=True, gc=False):
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
        return "AccessRecord(…)"


class AccessLog:
    """Takes entries at once, delivers them later."""

    def __init__(
        self,
        flows: Callable[[], Flows],
        decider: Decider,
        deliver: Callable[[list[EntryBatch]], Awaitable[None]],
        entry_builder: EntryBuilder,
        telemetry: Counts,
    ) -> None:
        """`flows` are those in force; `telemetry` counts the calls, and the entries that were lost."""
        self._flows = flows
        self._decider = decider
        self._deliver = deliver
        self._entry_builder = entry_builder
        self._telemetry = telemetry
        self._waiting: list[AccessRecord] = []
        self._work = asyncio.Event()
        self._stop = asyncio.Event()
        self._repeats = LogThrottle()
        self._task: asyncio.Task[None] | None = None

    def add(self, record: AccessRecord) -> None:
        """Count a call, and log it."""
        result = ProxyCallResult(
            record.listener, _CODE_NAMES[record.code], record.route, record.destination, record.reason, record.mode
        )
        self._telemetry.record_proxy_call(result, record.took_ns)
        if record.fields_stripped:
            self._telemetry.record_proxy_fields_stripped(record.fields_stripped)
        waiting = self._waiting
        if len(waiting) >= MAX_WAITING_ENTRIES:
            self._telemetry.record_access_log_drops()
            return
        if not waiting:
            self._work.set()
        waiting.append(record)

    def use(self) -> ResourceUsage:
        """Return how many entries wait, of how many may."""
        return ResourceUsage(len(self._waiting), MAX_WAITING_ENTRIES)

    def start(self) -> None:
        """Begin to deliver."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Deliver what waits, if its recipient takes it now, and end."""
        self._stop.set()
        self._work.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not (self._stop.is_set() and not self._waiting):
            await self._work.wait()
            if not self._stop.is_set() and len(self._waiting) < MAX_BATCH_ENTRIES:
                await asyncio.sleep(BATCH_INTERVAL_SECONDS)
            batch, self._waiting = self._waiting[:MAX_BATCH_ENTRIES], self._waiting[MAX_BATCH_ENTRIES:]
            if not self._waiting and not self._stop.is_set():
                self._work.clear()
            await self._send(batch)

    async def _send(self, batch: list[AccessRecord]) -> None:
        """Deliver a batch, or lose it if its recipient never takes it."""
        try:
            if entries := await self._entries_of(batch):
                await self._deliver_when_possible(entries)
        except Retryable as error:
            # Facts can't be had; or the gateway stops, and waits for no recipient, with what is behind this batch.
            behind = len(self._waiting) if self._stop.is_set() else 0
            del self._waiting[:behind]
            self._lose(len(batch) + behind, error.reason)
        except (Rejected, Refused) as error:
            self._lose(len(batch), error.reason)
        except Exception as error:  # noqa: BLE001 - the log goes on, whatever became of one batch
            log.error("%d entries of the access log were lost: %s", len(batch), type(error).__name__)
            self._telemetry.record_access_log_drops(len(batch))

    async def _deliver_when_possible(self, entries: list[EntryBatch]) -> None:
        """Deliver entries, as often as it takes, under the same keys: a hub may be away while it is replaced.

        What comes meanwhile waits within its bound. Raises Retryable once the gateway stops.
        """
        while True:
            try:
                return await self._deliver(entries)
            except Retryable as error:
                if self._stop.is_set():
                    raise
                if times := self._repeats.count(error.reason):
                    log.warning("the access log waits: %s, %d since this was last said", error.reason, times)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), RETRY_SECONDS if error.after is None else error.after)

    def _lose(self, count: int, reason: Reason) -> None:
        log.warning("%d entries of the access log were lost: %s", count, reason)
        self._telemetry.record_access_log_drops(count)

    async def _entries_of(self, batch: list[AccessRecord]) -> list[EntryBatch]:
        """Return the entries of a batch, each slice by the policy that is in force when its turn comes."""
        entries: list[EntryBatch] = []
        for first in range(0, len(batch), MAX_SLICE_ENTRIES):
            if first:
                await asyncio.sleep(0)
            flow = self._flows().find(FLOW)
            if flow is not None:
                entries += await self._entries_of_slice(flow, batch[first : first + MAX_SLICE_ENTRIES])
        return entries

    async def _entries_of_slice(self, flow: Flow, records: list[AccessRecord]) -> list[EntryBatch]:
        """Return the entries of a slice; one that is refused is lost alone."""
        begun, received_ns = time.perf_counter_ns(), [record.received_ns for record in records]
        decision = await self._decider.decide_batch(flow, [serialise(record) for record in records], received_ns)
        self._telemetry.record_batch(flow, decision, time.perf_counter_ns() - begun)
        for reason, count in Counter(decision.refused.values()).items():
            self._lose(count, reason)
        return self._entry_builder.entries_of(decision, received_ns)


def serialise(record: AccessRecord) -> bytes:
    """Return the serialised `AccessEntry` of a record."""
    # What is given to the constructor is packed, and messages among it are copied: half of what all of this takes.
    entry, subject = AccessEntry(), record.subject
    entry.listener = _LISTENERS[record.listener]
    entry.method = record.method
    entry.peer = record.peer
    entry.code = record.code
    entry.bytes_in = record.bytes_in
    entry.bytes_out = record.bytes_out
    entry.fields_stripped = record.fields_stripped
    entry.user_id = subject.user_id
    entry.work_email = subject.work_email
    received, duration = entry.time, entry.duration
    received.seconds, received.nanos = divmod(record.received_ns, NANOS_PER_SECOND)
    duration.seconds, duration.nanos = divmod(record.took_ns, NANOS_PER_SECOND)
    for path, reason, count in record.shadow:
        entry.shadow.add(path=path, reason=reason, count=count)
    return entry.SerializeToString()


def bounded_subject(subject: Subject) -> Subject:
    """Return a subject as an entry may hold it: without what is longer than any identifier."""
    if len(subject.user_id) <= MAX_IDENTIFIER_CHARS and len(subject.work_email) <= MAX_IDENTIFIER_CHARS:
        return subject
    return Subject(
        *(name if len(name) <= MAX_IDENTIFIER_CHARS else "" for name in (subject.user_id, subject.work_email))
    )
