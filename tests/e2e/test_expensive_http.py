"""OTLP/HTTP that is made to last: whoever sends it waits, others don't."""

from __future__ import annotations

import gzip
import http.client
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Final

import pytest

from tests.otlp.test_costly_json import SHAPES, signal_of
from tests.support.channels import TIMEOUT_SECONDS
from tests.support.gateway_process import GatewayProcess
from tests.support.requests import logs_request

FULL: Final = 4 * 1024 * 1024 - 500
HOSTILE: Final = 4
"""Connections that send what lasts."""

CALLS: Final = 60
ONE: Final = logs_request("INFO").SerializeToString()

ROWS: Final = (
    "numbers for resources",
    "empty resources",
    "unknown large numbers",
    "unknown lists in lists",
    "keys that differ",
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("costly")) as process:
        assert process.address
        yield process
        assert process.stop() == 0


class Caller:
    """A connection that is kept."""

    def __init__(self, gateway: GatewayProcess) -> None:
        port = int(gateway.listener_address("local_http").rpartition(":")[2])
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=6 * TIMEOUT_SECONDS)

    def send(self, path: str, body: bytes, kind: str, encoding: str = "identity") -> int:
        """Export; the status."""
        self._connection.request("POST", path, body, {"Content-Type": kind, "Content-Encoding": encoding})
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def close(self) -> None:
        self._connection.close()


def slow(gateway: GatewayProcess) -> float:
    """Seconds that all but the slowest tenth of a well-behaved caller's exports take.

    On a busy machine a few take long for nothing.
    """
    caller, took = Caller(gateway), []
    for _ in range(CALLS):
        begun = time.perf_counter()
        assert caller.send("/v1/logs", ONE, "application/x-protobuf") == 200
        took.append(time.perf_counter() - begun)
    caller.close()
    return sorted(took)[-CALLS // 10]


def keep_sending(gateway: GatewayProcess, raw: bytes, ended: Event) -> None:
    """Export it again and again."""
    packed, path = gzip.compress(raw), f"/v1/{signal_of(raw).name}"
    caller = Caller(gateway)
    while not ended.is_set():
        caller.send(path, packed, "application/json", "gzip")
    caller.close()


def beside(gateway: GatewayProcess, raw: bytes) -> float:
    ended = Event()
    with ThreadPoolExecutor(HOSTILE) as pool:
        for _ in range(HOSTILE):
            pool.submit(keep_sending, gateway, raw, ended)
        try:
            return slow(gateway)
        finally:
            ended.set()


@pytest.mark.parametrize("name", ROWS)
def test_others_are_served_while_costly_json_is_read(name: str, gateway: GatewayProcess) -> None:
    assert_served(gateway, SHAPES[name](FULL // 8))


def test_others_are_served_while_numbers_of_full_size_are_refused(gateway: GatewayProcess) -> None:
    assert_served(gateway, SHAPES["numbers for resources"](FULL))


@pytest.mark.soak
@pytest.mark.parametrize("name", ROWS)
def test_others_are_served_while_costly_json_of_full_size_is_read(name: str, gateway: GatewayProcess) -> None:
    assert_served(gateway, SHAPES[name](FULL))


def assert_served(gateway: GatewayProcess, raw: bytes) -> None:
    alone = slow(gateway)
    assert any(beside(gateway, raw) < max(0.1, 3 * alone) for _ in range(3))
