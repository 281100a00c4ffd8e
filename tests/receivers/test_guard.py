"""The status table of the design, over real calls."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
import pytest_asyncio
from kannelle.privacy.v1 import analytics_pb2, receipt_pb2

from gateway.errors import CallReason, EndReason, ItemReason, Refused, Rejected, Retryable
from gateway.listeners import MAX_LOCAL_CALLS
from gateway.pipeline.caller import CALLER
from gateway.receivers.call_slots import slots_per_caller
from gateway.receivers.guard import AnswerUnary, Guard
from gateway.receivers.statuses import DOMAIN, MAX_RETRY_SECONDS, STATUS
from tests.support.channels import CHANNEL_OPTIONS, CallStatus, result_of
from tests.support.fake_delivery import FakeDelivery, raise_error
from tests.support.requests import (
    EMIT,
    LOGS,
    PREVIEW,
    STREAM,
    TRACK,
    TRACK_BATCH,
    V1,
    any_message,
    emit_request,
    event,
    field,
    group,
    logs_request,
    nested,
    track_request,
)
from tests.support.running_gateway import RunningGateway, run_gateway

one_gateway = pytest.mark.asyncio(loop_scope="module")
Row = tuple[str, str, bytes, EndReason]
Watched = tuple[RunningGateway, FakeDelivery]
"""A gateway, and the exporter of all its destinations."""

CONTRACT: Final = """
syntax = "proto2";
package acme.v1;
import "google/protobuf/any.proto";
import "kannelle/privacy/v1/annotations.proto";
message Tree {
  optional Tree child = 1;
  optional bool leaf = 2 [(kannelle.privacy.v1.field).category = DATA_CATEGORY_OPERATIONAL];
}
message Box {
  optional google.protobuf.Any held = 1;
}
message Order {
  required string id = 1 [(kannelle.privacy.v1.field).category = DATA_CATEGORY_OPERATIONAL];
}
"""

POLICY: Final = """
version: 1
controller: Check it Out S.A.S.
user_id: {pattern: "usr_[A-Za-z0-9]{1,32}"}
ceilings:
  FR: [USER_ID, WORK_EMAIL, OPERATIONAL]
destinations:
  orders:
    recipient: service
    region: FR
    purpose: sales
    legal_basis: CONTRACT
    allow: [USER_ID, OPERATIONAL]
    retention: 30d
  lost:
    recipient: service
    region: FR
    purpose: sales
    legal_basis: CONTRACT
    allow: [USER_ID, OPERATIONAL]
    retention: 30d
flows:
  acme.v1.Order: [orders]
  acme.v1.Tree: [orders]
  acme.v1.Box: [orders]
  kannelle.privacy.v1.ActivityLogService/RecordActivity: [lost]
"""
"""Nothing delivers to `lost`."""


def child(data: bytes) -> bytes:
    return field(1, data)


def box(depth: int) -> bytes:
    """A box with an `Any` in an `Any`, so many in all."""
    item = any_message("acme.v1.Order", b"\x0a\x02o1").SerializeToString()
    return field(1, nested(depth - 1, lambda data: any_message("google.protobuf.Any", data).SerializeToString(), item))


def named(name: str) -> bytes:
    return track_request(analytics_pb2.AnalyticsEvent(name=name))


MALFORMED = ItemReason.MALFORMED
ROWS: list[Row] = [
    ("no item", TRACK, b"", MALFORMED),
    ("no items", TRACK_BATCH, b"", MALFORMED),
    ("an ID and no items", TRACK_BATCH, field(1, b"one"), MALFORMED),
    ("no type of any", f"{V1}EmitService/EmitBatch", b"", MALFORMED),
    ("no logs", LOGS, b"", MALFORMED),
    ("nothing to preview", PREVIEW, b"", MALFORMED),
    ("cut off", TRACK, track_request()[:-1], MALFORMED),
    ("random", TRACK, b"\xff" * 9, MALFORMED),
    ("a request ID that isn't UTF-8", TRACK, field(1, b"\xff") + track_request(), MALFORMED),
    ("an item that isn't UTF-8", TRACK, field(2, field(2, b"\xff")), MALFORMED),
    ("an item of a wrong wire type", TRACK, b"\x10\x01", MALFORMED),
    ("a cut-off item", TRACK, field(2, b"\x12\x05"), MALFORMED),
    ("a batch cut off", TRACK_BATCH, b"\x12\x05", MALFORMED),
    ("a batch with an ID that isn't UTF-8", TRACK_BATCH, field(1, b"\xff") + track_request(), MALFORMED),
    ("an Any that isn't one", EMIT, field(2, b"\x0a\x05"), MALFORMED),
    ("logs cut off", LOGS, b"\x0a\x05", MALFORMED),
    ("logs of a wrong shape", LOGS, field(1, b"\x12\x05"), MALFORMED),
    # The runtime doesn't say more of groups too deep in what it doesn't know.
    ("groups 101 deep", TRACK, track_request() + nested(101, group), MALFORMED),
    ("groups 10,000 deep", TRACK, track_request() + nested(10_000, group), MALFORMED),
    ("a batch with groups 101 deep", TRACK_BATCH, nested(101, group), MALFORMED),
    ("logs with groups 101 deep", LOGS, nested(101, group), MALFORMED),
    ("10,001 items", TRACK_BATCH, b"\x12\x00" * 10_001, ItemReason.TOO_MANY_ITEMS),
    ("10,001 records", LOGS, field(1, field(2, b"\x12\x00" * 10_001)), ItemReason.TOO_MANY_ITEMS),
    ("an event that isn't planned", TRACK, named("not.planned"), ItemReason.EVENT_NOT_PLANNED),
    ("an event without a name", TRACK, named(""), ItemReason.EVENT_NOT_PLANNED),
    ("a type of no contract", EMIT, emit_request("acme.v1.Unheard"), ItemReason.UNKNOWN_TYPE),
    ("no type", EMIT, field(2, b""), ItemReason.UNKNOWN_TYPE),
    ("a type without a flow", EMIT, emit_request("kannelle.privacy.v1.AnalyticsEvent"), ItemReason.UNKNOWN_FLOW),
    ("an Any in an Any", EMIT, emit_request("google.protobuf.Any"), ItemReason.UNKNOWN_FLOW),
    ("a flow's key as a type", EMIT, emit_request("otlp/logs"), ItemReason.UNKNOWN_TYPE),
]

OURS: list[Row] = [
    ("a required field isn't there", EMIT, emit_request("acme.v1.Order"), ItemReason.REQUIRED_FIELD),
    ("a required field must go", EMIT, emit_request("acme.v1.Order", field(1, b"a@b")), ItemReason.REQUIRED_FIELD),
    ("61 deep", EMIT, emit_request("acme.v1.Tree", nested(61, child)), ItemReason.TOO_DEEP),
    ("101 deep", EMIT, emit_request("acme.v1.Tree", nested(101, child)), ItemReason.TOO_DEEP),
    ("200 deep", EMIT, emit_request("acme.v1.Tree", nested(200, child)), ItemReason.TOO_DEEP),
    ("10,000 deep", EMIT, emit_request("acme.v1.Tree", nested(10_000, child)), ItemReason.TOO_DEEP),
    ("61 Any", EMIT, emit_request("acme.v1.Box", box(61)), ItemReason.TOO_DEEP),
    ("10,000 Any", EMIT, emit_request("acme.v1.Box", box(10_000)), ItemReason.TOO_DEEP),
    ("no flow for a service", TRACK, track_request(), ItemReason.UNKNOWN_FLOW),
    ("no flow for a method", f"{V1}ActivityLogService/RecordActivities", b"\x12\x00", ItemReason.UNKNOWN_FLOW),
    ("no flow for logs", LOGS, logs_request("INFO").SerializeToString(), ItemReason.UNKNOWN_FLOW),
]


def told(reason: EndReason, after: float | None = None) -> CallStatus:
    code, text = STATUS[reason]
    return CallStatus(code, text, reason.value, DOMAIN, after)


def first(row: tuple[Any, ...]) -> str:
    return str(row[0])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kannelle(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    """With Kannelle's policy."""
    gate = FakeDelivery()
    async with run_gateway(tmp_path_factory.mktemp("kannelle"), gate) as gateway:
        yield gateway, gate


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def acme(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    """With the contract and the policy above."""
    folder, gate = tmp_path_factory.mktemp("acme"), FakeDelivery()
    protos = folder / "protos"
    protos.mkdir()
    (protos / "acme.proto").write_text(CONTRACT)
    async with run_gateway(folder, gate, policy=POLICY, contracts=[protos]) as gateway:
        yield gateway, gate


@one_gateway
@pytest.mark.parametrize("row", ROWS, ids=first)
async def test_what_is_wrong_with_a_call_has_its_status(row: Row, kannelle: Watched) -> None:
    gateway, gate = kannelle
    gate.batches.clear()
    assert await gateway.raw(*row[1:3]) == told(row[3])
    assert gate.releases == []


@one_gateway
@pytest.mark.parametrize("row", OURS, ids=first)
async def test_what_a_policy_lacks_has_its_status(row: Row, acme: Watched) -> None:
    gateway, gate = acme
    gate.batches.clear()
    assert await gateway.raw(*row[1:3]) == told(row[3])
    assert gate.releases == []


@one_gateway
@pytest.mark.parametrize("item", [("Order", field(1, b"o1")), ("Tree", nested(60, child)), ("Box", box(60))], ids=first)
async def test_up_to_the_bound_all_is_well(item: tuple[str, bytes], acme: Watched) -> None:
    gateway, gate = acme
    gate.batches.clear()
    assert isinstance(await gateway.raw(EMIT, emit_request(f"acme.v1.{item[0]}", item[1])), bytes)
    assert len(gate.releases) == 1


NO_METHODS: Final = [
    f"{V1}AnalyticsService/Nothing",
    f"{V1}NoService/TrackEvent",
    "/opentelemetry.proto.collector.trace.v2.TraceService/Export",
    "/",
    "//",
    f"{TRACK}/",
    f"{TRACK}?x=1",
    f"/{TRACK}",
    TRACK.replace("T", "%54"),
    TRACK.lower(),
]


@one_gateway
@pytest.mark.parametrize("path", NO_METHODS)
async def test_no_such_method_is_unimplemented(path: str, kannelle: Watched) -> None:
    assert await kannelle[0].raw(path, track_request()) == CallStatus(
        grpc.StatusCode.UNIMPLEMENTED, "Method not found!"
    )


@one_gateway
@pytest.mark.parametrize("path", [TRACK, TRACK_BATCH, LOGS])
async def test_a_message_over_the_limit_is_exhausted(path: str, kannelle: Watched) -> None:
    answer = await kannelle[0].raw(path, field(2, bytes(6 * 1024 * 1024)))
    assert answer.code is grpc.StatusCode.RESOURCE_EXHAUSTED


@one_gateway
async def test_a_message_over_the_limit_ends_a_stream_too(kannelle: Watched) -> None:
    gateway, gate = kannelle
    answer = await gateway.raw_stream(STREAM, [track_request(), bytes(6 * 1024 * 1024), track_request()])
    assert answer.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert gate.waiting == 0


FULL: Final = told(CallReason.FULL, 1.0)
ONE_RECORD: Final = logs_request("INFO").SerializeToString()


async def test_a_full_gateway_says_when_to_come_back(tmp_path: Path) -> None:
    gate = FakeDelivery(shut=True, max_waiting=2)
    async with run_gateway(tmp_path, gate) as gateway:
        waiting = [asyncio.create_task(gateway.raw(TRACK, track_request())) for _ in range(2)]
        await gate.wait_for(2)
        assert await gateway.raw(TRACK, track_request()) == FULL
        assert await gateway.raw(TRACK_BATCH, track_request()) == FULL
        assert await gateway.raw_stream(STREAM, [track_request()]) == FULL
        assert await gateway.raw(LOGS, ONE_RECORD) == FULL
        gate.open()
        assert all(isinstance(answer, bytes) for answer in await asyncio.gather(*waiting))
        assert isinstance(await gateway.raw(TRACK, track_request()), bytes)


async def test_more_calls_than_there_is_room_for_are_told_when_to_come_back(tmp_path: Path) -> None:
    gate = FakeDelivery(shut=True)
    async with run_gateway(tmp_path, gate) as gateway, AsyncExitStack() as stack:
        dialled = [
            await stack.enter_async_context(grpc.aio.insecure_channel(gateway.address, options=CHANNEL_OPTIONS))
            for _ in range(3)
        ]
        methods: list[Any] = [channel.unary_unary(TRACK) for channel in dialled]
        first, second, third = methods
        waiting = [
            asyncio.create_task(result_of(first(track_request()))) for _ in range(slots_per_caller(MAX_LOCAL_CALLS))
        ]
        await gate.wait_for(slots_per_caller(MAX_LOCAL_CALLS))
        assert await result_of(first(track_request())) == FULL, "one connection has no more than its share"
        waiting += [
            asyncio.create_task(result_of(second(track_request()))) for _ in range(slots_per_caller(MAX_LOCAL_CALLS))
        ]
        await gate.wait_for(MAX_LOCAL_CALLS)
        assert await result_of(third(track_request())) == FULL
        gate.open()
        assert all(isinstance(answer, bytes) for answer in await asyncio.gather(*waiting))
        assert isinstance(await result_of(first(track_request())), bytes)


async def test_what_could_never_fit_is_too_large(tmp_path: Path) -> None:
    async with run_gateway(tmp_path, FakeDelivery(max_waiting=2)) as gateway:
        assert await gateway.raw(TRACK_BATCH, track_request(*[event()] * 3)) == told(ItemReason.TOO_LARGE)


class Odd(Exception):
    """A fault, with a text that must not get out."""


INTERNALLY: Final = CallStatus(*STATUS[CallReason.INTERNAL], "INTERNAL", DOMAIN)
RAISED: list[Exception] = [
    Odd("planted"),
    KeyError("planted"),
    AssertionError("planted"),
    MemoryError("planted"),
    RecursionError("planted"),
    UnicodeDecodeError("utf-8", b"planted", 0, 1, "planted"),
    ExceptionGroup("planted", [Odd("planted")]),
    StopIteration("planted"),
]

DOWN: list[tuple[str, float | None, float | None]] = [
    ("", 2.5, 2.5),
    ("for nobody knows how long", None, None),
    ("for a moment", 0, 0),
    ("for ever", 1e30, MAX_RETRY_SECONDS),
    ("for longer", math.inf, MAX_RETRY_SECONDS),
    ("until yesterday", -5, 0),
    ("for no number", math.nan, 0),
]

Fault = tuple[str, Exception, CallStatus]
FAULTS: list[Fault] = [
    *(
        (f"down {name}", Retryable(CallReason.UNAVAILABLE, after), told(CallReason.UNAVAILABLE, expected))
        for name, after, expected in DOWN
    ),
    ("full", Retryable(CallReason.FULL, 3), told(CallReason.FULL, 3)),
    ("at odds with its agent", Retryable(CallReason.UNKNOWN_PLAN, 3), told(CallReason.UNKNOWN_PLAN, 3)),
    ("refuses as malformed", Refused(MALFORMED), told(MALFORMED)),
    ("refuses as too large", Refused(ItemReason.TOO_LARGE), told(ItemReason.TOO_LARGE)),
    (
        "refuses another item of the same request",
        Refused(CallReason.REQUEST_ID_REUSED),
        told(CallReason.REQUEST_ID_REUSED),
    ),
    ("refuses for ever", Rejected(ItemReason.UNKNOWN_TYPE), told(ItemReason.UNKNOWN_TYPE)),
    *((f"raises {type(error).__name__}", error, INTERNALLY) for error in RAISED),
]


@one_gateway
@pytest.mark.parametrize("row", FAULTS, ids=first)
async def test_what_is_wrong_with_delivery_has_its_status(
    row: Fault, kannelle: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    _, fault, expected = row

    gateway, gate = kannelle
    with gate.replying(raise_error(fault)):
        assert await gateway.raw(TRACK, track_request()) == expected
        assert await gateway.raw(TRACK_BATCH, track_request(*[event()] * 3)) == expected
        assert await gateway.raw_stream(STREAM, [track_request()] * 3) == expected
        assert await gateway.raw(LOGS, ONE_RECORD) == expected
    assert gate.waiting == 0
    assert "planted" not in caplog.text


@one_gateway
async def test_withheld_is_no_failure(kannelle: Watched) -> None:
    gateway, gate = kannelle
    gate.batches.clear()
    answer = analytics_pb2.TrackEventResponse.FromString(
        await gateway.raw(TRACK, track_request(event(work_email="ana@gmail.com")))
    )
    assert list(answer.receipts) == [receipt_pb2.Receipt(destination="analytics", outcome=receipt_pb2.OUTCOME_WITHHELD)]
    assert gate.releases == []


class Stub:
    """A call's context that keeps how it was aborted."""

    def __init__(self, message: bytes = b"planted", peer: str = "ipv4:127.0.0.1:1") -> None:
        self.said: tuple[Any, ...] = ()
        self._message = message
        self._peer = peer

    def peer(self) -> str:
        return self._peer

    async def read(self) -> bytes:
        return self._message

    async def abort(self, *said: Any) -> None:
        self.said = said
        raise grpc.aio.AbortError


def unary(guard: Guard, handler: AnswerUnary) -> Any:
    """A guarded handler, as grpc.aio calls it."""
    method: Any = guard.unary(handler)
    return partial(method.stream_unary, None)


async def guarding(fault: BaseException) -> Stub:
    async def handler(request: bytes) -> bytes:
        raise fault

    stub = Stub()
    with pytest.raises(asyncio.CancelledError if isinstance(fault, asyncio.CancelledError) else grpc.aio.AbortError):
        await unary(Guard(1), handler)(stub)
    return stub


# A coroutine can't raise StopIteration.
@pytest.mark.parametrize("fault", RAISED[:-1], ids=repr)
async def test_a_fault_of_a_handler_is_internal_and_says_no_more(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    stub = await guarding(fault)
    assert stub.said[:2] == STATUS[CallReason.INTERNAL]
    assert "planted" not in caplog.text + repr(stub.said)
    assert type(fault).__name__ in caplog.text


async def test_a_cancelled_call_stays_cancelled() -> None:
    assert (await guarding(asyncio.CancelledError())).said == ()


async def test_no_more_calls_than_there_is_room_for() -> None:
    begun, may, stub = asyncio.Event(), asyncio.Event(), Stub()

    async def handler(request: bytes) -> bytes:
        begun.set()
        await may.wait()
        return request

    guarded = unary(Guard(1), handler)
    first = asyncio.create_task(guarded(Stub(b"first")))
    await begun.wait()
    with pytest.raises(grpc.aio.AbortError):
        await guarded(stub)
    assert stub.said[:2] == STATUS[CallReason.FULL]
    may.set()
    assert await first == b"first"
    assert await guarded(Stub(b"third")) == b"third"


async def test_whoever_works_for_a_call_knows_its_caller() -> None:
    async def handler(request: bytes) -> bytes:
        return CALLER.get().encode()

    guarded = unary(Guard(9), handler)
    answers = await asyncio.gather(*(guarded(Stub(peer=f"ipv4:127.0.0.1:{number}")) for number in range(3)))
    assert answers == [b"ipv4:127.0.0.1:0", b"ipv4:127.0.0.1:1", b"ipv4:127.0.0.1:2"]
