"""The emit services over a real connection: one item, batches, streams."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

import grpc
import pytest
from kannelle.privacy.v1 import activity_pb2, analytics_pb2, emit_pb2, receipt_pb2, support_pb2

from gateway.errors import CallReason, EndReason, ItemReason, Reason, Retryable
from gateway.model import OutboxEntry
from gateway.receivers.backpressure_buffer import MAX_WAITING_BYTES, MAX_WAITING_ITEMS
from gateway.receivers.emit import SERVICES
from gateway.receivers.emit_call import EmitCall
from gateway.receivers.receipts import reason_number
from gateway.receivers.statuses import DOMAIN, STATUS
from tests.support.channels import TIMEOUT_SECONDS, CallStatus
from tests.support.fake_delivery import FakeDelivery, raise_error
from tests.support.requests import (
    EMIT_BATCH,
    EMIT_METHODS,
    STREAM,
    TRACK,
    TRACK_BATCH,
    V1,
    any_message,
    emit_request,
    event,
    field,
    track_request,
)
from tests.support.running_gateway import RunningGateway, run_gateway

PERSONAL: Final = event(work_email="ana@gmail.com")
DOWN: Final = Retryable(CallReason.UNAVAILABLE, 2)
UNPLANNED: Final = analytics_pb2.AnalyticsEvent(name="not.planned")


def told(reason: EndReason, after: float | None = None) -> CallStatus:
    return CallStatus(*STATUS[reason], reason.value, DOMAIN, after)


def result(
    accepted: int = 0, rejected: Sequence[tuple[int, Reason]] = (), withheld: Sequence[int] = ()
) -> receipt_pb2.BatchResult:
    named = [receipt_pb2.RejectedItem(index=index, reason=reason_number(reason)) for index, reason in rejected]
    return receipt_pb2.BatchResult(accepted=accepted, rejected=named, withheld=withheld)


async def tracked(gateway: RunningGateway, data: bytes) -> receipt_pb2.BatchResult:
    return analytics_pb2.TrackEventsResponse.FromString(await gateway.raw(TRACK_BATCH, data)).result


async def streamed(gateway: RunningGateway, items: Sequence[bytes]) -> receipt_pb2.BatchResult:
    return analytics_pb2.StreamEventsResponse.FromString(await gateway.raw_stream(STREAM, items)).result


def users(gate: FakeDelivery) -> list[str]:
    return [analytics_pb2.AnalyticsEvent.FromString(release.payload).user.user_id for release in gate.releases]


def numbered(count: int, **user: str) -> list[analytics_pb2.AnalyticsEvent]:
    return [event(f"usr_{number}", **user) for number in range(count)]


NAMES: Final = [f"usr_{number}" for number in range(20_000)]


async def test_a_receipt_names_fields_and_reasons(tmp_path: Path) -> None:
    gate, sent = FakeDelivery(), event(full_name="Ana Silva")
    sent.properties["codec"].string_value = "mpeg2"
    sent.properties["colour"].string_value = "red"
    async with run_gateway(tmp_path, gate) as gateway:
        answer = analytics_pb2.TrackEventResponse.FromString(await gateway.raw(TRACK, track_request(sent)))
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
    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        data = support_pb2.SendMessageRequest(message=message).SerializeToString()
        answer = support_pb2.SendMessageResponse.FromString(await gateway.raw(f"{V1}SupportService/SendMessage", data))
    outcomes = {receipt.destination: receipt.outcome for receipt in answer.receipts}
    assert outcomes == {"support": receipt_pb2.OUTCOME_WITHHELD, "support-archive": receipt_pb2.OUTCOME_RELEASED}
    assert receipt_pb2.VERDICT_MASK in {verdict.verdict for receipt in answer.receipts for verdict in receipt.fields}
    assert [release.destination for release in gate.releases] == ["support-archive"]


BATCHES: list[tuple[str, bytes, receipt_pb2.BatchResult]] = [
    ("one", track_request(event()), result(1)),
    (
        "some rejected",
        track_request(event(), UNPLANNED, event()) + field(2, b"\xff"),
        result(2, [(1, ItemReason.EVENT_NOT_PLANNED), (3, ItemReason.MALFORMED)]),
    ),
    (
        "all rejected",
        track_request(UNPLANNED, UNPLANNED),
        result(0, [(0, ItemReason.EVENT_NOT_PLANNED), (1, ItemReason.EVENT_NOT_PLANNED)]),
    ),
    ("some withheld", track_request(PERSONAL, event(), PERSONAL), result(3, [], [0, 2])),
    ("all withheld", track_request(PERSONAL), result(1, [], [0])),
    ("of everything", track_request(PERSONAL, UNPLANNED, event()), result(2, [(1, ItemReason.EVENT_NOT_PLANNED)], [0])),
    ("with an empty item", field(2, b""), result(0, [(0, ItemReason.EVENT_NOT_PLANNED)])),
]


@pytest.mark.parametrize(("name", "data", "expected"), BATCHES, ids=[row[0] for row in BATCHES])
async def test_a_batch_tells_of_each_item(
    name: str, data: bytes, expected: receipt_pb2.BatchResult, tmp_path: Path
) -> None:
    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        assert await tracked(gateway, data) == expected
    assert len(gate.releases) == expected.accepted - len(expected.withheld)
    assert len(gate.batches) == (1 if gate.releases else 0)


async def test_a_stream_tells_of_each_item(tmp_path: Path) -> None:
    items = [
        track_request(event()),
        track_request(UNPLANNED),
        field(1, b"an ID"),
        field(2, b"\xff"),
        b"\xff",
        track_request(PERSONAL),
        track_request(event()),
    ]
    rejected = [
        (1, ItemReason.EVENT_NOT_PLANNED),
        (2, ItemReason.MALFORMED),
        (3, ItemReason.MALFORMED),
        (4, ItemReason.MALFORMED),
    ]
    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        assert await streamed(gateway, items) == result(3, rejected, [5])
    assert len(gate.releases) == 2


@pytest.mark.parametrize(
    "items",
    [[], [b""], [track_request(), b""], [b"", track_request()]],
    ids=["nothing", "empty", "empty last", "empty first"],
)
async def test_a_stream_without_items_or_with_an_empty_message_is_refused(items: list[bytes], tmp_path: Path) -> None:
    async with run_gateway(tmp_path, FakeDelivery()) as gateway:
        assert await gateway.raw_stream(STREAM, items) == told(ItemReason.MALFORMED)


async def test_items_of_any_type_find_their_flow_one_by_one(tmp_path: Path) -> None:
    unpacked = [
        any_message("kannelle.crm.v1.Contact", b""),
        any_message("acme.v1.Unheard", b""),
        any_message("kannelle.privacy.v1.Receipt", b""),
    ]
    data = emit_pb2.EmitBatchRequest(
        items=[*unpacked, any_message("kannelle.video.v1.VideoExported", b"")]
    ).SerializeToString()
    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        answer = emit_pb2.EmitBatchResponse.FromString(await gateway.raw(EMIT_BATCH, data))
        assert answer.result == result(2, [(1, ItemReason.UNKNOWN_TYPE), (2, ItemReason.UNKNOWN_FLOW)])
        stream = [emit_request("kannelle.crm.v1.Contact"), emit_request("acme.v1.Unheard")]
        answer = emit_pb2.EmitStreamResponse.FromString(await gateway.raw_stream(f"{V1}EmitService/EmitStream", stream))  # type: ignore[assignment]
        assert answer.result == result(1, [(1, ItemReason.UNKNOWN_TYPE)])
    assert [release.destination for release in gate.releases] == ["crm", "activity-log", "crm"]


async def test_as_many_as_the_bound_come_whole_and_in_order(tmp_path: Path) -> None:
    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        assert await tracked(gateway, track_request(*numbered(10_000))) == result(10_000)
        assert await gateway.raw(TRACK_BATCH, track_request(*numbered(10_001))) == told(ItemReason.TOO_MANY_ITEMS)
    assert users(gate) == NAMES[:10_000]


async def test_a_stream_comes_whole_and_in_order(tmp_path: Path) -> None:
    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        assert await streamed(gateway, [track_request(one) for one in numbered(2000)]) == result(2000)
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
        "EmitService": any_message("kannelle.crm.v1.Contact", b"").SerializeToString(),
        "SupportService": support_pb2.SupportMessage(topic=support_pb2.SUPPORT_TOPIC_EXPORT).SerializeToString(),
    }
    assert {path for path, _ in every_method()} == set(EMIT_METHODS)
    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        for path, streams in every_method():
            data = field(2, good[path.split("/")[1].rpartition(".")[2]])
            before = len(gate.releases)
            assert isinstance(await (gateway.raw_stream(path, [data]) if streams else gateway.raw(path, data)), bytes)
            assert len(gate.releases) > before, path


class Stream:
    """An open stream that says one thing at a time."""

    def __init__(self, gateway: RunningGateway) -> None:
        method: Any = gateway.channel.stream_unary(STREAM)
        self.call = method()

    async def say(self, *items: analytics_pb2.AnalyticsEvent) -> None:
        for item in items:
            await self.call.write(track_request(item))

    async def end(self) -> receipt_pb2.BatchResult:
        await self.call.done_writing()
        return analytics_pb2.StreamEventsResponse.FromString(await self.answer()).result

    async def answer(self) -> Any:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await self.call

    async def fate(self) -> grpc.StatusCode:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            code: grpc.StatusCode = await self.call.code()
            return code


async def test_an_open_streams_items_do_not_wait_for_its_end(tmp_path: Path) -> None:
    gate = FakeDelivery(shut=True)
    async with run_gateway(tmp_path, gate) as gateway:
        stream = Stream(gateway)
        await stream.say(*numbered(1))
        await gate.wait_for(1)
        await stream.say(*numbered(3)[1:])
        gate.open()
        await gate.wait_for(3)
        assert not stream.call.done()
        assert await stream.end() == result(3)
    assert users(gate) == NAMES[:3]


async def test_a_stream_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    gate = FakeDelivery(shut=True)
    async with run_gateway(tmp_path, gate) as gateway:
        for _ in range(3):
            stream = Stream(gateway)
            await stream.say(*numbered(5))
            stream.call.cancel()
        stream = Stream(gateway)
        await stream.say(*numbered(5))
        await gate.wait_for(1)
        stream.call.cancel()
        gate.open()
        assert await tracked(gateway, track_request(event("usr_last"))) == result(1)
    assert gate.waiting == 0
    for batch in gate.batches:
        ids = [analytics_pb2.AnalyticsEvent.FromString(release.payload).user.user_id for release in batch]
        assert ids == ["usr_last"] or ids == NAMES[int(ids[0][4:]) :][: len(ids)]


def held_back(consumed: threading.Event, count: int, ahead: int) -> Iterator[bytes]:
    for number in range(count):
        if number == ahead:
            consumed.set()
        yield track_request(event(f"usr_{number}"))


async def test_a_slow_recipient_holds_a_fast_sender_back(tmp_path: Path) -> None:
    gate, consumed = FakeDelivery(shut=True), threading.Event()
    async with run_gateway(tmp_path, gate) as gateway:
        # The first is on its way, MAX_WAITING_ITEMS wait, and some more fill the connection's window.
        calling = asyncio.create_task(
            gateway.raw_stream(STREAM, held_back(consumed, 3 * MAX_WAITING_ITEMS, MAX_WAITING_ITEMS + 100))
        )
        assert await asyncio.to_thread(consumed.wait, TIMEOUT_SECONDS)
        assert gate.waiting == len(gate.releases) < MAX_WAITING_ITEMS
        gate.open()
        assert analytics_pb2.StreamEventsResponse.FromString(await calling).result == result(3 * MAX_WAITING_ITEMS)
    assert max(map(len, gate.batches)) <= MAX_WAITING_ITEMS
    assert users(gate) == NAMES[: 3 * MAX_WAITING_ITEMS]


async def test_large_items_are_held_back_by_their_bytes(tmp_path: Path) -> None:
    size = MAX_WAITING_BYTES // 8
    message = support_pb2.SupportMessage(attachments=[support_pb2.Attachment(content=bytes(size))])
    data = support_pb2.StreamMessagesRequest(message=message).SerializeToString()
    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        assert isinstance(await gateway.raw_stream(f"{V1}SupportService/StreamMessages", [data] * 40), bytes)
    assert max(sum(len(release.payload) for release in batch) for batch in gate.batches) <= MAX_WAITING_BYTES + size


def failing_after(count: int, gate: FakeDelivery) -> Any:
    def reply(batch: Sequence[OutboxEntry]) -> None:
        if len(gate.releases) > count:
            raise DOWN

    return reply


async def test_a_delivery_that_fails_ends_an_idle_stream(tmp_path: Path) -> None:
    gate = FakeDelivery()
    gate.reply = failing_after(1, gate)
    async with run_gateway(tmp_path, gate) as gateway:
        stream = Stream(gateway)
        await stream.say(event())
        await gate.wait_for(1)
        await stream.say(event())
        assert await stream.fate() is grpc.StatusCode.UNAVAILABLE
        assert gate.waiting == 0


async def test_a_delivery_that_fails_ends_a_busy_stream(tmp_path: Path) -> None:
    gate = FakeDelivery()
    gate.reply = failing_after(500, gate)

    def endless() -> Iterator[bytes]:
        while True:
            yield track_request()

    async with run_gateway(tmp_path, gate) as gateway:
        assert await gateway.raw_stream(STREAM, endless()) == told(CallReason.UNAVAILABLE, 2)
        assert gate.waiting == 0


async def test_a_delivery_that_fails_ends_a_stream_that_is_held_back(tmp_path: Path) -> None:
    gate, consumed = FakeDelivery(raise_error(DOWN), shut=True), threading.Event()
    async with run_gateway(tmp_path, gate) as gateway:
        calling = asyncio.create_task(
            gateway.raw_stream(STREAM, held_back(consumed, 3 * MAX_WAITING_ITEMS, MAX_WAITING_ITEMS + 100))
        )
        assert await asyncio.to_thread(consumed.wait, TIMEOUT_SECONDS)
        gate.open()
        assert await calling == told(CallReason.UNAVAILABLE, 2)
    assert len(gate.batches) == 1


async def test_a_stream_with_too_much_wrong_ends(tmp_path: Path) -> None:
    def wrong() -> Iterator[bytes]:
        while True:
            yield b"\xff"

    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        assert await gateway.raw_stream(STREAM, wrong()) == told(ItemReason.TOO_MANY_ITEMS)
    assert gate.releases == []


def test_requests_that_cant_come_again_are_decided_on_together() -> None:
    """Those of a stream that follow one another; each that has an ID, and each that is malformed, is by itself."""
    flow: Any = object()
    named = analytics_pb2.TrackEventRequest(request_id="an ID", event=event("usr_1")).SerializeToString()
    raws = [
        track_request(event("usr_1")),
        track_request(event("usr_2")),
        named,
        named,
        b"\xff",
        track_request(event("usr_3")),
    ]
    resolved = EmitCall("", "", cast(Any, None), flow).resolve(raws, 0)
    assert [one if isinstance(one, Reason) else (one.request_id, len(one.messages), one.first) for one in resolved] == [
        ("", 2, 0), ("an ID", 1, 0), ("an ID", 1, 0), ItemReason.MALFORMED, ("", 1, 0),
    ]  # fmt: skip


async def test_a_request_has_one_key_wherever_it_comes_in_a_stream(tmp_path: Path) -> None:
    named = analytics_pb2.TrackEventRequest(request_id="an ID", event=event("usr_1")).SerializeToString()
    async with run_gateway(tmp_path, gate := FakeDelivery()) as gateway:
        for requests in ([named], [track_request(event("usr_2")), named]):
            await gateway.raw_stream(STREAM, iter(requests))
    first, other, again = (entry.key for entry in gate.releases)
    assert first == again != other
