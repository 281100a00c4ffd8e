"""What a normal service reports arrives, by Kannelle's policy.

Recorded of unmodified SDKs, and of others as their documentation has it.
"""

from __future__ import annotations

import json

import pytest

from gateway.otlp.signals import SIGNALS
from tests.reported.delivered_items import Outcome, Reported, outcome
from tests.reported.reasons import KEYS, VALUES
from tests.reported.recordings import documented, recorded, requests
from tests.reported.telemetry_page import PAGE, rendered

LANGUAGES = ("go", "java", "node", "python", "rust")
SOURCES = (*LANGUAGES, "dotnet", "aws", "azure", "gcp")


def test_every_language_was_recorded_and_every_other_source_is_documented() -> None:
    assert tuple(recorded()) == LANGUAGES
    assert {*documented()} == {*SOURCES} - {*LANGUAGES}
    assert all(said.sources and said.reported for said in documented().values())
    assert all(
        source.startswith("https://") and told
        for said in documented().values()
        for source, told in said.sources.items()
    )
    for language in LANGUAGES:
        assert [signal for signal, _ in requests(language)] == [*SIGNALS]


@pytest.mark.parametrize("source", SOURCES)
def test_all_arrives_that_is_not_stripped_for_a_reason(source: str) -> None:
    assert [one for one, reason in outcome(source).stripped.items() if not reason] == []


def test_every_reason_is_needed() -> None:
    stripped = {one for source in SOURCES for one in outcome(source).stripped}
    assert {*KEYS} <= {one.key for one in stripped}
    assert {*VALUES} <= {(one.key, one.value) for one in stripped}


ARRIVES = {
    "go": {
        "error.type": [
            "*errors.errorString",
            "*fmt.wrapErrors",
            "*net.OpError",
            "*main.generic[map[string]*main.Server]",
            "404",
        ],
        "exception.type": ["*fmt.wrapError", "*net.DNSError", "runtime.errorString"],
        "code.function.name": ["main.(*Server).logs", "main.(*Server).logs.func1"],
        "code.file.path": ["kannelle.example/video/main.go"],
        "service.name": ["video-exporter"],
    },
    "java": {
        "exception.type": ["java.util.concurrent.CompletionException", "java.util.concurrent.ExecutionException"],
        "jvm.gc.action": ["end of minor GC"],
        "process.runtime.version": ["17.0.15+6-Debian-1deb12u1"],
        "thread.name": ["main"],
        "db.operation": ["CREATE TABLE"],
        "db.system": ["h2"],
    },
    "node": {
        "error.type": ["ENOENT", "ERR_HTTP_HEADERS_SENT", "NoSuchVideo", "500"],
        "exception.type": ["AggregateError", "20"],
        "messaging.kafka.offset": ["0"],
    },
    "python": {
        "error.type": ["Exporter.Full", "local.<locals>.Local"],
        "exception.type": ["__main__.local.<locals>.Local", "ExceptionGroup"],
        "code.function.name": ["<lambda>", "<module>", "over_kafka"],
    },
    "rust": {
        "error.type": [
            "core::num::error::ParseIntError",
            "alloc::boxed::Box<dyn core::error::Error + core::marker::Send + core::marker::Sync>",
        ],
        "code.function.name": ["video::Encoder::start::{{closure}}"],
        "code.file.path": ["src/main.rs"],
        "host.arch": ["x86_64"],
    },
}
"""Some of what arrives, so that a recording without it is noticed."""

NAMES = {
    "go": {
        "scope version": ["semver:v1.7.1"],
        "span name": ["sql.stmt.exec", "video.exports.requested process", "GET /v1/videos/{video_id}"],
    },
    "java": {
        "span name": ["SELECT kannelle.videos", "video.exports.requested publish"],
        "metric name": ["jvm.memory.used", "jvm.thread.count"],
    },
    "node": {
        "span name": [
            "send video.exports.requested",
            "request handler - /v1/exports",
            "grpc.kannelle.video.v1.VideoService/Greet",
        ]
    },
    "python": {
        "span name": ["SELECT", "video.exports.requested send"],
        "metric name": ["cpython.gc.collections", "process.cpu.time"],
    },
    "rust": {"scope name": ["video::export"], "span name": ["video.transcode"]},
}
"""The same of names, beside attributes."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_each_language_is_known_for_arrives(language: str) -> None:
    held = {Reported(key, json.dumps(value)) for key, values in ARRIVES[language].items() for value in values}
    named = {Reported(slot, name) for slot, names in NAMES[language].items() for name in names}
    assert (held | named) - outcome(language).arrived == set()


def test_numbers_arrive_that_come_as_texts() -> None:
    found = {one.key for one in outcome("node").arrived if one.value.strip('"').isdigit() and one.value.startswith('"')}
    assert found >= {"server.port", "messaging.kafka.offset"}


def test_nothing_arrives_that_the_policy_says_is_personal() -> None:
    for source in SOURCES:
        found: Outcome = outcome(source)
        assert {
            one
            for one in found.arrived
            if one.key in {"client.address", "url.full", "exception.message", "process.owner"}
        } == set()


def test_the_page_says_what_becomes_of_it() -> None:
    """`python -m tests.reported.telemetry_page` writes it."""
    assert rendered() in PAGE.read_text(encoding="utf-8")
