"""What is measured on: an event of 427 bytes with 22 fields, and a batch of 512 OTLP records with 11 attributes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from kannelle.privacy.v1.analytics_pb2 import AnalyticsEvent
from kannelle.privacy.v1.context_pb2 import WORKSPACE_ROLE_EDITOR, Device, Network, Usage, UserContext, Workspace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_INFO

RECORDS = 512
NOW = int(time.time())


def event(number: int) -> bytes:
    """The event of one of many users; `number` below 10,000 leaves its size as it is."""
    user = UserContext(
        user_id=f"usr_8f3kq2x7m9{number:04}",
        work_email=f"alice.martin.{number:04}@acme-video.example",
        full_name="Alice Martin-Dubois",
        phone_number="+33612345678",
        workspace=Workspace(workspace_id=f"ws_m5qz7xkt{number:04}", company_name="ACME Video SAS", role=WORKSPACE_ROLE_EDITOR),
        device=Device(device_id="6f1c2d3e-4a5b-6c7d", model="MacBookPro18,3", operating_system="macOS 15.1", app_version="3.14.2"),
        network=Network(
            ip_address="203.0.113.77",
            user_agent="Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15",
            cookie_id="ck_0123456789abcdef01234567",
        ),
        usage=Usage(session_id="ses_0123456789abcdefghij", videos_watched=7),
    )
    user.usage.signed_in_at.seconds = NOW - 3600
    sample = AnalyticsEvent(user=user, name="video.exported")
    sample.time.seconds = NOW
    sample.properties["codec"].string_value = "h264"
    sample.properties["duration_s"].int_value = number % 86400 | 0x2000
    sample.properties["resolution"].string_value = "1080p"
    return sample.SerializeToString()


def events(known: float, count: int = 2000) -> Iterator[bytes]:
    """Events of which a share of `known` come from users and with values seen before: the same few; the rest are each new."""
    fresh = iter(range(100, 10_000))
    every = round(1 / (1 - known)) if known < 1 else 0
    for index in range(count):
        yield event(next(fresh) if every and index % every == 0 else index % 20)


def batch(number: int, known: float) -> bytes:
    """A request of 512 records; of their attributes, a share of `known` has values seen before."""
    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add()
    logs.resource.attributes.extend(_text(key, value) for key, value in RESOURCE.items())
    records = logs.scope_logs.add()
    records.scope.name = "kannelle.video.render"
    every = round(1 / (1 - known)) if known < 1 else 0
    seen = 0
    for index in range(RECORDS):
        record = records.log_records.add(time_unix_nano=NOW * 10**9 + index, observed_time_unix_nano=NOW * 10**9 + index)
        record.severity_number, record.severity_text = SEVERITY_NUMBER_INFO, "INFO"
        record.trace_id, record.span_id, record.flags = index.to_bytes(16, "big"), (index + 1).to_bytes(8, "big"), 1
        record.body.string_value = "request completed"
        for position in range(11):
            seen += 1
            unique = number * RECORDS * 11 + seen
            record.attributes.append(_attributes(unique if every and seen % every == 0 else index % 16)[position])
    return request.SerializeToString()


RESOURCE = {"service.name": "video-render", "service.version": "3.14.2", "telemetry.sdk.name": "opentelemetry", "cloud.region": "eu-west-3"}


def _attributes(value: int) -> list[KeyValue]:
    """Of eleven, nine may be kept and two may not."""
    return [
        _text("user.id", f"usr_{value:08}"),
        _text("user.email", f"user.{value:08}@acme-video.example"),
        _text("http.request.method", ("GET", "POST")[value % 2]),
        _number("http.response.status_code", 200 + value % 300),
        _text("http.route", "/v1/videos/{video_id}"),
        _text("rpc.method", f"Export{value}"),
        _text("kannelle.video.id", f"vid_{value:08}"),
        _number("kannelle.video.duration_s", value % 86400),
        _text("code.function.name", f"render.step_{value}"),
        _text("client.address", f"203.0.113.{value % 256}"),
        _text("url.full", f"https://video.example/watch?user={value}"),
    ]


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _number(key: str, value: int) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(int_value=value))
