"""Why a call between services had no answer is told, counted and logged.

A cause of a closed list for each real server that fails.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from gateway.errors import Cause
from gateway.tls import Material
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS, CallStatus
from tests.support.channels import call as unary
from tests.support.gateway_process import GatewayProcess
from tests.support.http2_upstream import serve_http2
from tests.support.ports import reserved
from tests.support.proxy_certificates import CA, certificate_for, dns, new_ca
from tests.support.proxy_process import (
    CALLER,
    call_through,
    gateway,
    metric_value,
    outbound_channel,
    policy,
    route,
    wait_until,
)
from tests.support.upstreams import UnansweredCalls, item, serve_methods

STRANGER: Final = new_ca()
PAST: Final = timedelta(minutes=-1)
TOLD: Final = (
    "connections to all backends failing; last error: UNKNOWN: ipv4:10.0.0.9:1: Failed to connect to remote host: "
    "Connection refused"
)
_Code: Final = grpc.StatusCode


def credentials(held: Material, trusts: bytes = b"") -> grpc.ServerCredentials:
    """Of a server that asks for a certificate of `trusts`, or for none."""
    return grpc.ssl_server_credentials([(held.key, held.certificate)], trusts or None, require_client_auth=bool(trusts))


@contextmanager
def listening(say: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve on a bare socket; the port."""

    def accept(listener: socket.socket, held: list[socket.socket]) -> None:
        with suppress(OSError):
            while True:
                held.append(listener.accept()[0])
                say(held[-1])

    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener, held), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(TIMEOUT_SECONDS)
    for connection in held:
        connection.close()


def http_1(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


def hung_up(connection: socket.socket) -> None:
    connection.recv(1)
    connection.close()


def reset(connection: socket.socket, stream: int = 0) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RD)
    connection.close()


def without_alpn(folder: Path) -> Callable[[socket.socket], None]:
    """A server of TLS that knows nothing of HTTP/2."""
    held = certificate_for(dns("no-alpn"))
    (folder / "alpn.pem").write_bytes(held.certificate + held.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "alpn.pem")

    def say(connection: socket.socket) -> None:
        with suppress(OSError):
            context.wrap_socket(connection, server_side=True).close()

    return say


def echo(request: bytes, context: Any) -> bytes:
    return request


def passing_on(request: bytes, context: grpc.ServicerContext) -> bytes:
    """An upstream whose own upstream is away, and that says so as it was told."""
    context.abort(_Code.UNAVAILABLE, TOLD)


CAUSES: Final[Mapping[str, Cause]] = {
    "refused": Cause.UPSTREAM_REFUSED,
    "no-socket": Cause.UPSTREAM_REFUSED,
    "unresolved": Cause.UPSTREAM_UNRESOLVED,
    "silent": Cause.UPSTREAM_SILENT,
    "silent-tls": Cause.UPSTREAM_SILENT,
    "slow": Cause.UPSTREAM_TIMEOUT,
    "reset": Cause.UPSTREAM_RESET,
    "hung-up": Cause.UPSTREAM_RESET,
    "another-name": Cause.UPSTREAM_NAME_MISMATCH,
    "stranger": Cause.UPSTREAM_UNTRUSTED,
    "expired": Cause.UPSTREAM_EXPIRED,
    "refuses": Cause.UPSTREAM_REFUSES_US,
    "plaintext": Cause.UPSTREAM_PLAINTEXT,
    "wants-tls": Cause.UPSTREAM_WANTS_TLS,
    "wants-mutual-tls": Cause.UPSTREAM_WANTS_TLS,
    "http-1": Cause.UPSTREAM_NOT_GRPC,
    "no-alpn": Cause.UPSTREAM_NOT_GRPC,
}
TLS: Final = frozenset({"silent-tls", "another-name", "stranger", "expired", "refuses", "plaintext", "no-alpn"})
SOUND: Final = {"well": _Code.OK, "passes-on": _Code.UNAVAILABLE}


def upstreams(stack: ExitStack, folder: Path) -> Mapping[str, int]:
    """A server for each cause; the ports."""

    def secure(held: Material, trusts: bytes = b"") -> Any:
        return serve_methods(One=echo, credentials=credentials(held, trusts))

    made: Mapping[str, Any] = {
        "refused": reserved(),
        "silent": listening(lambda connection: None),
        "silent-tls": listening(lambda connection: None),
        "slow": serve_methods(One=UnansweredCalls()),
        "reset": serve_http2(reset),
        "hung-up": listening(hung_up),
        "another-name": secure(certificate_for(dns("else.example"))),
        "stranger": secure(certificate_for(dns("stranger"), ca=STRANGER)),
        "expired": secure(certificate_for(dns("expired"), lifetime=PAST)),
        "refuses": secure(certificate_for(dns("refuses")), STRANGER.certificate),
        "plaintext": serve_methods(One=echo),
        "wants-tls": secure(certificate_for(dns("wants-tls"))),
        "wants-mutual-tls": secure(certificate_for(dns("wants-mutual-tls")), CA.certificate),
        "http-1": listening(http_1),
        "no-alpn": listening(without_alpn(folder)),
        "well": serve_methods(One=echo),
        "passes-on": serve_methods(One=passing_on),
    }
    return {name: stack.enter_context(one) for name, one in made.items()}


def routes(ports: Mapping[str, int]) -> Iterator[Mapping[str, Any]]:
    for name, port in ports.items():
        made = route(name, port, **({"timeout": "0.3s"} if name == "slow" else {}))
        yield {key: value for key, value in made.items() if key != "plaintext"} if name in TLS else made
    yield {"authority": "no-socket", "upstream": "unix:/nonexistent/up.sock", "plaintext": True}
    yield {"authority": "unresolved", "upstream": "dns:///up.invalid:443"}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("causes")
    own = certificate_for(dns(CALLER))
    for name, pem in (("CERTIFICATE", own.certificate), ("KEY", own.key), ("CA", own.ca)):
        (folder / name).write_bytes(pem)
    with ExitStack() as stack:
        written = policy(*routes(upstreams(stack, folder)))
        yield stack.enter_context(
            gateway(folder, written, **{f"TLS__{name}": name for name in ("CERTIFICATE", "KEY", "CA")})
        )


def call(process: GatewayProcess, authority: str, reason: str) -> Any:
    """What calls come to: the look at a server that may want TLS is beside them."""

    def once() -> Any:
        with outbound_channel(process, authority) as channel:
            outcome = call_through(channel, "One", item(op="a"))
        return (
            outcome
            if not isinstance(outcome, CallStatus) or outcome.reason == reason or not reason.endswith("TLS")
            else None
        )

    return wait_until(once)


def counted(process: GatewayProcess, route: str, cause: str) -> float:
    return metric_value(
        process, f'privacy_gateway_upstream_failures_total{{cause="{cause}",listener="outbound",route="{route}"}}'
    )


def _more(process: GatewayProcess, route: str, cause: str, than: float) -> bool:
    return counted(process, route, cause) > than


def test_each_cause_is_told_counted_and_logged_once(process: GatewayProcess) -> None:
    with ThreadPoolExecutor(len(CAUSES)) as pool:
        ends = dict(zip(CAUSES, pool.map(lambda pair: call(process, *pair), CAUSES.items()), strict=True))
    assert {name: end.reason for name, end in ends.items()} == CAUSES
    slow = ends.pop("slow")
    assert (slow.code, slow.text) == (_Code.DEADLINE_EXCEEDED, "deadline exceeded")
    assert {(end.code, end.text, end.domain) for end in ends.values()} == {
        (_Code.UNAVAILABLE, "unavailable", "privacy.kannelle")
    }
    before = {name: counted(process, name, cause) for name, cause in CAUSES.items()}
    for name, cause in CAUSES.items():
        if name not in {"silent", "silent-tls"}:
            call(process, name, cause)
            wait_until(partial(_more, process, name, cause, before[name]))
    said = process.output.decode()
    for name, cause in CAUSES.items():
        assert len(re.findall(rf"calls by the route {name} of outbound fail: {cause}, \d+ since", said)) == 1, name
    assert "127.0.0.1:" not in said.partition("http listening")[2].partition("\n")[2].replace(
        "listening on 127.0.0.1", ""
    )
    assert "Traceback" not in said


def test_what_an_upstream_says_itself_has_no_cause(process: GatewayProcess) -> None:
    with outbound_channel(process, "well") as channel:
        assert call_through(channel, "One", item(op="a")) == [item(op="a")]
    with outbound_channel(process, "passes-on") as channel:
        assert call_through(channel, "One", item(op="a")) == CallStatus(_Code.UNAVAILABLE, "unavailable")


@pytest.mark.parametrize(
    ("authority", "path", "reason"),
    [
        ("", "One", "NO_ROUTE"),
        ("nobody.example", "One", "NO_ROUTE"),
        ("nobody.example", "Unknown", "NO_ROUTE"),
        ("nobody.example:14001", "One", "NO_ROUTE"),
        ("well", "Unknown", "UNKNOWN_METHOD"),
        ("well:14001", "Unknown", "UNKNOWN_METHOD"),
        ("well:14001", "One", ""),
        ("well", "One", ""),
    ],
)
def test_an_authority_without_a_route_is_told_from_a_method_that_it_lacks(
    process: GatewayProcess, authority: str, path: str, reason: str
) -> None:
    own = (("grpc.default_authority", authority),) if authority else ()
    with grpc.insecure_channel(process.listener_address("outbound"), (*CHANNEL_OPTIONS, *own)) as channel:
        outcome = unary(channel, f"/t.Echo/{path}", item(op="a"))
    if reason:
        assert (outcome.code, outcome.reason) == (_Code.UNIMPLEMENTED, reason)
    else:
        assert outcome == item(op="a")


def test_each_cause_is_met_but_the_rest() -> None:
    assert {*CAUSES.values(), Cause.UPSTREAM_FAILED} == set(Cause)
