"""Where exporters send to: endpoints in the region of their destination, hosts in one region."""

from __future__ import annotations

import pytest

from gateway.exporters.otlp.settings import OtlpSettings
from gateway.policy.load import parse
from tests.policy.residency_documents import document, fault


def with_endpoint(endpoint: str, region: str = "FR") -> str:
    hosts = "hosts: {FR: [logs.kannelle.io, 192.0.2.1], US: [api.segment.io]}\n"
    return document(
        region, "OPERATIONAL", rest=f"    exporter:\n      kind: otlp\n      endpoint: {endpoint!r}\n{hosts}"
    )


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("https://logs.kannelle.io:4317", "FR"),
        ("https://LOGS.kannelle.io:4317/", "FR"),
        ("https://192.0.2.1:443", "FR"),
        ("https://api.segment.io:443", "US"),
        ("http://localhost:4317", "FR"),
        ("http://127.0.0.1:4317", "US"),
        ("http://127.8.8.8:4317", "FR"),
        ("http://[::1]:4317", "FR"),
        ("https://localhost:4317", "FR"),
    ],
)
def test_an_endpoint_in_its_own_region_loads(endpoint: str, region: str) -> None:
    assert isinstance(parse(with_endpoint(endpoint, region)).policy.destinations["crm"].exporter, OtlpSettings)


ODD = ["must be https://host:port, and nothing more"]
PLAIN = "must be https, for it leaves this machine"


@pytest.mark.parametrize(
    ("endpoint", "region", "expected"),
    [
        ("https://logs.kannelle.io:4317", "US", ["its host must be listed under hosts.US"]),
        ("https://logs.kannelle.io:4317", "IE", ["its host must be listed under hosts.IE"]),
        ("https://api.segment.io:443", "FR", ["its host must be listed under hosts.FR"]),
        ("https://logs.kannelle.io.evil.example:443", "FR", ["its host must be listed under hosts.FR"]),
        ("https://localhost.evil.example:443", "FR", ["its host must be listed under hosts.FR"]),
        ("https://127.0.0.1.evil.example:443", "FR", ["its host must be listed under hosts.FR"]),
        ("https://0.0.0.0:443", "FR", ["its host must be listed under hosts.FR"]),
        ("http://logs.kannelle.io:4317", "FR", [PLAIN]),
        ("http://evil.example:4317", "FR", [PLAIN, "its host must be listed under hosts.FR"]),
        ("https://logs.kannelle.io", "FR", ODD),
        ("logs.kannelle.io:4317", "FR", ODD),
        ("grpc://logs.kannelle.io:4317", "FR", ODD),
        ("https://user:hunter2@logs.kannelle.io:4317", "FR", ODD),
        ("https://@logs.kannelle.io:4317", "FR", ODD),
        ("https://logs.kannelle.io:4317/v1/logs", "FR", ODD),
        ("https://logs.kannelle.io:4317?key=hunter2", "FR", ODD),
        ("https://logs.kannelle.io:4317#x", "FR", ODD),
        ("https://logs.kannelle.io:99999", "FR", ODD),
        ("https://logs.kannelle.io:x", "FR", ODD),
        ("https://[::1", "FR", ODD),
        ("https://:4317", "FR", ODD),
    ],
)  # fmt: skip
def test_an_endpoint_elsewhere_does_not_load(endpoint: str, region: str, expected: list[str]) -> None:
    said = fault(with_endpoint(endpoint, region)).splitlines()
    assert said == [f"policy.yaml:15: destinations.crm.exporter.endpoint: {text}" for text in expected]


def test_a_host_is_in_one_region() -> None:
    text = document("FR", "OPERATIONAL", rest="hosts:\n  FR: [a.example]\n  US:\n    - b.example\n    - a.example\n")
    assert fault(text) == "policy.yaml:17: hosts.US.a.example: is listed under FR too"
