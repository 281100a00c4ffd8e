"""What a hub says to agents, well-behaved and hostile, over mutual TLS."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self

import grpc
import pytest
from kannelle.privacy.v1 import delivery_pb2, receipt_pb2

from gateway.app import SWITCH_INTERVAL_SECONDS
from gateway.entry_batch import EntryBatch
from gateway.errors import CallReason, DeliveryReason, FieldReason, ItemReason, Reason, Refused, Rejected, Retryable
from gateway.pipeline.flows import Flows
from gateway.protobuf.wire import field
from gateway.receivers.hub.handed_over import MAX_GROUP_ENTRIES, MAX_MESSAGE_BYTES
from gateway.receivers.hub.receiver import MAX_OPEN_BYTES, MAX_OPEN_GROUPS, _AgentStream, agent_name
from gateway.receivers.hub.rollout import FINAL_REASONS, RETRY_AFTER_SECONDS
from gateway.receivers.statuses import DEFAULT_RETRY_SECONDS, MAX_RETRY_SECONDS
from gateway.tls import Material
from tests.delivery.cases import NOW_NS
from tests.delivery.hub.hubs import (
    AGENT,
    AGENT_CERTIFICATE,
    MAX_STREAMS,
    MakeGroup,
    answers,
    entries,
    entry,
    group_of_batches,
    group_of_entries,
    request,
    running_hub,
    stream,
)
from tests.support.channels import TIMEOUT_SECONDS
from tests.support.fake_delivery import DeliveryReply, FakeDelivery, accept_all, raise_error
from tests.support.proxy_certificates import OTHER_CA, certificate_for, dns, uri

STORED: Final = ("UNSPECIFIED", None)
Said = tuple[str, float | None]
"""A reason and a delay, in seconds."""


@pytest.fixture(params=[group_of_entries, group_of_batches], ids=["entries", "a batch"])
def group(request: pytest.FixtureRequest) -> MakeGroup:
    """How an agent says what it hands over."""
    made: MakeGroup = request.param
    return made


def said(one: Any) -> Said:
    name = receipt_pb2.Reason.Name(one.reason).removeprefix("REASON_")
    return name, one.retry_after.ToNanoseconds() / 1e9 if one.HasField("retry_after") else None


async def test_acknowledged_means_accepted(group: MakeGroup, tmp_path: Path) -> None:
    gate = FakeDelivery(shut=True)
    async with running_hub(tmp_path, gate) as one, stream(one.port) as call:
        await call.write(request(group(7, entry("a"), entry("b"))))
        reading = asyncio.create_task(answers(call, 1))
        await gate.wait_for(2)
        assert not reading.done()
        gate.open()
        assert [(one.id, said(one)) for one in await reading] == [(7, STORED)]
        assert [len(batch) for batch in gate.batches] == [2]
        (batch,) = gate.accepted
        given = entries("a", "b")
        assert (batch.keys, batch.fingerprints, batch.received_ns) == (given.keys, given.fingerprints, [NOW_NS, NOW_NS])


async def test_groups_of_one_request_are_accepted_side_by_side_and_answered_as_they_are_settled(
    group: MakeGroup, tmp_path: Path
) -> None:
    gate = FakeDelivery(shut=True)
    async with running_hub(tmp_path, gate) as one, stream(one.port) as call:
        await call.write(request(*(group(number, entry(str(number))) for number in range(50))))
        await gate.wait_for(50)
        gate.open()
        assert {one.id for one in await answers(call, 50)} == {*range(50)}


@pytest.mark.parametrize(
    "changed",
    [
        {"key": b""},
        {"key": bytes(15)},
        {"key": bytes(17)},
        {"plan": b""},
        {"plan": bytes(31)},
        {"fingerprint": bytes(4)},
        {"fingerprint": bytes(16)},
        {"received_at_ns": 2**63},
    ],
    ids=str,
)
async def test_a_malformed_parcel_ends_its_group_alone(
    group: MakeGroup, changed: dict[str, Any], tmp_path: Path
) -> None:
    gate = FakeDelivery()
    async with running_hub(tmp_path, gate) as one, stream(one.port) as call:
        await call.write(request(group(1, entry("a"), **changed), group(2, entry("b"))))
        assert {one.id: said(one) for one in await answers(call, 2)} == {1: ("MALFORMED", None), 2: STORED}
        assert [release.payload for release in gate.releases] == [b"b"]


async def test_a_parcel_that_cannot_be_read_ends_its_group_alone(group: MakeGroup, tmp_path: Path) -> None:
    async with running_hub(tmp_path, gate := FakeDelivery()) as one, stream(one.port) as call:
        await call.write(b"\x0a\x05\x08\x01\x12\x01\xff" + request(group(2, entry("b"))))
        assert {one.id: said(one) for one in await answers(call, 2)} == {1: ("MALFORMED", None), 2: STORED}
        assert [release.payload for release in gate.releases] == [b"b"]


@pytest.mark.parametrize(
    ("decision", "counted"), [("withhold", ("", "CUT_OFF")), ("refuse", ("crm", "EVENT_NOT_PLANNED"))]
)
async def test_what_may_not_leave_by_the_hubs_own_policy_is_counted(
    group: MakeGroup, decision: str, counted: tuple[str, str], tmp_path: Path
) -> None:
    async with running_hub(tmp_path, FakeDelivery()) as one, stream(one.port) as call:
        getattr(one.redecider, decision)("a")
        await call.write(request(group(1, entry("a"), entry("b"))))
        await answers(call, 1)
        assert {**one.counts.purged} == {counted: 1}


async def test_what_comes_from_the_future_has_come_now(group: MakeGroup, tmp_path: Path) -> None:
    async with running_hub(tmp_path, gate := FakeDelivery()) as one, stream(one.port) as call:
        await call.write(request(group(1, entry("a", received_ns=2**63 - 1), entry("b"))))
        await answers(call, 1)
        assert [one.received_ns <= time.time_ns() for one in gate.releases] == [True, True]
        assert gate.releases[1].received_ns == NOW_NS


async def test_an_agent_with_too_many_streams_does_not_shut_out_others(group: MakeGroup, tmp_path: Path) -> None:
    other = certificate_for(uri("spiffe://kannelle.example/apps/other"))
    async with (
        running_hub(tmp_path, FakeDelivery(), agents=["spiffe://kannelle.example/apps/*"]) as one,
        AsyncExitStack() as stack,
    ):
        for _ in range(MAX_STREAMS):
            call = await stack.enter_async_context(stream(one.port))
            await call.write(request(group(1, entry("a"))))
            await answers(call, 1)
        async with stream(one.port) as more:
            assert await more.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        async with stream(one.port, other) as others:
            await others.write(request(group(1, entry("b"))))
            assert [said(one) for one in await answers(others, 1)] == [STORED]


async def test_whatever_plan_made_it_the_hub_decides(group: MakeGroup, tmp_path: Path) -> None:
    async with running_hub(tmp_path, gate := FakeDelivery()) as one, stream(one.port) as call:
        await call.write(request(group(1, entry("a"), plan=bytes(32))))
        assert [said(one) for one in await answers(call, 1)] == [STORED]
        assert [release.payload for release in gate.releases] == [b"a"]


NOT_YET: Final = ("UNKNOWN_PLAN", RETRY_AFTER_SECONDS)
NEWER: Final = {"plan": bytes(32)}
OLD_NS: Final = NOW_NS
"""Years ago."""


@pytest.mark.parametrize(
    ("reason", "changed", "young", "answer"),
    [
        (DeliveryReason.CUT_OFF, NEWER, True, NOT_YET),
        (ItemReason.EVENT_NOT_PLANNED, NEWER, True, NOT_YET),
        (ItemReason.REQUIRED_FIELD, NEWER, True, NOT_YET),
        *(
            (reason, NEWER, True, STORED if reason in FINAL_REASONS else NOT_YET)
            for reason in (*FieldReason, *ItemReason, *CallReason, *DeliveryReason)
        ),
        (ItemReason.PERSONAL_ACCOUNT, NEWER, True, STORED),
        (ItemReason.MALFORMED, NEWER, True, STORED),
        (DeliveryReason.CUT_OFF, NEWER, False, STORED),
        (DeliveryReason.CUT_OFF, {}, True, STORED),
        (ItemReason.EVENT_NOT_PLANNED, {}, True, STORED),
    ],
)
async def test_what_a_policy_under_way_may_let_pass_is_not_acknowledged(  # noqa: PLR0917 - a row, and what runs it
    group: MakeGroup, reason: Reason, changed: dict[str, Any], young: bool, answer: Said, tmp_path: Path
) -> None:
    """Unless it is by a plan that the hub knows, for a reason that no policy changes, or has waited for long enough."""
    received_ns = time.time_ns() if young else OLD_NS
    async with running_hub(tmp_path, gate := FakeDelivery()) as one, stream(one.port) as call:
        one.redecider.withhold("a", reason)
        given = [entry("b", received_ns=received_ns), entry("a", received_ns=received_ns)]
        await call.write(request(group(1, *given, **changed)))
        assert [said(one) for one in await answers(call, 1)] == [answer]
        assert [release.payload for release in gate.releases] == ([b"b"] if answer == STORED else [])
        assert sum(one.counts.purged.values()) == (answer == STORED)


async def test_what_was_taken_out_while_the_hub_ran_is_gone_for_good(group: MakeGroup, tmp_path: Path) -> None:
    async with running_hub(tmp_path, FakeDelivery()) as one, stream(one.port) as call:
        await call.write(request(group(1)))
        await answers(call, 1)
        one.put_in_force("another plan")
        one.redecider.withhold("a")
        await call.write(request(group(2, entry("a", received_ns=time.time_ns()))))
        assert [said(one) for one in await answers(call, 1)] == [STORED]


async def test_what_comes_into_force_during_a_decision_does_not_make_it_final(group: MakeGroup, tmp_path: Path) -> None:
    """What an older policy doesn't let pass may well pass by the one that has come: it is decided on once more."""
    async with running_hub(tmp_path, gate := FakeDelivery()) as one, stream(one.port) as call:
        one.redecider.withhold("a", ItemReason.EVENT_NOT_PLANNED)
        one.redecider.meanwhile = lambda: one.put_in_force(NEWER["plan"].hex())
        given = group(1, entry("a", received_ns=time.time_ns()), **NEWER)
        await call.write(request(given))
        assert [said(one) for one in await answers(call, 1)] == [NOT_YET]
        one.redecider.verdicts.clear()
        await call.write(request(given))
        assert [said(one) for one in await answers(call, 1)] == [STORED]
        assert [release.payload for release in gate.releases] == [b"a"]


async def test_what_is_decided_and_said_of_entries_goes_by_the_policy_that_was_in_force(
    group: MakeGroup, tmp_path: Path
) -> None:
    """Another that has come meanwhile may know neither their destination nor their type."""
    async with running_hub(tmp_path, FakeDelivery()) as one, stream(one.port) as call:
        before = one.flows
        one.redecider.meanwhile = lambda: one.put_in_force("another plan")
        await call.write(request(group(1, entry("a"), entry("b"))))
        await answers(call, 1)
        assert (one.redecider.decides_by is before, one.flows is before) == (True, False)


@pytest.mark.parametrize("stored", [True, False])
async def test_nobody_is_looked_for_in_what_is_hardly_ever_stored(stored: bool, tmp_path: Path) -> None:
    asked: list[object] = []

    class Near(FakeDelivery):
        def stores(self, destinations: Collection[str]) -> bool:
            asked.append(destinations)
            return stored

    def repack(flows: Flows, agent: str, given: EntryBatch, identifiers: object) -> EntryBatch:
        asked.append(identifiers is not None)
        return given

    async with running_hub(tmp_path, Near(), repack=repack) as one, stream(one.port) as call:
        handed = delivery_pb2.EntryGroup(id=1)
        for name in ("crm", "log"):
            handed.batches.extend(group_of_batches(1, entry("a"), destination=name).batches)
        await call.write(request(handed))
        assert [said(one) for one in await answers(call, 1)] == [STORED]
    assert asked == [{"crm", "log"}, stored, stored]


async def test_an_agent_with_another_policy_is_named_once(
    group: MakeGroup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_hub(tmp_path, FakeDelivery()) as one, stream(one.port) as call:
        one.redecider.withhold("a secret")
        for number in range(3):
            await call.write(request(group(number, entry("a secret", received_ns=time.time_ns()), **NEWER)))
            await answers(call, 1)
    assert [record.message for record in caplog.records if record.name == "gateway.receivers.hub.rollout"] == [
        f"{AGENT}: its policy lets pass what no policy here does or did; it is asked to send that again"
    ]


async def test_a_parcel_larger_than_an_item_may_be_ends_its_group_alone(group: MakeGroup, tmp_path: Path) -> None:
    async with running_hub(tmp_path, gate := FakeDelivery()) as one, stream(one.port) as call:
        await call.write(request(group(1, entry("a", payload=bytes(MAX_MESSAGE_BYTES))), group(2, entry("b"))))
        assert {one.id: said(one) for one in await answers(call, 2)} == {1: ("TOO_LARGE", None), 2: STORED}
        assert [release.payload for release in gate.releases] == [b"b"]


@pytest.mark.parametrize(
    ("decision", "answer", "left"),
    [
        ("withhold", STORED, [[b"b"]]),
        ("refuse", STORED, [[b"b"]]),
        ("doubt", ("UNAVAILABLE", DEFAULT_RETRY_SECONDS), []),
    ],
)
async def test_entries_are_decided_again(
    group: MakeGroup, decision: str, answer: Said, left: list[list[bytes]], tmp_path: Path
) -> None:
    gate = FakeDelivery()
    async with running_hub(tmp_path, gate) as one, stream(one.port) as call:
        getattr(one.redecider, decision)("a")
        await call.write(request(group(1, entry("b"), entry("a"))))
        assert [said(one) for one in await answers(call, 1)] == [answer]
        assert [[release.payload for release in batch] for batch in gate.batches] == left


async def test_a_group_of_which_all_is_withheld_counts_as_stored(group: MakeGroup, tmp_path: Path) -> None:
    gate = FakeDelivery()
    async with running_hub(tmp_path, gate) as one, stream(one.port) as call:
        one.redecider.withhold("a")
        await call.write(request(group(1, entry("a")), group(2)))
        assert [said(one) for one in await answers(call, 2)] == [STORED, STORED]
        assert gate.batches == []


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (accept_all, STORED),
        (raise_error(Refused(CallReason.REQUEST_ID_REUSED)), ("REQUEST_ID_REUSED", None)),
        (raise_error(Rejected(DeliveryReason.REJECTED)), ("REJECTED", None)),
        (raise_error(Retryable(CallReason.FULL, 3.5)), ("FULL", 3.5)),
        (raise_error(Retryable(CallReason.UNAVAILABLE)), ("UNAVAILABLE", DEFAULT_RETRY_SECONDS)),
        (raise_error(Retryable(CallReason.FULL, float("inf"))), ("FULL", MAX_RETRY_SECONDS)),
        (raise_error(Retryable(CallReason.FULL, -1.0)), ("FULL", 0.0)),
        (raise_error(RuntimeError("usr_secret")), ("INTERNAL", DEFAULT_RETRY_SECONDS)),
    ],
)
async def test_what_the_delivery_says_is_answered(
    group: MakeGroup, reply: DeliveryReply, answer: Said, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running_hub(tmp_path, FakeDelivery(reply)) as one, stream(one.port) as call:
        await call.write(request(group(1, entry("usr_secret"))))
        assert [said(one) for one in await answers(call, 1)] == [answer]
    assert "usr_secret" not in caplog.text


async def test_a_group_that_takes_longer_than_others_is_answered_too(group: MakeGroup, tmp_path: Path) -> None:
    gate = FakeDelivery(shut=True)
    async with running_hub(tmp_path, gate) as one, stream(one.port) as call:
        await call.write(request(group(1, entry("a")), group(2)))
        assert [one.id for one in await answers(call, 1)] == [2]
        await gate.wait_for(1)
        gate.open()
        assert [one.id for one in await answers(call, 1)] == [1]


async def test_a_stream_that_its_agent_ends_ends_well(group: MakeGroup, tmp_path: Path) -> None:
    gate = FakeDelivery(shut=True)
    async with running_hub(tmp_path, gate) as one, stream(one.port) as call:
        await call.write(request(group(1, entry("a"))))
        await call.done_writing()
        await gate.wait_for(1)
        gate.open()
        assert [said(one) for one in await answers(call, 1)] == [STORED]
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


async def test_a_hub_that_stops_acknowledges_what_is_under_way(group: MakeGroup, tmp_path: Path) -> None:
    gate = FakeDelivery(shut=True)
    async with running_hub(tmp_path, gate) as one, stream(one.port) as call:
        await call.write(request(group(1, entry("a"))))
        await gate.wait_for(1)
        stopping = asyncio.create_task(one.stop(TIMEOUT_SECONDS))
        gate.open()
        assert [said(one) for one in await answers(call, 1)] == [STORED]
        await call.done_writing()
        await stopping


# Who may call.

_PREFIX: Final = "spiffe://x/apps/*"


@pytest.mark.parametrize(
    ("names", "agents", "who"),
    [
        (["spiffe://x/apps/video"], ["spiffe://x/apps/video"], "spiffe://x/apps/video"),
        (["spiffe://x/apps/video"], [_PREFIX], "spiffe://x/apps/video"),
        (["spiffe://x/apps/a/b"], [_PREFIX], "spiffe://x/apps/a/b"),
        (["video.x"], ["crm.x", "video.x"], "video.x"),
        (["other.x", "video.x"], ["video.x"], "video.x"),
        (["b.x", "a.x"], ["b.x", "a.x"], "a.x"),
        (["spiffe://x/appsx"], [_PREFIX], None),
        (["spiffe://x/apps"], [_PREFIX], None),
        (["spiffe://x.y/apps/video"], [_PREFIX], None),
        (["spiffe://x/apps/video"], ["spiffe://x/apps"], None),
        (["spiffe://x/apps/video2"], ["spiffe://x/apps/video"], None),
        (["spiffe://x/apps/Video"], ["spiffe://x/apps/video"], None),
        (["a.video.x"], ["video.x"], None),
        (["video.x.evil"], ["video.x"], None),
        (["video.x"], [], None),
    ],
)
def test_an_agent_is_named_as_a_whole_or_below_a_path(names: list[str], agents: list[str], who: str | None) -> None:
    if who is not None:
        assert agent_name(names, agents) == who
        return
    with pytest.raises(Refused) as caught:
        agent_name(names, agents)
    assert caught.value.reason is CallReason.CALLER_NOT_ALLOWED


@pytest.mark.parametrize(
    ("held", "code"),
    [
        (certificate_for(uri("spiffe://kannelle.example/apps/video2")), "PERMISSION_DENIED"),
        (certificate_for(uri("spiffe://kannelle.example/apps/vide%6F")), "PERMISSION_DENIED"),
        (certificate_for(dns("kannelle.example")), "PERMISSION_DENIED"),
        (certificate_for(uri(AGENT), uri(AGENT)), "PERMISSION_DENIED"),
        (certificate_for(), "PERMISSION_DENIED"),
        (certificate_for(uri(AGENT), lifetime=timedelta(minutes=-1)), "UNAVAILABLE"),
        (certificate_for(uri(AGENT), ca=OTHER_CA), "UNAVAILABLE"),
        (None, "UNAVAILABLE"),
    ],
    ids=[
        "another",
        "look-alike",
        "of another kind",
        "two names",
        "no name",
        "expired",
        "another authority",
        "no certificate",
    ],
)
async def test_who_is_no_agent_is_refused_before_anything_is_read(
    held: Material | None, code: str, tmp_path: Path
) -> None:
    gate = FakeDelivery()
    async with running_hub(tmp_path, gate) as one, stream(one.port, held) as call:
        assert (await call.code()).name == code
        assert gate.releases == []


async def test_without_agents_nobody_may_call(tmp_path: Path) -> None:
    async with running_hub(tmp_path, FakeDelivery(), agents=()) as one, stream(one.port, AGENT_CERTIFICATE) as call:
        assert await call.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_parcel_is_its_agents(group: MakeGroup, tmp_path: Path) -> None:
    agents: list[str] = []

    def repack(flows: Flows, agent: str, given: EntryBatch, identifiers: object) -> EntryBatch:
        agents.append(agent)
        return given

    async with (
        running_hub(tmp_path, FakeDelivery(), repack=repack, agents=["spiffe://kannelle.example/*"]) as one,
        stream(one.port) as call,
    ):
        await call.write(request(group(1, entry("a"))))
        await answers(call, 1)
        assert agents == [AGENT]


# Hostile agents.


@pytest.mark.parametrize("raw", [b"\xff", b"\x0a\x05ab", b"\x0a\x02\x08\x80"], ids=repr)
async def test_garbage_ends_its_own_stream(group: MakeGroup, raw: bytes, tmp_path: Path) -> None:
    async with running_hub(tmp_path, FakeDelivery()) as one, stream(one.port) as other:
        async with stream(one.port) as call:
            await call.write(raw)
            assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert await call.details() == "the message is malformed"
        await other.write(request(group(1, entry("a"))))
        assert [said(one) for one in await answers(other, 1)] == [STORED]


async def test_empty_groups_and_groups_of_one_id_are_answered_each(group: MakeGroup, tmp_path: Path) -> None:
    async with running_hub(tmp_path, FakeDelivery()) as one, stream(one.port) as call:
        await call.write(b"\x0a\x00" * 100_000)
        await call.write(request(group(5, entry("a")), group(5, entry("b"))))
        held = await answers(call, 100_002)
        assert [one.id for one in held].count(5) == 2
        assert {said(one) for one in held} == {STORED}


async def test_a_message_that_is_too_large_ends_its_stream(tmp_path: Path) -> None:
    async with running_hub(tmp_path, FakeDelivery()) as one, stream(one.port) as call:
        await call.write(bytes(17 * 1024 * 1024))
        assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("count", "payload", "most"),
    [(4 * MAX_OPEN_GROUPS, b"", MAX_OPEN_GROUPS), (48, bytes(1024 * 1024), MAX_OPEN_BYTES // (1024 * 1024))],
    ids=["groups", "bytes"],
)
async def test_so_much_of_a_stream_is_under_way_and_no_more(
    group: MakeGroup, count: int, payload: bytes, most: int, tmp_path: Path
) -> None:
    """The delivery refuses what goes beyond."""
    gate = FakeDelivery(shut=True, max_waiting=most)
    groups = [request(group(number, entry(str(number), payload=payload))) for number in range(count)]
    async with running_hub(tmp_path, gate) as one, stream(one.port) as call, asyncio.TaskGroup() as tasks:
        tasks.create_task(_written(call, groups))
        # A megabyte with what is around it is more than one.
        await gate.wait_for(most - bool(payload))
        gate.open()
        assert {said(one) for one in await answers(call, count)} == {STORED}


async def _written(call: Any, requests: list[bytes]) -> None:
    for raw in requests:
        await call.write(raw)


class Deaf:
    """The context of an agent that never reads."""

    async def write(self, _: bytes) -> None:
        await asyncio.Event().wait()


# Requests of 16 MiB that take long to read.

MOST: Final = 16 * 1024 * 1024


def _filled(unit: bytes, size: int) -> bytes:
    return unit * (size // len(unit))


def _batches(raw: bytes, count: int = 3) -> bytes:
    """A request of one group with so many times the same batch."""
    return field(1, GROUP + count * field(3, raw))


LARGEST: Final = MAX_MESSAGE_BYTES - 16
GROUP: Final = b"\x08\x01"
COSTLY: Final[dict[str, bytes]] = {
    "empty groups": _filled(b"\x0a\x00", MOST),
    "groups of nothing but an ID": _filled(field(1, GROUP), MOST),
    "unknown fields of a request": _filled(b"\x78\x00", MOST),
    "empty unknown fields of a request": _filled(b"\x7a\x00", MOST),
    "nested groups of a request": _filled(b"\x7b" * 50 + b"\x7c" * 50, MOST),
    "empty entries": field(1, GROUP + _filled(b"\x12\x00", MOST - 16)),
    "IDs of one group": field(1, _filled(GROUP, MOST - 16)),
    "unknown fields of a group": field(1, GROUP + _filled(b"\x7a\x00", MOST - 16)),
    "unknown fields of entries": field(1, GROUP + 4 * field(2, _filled(b"\x7a\x00", MAX_MESSAGE_BYTES - 16))),
    "nested groups of entries": field(
        1, GROUP + 3 * field(2, _filled(b"\x7b" * 99 + b"\x7c" * 99, MAX_MESSAGE_BYTES - 16))
    ),
    "destinations of an entry": field(1, GROUP + field(2, _filled(b"\x0a\x01a", MAX_MESSAGE_BYTES - 16))),
    "payloads of an entry": field(1, GROUP + field(2, _filled(b"\x22\x00", MOST - 32))),
    "empty batches": field(1, GROUP + _filled(b"\x1a\x00", MOST - 16)),
    "unknown fields of batches": _batches(_filled(b"\x7a\x00", LARGEST)),
    "payloads of batches": _batches(_filled(b"\x22\x00", LARGEST)),
    "keys of batches": _batches(_filled(b"\x2a\x01a", LARGEST)),
    "times of batches": _batches(b"\x22\x00" + field(7, bytes(LARGEST // 8 * 8 - 64))),
    "places of batches": _batches(b"\x22\x00" + field(8, bytes(LARGEST - 64))),
    "payloads of a batch with its columns": _batches(
        _filled(b"\x22\x00", MAX_GROUP_ENTRIES * 2)
        + field(3, bytes(32))
        + field(5, bytes(16 * MAX_GROUP_ENTRIES))
        + field(7, bytes(8 * MAX_GROUP_ENTRIES))
        + field(8, bytes(MAX_GROUP_ENTRIES)),
        1,
    ),
}


class Holding:
    """The longest that nothing but one call ran, in seconds of the processor: so that a busy machine doesn't count.

    As in `serve`, threads take turns often, and collecting garbage doesn't look at what was there before.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._switch = sys.getswitchinterval()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        last = time.process_time()
        while not self._ended.wait(0.001):
            now = time.process_time()
            self.longest, last = max(self.longest, now - last), now

    def __enter__(self) -> Self:
        gc.collect()
        gc.freeze()
        sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        sys.setswitchinterval(self._switch)
        gc.unfreeze()


class Listening:
    """The context of an agent that reads whatever it is told."""

    async def write(self, _: bytes) -> None:
        await asyncio.sleep(0)


@pytest.mark.parametrize("name", COSTLY)
async def test_no_request_holds_everybody_up(name: str, tmp_path: Path) -> None:
    """Others have their turn, and of 16 MiB nothing is made that takes much more."""

    async def requests() -> AsyncIterator[bytes]:
        yield COSTLY[name]

    turns = 0
    async with running_hub(tmp_path, FakeDelivery()) as one:
        context: Any = Listening()
        with Holding() as holding:
            running = asyncio.create_task(_AgentStream(one._hub, AGENT, context).run(requests()))
            begun = time.process_time()
            while not running.done() and time.process_time() - begun < 1.0:
                turns += 1
                await asyncio.sleep(0.001)
            took = time.process_time() - begun
            running.cancel()
            await asyncio.wait([running])
    assert holding.longest < 0.1
    assert turns >= took / 0.1


async def test_an_agent_that_never_reads_holds_itself_up(group: MakeGroup, tmp_path: Path) -> None:
    read = 0

    async def requests() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield request(group(read, entry("a")))

    async with running_hub(tmp_path, gate := FakeDelivery()) as one:
        context: Any = Deaf()
        running = asyncio.create_task(_AgentStream(one._hub, AGENT, context).run(requests()))
        await gate.wait_for(MAX_OPEN_GROUPS)
        for _ in range(100):
            await asyncio.sleep(0)
        assert (read, len(gate.releases)) == (MAX_OPEN_GROUPS + 1, MAX_OPEN_GROUPS)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
