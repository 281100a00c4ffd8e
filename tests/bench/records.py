"""What the OTLP bench sends: 512 log records or spans a request, 10 attributes each, their resource of 8.

And what is to be left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Final

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_INFO, LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp.signals import LOGS, TRACES, Signal
from tests.bench.values import code, numbers

RECORDS: Final = 512
SEEN_USERS: Final = 200
"""Of so many users is what was seen before."""

RESOURCE: Final = {
    "service.name": "video-render",
    "service.version": "3.14.2",
    "service.instance.id": "627cc493-f310-47de-96bd-71410b7dec09",
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.version": "1.45.2",
    "deployment.environment.name": "production",
    "host.ip": "198.51.100.23",
}

PLANTED: Final = (b"198.51.100", b"203.0.113", b"invite=", b"Mozilla", b"Alice Martin")
"""Parts of what must not arrive."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A signal, its request, its destination in Kannelle's policy, and the keys that are to be left of what is sent."""

    signal: Signal
    request: type[Message]
    destination: str
    make: Callable[[Any, int, int], None]
    kept: frozenset[str]

    def batch(self, values: str) -> bytes:
        """A request whose records have such values. Each record has a time and IDs that no other has."""
        request: Any = self.request()
        group = getattr(request, self.signal.groups).add()
        group.resource.attributes.extend(_pairs(RESOURCE))
        (inner,) = (field.name for field in group.DESCRIPTOR.fields if field.number == 2)
        scope = getattr(group, inner).add()
        scope.scope.name, scope.scope.version = "kannelle.video.render", "3.14.2"
        for number in islice(numbers(values, SEEN_USERS), RECORDS):
            self.make(scope, next(_own), number)
        return bytes(request.SerializeToString())

    def keys(self, raw: bytes) -> frozenset[str]:
        """The keys of all attributes in a request."""
        return frozenset(_keys(self.request.FromString(raw)))


def _record(scope: Any, own: int, value: int) -> None:
    record: LogRecord = scope.log_records.add(time_unix_nano=_now(own), observed_time_unix_nano=_now(own), flags=1)
    record.severity_number, record.severity_text, record.body.string_value = (
        SEVERITY_NUMBER_INFO,
        "INFO",
        "request completed",
    )
    record.trace_id, record.span_id = _ids(own)
    attributes = {
        "user.id": f"usr_8f{code(value)}",
        "user.email": f"user.ma{code(value, 1)}@acme-video.example",
        "http.request.method": ("GET", "POST")[value % 2],
        "http.response.status_code": (200, 201, 204, 404)[value % 4],
        "http.route": "/v1/videos/{video_id}/exports",
        "kannelle.video.id": f"vid_7x{code(value, 2)}",
        "kannelle.video.duration_s": value * 7 % 86400,
        "code.function.name": "render.exports.create",
        "client.address": f"203.0.113.{value % 256}",
        "url.full": f"https://video.example/v1/videos/{value}/exports?invite={value}",
    }
    record.attributes.extend(_pairs(attributes))


def _span(scope: Any, own: int, value: int) -> None:
    span: Span = scope.spans.add(name="GET /v1/videos/{video_id}", kind=Span.SPAN_KIND_SERVER, flags=257)
    span.start_time_unix_nano, span.end_time_unix_nano = _now(own), _now(own) + 2_000_000
    span.trace_id, span.span_id = _ids(own)
    span.parent_span_id = span.span_id[::-1]
    attributes = {
        "http.request.method": "GET",
        "http.response.status_code": (200, 201, 204, 404)[value % 4],
        "http.route": "/v1/videos/{video_id}",
        "url.scheme": "https",
        "server.address": "video-render",
        "server.port": 8443,
        "network.protocol.version": "1.1",
        "user.id": f"usr_8f{code(value)}",
        "client.address": f"203.0.113.{value % 256}",
        "user_agent.original": f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_{value % 9})",
    }
    span.attributes.extend(_pairs(attributes))
    if own % 8 == 0:
        event = span.events.add(name="exception", time_unix_nano=_now(own))
        event.attributes.extend(
            _pairs({"exception.type": "KeyError", "exception.message": "Alice Martin", "exception.escaped": "False"})
        )


def _now(own: int) -> int:
    return START * 10**9 + own


START: Final = int(time.time())
_own: Final = count()


def _ids(own: int) -> tuple[bytes, bytes]:
    """Of a trace and a span; neither is all zeros."""
    return (own + 1).to_bytes(16, "big"), (own + 1).to_bytes(8, "big")


def _pairs(held: Mapping[str, str | int]) -> Iterator[KeyValue]:
    for key, value in held.items():
        yield KeyValue(
            key=key, value=AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value)
        )


def _keys(message: Any) -> Iterator[str]:
    if isinstance(message, KeyValue):
        yield message.key
    for field, value in message.ListFields():
        if field.message_type is not None:
            held: Iterable[Any] = value if field.is_repeated else (value,)
            for inner in held:
                yield from _keys(inner)


_RESOURCE: Final = frozenset(RESOURCE) - {"host.ip"}

KINDS: Final = (
    Kind(
        LOGS,
        ExportLogsServiceRequest,
        "application-log",
        _record,
        _RESOURCE
        | {
            "user.id",
            "user.email",
            "http.request.method",
            "http.response.status_code",
            "http.route",
            "kannelle.video.id",
            "kannelle.video.duration_s",
            "code.function.name",
        },
    ),
    Kind(
        TRACES,
        ExportTraceServiceRequest,
        "application-traces",
        _span,
        _RESOURCE
        | {
            "http.request.method",
            "http.response.status_code",
            "http.route",
            "url.scheme",
            "server.address",
            "server.port",
            "network.protocol.version",
            "user.id",
            "exception.type",
            "exception.escaped",
        },
    ),
)
