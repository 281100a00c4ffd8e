from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from gateway.errors import BadConfig
from gateway.exporters.otlp.endpoint import GrpcEndpoint


@pytest.mark.parametrize(
    ("url", "target", "secure"),
    [
        ("http://127.0.0.1:4317", "dns:///127.0.0.1:4317", False),
        ("http://127.8.8.8:4317/", "dns:///127.8.8.8:4317", False),
        ("http://[::1]:4317", "dns:///[::1]:4317", False),
        ("http://localhost:4317", "dns:///localhost:4317", False),
        ("https://otel.kannelle.internal:443", "dns:///otel.kannelle.internal:443", True),
        ("https://unix:4317", "dns:///unix:4317", True),
        ("HTTPS://Collector:4317", "dns:///collector:4317", True),
    ],
)
def test_an_endpoint_is_a_target(url: str, target: str, secure: bool) -> None:
    assert GrpcEndpoint.parse(url) == GrpcEndpoint(target, secure)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://otel.kannelle.internal:4317", "loopback only"),
        ("http://10.0.0.1:4317", "loopback only"),
        ("http://localhost.evil.example:4317", "loopback only"),
        ("http://0.0.0.0:4317", "loopback only"),
        ("otel.kannelle.internal:4317", "must be https://host:port"),
        ("127.0.0.1:4317", "must be https://host:port"),
        ("https://otel.kannelle.internal", "must be https://host:port"),
        ("https://:4317", "must be https://host:port"),
        ("unix:///run/otel.sock", "must be https://host:port"),
        ("", "must be https://host:port"),
        ("https://otel:0", "must be https://host:port"),
        ("https://otel:99999", "is no URL"),
        ("https://otel:port", "is no URL"),
        ("https://[::1", "is no URL"),
        ("https://planted-name:planted-secret@otel:4317", "nothing more"),
        ("https://otel:4317/planted-secret", "nothing more"),
        ("https://otel:4317?planted-secret", "nothing more"),
        ("https://otel:4317#planted-secret", "nothing more"),
    ],
)
def test_any_other_is_refused_and_not_repeated(url: str, said: str) -> None:
    with pytest.raises(BadConfig, match=said) as caught:
        GrpcEndpoint.parse(url)
    assert "planted" not in str(caught.value)


def test_a_ca_is_read_at_once(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(ca)
    assert GrpcEndpoint.parse("https://localhost:4317", str(ca)).roots == ca.read_bytes()


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), (b"", "no certificates"), (b"\xff\x00", "no certificates")]
)
def test_a_ca_that_is_none_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    ca = tmp_path / "ca.pem"
    if content is not None:
        ca.write_bytes(content)
    with pytest.raises(BadConfig, match=rf"ca.pem: .*{said}"):
        GrpcEndpoint.parse("https://localhost:4317", str(ca))


def test_a_ca_without_tls_is_a_mistake() -> None:
    with pytest.raises(BadConfig, match=r"^ca: "):
        GrpcEndpoint.parse("http://localhost:4317", "ca.pem")
