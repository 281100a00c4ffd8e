"""Keys that fit what SDKs report let nobody's address, number or name pass, and nothing more leave the EU."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.support.decisions import kept_under
from tests.support.samples.personal import KINDS, values

FITTED: Final = (
    "aspnetcore.authentication.result", "aspnetcore.authentication.scheme", "aspnetcore.authorization.policy",
    "aspnetcore.authorization.result", "aspnetcore.diagnostics.handler.type", "aspnetcore.memory_pool.owner",
    "aspnetcore.rate_limiting.policy", "aws.ecs.cluster.arn", "aws.ecs.container.arn", "aws.ecs.container.image.id",
    "aws.ecs.task.arn", "aws.ecs.task.family", "aws.ecs.task.id", "aws.ecs.task.revision", "aws.eks.cluster.arn",
    "aws.log.group.arns", "aws.log.group.names", "aws.log.stream.arns", "aws.log.stream.names",
    "azure.app.service.stamp", "azure.resource_group.name", "azure.resourcegroup.name", "azure.vm.name",
    "azure.vm.scaleset.name", "azure.vm.size", "azure.vm.sku", "busy_ns", "cloud.account.id", "cloud.resource_id",
    "code.file.path", "code.filename", "code.filepath", "code.function", "code.function.name", "code.module.name",
    "code.namespace", "count", "cpu", "db.operation", "db.operation.name", "db.query.summary", "db.redis.args_length",
    "db.system", "direction", "error.type", "exception.type", "express.name", "express.type", "faas.max_memory",
    "faas.name", "faas.version", "family", "gcp.cloud_run.job.execution", "gcp.cloud_run.job.task_index",
    "gcp.gce.instance.hostname", "gcp.gce.instance.name", "gcp.gce.instance_group_manager.name",
    "gcp.gce.instance_group_manager.region", "gcp.gce.instance_group_manager.zone", "generation", "grpc.error_name",
    "grpc.method", "grpc.status_code", "host.arch", "host.name", "http.response.status_code", "http.route",
    "http.server_name", "idle_ns", "jvm.gc.action", "k8s.node.name", "k8s.pod.hostname", "level",
    "messaging.destination", "messaging.destination.kind", "messaging.destination_kind", "messaging.kafka.cluster.id",
    "messaging.kafka.consumer.group", "messaging.kafka.consumer_group", "messaging.kafka.destination.partition",
    "messaging.kafka.message.offset", "messaging.kafka.offset", "messaging.kafka.partition",
    "messaging.kafka.source.partition", "messaging.message.payload_size_bytes", "messaging.source.kind",
    "messaging.source.name", "messaging.system", "node-id", "node_id", "os.name", "peer.service",
    "process.creation.time", "process.runtime.name", "processorType", "protocol", "router.name", "router.type",
    "router.version", "server.port", "service.name", "service.namespace", "service.version",
    "signalr.connection.status", "signalr.transport", "state", "status", "target", "telemetry.auto.version",
    "thread.name", "topic", "type", "url.template",
)  # fmt: skip
"""Keys whose values, or themselves, were widened for what SDKs report."""

PERSONAL: Final = (
    # Sentences, and names in them.
    "could not charge Ada Byron", "Ada Byron",
    "Byron, Ada", "Ada Augusta Byron", "ada byron", "video of Ada Byron", "*errors for Ada Byron",
    "Error: Ada Byron", ("java.lang.Error: Ada "
                        "Byron"), "<Ada Byron>", "main.(*Ada Byron).run", "core::Box<Ada Byron>", "Video Editor of Ada",
    "Service of Ada Byron", "Box<Ada Byron + Ada Byron>",
    # Addresses.
    "ada.byron@acme.example", "*ada.byron@acme.example", "<ada.byron@acme.example>", "main.(*Server).ada@acme.example",
    "a::b<ada@acme.example>", "Main$ada@acme.example", ("@ada/acme.example "
                                                       "ada@acme.example"), "/app/ada@acme.example/x.go",
    "src/ada@acme.example/x.rs", "ada%40acme.example", "ada&#64;acme.example", "/v1/{ada@acme.example}",
    "ada.byron+video@acme.example",
    # Numbers.
    "+33612345678", "0612345678", "*0612345678", "main.(*0612345678).run", "+33 6 12 34 56 78", "06-12-34-56-78",
    "(06)12345678", "tel:+33612345678", "x<0612345678>", "a::b<0612345678>", "src/0612345678.rs", "4111111111111111",
    "a.4111111111111111", "main.(*4111-1111-1111-1111).run", "FR7630006000011234567890189",
    "*FR7630006000011234567890189", "203.0.113.77", "main.(*203.0.113.77)", "2001:db8::7", "48.8566,2.3522",
    "a::b<48.8566,2.3522>", "185057800608491",
)  # fmt: skip


@pytest.mark.parametrize("key", FITTED)
def test_nobody_s_address_number_or_name_in_a_sentence_passes(key: str) -> None:
    assert [value for value, kept in zip(PERSONAL, kept_under(key, PERSONAL), strict=True) if kept] == []


HOMES: Final = (
    "/home/ada/video/main.go",
    "home/ada/main.go", "C:/Users/Ada/main.cs", "/Users/ada/main.swift", "users/ada/main.rs", "Users/ada/main.rs",
    "/app/../home/ada/main.go", "~/main.go", "file:///home/ada/main.js", "ada/main.go",
)  # fmt: skip


@pytest.mark.parametrize("key", ["code.file.path", "code.filepath", "code.filename"])
def test_a_file_in_somebody_s_home_is_stripped(key: str) -> None:
    assert [value for value, kept in zip(HOMES, kept_under(key, HOMES), strict=True) if kept] == []


WRAPPINGS: Final = (
    "*{}",
    "main.(*{}).run",
    "com.acme.{}$1",
    "a::b<{}>",
    "<{}>",
    "[{}]",
    "/v1/{}/{{id}}",
    "src/{}/main.rs",
    "{}`1",
    "main.x.(*{}).func1",
    "main.x.{}.func1",
)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_personal_is_found_in_names_of_code(kind: str) -> None:
    """As elsewhere, few of a thousand may pass by chance."""
    made = [wrapping.format(value.plain) for value in values(kind, 60) for wrapping in WRAPPINGS]
    for key in ("error.type", "code.function.name", "code.file.path", "http.route"):
        passed = [value for value, kept in zip(made, kept_under(key, made), strict=True) if kept]
        assert len(passed) <= len(made) // 100, (key, passed[:8])


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("0", False), ("99", False), ("100", True), ("200", True), ("599", True), ("600", False), ("0200", False),
        ("+200", False), (" 200", False), ("200 ", False), ("2e2", False), ("200.0", False), ("٢٠٠", False),
        ("２００", False), ("-200", False), ("", False), ("OK", False), ("33612345678", False), ("200\n", False),
    ],
)  # fmt: skip
def test_a_number_that_comes_as_text_is_held_to_the_key_s_bounds(value: str, kept: bool) -> None:
    assert [*kept_under("http.response.status_code", [value])] == [kept]


def test_a_text_is_kept_as_a_number_if_the_number_is() -> None:
    made: list[Any] = [*range(-20, 700, 7), -1, 0, 100, 599, 600, 10**18, -(10**18)]
    for key in ("http.response.status_code", "server.port", "process.exit.code", "messaging.kafka.offset"):
        assert [*kept_under(key, made)] == [*kept_under(key, map(str, made))]


@pytest.mark.parametrize(
    "name",
    [
        "Video Editor",
        "Kannelle Video API",
        "@kannelle/video",
        "@kannelle/video-exporter",
        "video-exporter",
        "unknown_service:java",
        "Kannelle.Video",
    ],
)
def test_a_service_has_a_token_a_package_or_words_that_end_in_what_it_is(name: str) -> None:
    assert [*kept_under("service.name", [name]), *kept_under("service.namespace", [name])] == [True, True]
