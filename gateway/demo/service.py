"""A Kannelle service, as far as the gateway sees it.

Logs through the unmodified OpenTelemetry SDK, calls through generated clients.

What it says stands in `logs.py` and `calls.py`. Blocking, as most services are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from time import time_ns
from typing import Any, Final, Protocol, TypeVar

import grpc
import msgspec
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from kannelle.privacy.v1.activity_pb2 import (
    ActivityEntry,
    RecordActivitiesRequest,
    RecordActivitiesResponse,
    RecordActivityRequest,
    RecordActivityResponse,
)
from kannelle.privacy.v1.analytics_pb2 import (
    AnalyticsEvent,
    StreamEventsRequest,
    StreamEventsResponse,
    TrackEventRequest,
    TrackEventResponse,
    TrackEventsRequest,
    TrackEventsResponse,
)
from kannelle.privacy.v1.emit_pb2 import EmitResponse
from kannelle.privacy.v1.receipt_pb2 import OUTCOME_WITHHELD, Reason
from kannelle.privacy.v1.support_pb2 import SendMessageRequest, SendMessageResponse, SupportMessage
from kannelle_privacy import Gateway, connect, outbound_channel, pack
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from gateway.demo.item import Item
from gateway.demo.logs import RECORDS, RESOURCE, SCOPE
from gateway.demo.service_call import AUTHORITY, METADATA, METHOD
from gateway.exporters.base import MessageClass

M = TypeVar("M", bound=Message)

ItemResponse = RecordActivityResponse | TrackEventResponse | SendMessageResponse | EmitResponse
"""The answers about one item."""

BatchResponse = RecordActivitiesResponse | TrackEventsResponse | StreamEventsResponse
"""The answers about several."""

TIMEOUT_SECONDS: Final = 10.0
"""How long a call may take, in seconds."""


class Call(Protocol):
    """A call to the gateway with its request."""

    def __call__(self, *, timeout: float) -> ItemResponse | BatchResponse:
        """Make it, within seconds. Raises RpcError."""
        ...


class CallAnswer(msgspec.Struct, frozen=True):
    """What a call's answer says: how many items were accepted, which were rejected and why, which withheld.

    Or the call's failure.
    """

    accepted: int = 0
    rejected: tuple[tuple[int, str], ...] = ()
    withheld: tuple[int, ...] = ()
    failed: str = ""


class CallResults(msgspec.Struct, frozen=True):
    """What was said in calls, by their names, and what the gateway answered."""

    messages: Mapping[str, tuple[Message, ...]]
    answers: Mapping[str, CallAnswer]


def send_logs(*endpoints: str) -> None:
    """Log all records, to each of the OTLP endpoints."""
    provider = LoggerProvider(Resource(RESOURCE), shutdown_on_exit=False)
    for endpoint in endpoints:
        # The one thing set here: no proxy of the environment comes between. The option is a number, whatever the
        # exporter's types say.
        options: Any = (("grpc.enable_http_proxy", 0),)
        provider.add_log_record_processor(
            BatchLogRecordProcessor(OTLPLogExporter(endpoint, insecure=True, channel_options=options))
        )
    logger = provider.get_logger(*SCOPE)
    for record in RECORDS:
        logger.emit(
            timestamp=time_ns(),
            severity_number=record.severity,
            severity_text=record.severity.name,
            **record.arguments,
        )
    provider.shutdown()


class Reply(msgspec.Struct, frozen=True):
    """What another service replied: its messages as they came, what came beside them, and how the call ended."""

    answer: CallAnswer
    messages: tuple[bytes, ...] = ()
    metadata: tuple[tuple[str, str | bytes], ...] = ()


def call_service(address: str, request: Message) -> Reply:
    """Call the other service, through the gateway whose `outbound` is at `address`."""
    with outbound_channel(AUTHORITY, address) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{METHOD}")
        try:
            raw, ended = call.with_call(request.SerializeToString(), timeout=TIMEOUT_SECONDS, metadata=METADATA)
        except grpc.RpcError as error:
            return Reply(CallAnswer(failed=error.code().name))
    metadata = (*(ended.initial_metadata() or ()), *(ended.trailing_metadata() or ()))
    return Reply(CallAnswer(1), (raw,), tuple((key, value) for key, value in metadata))


def make_calls(address: str, items: Mapping[str, tuple[Item, ...]], message_class: MessageClass) -> CallResults:
    """Make all calls, to the gateway at `address`. `message_class` knows the messages of Kannelle's own contracts."""
    messages = {name: tuple(message(item, message_class) for item in said) for name, said in items.items()}
    with connect(address) as gateway:
        return CallResults(messages, {name: _answer(call) for name, call in _calls(gateway, messages)})


def message(item: Item, message_class: MessageClass) -> Message:
    """What an item is on its way. `message_class` knows the messages of Kannelle's own contracts."""
    own = {cls.DESCRIPTOR.full_name: cls for cls in (ActivityEntry, AnalyticsEvent, SupportMessage)}
    made: Message = (own.get(item.type) or message_class(item.type))()
    return ParseDict(dict(item.fields), made)


def _calls(gateway: Gateway, messages: Mapping[str, Sequence[Message]]) -> Iterator[tuple[str, Call]]:
    """The calls as a developer writes them, in order."""
    activity, analytics, support, emit = gateway.activity, gateway.analytics, gateway.support, gateway.emit
    (entry,), entries = (_of(messages[name], ActivityEntry) for name in ("RecordActivity", "RecordActivities"))
    yield "RecordActivity", partial(activity.RecordActivity, RecordActivityRequest(entry=entry))
    yield "RecordActivities", partial(activity.RecordActivities, RecordActivitiesRequest(entries=entries))

    (event,), events, stream = (
        _of(messages[name], AnalyticsEvent) for name in ("TrackEvent", "TrackEvents", "StreamEvents")
    )
    yield "TrackEvent", partial(analytics.TrackEvent, TrackEventRequest(event=event))
    yield "TrackEvents", partial(analytics.TrackEvents, TrackEventsRequest(events=events))
    yield "StreamEvents", partial(analytics.StreamEvents, (StreamEventsRequest(event=event) for event in stream))

    (question,) = _of(messages["SendMessage"], SupportMessage)
    yield "SendMessage", partial(support.SendMessage, SendMessageRequest(message=question))

    (contact,), (video,) = messages["Emit Contact"], messages["Emit VideoExported"]
    yield "Emit Contact", partial(emit.Emit, pack(contact))
    yield "Emit VideoExported", partial(emit.Emit, pack(video))


def _of(messages: Iterable[Message], kind: type[M]) -> list[M]:
    return [message for message in messages if isinstance(message, kind)]


def _answer(call: Call) -> CallAnswer:
    try:
        response = call(timeout=TIMEOUT_SECONDS)
    except grpc.RpcError as error:
        return CallAnswer(failed=error.code().name)
    if isinstance(response, BatchResponse):
        result = response.result
        rejected = tuple((one.index, Reason.Name(one.reason).removeprefix("REASON_")) for one in result.rejected)
        return CallAnswer(result.accepted, rejected, tuple(result.withheld))
    return CallAnswer(
        1, withheld=(0,) if any(receipt.outcome == OUTCOME_WITHHELD for receipt in response.receipts) else ()
    )
