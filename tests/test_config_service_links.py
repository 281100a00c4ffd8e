"""Variables by which Kubernetes tells pods of Services are no overrides, whatever the Services' names; others are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Config, load
from gateway.errors import BadConfig
from tests.test_config import fault

Ports = Mapping[int, tuple[str, str]]
"""A Service's ports, each with its name and protocol."""


def service_links(service: str, ports: Ports) -> dict[str, str]:
    """What Kubernetes sets: pkg/kubelet/envvars/envvars.go."""
    prefix = _variable(service)
    first = next(iter(ports))
    made = {f"{prefix}_SERVICE_HOST": "10.0.0.9", f"{prefix}_SERVICE_PORT": str(first)}
    made |= {f"{prefix}_SERVICE_PORT_{_variable(name)}": str(port) for port, (name, _) in ports.items() if name}
    for port, (_, protocol) in ports.items():
        url, link = f"{protocol.lower()}://10.0.0.9:{port}", f"{prefix}_PORT_{port}_{protocol}"
        made.setdefault(f"{prefix}_PORT", url)
        made |= {link: url, f"{link}_PROTO": protocol.lower(), f"{link}_PORT": str(port), f"{link}_ADDR": "10.0.0.9"}
    return made


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


@pytest.mark.parametrize(
    "service",
    [
        "privacy-gateway",
        "privacy-gateway-hub",
        "privacy-gateway--x",
        "privacy-gateway--x-y--z",
        "privacy-gateway--role",
        "privacy-gateway--listeners--local",
        "privacy-gateway--listeners--local--address",
        "privacy-gateway--service",
        "privacy-gateway--a-port-443-tcp",
        "privacy-gateway--a-service-port",
    ],
)
@pytest.mark.parametrize(
    "ports", [{443: ("", "TCP")}, {443: ("https", "TCP"), 53: ("dns-udp", "UDP"), 9: ("sctp", "SCTP")}]
)
def test_what_tells_of_a_service_is_no_override(service: str, ports: Ports) -> None:
    links = service_links(service, ports)
    assert load(None, links) == Config()
    assert load(None, {**links, "PRIVACY_GATEWAY__STATE": "there"}).state == Path("there")


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("X_SERVICE_HOST", "x_service_host"),
        ("X_SERVICE_PORT", "x_service_port"),
        ("LOCAL_PORT", "local_port"),
        ("X_PORT_443_TCP", "x_port_443_tcp"),
        ("X_PORT_443_TCP_ADDR", "x_port_443_tcp_addr"),
        ("LISTENERS__LOCAL_PORT", "listeners.local_port"),
        ("ROLL", "roll"),
        ("SERVICE_HOST", "service_host"),
        ("PORT", "port"),
        ("A", "a"),
        ("A_", "a_"),
        ("A_ROLE", "a_role"),
        ("A_PORT_443", "a_port_443"),
        ("A_PORT_HTTP_TCP", "a_port_http_tcp"),
        ("A_PORT_443_TCP_NAME", "a_port_443_tcp_name"),
        ("A_SERVICE", "a_service"),
        ("A_SERVICE_HOSTS", "a_service_hosts"),
        ("AB_PORT", "ab_port"),
    ],
)
def test_a_misspelt_key_is_refused_also_where_a_service_is_told_of(variable: str, key: str) -> None:
    name = f"PRIVACY_GATEWAY__{variable}"
    links = service_links("privacy-gateway--a", {443: ("https", "TCP")})
    assert fault(None, **links, **{name: "1"}).startswith(f"{name}: {key}: is not a key here")


def test_a_host_and_a_port_without_a_service_s_name_are_refused() -> None:
    names = [f"PRIVACY_GATEWAY__SERVICE_{part}" for part in ("HOST", "PORT")]
    assert "service_host: is not a key here" in fault(None, **dict.fromkeys(names, "1"))


@given(st.from_regex(r"privacy-gateway--[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True), st.integers(1, 65535))
def test_no_service_keeps_a_gateway_from_starting(service: str, port: int) -> None:
    links = service_links(service, {port: ("web", "TCP")})
    assert load(None, links) == Config()
    for name in links:
        with pytest.raises(BadConfig):
            load(None, {name: "1"})
