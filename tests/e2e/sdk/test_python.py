"""The official Python SDK, set up by environment alone, with its auto-instrumentation of HTTP, gRPC and logging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from gateway.otlp.signals import LOGS, METRICS, TRACES
from gateway.standins.collector import Collector
from tests.e2e.sdk import install
from tests.e2e.sdk.recording_proxy import ME, PLANTED, attributes, found, fronted, leaks, numbers, run, slots

P: Final = PLANTED["personal"]

RESOURCE: Final = {
    "service.name": "video",
    "service.version": "1.4.2",
    "deployment.environment.name": "production",
    "host.name": P["host"],
    "user.name": P["name"],
    "process.owner": P["email"],
    "process.command_line": f"video --user {P['email']} --token {P['token']}",
}

CAPTURE: Final = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS"


def environ(endpoint: str, protocol: str) -> Mapping[str, str]:
    """All that is set: where to send, and to capture all that can be."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{key}={quote(value)}" for key, value in RESOURCE.items()),
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel,process,os",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http/dup",
        "OTEL_PYTHON_LOG_CODE_ATTRIBUTES": "true",
        **{f"{CAPTURE}_{side}_{way}": ".*" for side in ("SERVER", "CLIENT") for way in ("REQUEST", "RESPONSE")},
    }


@pytest.fixture(scope="session")
def command() -> Sequence[str | Path]:
    folder = install.python()
    return folder / "opentelemetry-instrument", folder / "python", Path(__file__).with_name("python") / "service.py"


HIDING: Final = {
    "resource_logs.resource.attributes[host.name].string_value",
    "resource_logs.resource.attributes[process.command_line].string_value",
    "resource_logs.scope_logs.scope.name",
    "resource_logs.scope_logs.scope.attributes[user.name].string_value",
    # Of log records: the message formatted, what is no text, what came as extra, the exception, the API's own bodies.
    "resource_logs.scope_logs.log_records.body.string_value",
    "resource_logs.scope_logs.log_records.body.bytes_value",
    "resource_logs.scope_logs.log_records.body.array_value.values.string_value",
    "resource_logs.scope_logs.log_records.body.kvlist_value.values[who].kvlist_value.values[name].string_value",
    "resource_logs.scope_logs.log_records.attributes[user.name].string_value",
    "resource_logs.scope_logs.log_records.attributes[exception.message].string_value",
    "resource_logs.scope_logs.log_records.attributes[exception.stacktrace].string_value",
    "resource_logs.scope_logs.log_records.event_name",
    "resource_logs.scope_logs.log_records.severity_text",
    # Of spans: names, statuses, events with exceptions in them, links, and what HTTP and gRPC put there.
    "resource_spans.scope_spans.spans.name",
    "resource_spans.scope_spans.spans.trace_state",
    "resource_spans.scope_spans.spans.status.message",
    "resource_spans.scope_spans.spans.attributes",
    "resource_spans.scope_spans.spans.attributes[http.url].string_value",
    "resource_spans.scope_spans.spans.attributes[url.path].string_value",
    "resource_spans.scope_spans.spans.attributes[url.query].string_value",
    "resource_spans.scope_spans.spans.attributes[http.request.header.baggage].array_value.values.string_value",
    "resource_spans.scope_spans.spans.attributes[http.request.header.cookie].array_value.values.string_value",
    "resource_spans.scope_spans.spans.attributes[http.request.header.tracestate].array_value.values.string_value",
    "resource_spans.scope_spans.spans.attributes[http.request.header.x_forwarded_for].array_value.values.string_value",
    "resource_spans.scope_spans.spans.attributes[http.response.header.set_cookie].array_value.values.string_value",
    "resource_spans.scope_spans.spans.attributes[http.user_agent].string_value",
    "resource_spans.scope_spans.spans.attributes[rpc.user_agent].string_value",
    "resource_spans.scope_spans.spans.events.name",
    "resource_spans.scope_spans.spans.events.attributes[exception.message].string_value",
    "resource_spans.scope_spans.spans.events.attributes[exception.stacktrace].string_value",
    "resource_spans.scope_spans.spans.links.attributes[client.address].string_value",
    # Of metrics.
    "resource_metrics.scope_metrics.metrics.description",
    "resource_metrics.scope_metrics.metrics.unit",
    "resource_metrics.scope_metrics.metrics.sum.data_points.attributes[user.name].string_value",
    "resource_metrics.scope_metrics.metrics.histogram.data_points.attributes[enduser.id].string_value",
}
"""Where personal data hides in what this service sends: at least there."""


async def test_without_a_gateway_all_that_is_planted_arrives(command: Sequence[str | Path]) -> None:
    async with Collector() as collector:
        await run(command, environ(collector.endpoint, "grpc"))
    assert slots(collector) >= HIDING
    assert [mark for mark in PLANTED["marks"] if not any(hit.startswith(f"{mark}:") for hit in leaks(collector))] == []


@pytest.mark.parametrize(("protocol", "listener"), [("grpc", "local"), ("http/protobuf", "local_http")])
async def test_through_the_gateway_arrives_what_is_useful_and_nothing_personal(
    protocol: str, listener: str, command: Sequence[str | Path], tmp_path: Path
) -> None:
    async with fronted(tmp_path) as (collector, gateway):
        await run(command, environ(f"http://{gateway.listener_address(listener)}", protocol))
    assert leaks(collector) == []
    assert found(gateway.output) == []
    assert {signal for signal in (LOGS, TRACES, METRICS) if [*collector.records(signal)]} == {LOGS, TRACES, METRICS}
    of_the_resource(collector)
    of_logs(collector)
    of_spans(collector)
    of_calls(collector)
    of_metrics(collector)


def of_the_resource(collector: Collector) -> None:
    useful = {name: RESOURCE[name] for name in ("service.name", "service.version", "deployment.environment.name")}
    for signal in (LOGS, TRACES, METRICS):
        for resource, _, _ in collector.records(signal):
            assert (
                attributes(resource).items()
                >= {**useful, "telemetry.sdk.language": "python", "process.runtime.name": "cpython"}.items()
            )


def of_logs(collector: Collector) -> None:
    records = [(scope.name, record, attributes(record)) for _, scope, record in collector.records(LOGS)]
    bodies = {(name, record.body.string_value) for name, record, _ in records if record.HasField("body")}
    assert bodies >= {("video", "video exported"), ("video", "request failed"), ("video.events", "sign-in succeeded")}
    assert {name for name, _, _ in records} >= {
        "video",
        "video.events",
        "py.warnings",
        "aiohttp.server",
        "grpc._server",
    }
    assert {record.severity_text for _, record, _ in records} == {"INFO", "WARN", "ERROR", "FATAL", ""}
    (exported,) = [
        held
        for _, record, held in records
        if record.body.string_value == "video exported" and "kannelle.video.id" in held
    ]
    assert exported.items() >= {**ME, "kannelle.video.id": "vid_e2e1", "code.function.name": "logs"}.items()
    kinds = {
        "KeyError",
        "ValueError",
        "FileNotFoundError",
        "UnicodeDecodeError",
        "ExceptionGroup",
        "NoSuchPerson",
        "__main__.NoSuchPerson",
    }
    assert {held["exception.type"] for _, _, held in records if "exception.type" in held} == kinds
    (completed,) = [record for _, record, _ in records if record.body.string_value == "request completed"]
    served = [span for _, _, span in collector.records(TRACES) if span.name == "GET /v1/videos/{video_id}"]
    assert [(completed.trace_id, completed.span_id)] == [(span.trace_id, span.span_id) for span in served]


def of_spans(collector: Collector) -> None:
    spans = [span for _, scope, span in collector.records(TRACES) if scope.name == "video"]
    assert {span.kind for span in spans} == {1, 2, 3, 4, 5}
    assert {span.name for span in spans} == {"INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"}
    (export,) = [span for span in spans if "kannelle.video.id" in attributes(span)]
    assert attributes(export) == {**ME, "kannelle.video.id": "vid_e2e1"}
    assert (export.status.code, export.status.message, export.trace_state) == (Status.STATUS_CODE_ERROR, "", "")
    assert [(event.name, attributes(event)) for event in export.events] == [("", {}), ("opened", ME)]
    assert [(link.trace_id, link.span_id, link.trace_state, attributes(link)) for link in export.links] == [
        (*ids(1, 2), "", {})
    ]
    events = [attributes(event) for span in spans for event in span.events if event.name == "exception"]
    assert {event["exception.type"] for event in events if "exception.type" in event} >= {
        "KeyError",
        "FileNotFoundError",
        "ExceptionGroup",
    }
    assert {name for event in events for name in event} <= {"exception.type", "exception.escaped"}
    assert all(span.end_time_unix_nano > span.start_time_unix_nano for span in spans)


def ids(trace: int, span: int) -> tuple[bytes, bytes]:
    return trace.to_bytes(16), span.to_bytes(8)


SERVER: Final = {
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "url.scheme",
    "network.protocol.version",
    "server.port",
}


def of_calls(collector: Collector) -> None:
    """What HTTP and gRPC put into spans by themselves."""
    spans = [(scope.name.rpartition(".")[2], span, attributes(span)) for _, scope, span in collector.records(TRACES)]
    http = {
        (library, span.name, held.get("http.response.status_code"))
        for library, span, held in spans
        if library.startswith("aiohttp")
    }
    assert http == {
        ("aiohttp_server", "GET /v1/videos/{video_id}", 200),
        ("aiohttp_server", "POST /v1/people/{who}", None),
        ("aiohttp_server", "GET", 404),
        *(
            ("aiohttp_client", method, code)
            for method, code in (("GET", 200), ("POST", 500), ("GET", 404), ("GET", None))
        ),
    }
    (served,) = [held for _, span, held in spans if span.name == "GET /v1/videos/{video_id}"]
    assert served.keys() >= SERVER
    assert served["http.route"] == "/v1/videos/{video_id}"

    rpc = [(span, held) for library, span, held in spans if library == "grpc"]
    assert {span.name for span, _ in rpc} == {"/acme.video.v1.VideoService/Greet"}
    assert {(span.kind, held["rpc.grpc.status_code"]) for span, held in rpc} >= {(2, 0), (2, 5), (3, 0), (3, 5), (3, 2)}
    assert {(held["rpc.service"], held["rpc.method"]) for _, held in rpc} == {("acme.video.v1.VideoService", "Greet")}
    parents = {span.span_id for _, span, _ in spans}
    assert all(span.parent_span_id in parents for span, _ in rpc if span.kind == 2)


def of_metrics(collector: Collector) -> None:
    metrics: dict[str, tuple[Any, list[Any]]] = {
        metric.name: (metric, numbers(metric)) for _, _, metric in collector.records(METRICS)
    }
    assert metrics.keys() >= {
        "videos.exported",
        "video.export.duration",
        "queue.length",
        "http.server.request.duration",
    }
    exported, (count,) = metrics["videos.exported"]
    assert (count.as_int, attributes(count), exported.unit, exported.description) == (
        3,
        {"kannelle.video.codec": "h264"},
        "{video}",
        "",
    )
    duration, (spent,) = metrics["video.export.duration"]
    assert (spent.sum, spent.count, attributes(spent), duration.unit) == (
        1.25,
        1,
        {"kannelle.video.codec": "h264"},
        "s",
    )
    assert spent.exemplars[0].trace_id
    routes = {attributes(point).get("http.route") for point in metrics["http.server.request.duration"][1]}
    assert routes == {"/v1/videos/{video_id}", "/v1/people/{who}", None}
