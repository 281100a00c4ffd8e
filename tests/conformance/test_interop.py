"""gRPC's own interop cases, with grpcio and grpc-go as client and as server: through the gateway as without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final

import grpc
import pytest

from tests.conformance.cases import CASES
from tests.conformance.messages import flag, message, write
from tests.support import grpc_go_interop, http2
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS, blocking_channel

PEERS: Final = ("grpcio", "grpc-go")
HOPS: Final = ("direct", "proxied")

GAPS: Final = {
    "client_compressed_unary": "grpcio shows no server whether a message was compressed",
    "client_compressed_streaming": "grpcio shows no server whether a message was compressed",
}
"""Cases that nobody plays."""

GZIP: Final = b"\x1f\x8b\x08"
"""How such data begins: RFC 1952, section 2.3.1."""

COMPRESSED: Final = ("server_compressed_unary", "server_compressed_streaming")


def lacking(case: str, client: str, server: str) -> str:
    """Why two peers don't play a case; empty if they do."""
    if grpc_go_interop.MISSING and "grpc-go" in (client, server):
        return "go is not installed"
    if case in COMPRESSED and client == "grpc-go":
        return "grpc-go's client has no such case"
    if case in COMPRESSED and server == "grpc-go":
        return "grpc-go's server compresses no answer when asked to"
    return ""


def rows() -> Iterator[Any]:
    for case, client, server, hop in product(CASES, PEERS, PEERS, HOPS):
        reason = lacking(case, client, server)
        marks = [pytest.mark.skip(reason=reason)] if reason else []
        yield pytest.param(case, client, server, hop, id=f"{case}-{client}-{server}-{hop}", marks=marks)
    for case, reason in GAPS.items():
        yield pytest.param(case, "", "", "", id=case, marks=pytest.mark.skip(reason=reason))


@pytest.mark.parametrize(("case", "client", "server", "hop"), list(rows()))
def test_a_case_passes(request: pytest.FixtureRequest, case: str, client: str, server: str, hop: str) -> None:
    addresses: Mapping[str, str] = request.getfixturevalue(hop)
    if client == "grpc-go":
        grpc_go_interop.play(request.getfixturevalue("grpc_go"), case, addresses[server])
        return
    with blocking_channel(addresses[server]) as channel:
        CASES[case](channel)


@pytest.mark.parametrize(("hop", "code"), [("direct", grpc.StatusCode.OK), ("proxied", grpc.StatusCode.UNIMPLEMENTED)])
def test_only_the_gateway_minds_the_authority(request: pytest.FixtureRequest, hop: str, code: grpc.StatusCode) -> None:
    options = (*CHANNEL_OPTIONS, ("grpc.default_authority", "elsewhere.test"))
    with grpc.insecure_channel(request.getfixturevalue(hop)["grpcio"], options) as channel:
        method: Any = channel.unary_unary("/grpc.testing.TestService/EmptyCall")
        assert method.future(b"", timeout=TIMEOUT_SECONDS).code() is code


@pytest.mark.parametrize("compressed", [True, False])
def test_the_server_on_grpcio_compresses_what_it_is_asked_to(ports: Mapping[str, int], compressed: bool) -> None:
    asked = write(message("SimpleRequest", response_size=1000, response_compressed=flag(compressed)))
    data = b"\0" + len(asked).to_bytes(4, "big") + asked
    path, fields = b"/grpc.testing.TestService/UnaryCall", ((b"grpc-accept-encoding", b"gzip"),)
    _, said = http2._exchange(ports["grpcio"], path, fields, data, lambda kind, stream: kind == http2.DATA)
    assert (GZIP in said) is compressed
