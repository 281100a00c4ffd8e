from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.conformance import server
from tests.conformance.messages import PROTOS
from tests.support import grpc_go_interop
from tests.support.gateway_process import GatewayProcess
from tests.support.ports import reserved

HOSTS: Final = {"grpcio": "127.0.0.1", "grpc-go": "localhost"}
"""How clients spell loopback to reach each server.

Through the gateway this is its authority: grpc-go's client sends what it dials.
"""

ROUTE: Final = """
- authority: {authority}
  upstream: dns:///127.0.0.1:{port}
  plaintext: true
  destination: interop-server
  methods: [grpc.testing.TestService/*]
  callers:
    interop-client:
      region: FR
      allow: [OPERATIONAL, CONTENT, FREE_TEXT]
      metadata:
        keys:
          x-grpc-test-echo-initial: {{category: OPERATIONAL, pattern: "[a-z_]{{1,64}}"}}
          x-grpc-test-echo-trailing-bin: CONTENT
"""


@pytest.fixture(scope="session")
def grpc_go() -> Path:
    return grpc_go_interop.binaries()


@pytest.fixture(scope="session")
def ports(request: pytest.FixtureRequest) -> Iterator[Mapping[str, int]]:
    """The port of each server."""
    with ExitStack() as stack:
        found = {"grpcio": stack.enter_context(server.serving())}
        if not grpc_go_interop.MISSING:
            found["grpc-go"] = stack.enter_context(grpc_go_interop.serving(request.getfixturevalue("grpc_go")))
        yield found


@pytest.fixture(scope="session")
def direct(ports: Mapping[str, int]) -> Mapping[str, str]:
    """Where each server is."""
    return {name: f"{HOSTS[name]}:{port}" for name, port in ports.items()}


@pytest.fixture(scope="session")
def proxied(ports: Mapping[str, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Where each server is for the service beside a gateway."""
    folder = tmp_path_factory.mktemp("gateway")
    with reserved() as port:
        spelt = {name: f"{HOSTS[name]}:{port}" for name in ports}
        routes = "".join(ROUTE.format(authority=spelt[name], port=ports[name]) for name in ports)
        (folder / "policy.yaml").write_text(f"{Path(__file__).with_name('policy.yaml').read_text()}\nroutes:{routes}")
        environ = {
            "POLICY": "policy.yaml",
            "CONTRACTS": f"[{PROTOS}]",
            "SERVICE": "interop-client",
            "LISTENERS__OUTBOUND__ADDRESS": f"127.0.0.1:{port}",
        }
        with GatewayProcess(
            folder, environ={f"PRIVACY_GATEWAY__{name}": value for name, value in environ.items()}
        ) as process:
            process.wait_for_output(rb"outbound listening on \S+")
            yield spelt
