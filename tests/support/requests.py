"""Calls for a running gateway: its methods by path, and requests as bytes, good and bad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from google.protobuf.any_pb2 import Any as AnyMessage
from kannelle.privacy.v1 import activity_pb2, analytics_pb2, context_pb2, emit_pb2, support_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from gateway.otlp.signals import SIGNALS

V1: Final = "/kannelle.privacy.v1."
TRACK: Final = f"{V1}AnalyticsService/TrackEvent"
TRACK_BATCH: Final = f"{V1}AnalyticsService/TrackEvents"
STREAM: Final = f"{V1}AnalyticsService/StreamEvents"
EMIT: Final = f"{V1}EmitService/Emit"
EMIT_BATCH: Final = f"{V1}EmitService/EmitBatch"
LOGS, TRACES, METRICS = (signal.method for signal in SIGNALS)
PROFILES: Final = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export"

EMIT_METHODS: Final = tuple(
    f"/{service.full_name}/{method.name}"
    for module in (activity_pb2, analytics_pb2, emit_pb2, support_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
)
"""All of the emit services."""

PREVIEW: Final = f"{V1}PrivacyService/Preview"
DESCRIBE: Final = f"{V1}PrivacyService/Describe"
ALL_METHODS: Final = (*EMIT_METHODS, PREVIEW, DESCRIBE, LOGS, TRACES, METRICS)
"""All that the gateway has."""


def event(user_id: str = "usr_1", work_email: str = "", full_name: str = "") -> analytics_pb2.AnalyticsEvent:
    """An event of the tracking plan."""
    user = context_pb2.UserContext(user_id=user_id, work_email=work_email, full_name=full_name)
    return analytics_pb2.AnalyticsEvent(name="video.exported", user=user)


def track_request(*events: analytics_pb2.AnalyticsEvent) -> bytes:
    """A request with these events, for one of them, a batch or a stream's message alike."""
    return analytics_pb2.TrackEventsRequest(events=events or [event()]).SerializeToString()


def emit_request(type: str, value: bytes = b"") -> bytes:
    """A request with an item of any type."""
    return emit_pb2.EmitRequest(item=any_message(type, value)).SerializeToString()


def any_message(type: str, value: bytes) -> AnyMessage:
    """Any value as any type."""
    return AnyMessage(type_url=f"type.googleapis.com/{type}", value=value)


def logs_request(*texts: str) -> ExportLogsServiceRequest:
    """A request with a record of each severity text."""
    request = ExportLogsServiceRequest()
    for text in texts:
        request.resource_logs.add().scope_logs.add().log_records.add(severity_text=text)
    return request


def nested(depth: int, wrap: Callable[[bytes], bytes], data: bytes = b"") -> bytes:
    """Something in something, so deep."""
    for _ in range(depth):
        data = wrap(data)
    return data


def field(number: int, value: bytes) -> bytes:
    """A length-delimited field: https://protobuf.dev/programming-guides/encoding/."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    """A number, seven bits a byte."""
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def group(data: bytes) -> bytes:
    """A group with the number 15, which no request has."""
    return b"\x7b" + data + b"\x7c"
