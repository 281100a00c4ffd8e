"""`serve` as a process: how it starts, where it listens, how it stops."""

from __future__ import annotations

import json
import queue
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import DESCRIPTOR

from tests.support.channels import TIMEOUT_SECONDS, blocking_channel, call
from tests.support.gateway_process import GatewayProcess
from tests.support.requests import LOGS, STREAM, TRACK, event, logs_request, track_request

ELSEWHERE: Final = """
version: 1
controller: Check it Out S.A.S.
user_id: {{pattern: "usr_[A-Za-z0-9]{{1,32}}"}}
ceilings:
  FR: [OPERATIONAL]
destinations:
  backend:
    recipient: log
    region: FR
    purpose: essential.service.operations
    legal_basis: CONTRACT
    allow: [OPERATIONAL]
    retention: 30d
    delivery: {delivery}
    exporter: {{kind: otlp, endpoint: "http://127.0.0.1:{port}"}}
flows:
  otlp/logs: [backend]
"""


class Backend:
    """Takes logs, once it may."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may = threading.Event()
        self.port = self.taken = 0

    def export(self, request: bytes, context: Any) -> bytes:
        self.begun.set()
        assert self.may.wait(TIMEOUT_SECONDS)
        self.taken += 1
        return b""


@pytest.fixture
def backend() -> Iterator[Backend]:
    made = Backend()
    export: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(made.export)
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(DESCRIPTOR.services_by_name["LogsService"].full_name, {"Export": export})]
    )
    made.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield made
    made.may.set()
    server.stop(0).wait()


@contextmanager
def serving_to(backend: Backend, folder: Path, delivery: str = "stored", **environ: str) -> Iterator[GatewayProcess]:
    (folder / "policy.yaml").write_text(ELSEWHERE.format(port=backend.port, delivery=delivery))
    given = {"PRIVACY_GATEWAY__POLICY": str(folder / "policy.yaml"), "PRIVACY_GATEWAY__INSECURE_LOOPBACK": "true"}
    with GatewayProcess(folder, environ={**given, **environ}) as process:
        yield process


def users(process: GatewayProcess) -> list[str]:
    lines = (process.state / "analytics.jsonl").read_text().splitlines()
    return [json.loads(line)["message"]["user"]["userId"] for line in lines]


def works(address: str) -> bool:
    with blocking_channel(address) as channel:
        return isinstance(call(channel, TRACK, track_request()), bytes)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_stops_when_asked(number: int, tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as process:
        assert works(process.address)
        process.send_signal(number)
        assert process.wait() == 0
        assert b"stopping" in process.output
        assert b"Traceback" not in process.output
    assert users(process) == ["usr_1"]


def late(address: str) -> grpc.StatusCode:
    """How new calls end, of a kind that is answered at once, when they are no more answered.

    It says that it stops before it does; and a call that comes while gRPC closes the port may be left without an
    answer.
    """
    while True:
        with blocking_channel(address) as channel:
            code: grpc.StatusCode = call(channel, LOGS, b"malformed", timeout=1).code
        if code not in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.DEADLINE_EXCEEDED}:
            return code


def test_what_a_recipient_is_taking_settles_first(tmp_path: Path, backend: Backend) -> None:
    with serving_to(backend, tmp_path) as process:
        with blocking_channel(process.address) as channel:
            assert call(channel, LOGS, logs_request("INFO").SerializeToString()) == b""
        assert backend.begun.wait(TIMEOUT_SECONDS)
        process.send_signal(signal.SIGTERM)
        process.wait_for_output(b"stopping")
        assert late(process.address) is grpc.StatusCode.UNAVAILABLE
        assert process.alive
        backend.may.set()
        assert process.wait() == 0
    with serving_to(backend, tmp_path) as process:
        assert process.address
        assert process.stop() == 0
    assert backend.taken == 1


def test_a_call_whose_recipient_is_taking_it_is_answered_before_the_end(tmp_path: Path, backend: Backend) -> None:
    """By the recipient's answer, or once it is stored where that takes too long."""
    with (
        serving_to(backend, tmp_path, "direct") as process,
        blocking_channel(process.address) as channel,
        ThreadPoolExecutor(1) as pool,
    ):
        calling = pool.submit(call, channel, LOGS, logs_request("INFO").SerializeToString())
        assert backend.begun.wait(TIMEOUT_SECONDS)
        process.send_signal(signal.SIGTERM)
        process.wait_for_output(b"stopping")
        assert not backend.taken
        backend.may.set()
        assert calling.result(TIMEOUT_SECONDS) == b""
        assert process.wait() == 0
    assert backend.taken


def test_what_a_recipient_takes_too_long_for_is_sent_by_the_next_one(tmp_path: Path, backend: Backend) -> None:
    with serving_to(backend, tmp_path, PRIVACY_GATEWAY__STOP__GRACE="0.2s") as process:
        with blocking_channel(process.address) as channel:
            assert call(channel, LOGS, logs_request("INFO").SerializeToString()) == b""
        assert backend.begun.wait(TIMEOUT_SECONDS)
        assert process.stop() == 0
    backend.may.set()
    backend.begun.clear()
    with serving_to(backend, tmp_path) as process:
        assert process.address
        assert backend.begun.wait(TIMEOUT_SECONDS)
        assert process.stop() == 0


class Stream:
    """A stream that says one thing at a time, over a connection that is used."""

    def __init__(self, channel: grpc.Channel, pool: ThreadPoolExecutor) -> None:
        self._said: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._asked = threading.Semaphore(0)
        assert isinstance(call(channel, TRACK, track_request()), bytes)
        self.answer = pool.submit(call, channel, STREAM, self._messages(), kind="stream_unary")
        # What is called afterwards over the same connection comes later.
        assert self._asked.acquire(timeout=TIMEOUT_SECONDS)
        assert isinstance(call(channel, TRACK, track_request()), bytes)

    def _messages(self) -> Iterator[bytes]:
        self._asked.release()
        while (message := self._said.get(timeout=TIMEOUT_SECONDS)) is not None:
            yield message
            self._asked.release()

    def say(self, user: str) -> None:
        self._said.put(track_request(event(user)))
        assert self._asked.acquire(timeout=TIMEOUT_SECONDS)

    def end(self) -> Any:
        self._said.put(None)
        return self.answer.result(TIMEOUT_SECONDS)


def test_an_idle_stream_does_not_keep_it_from_stopping(tmp_path: Path) -> None:
    with (
        GatewayProcess(tmp_path, environ={"PRIVACY_GATEWAY__STOP__GRACE": "0.5s"}) as process,
        blocking_channel(process.address) as channel,
        ThreadPoolExecutor() as pool,
    ):
        stream = Stream(channel, pool)
        stream.say("usr_idle")
        assert isinstance(call(channel, TRACK, track_request()), bytes)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
        assert stream.end().code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert users(process).count("usr_idle") <= 1


def test_a_stream_that_ends_in_time_is_acknowledged(tmp_path: Path) -> None:
    with (
        GatewayProcess(tmp_path) as process,
        blocking_channel(process.address) as channel,
        ThreadPoolExecutor() as pool,
    ):
        stream = Stream(channel, pool)
        stream.say("usr_early")
        process.send_signal(signal.SIGTERM)
        process.wait_for_output(b"stopping")
        stream.say("usr_late")
        assert isinstance(stream.end(), bytes)
        assert process.wait() == 0
    assert users(process)[-2:] == ["usr_early", "usr_late"]


def refused(process: GatewayProcess) -> str:
    """What one says that can't start."""
    assert process.wait() == 2
    assert b"Traceback" not in process.output
    return process.output.decode()


def test_two_cannot_have_one_state(tmp_path: Path) -> None:
    with GatewayProcess(tmp_path) as first:
        assert first.address
        with GatewayProcess(tmp_path) as second:
            assert "outbox.db: another gateway has it" in refused(second)
        assert works(first.address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_port_in_use_is_said_to_be(host: str, tmp_path: Path) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server((host.strip("[]"), 0), family=family)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server as taken:
        port = taken.getsockname()[1]
        with GatewayProcess(tmp_path, address=f"{host}:{port}") as process:
            assert f"listeners.local.address: can't listen on {host}:{port}" in refused(process)


def test_a_place_that_is_not_there_is_said_to_be(tmp_path: Path) -> None:
    path = f"{tmp_path}/nowhere/gateway.sock"
    with GatewayProcess(tmp_path, address=f"unix:{path}") as process:
        assert f"listeners.local.address: {path}: {tmp_path}/nowhere is not there" in refused(process)


def test_a_unix_socket_will_do(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/gateway.sock"
    with GatewayProcess(tmp_path, address=address) as process:
        assert process.address == address
        assert works(address)
        process.kill()
    with GatewayProcess(tmp_path, address=address) as process:
        assert process.address
        assert works(address)
        assert process.stop() == 0
    assert users(process) == ["usr_1"] * 2


def test_a_unix_socket_in_use_is_said_to_be(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/gateway.sock"
    (tmp_path / "other").mkdir()
    with GatewayProcess(tmp_path, address=address) as first:
        assert first.address
        with GatewayProcess(tmp_path / "other", address=address) as second:
            assert f"listeners.local.address: can't listen on {address}" in refused(second)
        assert works(address)
        assert first.stop() == 0
        assert users(first) == ["usr_1"]
