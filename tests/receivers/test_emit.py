"""The emit services over a real connection: one item, batches, streams."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from kannelle.privacy.v1 import activity_pb2, analytics_pb2, emit_pb2, receipt_pb2, support_pb2

from gateway.errors import CallReason, ItemReason, Reason, Retryable
from gateway.model import Parcel
from gateway.receivers.emit import SERVICES
from gateway.receivers.guard import DOMAIN, STATUS
from gateway.receivers.lane import AHEAD, AHEAD_BYTES
from gateway.receivers.receipts import reason_number
from tests.calls import EMITS, METHODS, STREAM, TRACK, TRACKS, V1, emitting, event, field, held, track
from tests.running import SECONDS, Ended, Gate, Running, raising, running

PERSONAL: Final = event(work_email="ana@gmail.com")
DOWN: Final = Retryable(CallReason.UNAVAILABLE, 2)
UNPLANNED: Final = analytics_pb2.AnalyticsEvent(name="not.planned")


def told(reason: Reason, after: float | None = None) -> Ended:
    return Ended(*STATUS[reason], reason.value, DOMAIN, after)


def result(
    accepted: int = 0, rejected: Sequence[tuple[int, Reason]] = (), withheld: Sequence[int] = ()
) -> receipt_pb2.BatchResult:
    named = [receipt_pb2.RejectedItem(index=index, reason=reason_number(reason)) for index, reason in rejected]
    return receipt_pb2.BatchResult(accepted=accepted, rejected=named, withheld=withheld)


async def tracked(gateway: Running, data: bytes) -> receipt_pb2.BatchResult:
    return analytics_pb2.TrackEventsResponse.FromString(await gateway.raw(TRACKS, data)).result


async def streamed(gateway: Running, items: Sequence[bytes]) -> receipt_pb2.BatchResult:
    return analytics_pb2.StreamEventsResponse.FromString(await gateway.raw_stream(STREAM, items)).result


def users(gate: Gate) -> list[str]:
    return [analytics_pb2.AnalyticsEvent.FromString(release.payload).user.user_id for release in gate.releases]


def numbered(count: int, **user: str) -> list[analytics_pb2.AnalyticsEvent]:
    return [event(f"usr_{number}", **user) for number in range(count)]


NAMES: Final = [f"usr_{number}" for number in range(20_000)]


async def test_a_receipt_names_fields_and_reasons(tmp_path: Path) -> None:
    gate, sent = Gate(), event(full_name="Ana Silva")
    sent.properties["codec"].string_value = "mpeg2"
    sent.properties["colour"].string_value = "red"
    async with running(tmp_path, gate) as gateway:
        answer = analytics_pb2.TrackEventResponse.FromString(await gateway.raw(TRACK, track(sent)))
    verdict = receipt_pb2.FieldVerdict(
        path="properties[*]", verdict=receipt_pb2.VERDICT_STRIP, reason=receipt_pb2.REASON_NOT_LISTED
    )
    assert list(answer.receipts) == [
        receipt_pb2.Receipt(destination="analytics", outcome=receipt_pb2.OUTCOME_RELEASED, fields=[verdict]),
    ]
    assert analytics_pb2.AnalyticsEvent.FromString(gate.releases[0].payload) == event()


async def test_an_item_for_two_has_two_receipts(tmp_path: Path) -> None:
    message = support_pb2.SupportMessage(
        topic=support_pb2.SUPPORT_TOPIC_BILLING, text="write to ana.silva@acme.example"
    )
    message.user.work_email = "ana@gmail.com"
    async with running(tmp_path, gate := Gate()) as gateway:
        data = support_pb2.SendMessageRequest(message=message).SerializeToString()
        answer = support_pb2.SendMessageResponse.FromString(await gateway.raw(f"{V1}SupportService/SendMessage", data))
    outcomes = {receipt.destination: receipt.outcome for receipt in answer.receipts}
    assert outcomes == {"support": receipt_pb2.OUTCOME_WITHHELD, "support-archive": receipt_pb2.OUTCOME_RELEASED}
    assert receipt_pb2.VERDICT_MASK in {verdict.verdict for receipt in answer.receipts for verdict in receipt.fields}
    assert [release.destination for release in gate.releases] == ["support-archive"]


BATCHES: list[tuple[str, bytes, receipt_pb2.BatchResult]] = [
    ("one", track(event()), result(1)),
    (
        "some rejected",
        track(event(), UNPLANNED, event()) + field(2, b"\xff"),
        result(2, [(1, ItemReason.EVENT_NOT_PLANNED), (3, ItemReason.MALFORMED)]),
    ),
    (
        "all rejected",
        track(UNPLANNED, UNPLANNED),
        result(0, [(0, ItemReason.EVENT_NOT_PLANNED), (1, ItemReason.EVENT_NOT_PLANNED)]),
    ),
    ("some withheld", track(PERSONAL, event(), PERSONAL), result(3, [], [0, 2])),
    ("all withheld", track(PERSONAL), result(1, [], [0])),
    ("of everything", track(PERSONAL, UNPLANNED, event()), result(2, [(1, ItemReason.EVENT_NOT_PLANNED)], [0])),
    ("with an empty item", field(2, b""), result(0, [(0, ItemReason.EVENT_NOT_PLANNED)])),
]


@pytest.mark.parametrize(("name", "data", "expected"), BATCHES, ids=[row[0] for row in BATCHES])
async def test_a_batch_tells_of_each_item(
    name: str, data: bytes, expected: receipt_pb2.BatchResult, tmp_path: Path
) -> None:
    async with running(tmp_path, gate := Gate()) as gateway:
        assert await tracked(gateway, data) == expected
    assert len(gate.releases) == expected.accepted - len(expected.withheld)
    assert len(gate.batches) == (1 if gate.releases else 0)


async def test_a_stream_tells_of_each_item(tmp_path: Path) -> None:
    items = [
        track(event()),
        track(UNPLANNED),
        field(1, b"an ID"),
        field(2, b"\xff"),
        b"\xff",
        track(PERSONAL),
        track(event()),
    ]
    rejected = [
        (1, ItemReason.EVENT_NOT_PLANNED),
        (2, ItemReason.MALFORMED),
        (3, ItemReason.MALFORMED),
        (4, ItemReason.MALFORMED),
    ]
    async with running(tmp_path, gate := Gate()) as gateway:
        assert await streamed(gateway, items) == result(3, rejected, [5])
    assert len(gate.releases) == 2


@pytest.mark.parametrize(
    "items", [[], [b""], [track(), b""], [b"", track()]], ids=["nothing", "empty", "empty last", "empty first"]
)
async def test_a_stream_without_items_or_with_an_empty_message_is_refused(items: list[bytes], tmp_path: Path) -> None:
    async with running(tmp_path, Gate()) as gateway:
        assert await gateway.raw_stream(STREAM, items) == told(ItemReason.MALFORMED)


async def test_items_of_any_type_find_their_flow_one_by_one(tmp_path: Path) -> None:
    unpacked = [
        held("kannelle.crm.v1.Contact", b""),
        held("acme.v1.Unheard", b""),
        held("kannelle.privacy.v1.Receipt", b""),
    ]
    data = emit_pb2.EmitBatchRequest(
        items=[*unpacked, held("kannelle.video.v1.VideoExported", b"")]
    ).SerializeToString()
    async with running(tmp_path, gate := Gate()) as gateway:
        answer = emit_pb2.EmitBatchResponse.FromString(await gateway.raw(EMITS, data))
        assert answer.result == result(2, [(1, ItemReason.UNKNOWN_TYPE), (2, ItemReason.UNKNOWN_FLOW)])
        stream = [emitting("kannelle.crm.v1.Contact"), emitting("acme.v1.Unheard")]
        answer = emit_pb2.EmitStreamResponse.FromString(await gateway.raw_stream(f"{V1}EmitService/EmitStream", stream))  # type: ignore[assignment]
        assert answer.result == result(1, [(1, ItemReason.UNKNOWN_TYPE)])
    assert [release.destination for release in gate.releases] == ["crm", "activity-log", "crm"]


async def test_as_many_as_the_bound_come_whole_and_in_order(tmp_path: Path) -> None:
    async with running(tmp_path, gate := Gate()) as gateway:
        assert await tracked(gateway, track(*numbered(10_000))) == result(10_000)
        assert await gateway.raw(TRACKS, track(*numbered(10_001))) == told(ItemReason.TOO_MANY_ITEMS)
    assert users(gate) == NAMES[:10_000]


async def test_a_stream_comes_whole_and_in_order(tmp_path: Path) -> None:
    async with running(tmp_path, gate := Gate()) as gateway:
        assert await streamed(gateway, [track(one) for one in numbered(2000)]) == result(2000)
        assert gate.waiting == 0
    assert users(gate) == NAMES[:2000]


def every_method() -> Iterator[tuple[str, bool]]:
    for service in SERVICES:
        for method in service.methods:
            yield f"/{service.full_name}/{method.name}", method.client_streaming


async def test_every_method_answers(tmp_path: Path) -> None:
    good = {
        "ActivityLogService": activity_pb2.ActivityEntry(action="video.exported").SerializeToString(),
        "AnalyticsService": event().SerializeToString(),
        "EmitService": held("kannelle.crm.v1.Contact", b"").SerializeToString(),
        "SupportService": support_pb2.SupportMessage(topic=support_pb2.SUPPORT_TOPIC_EXPORT).SerializeToString(),
    }
    assert {path for path, _ in every_method()} == set(METHODS)
    async with running(tmp_path, gate := Gate()) as gateway:
        for path, streams in every_method():
            data = field(2, good[path.split("/")[1].rpartition(".")[2]])
            before = len(gate.releases)
            assert isinstance(await (gateway.raw_stream(path, [data]) if streams else gateway.raw(path, data)), bytes)
            assert len(gate.releases) > before, path


class Stream:
    """An open stream that says one thing at a time."""

    def __init__(self, gateway: Running) -> None:
        method: Any = gateway.channel.stream_unary(STREAM)
        self.call = method()

    async def say(self, *items: analytics_pb2.AnalyticsEvent) -> None:
        for item in items:
            await self.call.write(track(item))

    async def end(self) -> receipt_pb2.BatchResult:
        await self.call.done_writing()
        return analytics_pb2.StreamEventsResponse.FromString(await self.answer()).result

    async def answer(self) -> Any:
        async with asyncio.timeout(SECONDS):
            return await self.call

    async def fate(self) -> grpc.StatusCode:
        async with asyncio.timeout(SECONDS):
            code: grpc.StatusCode = await self.call.code()
            return code


async def test_an_open_streams_items_do_not_wait_for_its_end(tmp_path: Path) -> None:
    gate = Gate(shut=True)
    async with running(tmp_path, gate) as gateway:
        stream = Stream(gateway)
        await stream.say(*numbered(1))
        await gate.until(1)
        await stream.say(*numbered(3)[1:])
        gate.open()
        await gate.until(3)
        assert not stream.call.done()
        assert await stream.end() == result(3)
    assert users(gate) == NAMES[:3]


async def test_a_stream_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    gate = Gate(shut=True)
    async with running(tmp_path, gate) as gateway:
        for _ in range(3):
            stream = Stream(gateway)
            await stream.say(*numbered(5))
            stream.call.cancel()
        stream = Stream(gateway)
        await stream.say(*numbered(5))
        await gate.until(1)
        stream.call.cancel()
        gate.open()
        assert await tracked(gateway, track(event("usr_last"))) == result(1)
    assert gate.waiting == 0
    for batch in gate.batches:
        ids = [analytics_pb2.AnalyticsEvent.FromString(release.payload).user.user_id for release in batch]
        assert ids == ["usr_last"] or ids == NAMES[int(ids[0][4:]) :][: len(ids)]


def held_back(consumed: threading.Event, count: int, ahead: int) -> Iterator[bytes]:
    for number in range(count):
        if number == ahead:
            consumed.set()
        yield track(event(f"usr_{number}"))


async def test_a_slow_recipient_holds_a_fast_sender_back(tmp_path: Path) -> None:
    gate, consumed = Gate(shut=True), threading.Event()
    async with running(tmp_path, gate) as gateway:
        # The first is on its way, AHEAD wait, and some more fill the connection's window.
        calling = asyncio.create_task(gateway.raw_stream(STREAM, held_back(consumed, 3 * AHEAD, AHEAD + 100)))
        assert await asyncio.to_thread(consumed.wait, SECONDS)
        assert gate.waiting == len(gate.releases) < AHEAD
        gate.open()
        assert analytics_pb2.StreamEventsResponse.FromString(await calling).result == result(3 * AHEAD)
    assert max(map(len, gate.batches)) <= AHEAD
    assert users(gate) == NAMES[: 3 * AHEAD]


async def test_large_items_are_held_back_by_their_bytes(tmp_path: Path) -> None:
    size = AHEAD_BYTES // 8
    message = support_pb2.SupportMessage(attachments=[support_pb2.Attachment(content=bytes(size))])
    data = support_pb2.StreamMessagesRequest(message=message).SerializeToString()
    async with running(tmp_path, gate := Gate()) as gateway:
        assert isinstance(await gateway.raw_stream(f"{V1}SupportService/StreamMessages", [data] * 40), bytes)
    assert max(sum(len(release.payload) for release in batch) for batch in gate.batches) <= AHEAD_BYTES + size


def failing_after(count: int, gate: Gate) -> Any:
    def reply(batch: Sequence[Parcel]) -> None:
        if len(gate.releases) > count:
            raise DOWN

    return reply


async def test_a_delivery_that_fails_ends_an_idle_stream(tmp_path: Path) -> None:
    gate = Gate()
    gate.reply = failing_after(1, gate)
    async with running(tmp_path, gate) as gateway:
        stream = Stream(gateway)
        await stream.say(event())
        await gate.until(1)
        await stream.say(event())
        assert await stream.fate() is grpc.StatusCode.UNAVAILABLE
        assert gate.waiting == 0


async def test_a_delivery_that_fails_ends_a_busy_stream(tmp_path: Path) -> None:
    gate = Gate()
    gate.reply = failing_after(500, gate)

    def endless() -> Iterator[bytes]:
        while True:
            yield track()

    async with running(tmp_path, gate) as gateway:
        assert await gateway.raw_stream(STREAM, endless()) == told(CallReason.UNAVAILABLE, 2)
        assert gate.waiting == 0


async def test_a_delivery_that_fails_ends_a_stream_that_is_held_back(tmp_path: Path) -> None:
    gate, consumed = Gate(raising(DOWN), shut=True), threading.Event()
    async with running(tmp_path, gate) as gateway:
        calling = asyncio.create_task(gateway.raw_stream(STREAM, held_back(consumed, 3 * AHEAD, AHEAD + 100)))
        assert await asyncio.to_thread(consumed.wait, SECONDS)
        gate.open()
        assert await calling == told(CallReason.UNAVAILABLE, 2)
    assert len(gate.batches) == 1


async def test_a_stream_with_too_much_wrong_ends(tmp_path: Path) -> None:
    def wrong() -> Iterator[bytes]:
        while True:
            yield b"\xff"

    async with running(tmp_path, gate := Gate()) as gateway:
        assert await gateway.raw_stream(STREAM, wrong()) == told(ItemReason.TOO_MANY_ITEMS)
    assert gate.releases == []
