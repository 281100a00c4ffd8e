"""Recordings tell of a usual pod, and nothing of the machine on which they were made."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from tests.reported.delivered_items import everything
from tests.reported.pod_values import (
    BUILD,
    CONTAINER_ID,
    KERNEL,
    MACHINE_ID,
    OWN_PORT,
    PEER_PORT,
    POD,
    text,
    unmake,
    usual,
)
from tests.reported.recordings import RECORDED, recorded, requests
from tests.support.otlp_attributes import any_value, key_values


@pytest.mark.parametrize(
    ("key", "value", "instead"),
    [
        ("container.id", "5d41402abc4b2a76b9719d911017c592", CONTAINER_ID),
        ("host.id", "9b2c", MACHINE_ID),
        ("host.name", "anna-laptop", POD),
        ("process.owner", "anna", "app"),
        ("process.pid", 31337, 7),
        ("process.parent_pid", 31336, 1),
        ("os.version", "6.8.0-45-generic", KERNEL),
        ("os.version", "5.15.167.4-microsoft-standard-WSL2", KERNEL),
        ("os.version", "6.1.109+", KERNEL),
        ("os.version", "12", "12"),
        ("server.port", 53718, OWN_PORT),
        ("server.port", 443, 443),
        ("net.peer.port", "53718", str(PEER_PORT)),
        ("network.local.port", 40118, PEER_PORT),
        ("device", "wlp3s0", "eth0"),
        ("device", "sdb", "nvme0n1"),
        ("device", "lo", "lo"),
        ("service.version", "6.8.0-45", "6.8.0-45"),
        ("code.line.number", 40118, 40118),
    ],
)
def test_what_stands_under_a_key_is_a_usual_pod_s(key: str, value: object, instead: object) -> None:
    assert usual(key, value) == instead


@pytest.mark.parametrize(
    ("told", "instead"),
    [
        ("Linux 6.8.0-45-generic", f"Linux {KERNEL}"),
        (
            "(Linux anna-laptop 6.8.0-45-generic #45-Ubuntu SMP PREEMPT_DYNAMIC x86_64)",
            f"(Linux anna-laptop {KERNEL} {BUILD} x86_64)",
        ),
        ("http://localhost:53718/v1/videos", f"http://localhost:{OWN_PORT}/v1/videos"),
        ("read udp 127.0.0.1:58101->127.0.0.1:53: refused", f"read udp 127.0.0.1:{OWN_PORT}->127.0.0.1:53: refused"),
        ("File /home/anna/video/main.py", "File /opt/kannelle/video/main.py"),
        ("/root/x.js and /Users/anna", "/opt/kannelle/x.js and /opt/kannelle"),
        ("at Main.run (Main.java:40118)", "at Main.run (Main.java:40118)"),
        ("boot_id=3b2f0f6e-53a5-4c1c-9f5e-2f4b7d0b9a11", "boot_id=00000000-0000-4000-8000-000000000000"),
        (f"/docker/{'5d41402abc4b2a76' * 4}", f"/docker/{CONTAINER_ID}"),
    ],
)
def test_a_text_is_a_usual_pod_s(told: str, instead: str) -> None:
    assert text(told) == instead
    assert text(instead) == instead


def test_it_is_found_wherever_it_stands() -> None:
    told = {"a": ["http://localhost:53718/"], "b": {"process.owner": "anna"}}
    resource = Resource(attributes=key_values({"container.id": "5d41", "of": told}))
    record = LogRecord(body=any_value("Linux 6.8.0-45-generic"), severity_text="INFO", event_name="/root/x")
    group = ResourceLogs(resource=resource, scope_logs=[ScopeLogs(log_records=[record])])
    left = str(unmake(ExportLogsServiceRequest(resource_logs=[group])))
    assert [word for word in ("53718", "anna", "5d41", "6.8.0", "/root") if word in left] == []


def kept() -> list[tuple[str, str, Any]]:
    """Each recording, by language and signal."""
    return [(language, signal.name, request) for language in recorded() for signal, request in requests(language)]


def test_nothing_is_left_to_replace_in_what_is_kept() -> None:
    for language, signal, request in kept():
        before = (RECORDED / language / f"{signal}.binpb").read_bytes()
        assert unmake(request).SerializeToString(deterministic=True) == before, (language, signal)


TELLING: Final = (
    rb"(?<![0-9.])[3-9]\.[0-9]{1,2}\.[0-9.]{1,6}-[0-9a-z.-]*(?:generic|fc|aws|gcp|azure|kvm|lts|arch|microsoft|linuxkit|default)",
    rb"/(?:home|Users|root|tmp|work|var/folders|mnt|media|private)/",
    rb"(?:localhost|127\.0\.0\.1):(?!8080\b)[0-9]{4,5}\b",
    rb"[0-9a-f]{8}\.(?:scope|slice)|docker-[0-9a-f]{12}|kubepods|boot_id",
    rb"#[0-9]+ SMP(?! Debian 5\.10\.209-2)",
    rb"\b(?:10|192\.168|172\.(?:1[6-9]|2[0-9]|3[01])|169\.254)\.[0-9]{1,3}\.[0-9]{1,3}\b",
)
"""What a machine is known by, as patterns."""


def test_nothing_tells_of_a_machine_in_what_is_kept() -> None:
    for language, signal, _ in kept():
        data = (RECORDED / language / f"{signal}.binpb").read_bytes()
        assert [found[0] for pattern in TELLING if (found := re.search(pattern, data))] == [], (language, signal)


def test_each_identifier_in_what_is_kept_is_invented() -> None:
    held = {(one.key, one.value.strip('"')) for _, _, request in kept() for one in everything(request)}
    allowed = {"container.id": {CONTAINER_ID}, "host.id": {MACHINE_ID}, "host.name": {POD}, "process.owner": {"app"}}
    assert {key: {value for name, value in held if name == key} for key in allowed} == allowed
    assert {value for key, value in held if key == "os.version"} == {KERNEL}
    assert {int(value) for key, value in held if key.endswith(".port")} <= {1, OWN_PORT, PEER_PORT}
