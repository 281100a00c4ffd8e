"""The default policy decides on every attribute of the semantic conventions, and lets no personal one pass."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Exemplar,
    Gauge,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.engine.reference import ReferenceEngine
from gateway.model import INDIRECT, NEVER, Category, Release
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from gateway.policy.review.lint import lint
from tests.policy.semconv import EVENTS, NAMED_PERSONAL, PERSONAL, UNUSED, conventions, metrics
from tests.support.contracts import UNKNOWN_FACTS, compiler
from tests.support.engines import decide_one
from tests.support.otlp_attributes import any_value

COMPILER: Final = Compiler(load_contracts([default_contract()]), load_policy(default_policy()))
OTLP: Final = COMPILER.policy.otlp
PLANTED: Final = (
    "alice", "Alice Martin-Dubois", "alice.martin@acme-video.example", "usr_8f3kq2", "203.0.113.42", "ses_7d02c4419e",
    "+33612345678", "GET", "localhost", 7, 612345678, 48.8566, True, ("alice", "GET"),
)  # fmt: skip
"""Values that would pass as a token, as a user's identifier or as a business address, if the key let them."""

Value = str | int | float | bool | tuple[Any, ...]


def heads(key: str) -> Iterator[str]:
    """A key's prefixes as the policy writes them, the longest first.

    `http.request.header` stands for all that are below it.
    """
    parts = key.split(".")
    return (".".join((*parts[:size], "*")) for size in range(len(parts), 0, -1))


def listed(key: str) -> str | None:
    """The key or the prefix by which the policy decides."""
    return next((one for one in (key, *heads(key)) if one in OTLP.attributes), None)


@cache
def minimiser(destination: str) -> ReferenceEngine:
    return ReferenceEngine(COMPILER.plan(TYPES[destination].DESCRIPTOR.full_name, destination))


TYPES: Final[dict[str, Any]] = {
    "application-log": ResourceLogs,
    "application-traces": ResourceSpans,
    "application-metrics": ResourceMetrics,
}


def left(destination: str, key: str, value: Value) -> set[str]:
    """The keys of what is left of one attribute, wherever the signal can hold it."""
    held = [KeyValue(key=key, value=any_value(value))]
    resource, scope = Resource(attributes=held), InstrumentationScope(attributes=held)
    item: Any
    match destination:
        case "application-log":
            record = LogRecord(attributes=held, body=AnyValue(kvlist_value=KeyValueList(values=held)))
            item = ResourceLogs(resource=resource, scope_logs=[ScopeLogs(scope=scope, log_records=[record])])
        case "application-traces":
            span = Span(attributes=held, events=[Span.Event(attributes=held)], links=[Span.Link(attributes=held)])
            item = ResourceSpans(resource=resource, scope_spans=[ScopeSpans(scope=scope, spans=[span])])
        case _:
            point = NumberDataPoint(attributes=held, exemplars=[Exemplar(filtered_attributes=held)])
            metric = Metric(name="requests", gauge=Gauge(data_points=[point]), metadata=held)
            item = ResourceMetrics(resource=resource, scope_metrics=[ScopeMetrics(scope=scope, metrics=[metric])])
    release = decide_one(minimiser(destination), item.SerializeToString(), UNKNOWN_FACTS)
    assert isinstance(release, Release)
    return {*keys(TYPES[destination].FromString(release.payload))}


def keys(message: Any) -> Iterator[str]:
    """The keys of all attributes in a message."""
    if isinstance(message, KeyValue):
        yield message.key
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                yield from keys(inner)


def test_every_attribute_is_decided_on() -> None:
    assert [key for key in conventions() if listed(key) is None and not key.startswith(UNUSED)] == []


def test_every_namespace_that_is_not_used_is_there() -> None:
    found = conventions()
    assert [
        prefix for prefix in UNUSED if not any(key.startswith(prefix) and listed(key) is None for key in found)
    ] == []


@pytest.mark.parametrize(
    ("category", "key"), [(category, key) for category, found in PERSONAL.items() for key in found]
)
def test_what_is_personal_is_listed_as_what_it_is(category: Category, key: str) -> None:
    by = listed(key)
    assert by is not None
    assert OTLP.privacy(by).category is category
    assert category not in INDIRECT


@pytest.mark.parametrize("destination", TYPES)
def test_no_personal_attribute_leaves_whatever_its_value(destination: str) -> None:
    for key in (key for found in PERSONAL.values() for key in found):
        for value in PLANTED:
            assert not left(destination, key, value), key


@pytest.mark.parametrize("destination", TYPES)
def test_no_attribute_that_the_policy_does_not_list_leaves(destination: str) -> None:
    for key in (key for key in conventions() if listed(key) is None):
        for value in ("GET", 7, True):
            assert not left(destination, key, value), key


@cache
def without_a_say() -> ReferenceEngine:
    """All namespaces under wildcards, so that a key's own words are all that counts."""
    spaces = sorted({key.partition(".")[0] for key in (*conventions(), "editor.x", "comment.x", "p99.x")})
    more = "otlp: {attributes: {" + ", ".join(f"{space}.*: OPERATIONAL" for space in spaces) + "}}"
    return ReferenceEngine(compiler("message M {}", more).plan(ResourceLogs.DESCRIPTOR.full_name, "eu-indirect"))


def kept(record: LogRecord) -> LogRecord:
    release = decide_one(
        without_a_say(), ResourceLogs(scope_logs=[ScopeLogs(log_records=[record])]).SerializeToString(), UNKNOWN_FACTS
    )
    assert isinstance(release, Release)
    return ResourceLogs.FromString(release.payload).scope_logs[0].log_records[0]


def test_under_wildcards_every_attribute_stays_that_is_not_personal() -> None:
    personal = {key for found in PERSONAL.values() for key in found} | {*NAMED_PERSONAL}
    wanted = [key for key in conventions() if "." in key and key not in personal]
    sent = [*wanted, "editor.pan", "comment.pin", "p99.lat"]
    held = kept(LogRecord(attributes=[KeyValue(key=key, value=any_value("a")) for key in sent]))
    assert [key for key in sent if key not in {one.key for one in held.attributes}] == []


@pytest.mark.parametrize("name", [*EVENTS, "comment.pin", "editor.pan"])
def test_every_event_keeps_its_name(name: str) -> None:
    assert kept(LogRecord(event_name=name)).event_name == name
    span = Span(name="GET", events=[Span.Event(name=name)])
    release = decide_one(
        minimiser("application-traces"),
        ResourceSpans(scope_spans=[ScopeSpans(spans=[span])]).SerializeToString(),
        UNKNOWN_FACTS,
    )
    assert isinstance(release, Release)
    assert ResourceSpans.FromString(release.payload).scope_spans[0].spans[0].events[0].name == name


def test_every_metric_keeps_its_name_and_its_unit() -> None:
    sent = [Metric(name=name, unit=unit) for name, unit in metrics()]
    assert len(sent) > 400
    for metric in (
        *sent,
        *(Metric(name=name) for name in ("editor.pan", "comment.pin", "p99.lat", "aspnetcore.authorization.attempts")),
    ):
        raw = ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=[metric])]).SerializeToString()
        release = decide_one(minimiser("application-metrics"), raw, UNKNOWN_FACTS)
        assert isinstance(release, Release)
        assert ResourceMetrics.FromString(release.payload).scope_metrics[0].metrics[0] == metric


def test_two_attributes_name_a_user() -> None:
    named = {key for key in OTLP.attributes if OTLP.privacy(key).category in INDIRECT - {Category.OPERATIONAL}}
    assert named == {"user.id", "user.email"}


def test_what_carries_secrets_goes_to_nobody() -> None:
    assert Category.CREDENTIAL in NEVER


@pytest.mark.parametrize(
    ("key", "value"), [("user.id", "usr_8f3kq2"), ("user.email", "alice.martin@acme-video.example")]
)
@pytest.mark.parametrize("destination", TYPES)
def test_a_metric_is_about_nobody(destination: str, key: str, value: str) -> None:
    assert left(destination, key, value) == (set() if destination == "application-metrics" else {key})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        # A resource, as the SDKs and their detectors describe it.
        ("service.name", "video-render"), ("service.version", "3.14.2"), ("service.namespace", "video"),
        ("service.instance.id", "627cc493-f310-47de-96bd-71410b7dec09"), ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.language", "python"), ("telemetry.sdk.version", "1.45.2"),
        ("telemetry.distro.name", "kannelle-privacy"), ("deployment.environment.name", "production"),
        ("deployment.environment", "staging"), ("cloud.provider", "scaleway_cloud"), ("cloud.region", "fr-par"),
        ("cloud.availability_zone", "fr-par-1"), ("k8s.namespace.name", "video"), ("k8s.node.name", "pool-1-node-4"),
        ("k8s.pod.name", "video-render-7d9c5b8f6d-x2x4z"), ("k8s.container.restart_count", 2),
        ("host.name", "video-render-7d9c5b8f6d-x2x4z"), ("host.name", "neo4j-0"), ("host.arch", "amd64"),
        ("os.type", "linux"), ("os.name", "Debian GNU/Linux"), ("os.version", "13.2"), ("process.pid", 4312),
        ("process.executable.name", "python3.11"), ("process.runtime.name", "cpython"),
        ("process.runtime.name", "OpenJDK Runtime Environment"), ("process.runtime.version", "3.11.9"),
        ("container.id", "a3bf90e006b2"),
        # A call over HTTP.
        ("http.request.method", "POST"), ("http.response.status_code", 404),
        ("http.route", "/v1/videos/{video_id}/exports"), ("http.route", "/v1/videos/:id"),
        ("http.route", "/v1/videos/<int:id>"), ("http.route", "/"), ("url.scheme", "https"),
        ("http.request.body.size", 3495), ("server.address", "directory.prod.svc.cluster.local"),
        ("server.address", "localhost"), ("server.port", 8080), ("network.protocol.version", "1.1"),
        ("network.protocol.name", "http"), ("error.type", "timeout"), ("error.type", "500"), ("http.method", "GET"),
        ("http.status_code", 200), ("http.scheme", "http"), ("http.flavor", "1.1"), ("http.host", "directory:8080"),
        ("net.host.name", "directory"), ("net.host.port", 8080), ("net.peer.name", "localhost"),
        ("http.response_content_length", 512),
        # A call over gRPC.
        ("rpc.system", "grpc"), ("rpc.system.name", "grpc"), ("rpc.service", "kannelle.crm.v1.CrmService"),
        ("rpc.method", "GetContact"), ("rpc.method", "kannelle.crm.v1.CrmService/GetContact"),
        ("rpc.grpc.status_code", 14), ("rpc.response.status_code", "UNAVAILABLE"), ("message.type", "RECEIVED"),
        ("message.id", 1), ("message.uncompressed_size", 77), ("peer.service", "directory"),
        # A query, a message.
        ("db.system.name", "postgresql"), ("db.system", "redis"), ("db.namespace", "videos"),
        ("db.operation.name", "SELECT"), ("db.collection.name", "public.videos"),
        ("db.operation", "CREATE TABLE"), ("db.operation", "CREATE OR REPLACE VIEW"), ("db.operation", "BULK INSERT"),
        ("db.operation.name", "findAndModify"), ("db.query.summary", "SELECT videos users"),
        ("db.query.summary", "INSERT shipping_details SELECT orders"), ("db.response.status_code", "08P01"), ("messaging.system", "nats"),
        ("messaging.destination.name", "video.exports.requested"), ("messaging.operation.type", "publish"),
        ("messaging.operation.name", "send"), ("messaging.batch.message_count", 20),
        # A log record, an exception.
        ("code.function.name", "render.Encoder.start"), ("code.file.path", "/app/render/encoder.py"),
        ("code.line.number", 42), ("code.filepath", "/usr/local/lib/python3.11/site-packages/grpc/aio/_call.py"),
        ("code.lineno", 42), ("thread.name", "MainThread"), ("thread.id", 21),
        ("exception.type", "grpc.aio._call.AioRpcError"), ("exception.type", "__main__.NoSuchVideo"),
        ("exception.escaped", "False"), ("event.name", "exception"), ("feature_flag.key", "new-player"),
        ("feature_flag.result.reason", "targeting_match"), ("otel.status_code", "ERROR"), ("log.iostream", "stderr"),
        ("asgi.event.type", "http.response.start"),
        # A runtime's metric.
        ("cpython.gc.generation", 2), ("jvm.memory.type", "heap"), ("jvm.gc.name", "G1 Young Generation"),
        ("jvm.memory.pool.name", "G1 Old Gen"), ("v8js.gc.type", "major"), ("nodejs.eventloop.state", "active"),
        ("go.memory.type", "stack"),
        ("cpu.mode", "iowait"), ("system.memory.state", "cached"), ("network.io.direction", "receive"),
        ("disk.io.direction", "write"), ("system.device", "/dev/sda1"), ("process.context_switch.type", "voluntary"),
        ("http.connection.state", "idle"),
        # Kannelle's own.
        ("kannelle.workspace.id", "ws_m5qz7xkt"), ("kannelle.video.id", "vid_5k2p"), ("kannelle.video.codec", "hevc"),
    ],
)  # fmt: skip
def test_what_operates_a_service_is_left(key: str, value: Value) -> None:
    assert all(left(destination, key, value) == {key} for destination in TYPES)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        # A computer or a customer's host may be named for somebody.
        ("host.name", "alice-macbook"), ("host.name", "MBP-de-Alice"), ("host.name", "alice"),
        ("k8s.pod.hostname", "alice-martin"), ("server.address", "alice.martin.example"),
        ("server.address", "files.acme-video.example"), ("server.address", "203.0.113.42"),
        ("url.domain", "alice.acme-video.example"), ("http.host", "alice.acme-video.example"),
        ("net.peer.name", "203.0.113.42"), ("net.host.name", "Alice.local"),
        # So may what isn't what its key says.
        ("http.route", "/users/alice.martin@acme-video.example"), ("http.route", "/v1/users/Alice Martin"),
        ("http.request.method", "ALICE"),
        ("http.method", "get"), ("url.scheme", "mailto"), ("db.query.summary", "SELECT users WHERE name = 'Alice'"),
        ("db.query.summary", "SELECT alice martin"), ("db.query.summary", "SELECT videos alice martin"),
        ("db.operation", "ALICE MARTIN"), ("db.operation.name", "SELECT MARTIN"), ("db.operation.name", "CREATE ALICE"),
        ("db.namespace", "tenant_33612345678"), ("db.collection.name", "user_4711"),
        ("code.file.path", "/home/alice/render.py"), ("code.filepath", "C:/Users/Alice/render.py"),
        ("messaging.destination.name", "replies.usr_8f3kq2"), ("thread.name", "worker for Alice"),
        ("thread.id", 33612345678), ("http.response.status_code", 33612345678),
        ("exception.type", "alice.martin@acme-video.example"), ("system.device", "/media/alice"),
        ("service.owner.email", "a@acme.example"), ("jvm.gc.name", "alice martin"), ("jvm.gc.name", "Alice Martin"),
        ("os.name", "Alice Martin"), ("code.file.path", "home/alice/app.py"), ("rpc.response.status_code", "Alice"),
        ("deployment.environment", "alice"), ("user_agent.synthetic.type", "alice"),
        ("pool.name", "postgresql://alice:secret@db/videos"),
        ("container.image.name", "registry/alice@acme-video.example"), ("kannelle.video.id", "vid_Alice"),
    ],
)  # fmt: skip
def test_what_does_not_look_the_part_is_stripped(key: str, value: Value) -> None:
    assert listed(key) is not None
    assert not any(left(destination, key, value) for destination in TYPES)


def test_the_document_has_nothing_to_look_at() -> None:
    assert lint(COMPILER) == ()
