"""Sending to the gateway on the machine: it takes the records, is away, refuses, comes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from gateway.errors import BadConfig
from gateway.otlp.signals import LOGS
from gateway.pipe.filter import KeptLine
from gateway.pipe.line_counts import LineCounts
from gateway.pipe.otlp_sink import OtlpSink, endpoint
from tests.pipe.filtering import line_filter


def kept(*lines: bytes) -> Sequence[KeptLine]:
    return line_filter()[0].filter(lines or [b"server started"])


class Listener:
    """Takes records, after it has refused so many requests."""

    def __init__(self, code: grpc.StatusCode = grpc.StatusCode.OK, times: int = 0) -> None:
        self.code = code
        self.times = times
        self.texts: list[str] = []
        self.may = threading.Event()
        self.may.set()

    def export(self, request: bytes, context: Any) -> bytes:
        self.may.wait(20)
        if self.times:
            self.times -= 1
            context.abort(self.code, "")
        groups = ExportLogsServiceRequest.FromString(request).resource_logs
        self.texts += [
            record.body.string_value for group in groups for scope in group.scope_logs for record in scope.log_records
        ]
        return b""


@contextmanager
def listening(listener: Listener, port: int = 0) -> Iterator[str]:
    export: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(listener.export)
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(LOGS.service, {"Export": export})])
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        listener.may.set()
        server.stop(0).wait()


def send_through(address: str, batches: Sequence[Sequence[KeptLine]], **options: Any) -> dict[str, Any]:
    counts = LineCounts()
    made = OtlpSink(address, counts, **options)
    for batch in batches:
        made.put(batch)
    made.close()
    return {"passed": counts.as_dict()["passed"], **counts.as_dict()["dropped"]}


def test_all_records_arrive_in_order() -> None:
    listener = Listener()
    with listening(listener) as address:
        assert send_through(
            address, [kept(b"server started", b"{} of {} done"), kept(b'{"msg": "server started"}')]
        ) == {"passed": 3}
    assert listener.texts == ["server started", "{} of {} done", "server started"]


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED])
def test_who_is_away_is_tried_again(code: grpc.StatusCode) -> None:
    listener = Listener(code, 2)
    with listening(listener) as address:
        assert send_through(address, [kept()]) == {"passed": 1}


def test_what_is_refused_is_counted_and_not_sent_again() -> None:
    listener = Listener(grpc.StatusCode.INVALID_ARGUMENT, 1)
    with listening(listener) as address:
        assert send_through(address, [kept()]) == {"passed": 0, "gateway refused": 1}
    assert not listener.texts


def test_nobody_is_waited_for_in_vain_for_a_while_only() -> None:
    with listening(Listener()) as address:
        pass
    assert send_through(address, [kept(), kept()], stall_seconds=0.3) == {"passed": 0, "gateway away": 2}


def test_one_who_hangs_is_waited_for_a_while_only() -> None:
    listener = Listener()
    listener.may.clear()
    with listening(listener) as address:
        assert send_through(address, [kept()], stall_seconds=0.3) == {"passed": 0, "gateway away": 1}


def test_what_does_not_fit_is_dropped_and_nobody_waits() -> None:
    listener = Listener()
    listener.may.clear()
    with listening(listener) as address:
        told = send_through(address, [kept()] * 100, max_queued_bytes=6000, stall_seconds=0.3)
    assert told == {"passed": 0, "gateway away": 100}


def test_an_end_without_records_is_quick() -> None:
    assert send_through("127.0.0.1:1", []) == {"passed": 0}


@pytest.mark.parametrize("address", ["127.0.0.1:4317", "[::1]:4317", "localhost:1"])
def test_an_address_on_this_machine_will_do(address: str) -> None:
    assert endpoint(address) == f"http://{address}"


@pytest.mark.parametrize("address", ["", "4317", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:0", "127.0.0.1:70000", "10.0.0.1:1",
                                     "example.com:4317", "http://127.0.0.1:4317", "127.0.0.1:٤", "0.0.0.0:4317"])  # fmt: skip
def test_any_other_address_will_not(address: str) -> None:
    with pytest.raises(BadConfig, match="local: must be host:port on loopback"):
        endpoint(address)
