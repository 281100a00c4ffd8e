"""What the Python client raises, by what its caller does next, whatever went wrong; and how often it tries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, cast
from unittest.mock import create_autospec

import grpc
import pytest
from google.protobuf.message import Message
from kannelle.privacy.v1 import annotations_pb2, emit_pb2, privacy_pb2
from kannelle.privacy.v1.activity_pb2 import ActivityEntry, RecordActivitiesRequest
from kannelle.privacy.v1.analytics_pb2 import AnalyticsEvent, StreamEventsRequest, TrackEventRequest, TrackEventsRequest
from kannelle.privacy.v1.support_pb2 import SendMessageRequest, SupportMessage
from kannelle_privacy import Gateway, GatewayError, Refused, Unavailable, aio, connect, pack
from kannelle_privacy.errors import read
from kannelle_privacy.testing import FakeGateway

from tests.support.channels import TIMEOUT_SECONDS
from tests.test_client import serving

EVENT: Final = AnalyticsEvent(name="video.exported")
REQUEST: Final = TrackEventRequest(event=EVENT)
ATTEMPTS: Final = 5
"""The most that gRPC makes of one call."""

_Code = grpc.StatusCode
KINDS: Final[list[tuple[grpc.StatusCode, str, float | None, type[GatewayError]]]] = [
    (_Code.INVALID_ARGUMENT, "MALFORMED", None, Refused),
    (_Code.FAILED_PRECONDITION, "EVENT_NOT_PLANNED", None, Refused),
    (_Code.PERMISSION_DENIED, "CALLER_NOT_ALLOWED", None, Refused),
    (_Code.UNIMPLEMENTED, "UNKNOWN_METHOD", None, Refused),
    (_Code.RESOURCE_EXHAUSTED, "TOO_LARGE", None, Refused),
    (_Code.RESOURCE_EXHAUSTED, "FULL", 1.5, Unavailable),
    (_Code.UNAVAILABLE, "UNAVAILABLE", 0.0, Unavailable),
    (_Code.UNAVAILABLE, "POLICY_CHANGED", None, Unavailable),
    (_Code.INTERNAL, "INTERNAL", None, GatewayError),
    (_Code.DEADLINE_EXCEEDED, "INTERNAL", None, GatewayError),
]


@pytest.fixture
def fake() -> Iterator[FakeGateway]:
    with FakeGateway() as made:
        yield made


def told(error: GatewayError) -> tuple[type[GatewayError], grpc.StatusCode, str, float | None]:
    return type(error), error.code(), error.reason, error.retry_after


@pytest.mark.parametrize(("code", "reason", "after", "kind"), KINDS)
async def test_an_error_says_what_to_do_next(
    code: grpc.StatusCode, reason: str, after: float | None, kind: type[GatewayError], fake: FakeGateway
) -> None:
    """A stream of one event, which isn't tried again; each way of calling."""
    fake.refuse(code, reason, after, times=4)
    raised: list[Any] = []
    with fake.connect() as gateway:
        for method in (gateway.analytics.StreamEvents, gateway.analytics.StreamEvents.with_call):
            with pytest.raises(grpc.RpcError) as caught:
                method(iter([StreamEventsRequest(event=EVENT)]), timeout=TIMEOUT_SECONDS)
            raised.append(caught.value)
        call = gateway.analytics.StreamEvents.future(iter([StreamEventsRequest(event=EVENT)]), timeout=TIMEOUT_SECONDS)
        raised.append(read(cast(grpc.RpcError, call.exception())))
    async with fake.connect_aio() as gateway_aio:
        with pytest.raises(grpc.aio.AioRpcError) as awaited:
            await gateway_aio.analytics.StreamEvents(iter([StreamEventsRequest(event=EVENT)]), timeout=TIMEOUT_SECONDS)
        raised.append(awaited.value)
    assert [told(error) for error in raised] == [(kind, code, reason, after)] * 4
    assert all(str(error) == f"{code.name}: {reason}: refused by the fake" for error in raised)
    assert not fake.requests


async def test_a_unary_call_raises_the_same(fake: FakeGateway) -> None:
    fake.refuse(_Code.FAILED_PRECONDITION, "EVENT_NOT_PLANNED", times=2)
    with fake.connect() as gateway, pytest.raises(Refused, match="FAILED_PRECONDITION: EVENT_NOT_PLANNED"):
        gateway.analytics.TrackEvent(REQUEST, timeout=TIMEOUT_SECONDS)
    async with fake.connect_aio() as gateway_aio:
        with pytest.raises(Refused, match="FAILED_PRECONDITION: EVENT_NOT_PLANNED"):
            await gateway_aio.analytics.TrackEvent(REQUEST, timeout=TIMEOUT_SECONDS)


@pytest.mark.parametrize("trailer", [b"", b"\xff", b"\x08\x03"])
def test_an_error_without_readable_details_has_no_reason(trailer: bytes) -> None:
    error = grpc.aio.AioRpcError(
        _Code.INTERNAL, grpc.aio.Metadata(), grpc.aio.Metadata(("grpc-status-details-bin", trailer)), "text"
    )
    assert told(read(error)) == (GatewayError, _Code.INTERNAL, "", None)


@pytest.mark.parametrize(
    ("code", "failures", "arrives"),
    [
        (_Code.UNAVAILABLE, 0, True),
        (_Code.UNAVAILABLE, ATTEMPTS - 1, True),
        (_Code.UNAVAILABLE, ATTEMPTS, False),
        (_Code.CANCELLED, 1, True),
        (_Code.INTERNAL, 1, False),
        (_Code.FAILED_PRECONDITION, 1, False),
    ],
)
@pytest.mark.parametrize("blocking", [True, False])
async def test_what_passes_is_tried_again_under_one_request_id(
    code: grpc.StatusCode, failures: int, arrives: bool, blocking: bool
) -> None:
    asked: list[str] = []

    def failing(request: emit_pb2.EmitRequest, context: grpc.ServicerContext) -> emit_pb2.EmitResponse:
        asked.append(request.request_id)
        if len(asked) <= failures:
            context.abort(code, "not yet")
        return emit_pb2.EmitResponse()

    request, failed = emit_pb2.EmitRequest(), ""
    with serving(failing) as address:
        try:
            if blocking:
                with connect(address) as gateway:
                    gateway.emit.Emit(request, timeout=TIMEOUT_SECONDS)
            else:
                async with aio.connect(address) as gateway_aio:
                    await gateway_aio.emit.Emit(request, timeout=TIMEOUT_SECONDS)
        except GatewayError as error:
            failed = error.request_id
    assert (failed == "") == arrives
    assert len(asked) == (failures + 1 if arrives else failures)
    assert {*asked, failed or asked[0]} == {asked[0]}
    assert (asked[0], request.request_id) != ("", asked[0])


def test_without_a_gateway_a_call_ends_by_its_timeout() -> None:
    with connect("127.0.0.1:9") as gateway, pytest.raises(GatewayError) as caught:
        gateway.analytics.TrackEvent(REQUEST, timeout=0.2)
    assert caught.value.code() in (_Code.DEADLINE_EXCEEDED, _Code.UNAVAILABLE)


async def test_each_request_has_a_request_id_of_its_own(fake: FakeGateway) -> None:
    async def several() -> AsyncIterator[StreamEventsRequest]:
        yield StreamEventsRequest(event=EVENT)
        yield StreamEventsRequest(event=EVENT, request_id="mine")

    with fake.connect() as gateway:
        gateway.analytics.TrackEvents(TrackEventsRequest(events=[EVENT, EVENT]))
        gateway.analytics.StreamEvents(
            iter([StreamEventsRequest(event=EVENT), StreamEventsRequest(event=EVENT, request_id="mine")])
        )
        gateway.emit.Emit(emit_pb2.EmitRequest(request_id="mine"))
        gateway.privacy.Preview(privacy_pb2.PreviewRequest())
    async with fake.connect_aio() as gateway_aio:
        await gateway_aio.analytics.StreamEvents(several())
        writing = gateway_aio.analytics.StreamEvents()
        await writing.write(StreamEventsRequest(event=EVENT))
        await writing.done_writing()
        assert (await writing).result.accepted == 1
    given = [request.request_id for request in fake.requests if hasattr(request, "request_id")]
    made = [one for one in given if one != "mine"]
    assert (len(given), len(made), len(set(made))) == (7, 4, 4)
    assert all(len(one) == 32 for one in made)


def test_the_fake_keeps_items_however_they_were_sent(fake: FakeGateway) -> None:
    privacy = annotations_pb2.FieldPrivacy(max_length=7)
    with fake.connect() as gateway:
        assert gateway.analytics.TrackEvent(REQUEST).receipts[0].destination == "fake"
        assert gateway.analytics.TrackEvents(TrackEventsRequest(events=[EVENT, EVENT])).result.accepted == 2
        assert gateway.analytics.StreamEvents(iter([StreamEventsRequest(event=EVENT)])).result.accepted == 1
        gateway.emit.Emit(pack(privacy))
        gateway.support.SendMessage(SendMessageRequest(message=SupportMessage(text="help")))
        gateway.activity.RecordActivities(RecordActivitiesRequest(entries=[ActivityEntry()]))
    assert list(fake.sent(AnalyticsEvent)) == [EVENT] * 4
    assert list(fake.sent(annotations_pb2.FieldPrivacy)) == [privacy]
    assert [message.text for message in fake.sent(SupportMessage)] == ["help"]


@pytest.mark.parametrize(("code", "reason"), [(_Code.INTERNAL, "NO_SUCH_REASON"), (_Code.OK, "FULL")])
def test_the_fake_refuses_only_as_the_gateway_can(code: grpc.StatusCode, reason: str, fake: FakeGateway) -> None:
    with pytest.raises(ValueError, match=r"NO_SUCH_REASON|OK is no refusal"):
        fake.refuse(code, reason)


def test_a_refusal_of_the_fake_is_heard_at_once_and_the_next_call_passes(fake: FakeGateway) -> None:
    fake.refuse(_Code.UNAVAILABLE, "UNAVAILABLE", 2.0)
    with fake.connect() as gateway:
        with pytest.raises(Unavailable) as caught:
            gateway.analytics.TrackEvent(REQUEST)
        gateway.analytics.TrackEvent(TrackEventRequest(event=EVENT, request_id=caught.value.request_id))
    assert [request.request_id for request in fake.requests] == [caught.value.request_id]  # type: ignore[attr-defined]


def test_the_fake_can_be_entered_again() -> None:
    made = FakeGateway()
    for _ in range(2):
        with made, made.connect() as gateway:
            gateway.analytics.TrackEvent(REQUEST)
    assert len(made.sent(AnalyticsEvent)) == 2


@pytest.mark.parametrize(
    "address", ["10.0.0.1:4317", "example.com:443", "[2001:db8::1]:4317", "localhost.example:4317"]
)
def test_what_is_not_minimised_yet_stays_on_this_machine_without_tls(address: str) -> None:
    for dial in (connect, aio.connect):
        with pytest.raises(ValueError, match="must be host:port on loopback"):
            dial(address)


def every_method(gateway: Any) -> list[str]:
    names = {"activity": "ActivityLogService", "analytics": "", "emit": "", "privacy": "", "support": ""}
    return [f"{name}.{method}" for name in names for method in sorted(vars(getattr(gateway, name)))]


def test_a_mock_by_specification_has_every_method_and_no_other() -> None:
    mock = create_autospec(Gateway, instance=True)
    with connect() as gateway:
        for name in every_method(gateway):
            stub, method = name.split(".")
            getattr(getattr(mock, stub), method)(REQUEST, timeout=1)
    assert mock.analytics.TrackEvent.call_args.args == (REQUEST,)
    with pytest.raises(AttributeError):
        mock.analytics.TrackEvnt(REQUEST)
    with pytest.raises(TypeError):
        mock.analytics.TrackEvent(REQUEST, timeut=1)
    mock.analytics.TrackEvent.side_effect = Refused(_Code.FAILED_PRECONDITION)
    with pytest.raises(Refused):
        mock.analytics.TrackEvent(REQUEST)


async def test_a_mock_for_asyncio_is_awaited() -> None:
    mock = create_autospec(aio.Gateway, instance=True)
    mock.analytics.TrackEvent.return_value = REQUEST
    answer: Message = await mock.analytics.TrackEvent(REQUEST, timeout=1)
    assert answer is REQUEST


def test_a_method_that_is_only_declared_says_so() -> None:
    with pytest.raises(RuntimeError, match=r"connect\(\)"):
        Gateway.analytics.TrackEvent(REQUEST)
