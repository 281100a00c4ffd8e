"""The access log: in batches beside the calls, bounded, and what is lost is counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Final

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from kannelle.privacy.v1.access_pb2 import LISTENER_INBOUND, LISTENER_OUTBOUND, AccessEntry, ShadowField

from gateway.entry_batch import EntryBatch, entries
from gateway.errors import CallReason, FieldReason, ItemReason, Refused, Rejected, Retryable
from gateway.exporters.base import count_entries
from gateway.model import MAX_ITEM_BYTES, NO_SUBJECT, Facts, Release, Subject
from gateway.pipeline.decide import Decider
from gateway.pipeline.flows import Flows
from gateway.pipeline.offload import Offload
from gateway.policy.compile import Compiler
from gateway.policy.document import Mode, TrafficDirection
from gateway.receivers.proxy.access_log import (
    FLOW,
    MAX_BATCH_ENTRIES,
    MAX_SLICE_ENTRIES,
    MAX_WAITING_ENTRIES,
    AccessLog,
    AccessRecord,
    serialise,
)
from gateway.telemetry import Counts, ResourceUsage, Telemetry
from gateway.telemetry.exposition import Exposition
from tests.support.channels import TIMEOUT_SECONDS
from tests.support.contracts import contract, policy
from tests.support.fake_delivery import PACKER, decider
from tests.support.proxy_policy import PROTO

NOW: Final = 1_700_000_000


@cache
def flows(listed: bool = True) -> Flows:
    return Flows(Compiler(contract(PROTO), policy(flows=f"{{{FLOW}: [eu-log]}}" if listed else "{}")))


def access(method: str = "t.Talk/One", subject: Subject = NO_SUBJECT) -> AccessRecord:
    return AccessRecord(TrafficDirection.INBOUND, method, "web", 0, NOW * 10**9, 5, fields_stripped=2, subject=subject)


class Sink:
    """Takes deliveries, or fails."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.batches: list[list[EntryBatch]] = []
        self.came = asyncio.Event()

    async def deliver(self, entries: list[EntryBatch]) -> None:
        self.batches.append(entries)
        self.came.set()
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault

    @property
    def entries(self) -> list[AccessEntry]:
        return [AccessEntry.FromString(entry.payload) for batch in self.batches for entry in entries(batch)]


def counted(telemetry: Telemetry, name: str) -> float:
    lines = Exposition(telemetry).expose()[0].decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"privacy_gateway_{name}"))


@asynccontextmanager
async def logging_to(
    deliver: Callable[[list[EntryBatch]], Awaitable[None]], given: Callable[[], Flows] = flows
) -> AsyncIterator[tuple[AccessLog, Telemetry]]:
    """An access log that runs."""
    telemetry = Telemetry()
    held = AccessLog(given, decider(), deliver, PACKER, telemetry)
    held.start()
    try:
        yield held, telemetry
    finally:
        await asyncio.wait_for(held.stop(), TIMEOUT_SECONDS)


async def test_an_entry_says_what_the_plan_names() -> None:
    sink = Sink()
    async with logging_to(sink.deliver) as (held, telemetry):
        held.add(access(subject=Subject("usr_1", "ana@kannelle.example")))
        assert counted(telemetry, "proxy_calls_total") == 1
        assert counted(telemetry, "proxy_fields_stripped_total") == 2
        await asyncio.wait_for(sink.came.wait(), TIMEOUT_SECONDS)
    (entry,) = sink.entries
    assert (entry.listener, entry.method, entry.peer) == (LISTENER_INBOUND, "t.Talk/One", "web")
    assert (entry.time.seconds, entry.duration.nanos, entry.fields_stripped) == (NOW, 5, 2)
    assert (entry.user_id, entry.work_email) == ("usr_1", "ana@kannelle.example")


@pytest.mark.parametrize("subject", [Subject("Ana Bo", "ana@gmail.com"), Subject("ana@kannelle.example", "Ana Bo")])
async def test_a_subject_that_fails_its_rules_is_not_logged(subject: Subject) -> None:
    sink = Sink()
    async with logging_to(sink.deliver) as (held, _):
        held.add(access(subject=subject))
    assert [(entry.user_id, entry.work_email) for entry in sink.entries] == [("", "")]


async def test_stopping_delivers_what_waits_in_order_and_in_batches() -> None:
    sink = Sink()
    async with logging_to(sink.deliver) as (held, telemetry):
        for number in range(2 * MAX_BATCH_ENTRIES + 1):
            held.add(access(f"t.Talk/M{number}"))
    assert [count_entries(batch) for batch in sink.batches] == [MAX_BATCH_ENTRIES, MAX_BATCH_ENTRIES, 1]
    assert [entry.method for entry in sink.entries] == [
        f"t.Talk/M{number}" for number in range(2 * MAX_BATCH_ENTRIES + 1)
    ]
    assert counted(telemetry, "access_log_dropped_total") == 0


async def test_what_waits_is_bounded_and_the_rest_is_counted() -> None:
    sink, telemetry = Sink(), Telemetry()
    held = AccessLog(lambda: flows(listed=False), decider(), sink.deliver, PACKER, telemetry)
    for _ in range(MAX_WAITING_ENTRIES + 3):
        held.add(access())
    assert counted(telemetry, "access_log_dropped_total") == 3
    assert counted(telemetry, "proxy_calls_total") == MAX_WAITING_ENTRIES + 3
    assert held.use() == ResourceUsage(MAX_WAITING_ENTRIES, MAX_WAITING_ENTRIES)
    held.start()
    await asyncio.wait_for(held.stop(), TIMEOUT_SECONDS)
    assert held.use() == ResourceUsage(0, MAX_WAITING_ENTRIES)
    assert counted(telemetry, "access_log_dropped_total") == 3


WORD: Final = "zqxjkvwyq"


@pytest.mark.parametrize(
    "fault",
    [
        Rejected(CallReason.UNAVAILABLE),
        Refused(ItemReason.TOO_LARGE),
        OSError(2, WORD, WORD),
        ValueError(WORD),
    ],
    ids=lambda fault: type(fault).__name__,
)
async def test_a_batch_that_fails_is_counted_and_the_next_one_goes(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Sink(fault)
    caplog.set_level(logging.DEBUG)
    async with logging_to(sink.deliver) as (held, telemetry):
        held.add(access("t.Talk/One"))
        held.add(access("t.Talk/Two"))
        await asyncio.wait_for(sink.came.wait(), TIMEOUT_SECONDS)
        held.add(access("t.Talk/Three"))
    assert [count_entries(batch) for batch in sink.batches] == [2, 1]
    assert counted(telemetry, "access_log_dropped_total") == 2
    assert "2 entries of the access log were lost" in caplog.text
    assert WORD not in caplog.text


async def test_a_batch_waits_for_its_recipient_and_comes_again_under_its_keys(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = Sink(Retryable(CallReason.UNAVAILABLE, 0.01))
    async with logging_to(sink.deliver) as (held, telemetry):
        held.add(access("t.Talk/One"))
        await asyncio.wait_for(sink.came.wait(), TIMEOUT_SECONDS)
        held.add(access("t.Talk/Two"))
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while len(sink.batches) < 2:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
    first, again, last = sink.batches
    assert (again, [entry.method for entry in sink.entries[2:]]) == (first, ["t.Talk/Two"])
    assert last[0].keys != first[0].keys
    assert counted(telemetry, "access_log_dropped_total") == 0
    assert "the access log waits: UNAVAILABLE, 1 since this was last said" in caplog.text


async def test_a_gateway_that_stops_waits_for_no_recipient() -> None:
    came = asyncio.Event()

    async def away(entries: list[EntryBatch]) -> None:
        came.set()
        raise Retryable(CallReason.UNAVAILABLE, 3600.0)

    async with logging_to(away) as (held, telemetry):
        held.add(access())
        await asyncio.wait_for(came.wait(), TIMEOUT_SECONDS)
        for _ in range(2 * MAX_BATCH_ENTRIES):
            held.add(access())
    assert counted(telemetry, "access_log_dropped_total") == 2 * MAX_BATCH_ENTRIES + 1
    assert held.use() == ResourceUsage(0, MAX_WAITING_ENTRIES)


class AwayOnce:
    """A directory that can't be asked the first time."""

    knows_nobody = False

    def __init__(self) -> None:
        self.asked = False

    def cached_facts(self, subject: Subject, received_ns: int) -> Facts | None:
        return Facts(received_ns) if self.asked else None

    async def facts(self, subject: Subject, received_ns: int) -> Facts:
        self.asked = True
        raise Retryable(CallReason.UNAVAILABLE)


async def test_a_batch_without_facts_is_lost_alone() -> None:
    sink, telemetry = Sink(), Telemetry()
    held = AccessLog(flows, Decider(AwayOnce(), Offload()), sink.deliver, PACKER, telemetry)
    for _ in range(MAX_BATCH_ENTRIES + 1):
        held.add(access(subject=Subject("usr_1", "")))
    held.start()
    await asyncio.wait_for(sink.came.wait(), TIMEOUT_SECONDS)
    await asyncio.wait_for(held.stop(), TIMEOUT_SECONDS)
    assert [count_entries(batch) for batch in sink.batches] == [1]
    assert counted(telemetry, "access_log_dropped_total") == MAX_BATCH_ENTRIES


async def test_an_entry_that_is_refused_is_lost_alone(caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink()
    async with logging_to(sink.deliver) as (held, telemetry):
        for method in ("t.Talk/One", "x" * MAX_ITEM_BYTES, "t.Talk/Two"):
            held.add(access(method))
    assert [entry.method for entry in sink.entries] == ["t.Talk/One", "t.Talk/Two"]
    assert counted(telemetry, "access_log_dropped_total") == 1
    assert "1 entries of the access log were lost: TOO_LARGE" in caplog.text


async def test_without_a_flow_nothing_is_logged_and_calls_are_counted() -> None:
    sink = Sink()
    async with logging_to(sink.deliver, lambda: flows(listed=False)) as (held, telemetry):
        held.add(access())
    assert sink.entries == []
    assert counted(telemetry, "proxy_calls_total") == 1
    assert counted(telemetry, "access_log_dropped_total") == 0


async def test_stopping_what_never_started_is_harmless() -> None:
    await AccessLog(flows, decider(), Sink().deliver, PACKER, Telemetry()).stop()


async def test_a_call_in_shadow_lists_paths_and_reasons() -> None:
    sink = Sink()
    async with logging_to(sink.deliver) as (held, _):
        shadow = (
            ("user.name", FieldReason.CATEGORY_NOT_ALLOWED, 3),
            ("items[*].mail", FieldReason.LOOKS_LIKE_EMAIL, 1),
        )
        held.add(
            AccessRecord(
                TrafficDirection.INBOUND, "t.Talk/One", "web", 0, NOW * 10**9, 5, mode=Mode.SHADOW, shadow=shadow
            )
        )
    (entry,) = sink.entries
    assert [(field.path, field.reason, field.count) for field in entry.shadow] == [
        ("user.name", "CATEGORY_NOT_ALLOWED", 3),
        ("items[*].mail", "LOOKS_LIKE_EMAIL", 1),
    ]


SUBJECTS: Final = (NO_SUBJECT, Subject("usr_1", "ana@kannelle.example"), Subject("Ana Bo", "ana@gmail.com"))

RECORDS: Final = st.builds(
    AccessRecord,
    st.sampled_from(TrafficDirection),
    st.sampled_from(("", "t.Talk/One", "no method")),
    st.sampled_from(("", "web", "spiffe://kannelle.example/web", "Ana Bo")),
    st.integers(0, 16),
    st.sampled_from((0, NOW * 10**9, NOW * 10**9 + 999_999_999)),
    st.sampled_from((0, 1, 10**9, 3601 * 10**9 + 5)),
    st.integers(0, 2**60),
    st.integers(0, 2**60),
    st.integers(0, 2**32 - 1),
    st.sampled_from(SUBJECTS),
    st.sampled_from(Mode),
    st.sampled_from(((), (("user.name", FieldReason.CATEGORY_NOT_ALLOWED, 3), ("", ItemReason.TOO_LARGE, 1)))),
)


def spelt_out(record: AccessRecord) -> AccessEntry:
    """The entry of a record, all its messages made first."""
    seconds, nanos = divmod(record.received_ns, 10**9)
    took, rest = divmod(record.took_ns, 10**9)
    return AccessEntry(
        time=Timestamp(seconds=seconds, nanos=nanos),
        listener=LISTENER_OUTBOUND if record.listener is TrafficDirection.OUTBOUND else LISTENER_INBOUND,
        method=record.method,
        peer=record.peer,
        code=record.code,
        duration=Duration(seconds=took, nanos=rest),
        bytes_in=record.bytes_in,
        bytes_out=record.bytes_out,
        fields_stripped=record.fields_stripped,
        user_id=record.subject.user_id,
        work_email=record.subject.work_email,
        shadow=[ShadowField(path=path, reason=reason, count=count) for path, reason, count in record.shadow],
    )


@drawn(RECORDS)
def test_an_entry_is_written_as_if_it_were_spelt_out(record: AccessRecord) -> None:
    assert serialise(record) == spelt_out(record).SerializeToString()


@settings(max_examples=20, deadline=None)
@drawn(st.lists(RECORDS, min_size=1, max_size=2 * MAX_SLICE_ENTRIES))
def test_a_batch_is_decided_on_as_each_of_its_entries_alone(records: list[AccessRecord]) -> None:
    flow, sink = flows().of(FLOW), Sink()
    alone = [
        verdict.payload
        for record in records
        for verdict in flow.decide(serialise(record), Facts(record.received_ns))
        if isinstance(verdict, Release)
    ]

    async def log_all() -> None:
        held = AccessLog(flows, decider(), sink.deliver, PACKER, Counts())
        for record in records:
            held.add(record)
        held.start()
        await asyncio.wait_for(held.stop(), TIMEOUT_SECONDS)

    asyncio.run(log_all())
    delivered = [entry for batch in sink.batches for entry in entries(batch)]
    assert [entry.payload for entry in delivered] == alone
    assert [entry.received_ns for entry in delivered] == [record.received_ns for record in records]


async def test_each_slice_goes_by_the_policy_that_is_in_force_by_then() -> None:
    sink, asked = Sink(), list[bool]()

    def given() -> Flows:
        asked.append(True)
        return flows(listed=len(asked) == 1)

    async with logging_to(sink.deliver, given) as (held, _):
        for _ in range(2 * MAX_SLICE_ENTRIES):
            held.add(access())
    assert len(sink.entries) == MAX_SLICE_ENTRIES


async def test_calls_have_their_turn_while_a_batch_is_decided_on() -> None:
    sink, turns, delivered = Sink(), 0, asyncio.Event()

    async def deliver(entries: list[EntryBatch]) -> None:
        await sink.deliver(entries)
        delivered.set()

    async def call() -> None:
        nonlocal turns
        while not delivered.is_set():
            turns += 1
            await asyncio.sleep(0)

    async with logging_to(deliver) as (held, _):
        for _ in range(MAX_BATCH_ENTRIES):
            held.add(access())
        await asyncio.wait_for(call(), TIMEOUT_SECONDS)
    assert turns >= MAX_BATCH_ENTRIES // MAX_SLICE_ENTRIES - 1


def test_a_repr_holds_no_value() -> None:
    assert WORD not in repr(access(WORD, Subject(WORD, WORD)))
