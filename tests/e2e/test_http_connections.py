"""Thousands of connections to the process that users run.

Held to the documented bounds, while whoever asks is answered.
"""

from __future__ import annotations

import http.client
import itertools
import resource
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from gateway.receivers import http as platform
from gateway.receivers import otlp_http
from tests.support.channels import TIMEOUT_SECONDS
from tests.support.gateway_process import GatewayProcess
from tests.support.requests import logs_request

MANY: Final = 3000
ONE: Final = logs_request("INFO").SerializeToString()
JSON: Final = b'{"resourceLogs": []}'
BOUNDS: Final = {"http": platform.LIMITS.connections, "local_http": otlp_http.LIMITS.connections}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    environ = {"PRIVACY_GATEWAY__LISTENERS__HTTP__ADDRESS": "127.0.0.1:0"}
    with GatewayProcess(tmp_path_factory.mktemp("connections"), environ=environ) as process:
        assert process.address
        yield process
        assert process.stop() == 0
        assert b"Traceback" not in process.output
        assert b"ERROR" not in process.output


@pytest.fixture(scope="module", autouse=True)
def room() -> Iterator[None]:
    """File descriptors for both ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * MANY:
        pytest.skip("this machine allows too few file descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def port(gateway: GatewayProcess, listener: str) -> int:
    return int(gateway.listener_address(listener).rpartition(":")[2])


def descriptors(gateway: GatewayProcess) -> int:
    """The sockets that the process holds: proc(5)."""
    count = 0
    for file in Path(f"/proc/{gateway.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            count += str(file.readlink()).startswith("socket:")
    return count


def asked(gateway: GatewayProcess, path: str) -> int:
    """The status of a page for the platform, over a new connection."""
    return _answered(port(gateway, "http"), "GET", path, b"", {})


def exported(gateway: GatewayProcess, body: bytes = ONE, kind: str = "application/x-protobuf") -> int:
    """The status of an export, over a new connection."""
    return _answered(port(gateway, "local_http"), "POST", "/v1/logs", body, {"Content-Type": kind})


def _answered(port: int, method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def everybody_is_answered(gateway: GatewayProcess) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        assert asked(gateway, path) == 200
    assert exported(gateway) == 200
    assert exported(gateway, JSON, "application/json") == 200


@contextmanager
def crowd(gateway: GatewayProcess, listener: str, said: bytes, count: int = MANY) -> Iterator[Sequence[socket.socket]]:
    """So many connections, each of which says something and no more; whoever asks in between is answered."""
    opened: list[socket.socket] = []
    try:
        for number in range(count):
            opened.append(socket.create_connection(("127.0.0.1", port(gateway, listener)), TIMEOUT_SECONDS))
            if said:
                _say(opened[-1], said)
            if number % (count // 10) == 0:
                everybody_is_answered(gateway)
        yield opened
    finally:
        for one in opened:
            one.close()


def _say(connection: socket.socket, said: bytes) -> None:
    with suppress(OSError):
        connection.sendall(said)


def wait_until_left(connections: Sequence[socket.socket], most: int) -> None:
    """Wait until the server has hung up on all but so many of them; what it says is read."""
    count, ends = len(connections), time.monotonic() + TIMEOUT_SECONDS
    with selectors.DefaultSelector() as selector:
        for one in connections:
            selector.register(one, selectors.EVENT_READ, one)
        while count > most:
            assert time.monotonic() < ends, f"{count} are left"
            for key, _ in selector.select(0.2):
                if not _goes_on(key.data):
                    selector.unregister(key.data)
                    count -= 1


def _goes_on(connection: socket.socket) -> bool:
    try:
        return connection.recv(65536) != b""
    except OSError:
        return False


SAID: Final = {
    "nothing": b"",
    "half a request line": b"POST /v1/lo",
    "half a head": b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nx: ",
}


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
@pytest.mark.parametrize("listener", BOUNDS)
def test_many_idle_connections_are_held_to_the_bound_while_others_are_answered(
    listener: str, said: bytes, gateway: GatewayProcess
) -> None:
    before = descriptors(gateway)
    with crowd(gateway, listener, said) as connections:
        everybody_is_answered(gateway)
        wait_until_left(connections, BOUNDS[listener])
        until(gateway, before + BOUNDS[listener] + 5)
    until(gateway, before)


@pytest.mark.parametrize("listener", BOUNDS)
def test_who_asks_gets_through_a_flood(listener: str, gateway: GatewayProcess) -> None:
    before = descriptors(gateway)

    def flood() -> None:
        with ExitStack() as opened:
            for _ in range(MANY):
                opened.enter_context(socket.create_connection(("127.0.0.1", port(gateway, listener)), TIMEOUT_SECONDS))

    with ThreadPoolExecutor(2) as pool:
        floods = [pool.submit(flood) for _ in range(2)]
        while not all(one.done() for one in floods):
            everybody_is_answered(gateway)
    assert [one.result() for one in floods] == [None, None]
    until(gateway, before)


def test_bodies_that_do_not_come_keep_nobody_from_exporting(gateway: GatewayProcess) -> None:
    before = descriptors(gateway)
    head = b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    with crowd(gateway, "local_http", head) as connections:
        everybody_is_answered(gateway)
        wait_until_left(connections, BOUNDS["local_http"])
    until(gateway, before)


def until(gateway: GatewayProcess, most: int) -> None:
    """Wait until it holds no more sockets than that."""
    ends = time.monotonic() + TIMEOUT_SECONDS
    while descriptors(gateway) > most + 5:
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_connections_end_by_themselves(gateway: GatewayProcess) -> None:
    with ExitStack() as opened:
        ends = [opened.enter_context(crowd(gateway, "http", said, 20)) for said in SAID.values()]
        ends += [
            opened.enter_context(crowd(gateway, "local_http", said, 20)) for said in (b"\r\n", *SAID.values()) if said
        ]
        begun = time.monotonic()
        for one in itertools.chain.from_iterable(ends):
            one.settimeout(TIMEOUT_SECONDS)
            assert not _goes_on(one)
    assert time.monotonic() - begun < 2 * otlp_http.LIMITS.head
