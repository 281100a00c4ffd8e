"""A service that calls another through both their gateways, as the operator's page draws it."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from tests.support.gateway_process import GatewayProcess
from tests.support.proxied_calls import invoke, proxy_channel
from tests.support.proxy_policy import (
    CALL_KINDS,
    POLICY_HEADER,
    SERVICE,
    VIDEO_CALLER,
    note,
    parse_note,
    write_contract,
)
from tests.support.recording_upstream import RecordingUpstream
from tests.support.service_gateway import run_service_gateway

AUTHORITY = "directory.kannelle.example"
FULL = note(user_id="usr_1", work_email="ana@acme.example", name="Ana", op="a", unclassified="secret")
REQUEST = note(user_id="usr_1", op="a")
ANSWER = note(op="a")


def _route(upstream: str, more: str) -> str:
    caller = f'"{VIDEO_CALLER}": {{region: FR, allow: [OPERATIONAL]}}'
    return (
        f"{POLICY_HEADER}routes:\n  - {{authority: {AUTHORITY}, destination: svc, upstream: {upstream}, callers: "
        f"{{{caller}}}{more}}}\n"
    )


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def outer(upstream: RecordingUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """The caller's gateway, before the other service's."""
    folder = tmp_path_factory.mktemp("chain")
    contracts = [write_contract(folder)]
    last = _route(f'["127.0.0.1:{upstream.port}"]', ", plaintext: true, listener: inbound")
    directory = "spiffe://kannelle.example/directory"
    with run_service_gateway(folder / "inner", last, directory, "inbound", [AUTHORITY], contracts=contracts) as inner:
        first = _route(f'"dns:///{inner.listener_address("inbound")}"', "")
        with run_service_gateway(
            folder / "outer", first, VIDEO_CALLER, "outbound", [AUTHORITY], contracts=contracts
        ) as process:
            yield process


@pytest.mark.parametrize("name", CALL_KINDS)
def test_a_call_is_minimised_on_both_sides_of_mutual_tls(
    name: str, outer: GatewayProcess, upstream: RecordingUpstream
) -> None:
    def full(seen: object, requests: Iterator[bytes], context: object) -> Iterator[bytes]:
        got.extend(requests)
        yield FULL

    got: list[bytes] = []
    with upstream.scripted(full), proxy_channel(outer.listener_address("outbound"), AUTHORITY) as channel:
        told = invoke(channel, f"/{SERVICE}/{name}", FULL)
    assert (told.code, told.answers) == (grpc.StatusCode.OK, [ANSWER])
    assert got == [REQUEST]
    assert parse_note(got[0]).user_id == "usr_1"
