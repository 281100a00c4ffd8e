"""A Kannelle service, as far as the gateway sees it.

Logs through the unmodified OpenTelemetry SDK, calls through generated clients.

What it says stands in `logs.py` and `calls.py`. Blocking, as most services are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from time import time_ns
from typing import Any, Final, cast

import grpc
import msgspec
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from kannelle.privacy.v1.activity_pb2 import ActivityEntry, RecordActivitiesRequest, RecordActivityRequest
from kannelle.privacy.v1.analytics_pb2 import AnalyticsEvent, StreamEventsRequest, TrackEventRequest, TrackEventsRequest
from kannelle.privacy.v1.receipt_pb2 import OUTCOME_WITHHELD, Reason
from kannelle.privacy.v1.support_pb2 import SendMessageRequest, SupportMessage
from kannelle_privacy import Gateway, connect, pack
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

from gateway.demo.item import Item
from gateway.demo.logs import RECORDS, RESOURCE, SCOPE
from gateway.exporters.base import MessageClass

TIMEOUT_SECONDS: Final = 10.0
"""How long a call may take, in seconds."""


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
        options = cast(Any, (("grpc.enable_http_proxy", 0),))
        provider.add_log_record_processor(
            BatchLogRecordProcessor(OTLPLogExporter(endpoint, insecure=True, channel_options=options))
        )
    logger = provider.get_logger(*SCOPE)
    for record in RECORDS:
        logger.emit(timestamp=time_ns(), **record.fields)
    provider.shutdown()


def make_calls(address: str, items: Mapping[str, tuple[Item, ...]], message_class: MessageClass) -> CallResults:
    """Make all calls, to the gateway at `address`. `message_class` knows the messages of Kannelle's own contracts."""
    messages = {name: tuple(_message(item, message_class) for item in said) for name, said in items.items()}
    with connect(address) as gateway:
        return CallResults(
            messages, {name: _answer(method, request) for name, method, request in _calls(gateway, messages)}
        )


def _message(item: Item, message_class: MessageClass) -> Message:
    own = {cls.DESCRIPTOR.full_name: cls for cls in (ActivityEntry, AnalyticsEvent, SupportMessage)}
    made: Message = (own.get(item.type) or message_class(item.type))()
    return ParseDict(dict(item.fields), made)


def _calls(gateway: Gateway, messages: Mapping[str, Any]) -> Iterator[tuple[str, Callable[..., Any], Any]]:
    """The calls as a developer writes them, in order."""
    (entry,), entries = messages["RecordActivity"], messages["RecordActivities"]
    yield "RecordActivity", gateway.activity.RecordActivity, RecordActivityRequest(entry=entry)
    yield "RecordActivities", gateway.activity.RecordActivities, RecordActivitiesRequest(entries=entries)

    (event,), events, stream = messages["TrackEvent"], messages["TrackEvents"], messages["StreamEvents"]
    yield "TrackEvent", gateway.analytics.TrackEvent, TrackEventRequest(event=event)
    yield "TrackEvents", gateway.analytics.TrackEvents, TrackEventsRequest(events=events)
    yield "StreamEvents", gateway.analytics.StreamEvents, (StreamEventsRequest(event=event) for event in stream)

    (question,) = messages["SendMessage"]
    yield "SendMessage", gateway.support.SendMessage, SendMessageRequest(message=question)

    (contact,), (video,) = messages["Emit Contact"], messages["Emit VideoExported"]
    yield "Emit Contact", gateway.emit.Emit, pack(contact)
    yield "Emit VideoExported", gateway.emit.Emit, pack(video)


def _answer(method: Callable[..., Any], request: Any) -> CallAnswer:
    try:
        answer = method(request, timeout=TIMEOUT_SECONDS)
    except grpc.RpcError as error:
        return CallAnswer(failed=cast(grpc.Call, error).code().name)
    if hasattr(answer, "receipts"):
        return CallAnswer(
            1, withheld=(0,) if any(receipt.outcome == OUTCOME_WITHHELD for receipt in answer.receipts) else ()
        )
    result = answer.result
    rejected = tuple((one.index, Reason.Name(one.reason).removeprefix("REASON_")) for one in result.rejected)
    return CallAnswer(result.accepted, rejected, tuple(result.withheld))
