"""The official Node SDK, unmodified, with its auto-instrumentation of HTTP, gRPC and pino."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from gateway.otlp.signals import LOGS, METRICS, TRACES
from gateway.standins.collector import Collector
from tests.e2e.sdk import install
from tests.e2e.sdk.recording_proxy import ME, PLANTED, attributes, found, fronted, leaks, numbers, run, slots

pytestmark = pytest.mark.skipif(install.NO_NODE, reason="node and npm are not there")

P: Final = PLANTED["personal"]
COMMAND: Final = ("node", Path(__file__).parent / "node" / "service.js", "--user", P["email"], "--token", P["token"])
RESOURCE: Final = {
    "service.name": "video",
    "service.version": "1.4.2",
    "deployment.environment.name": "production",
    "user.name": P["name"],
}


def environ(modules: Path, endpoint: str, protocol: str) -> Mapping[str, str]:
    """All that is set: where to send, and to detect all that can be."""
    return {
        "NODE_PATH": str(modules),
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{key}={quote(value)}" for key, value in RESOURCE.items()),
        "OTEL_NODE_RESOURCE_DETECTORS": "all",
    }


@pytest.fixture(scope="session")
def modules() -> Path:
    return install.node()


HIDING: Final = {
    "resource_logs.resource.attributes[user.name].string_value",
    "resource_logs.resource.attributes[process.command_args].array_value.values.string_value",
    # Of log records: by pino, the text and what it was called with; by the API, bodies of all kinds; and exceptions by
    # both.
    "resource_logs.scope_logs.log_records.body.string_value",
    "resource_logs.scope_logs.log_records.body.bytes_value",
    "resource_logs.scope_logs.log_records.body.kvlist_value.values[who].kvlist_value.values[name].string_value",
    "resource_logs.scope_logs.log_records.attributes[customer].string_value",
    "resource_logs.scope_logs.log_records.attributes[nested].kvlist_value.values[mails].array_value.values.string_value",
    "resource_logs.scope_logs.log_records.attributes[error].string_value",
    "resource_logs.scope_logs.log_records.attributes[exception.type].string_value",
    "resource_logs.scope_logs.log_records.attributes[exception.message].string_value",
    "resource_logs.scope_logs.log_records.attributes[exception.stacktrace].string_value",
    "resource_logs.scope_logs.log_records.event_name",
    "resource_logs.scope_logs.log_records.severity_text",
    # Of spans: names, statuses, events with exceptions in them, links, and what HTTP and gRPC put there.
    "resource_spans.scope_spans.spans.name",
    "resource_spans.scope_spans.spans.trace_state",
    "resource_spans.scope_spans.spans.status.message",
    "resource_spans.scope_spans.spans.attributes[url.path].string_value",
    "resource_spans.scope_spans.spans.attributes[url.query].string_value",
    "resource_spans.scope_spans.spans.attributes[url.full].string_value",
    "resource_spans.scope_spans.spans.attributes[http.request.header.baggage].array_value.values.string_value",
    "resource_spans.scope_spans.spans.attributes[http.request.header.cookie].array_value.values.string_value",
    "resource_spans.scope_spans.spans.attributes[http.response.header.set-cookie].array_value.values.string_value",
    "resource_spans.scope_spans.spans.attributes[client.address].string_value",
    "resource_spans.scope_spans.spans.attributes[user_agent.original].string_value",
    "resource_spans.scope_spans.spans.events.name",
    "resource_spans.scope_spans.spans.events.attributes[exception.type].string_value",
    "resource_spans.scope_spans.spans.events.attributes[exception.message].string_value",
    "resource_spans.scope_spans.spans.events.attributes[exception.stacktrace].string_value",
    "resource_spans.scope_spans.spans.links.trace_state",
    "resource_spans.scope_spans.spans.links.attributes[client.address].string_value",
    # Of metrics.
    "resource_metrics.scope_metrics.metrics.description",
    "resource_metrics.scope_metrics.metrics.unit",
    "resource_metrics.scope_metrics.metrics.sum.data_points.attributes[user.name].string_value",
    "resource_metrics.scope_metrics.metrics.histogram.data_points.attributes[enduser.id].string_value",
}
"""Where personal data hides in what this service sends: at least there."""


async def test_without_a_gateway_all_that_is_planted_arrives(modules: Path) -> None:
    async with Collector() as collector:
        await run(COMMAND, environ(modules, collector.endpoint, "grpc"))
    assert HIDING - slots(collector) == set()
    assert {
        mark for mark in PLANTED["marks"] if not any(hit.startswith(f"{mark}:") for hit in leaks(collector))
    } == set()


@pytest.mark.parametrize(("protocol", "listener"), [("grpc", "local"), ("http/json", "local_http")])
async def test_through_the_gateway_arrives_what_is_useful_and_nothing_personal(
    protocol: str, listener: str, modules: Path, tmp_path: Path
) -> None:
    async with fronted(tmp_path) as (collector, gateway):
        await run(COMMAND, environ(modules, f"http://{gateway.listener_address(listener)}", protocol))
    assert leaks(collector) == []
    assert found(gateway.output) == []
    of_the_resource(collector)
    of_logs(collector)
    of_spans(collector)
    of_metrics(collector)


def of_the_resource(collector: Collector) -> None:
    useful = {name: RESOURCE[name] for name in ("service.name", "service.version", "deployment.environment.name")}
    for signal in (LOGS, TRACES, METRICS):
        held = [attributes(resource) for resource, _, _ in collector.records(signal)]
        assert held
        assert all(
            one.items() >= {**useful, "telemetry.sdk.language": "nodejs", "process.runtime.name": "nodejs"}.items()
            for one in held
        )
        assert not any(
            one.keys() & {"user.name", "process.owner", "process.command", "process.command_args"} for one in held
        )


def of_logs(collector: Collector) -> None:
    records = [(record, attributes(record)) for _, _, record in collector.records(LOGS)]
    bodies = [(record.body.string_value, held) for record, held in records if record.HasField("body")]
    assert {text for text, _ in bodies} == {
        "video exported",
        "request failed",
        "request completed",
        "sign-in succeeded",
    }
    assert ("video exported", {**ME, "kannelle.video.id": "vid_e2e1"}) in bodies
    assert {held["exception.type"] for _, held in records if "exception.type" in held} == {
        "NoSuchPerson",
        "Error",
        "AggregateError",
    }
    assert {record.severity_number for record, _ in records} == {0, 9, 13, 17}
    (served,) = [span.trace_id for _, _, span in collector.records(TRACES) if span.name == "GET /people/:who"]
    assert served in {record.trace_id for record, _ in records if record.body.string_value == "request completed"}


def of_spans(collector: Collector) -> None:
    spans = [(span, attributes(span)) for _, _, span in collector.records(TRACES)]
    named = {(span.kind, span.name) for span, _ in spans}
    assert named >= {(1, "INTERNAL"), (2, "SERVER"), (3, "CLIENT"), (4, "PRODUCER"), (5, "CONSUMER")}
    assert named >= {(2, "GET /people/:who"), (2, "POST /people/:who"), (3, "GET"), (3, "POST")}
    assert named >= {(kind, "grpc.acme.video.v1.VideoService/Greet") for kind in (2, 3)}
    (export,) = [span for span, held in spans if "kannelle.video.id" in held]
    assert (export.status.code, export.status.message, attributes(export)["user.id"]) == (
        Status.STATUS_CODE_ERROR,
        "",
        ME["user.id"],
    )
    assert [(event.name, attributes(event)) for event in export.events] == [("", {}), ("opened", ME)]
    assert [(len(link.trace_id), link.trace_state, attributes(link)) for link in export.links] == [(16, "", {})]
    events = [attributes(event) for span, _ in spans for event in span.events if event.name == "exception"]
    assert {event["exception.type"] for event in events if "exception.type" in event} >= {
        "NoSuchPerson",
        "AggregateError",
        "ECONNREFUSED",
    }
    assert all(event.keys() <= {"exception.type"} for event in events)
    (served,) = [held for span, held in spans if (span.kind, span.name) == (2, "POST /people/:who")]
    assert (
        served.items()
        >= {"http.request.method": "POST", "http.response.status_code": 500, "http.route": "/people/:who"}.items()
    )
    called = {
        (held["rpc.service"], held["rpc.method"], held["rpc.grpc.status_code"])
        for _, held in spans
        if "rpc.method" in held
    }
    assert called == {("acme.video.v1.VideoService", "Greet", code) for code in (0, 5, 2)}
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano for span, _ in spans)


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
    assert (count.as_double or count.as_int, attributes(count), exported.unit) == (
        3,
        {"kannelle.video.codec": "h264"},
        "{video}",
    )
    _, (spent,) = metrics["video.export.duration"]
    assert (spent.sum, spent.count, attributes(spent)) == (1.25, 1, {"kannelle.video.codec": "h264"})
    assert {attributes(point)["http.response.status_code"] for point in metrics["http.server.request.duration"][1]} == {
        200,
        500,
    }
