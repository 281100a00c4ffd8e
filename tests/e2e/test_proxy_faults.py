"""What befalls calls between services: an upstream that dies, is silent, resets, or talks rubbish; a caller that goes.

Real processes.
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from gateway.errors import Cause
from gateway.pipeline.status_text import STATUS_TEXTS
from tests.support import grpc_go_interop
from tests.support.channels import TIMEOUT_SECONDS, CallStatus, status_of
from tests.support.gateway_process import GatewayProcess
from tests.support.http2 import DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, frame
from tests.support.http2_upstream import (
    Reply,
    data_frame,
    fields,
    goaway,
    reset,
    response_headers,
    serve_http2,
    trailers,
    trailers_only,
)
from tests.support.ports import reserved
from tests.support.proxy_process import (
    access_log,
    call_through,
    gateway,
    method,
    outbound_channel,
    policy,
    request_of,
    route,
    wait_until,
)
from tests.support.upstreams import CALL_KINDS, UnansweredCalls, UpstreamProcess, item, serve_methods

SECRET: Final = b"ana.martin@private.example"
_Code: Final = grpc.StatusCode


def fixed(code: grpc.StatusCode, cause: Cause | None = None) -> CallStatus:
    """A status that says nothing but its code, and why there is no answer where gRPC itself found that out."""
    number: int = code.value[0]
    return (
        CallStatus(code, STATUS_TEXTS[number])
        if cause is None
        else CallStatus(code, STATUS_TEXTS[number], cause, "privacy.kannelle")
    )


# Row 1: an upstream that dies.


@pytest.mark.parametrize("name", ["Down", "Both"])
def test_an_upstream_killed_mid_stream_ends_the_call_and_the_next_one_reaches_its_successor(
    tmp_path: Path, name: str
) -> None:
    with (
        reserved() as port,
        gateway(tmp_path, policy(route("up", port))) as process,
        outbound_channel(process, "up") as channel,
    ):
        with UpstreamProcess(port) as peer:
            more = threading.Event()
            stream = method(channel, name)(_one_and_wait(item(op="a"), more) if name == "Both" else item(op="a"))
            assert next(stream) == item(op="a")
            peer.kill()
            with pytest.raises(grpc.RpcError) as caught:
                list(stream)
            more.set()
        assert status_of(caught.value) == fixed(_Code.UNAVAILABLE, Cause.UPSTREAM_RESET)
        # Which of the two the channel knows by then is a matter of microseconds.
        assert call_through(channel, "One", item()) in [
            fixed(_Code.UNAVAILABLE, cause) for cause in (Cause.UPSTREAM_RESET, Cause.UPSTREAM_REFUSED)
        ]
        with UpstreamProcess(port):
            wait_until(lambda: call_through(channel, "One", item(op="b")) == [item(op="b")])
        assert process.alive


def _one_and_wait(first: bytes, more: threading.Event) -> Iterator[bytes]:
    """A caller's stream that stays open."""
    yield first
    more.wait(TIMEOUT_SECONDS)


# Row 2: an upstream that never answers.


@pytest.mark.parametrize("name", CALL_KINDS)
def test_the_timeout_of_a_route_ends_a_call_that_is_never_answered(tmp_path: Path, name: str) -> None:
    lost = UnansweredCalls()
    behaviour: Any = lost.answering if CALL_KINDS[name].endswith("stream") else lost
    with (
        serve_methods(**{name: behaviour}) as port,
        gateway(tmp_path, policy(route("short", port, timeout="0.4s"), route("long", port, timeout="60s"))) as process,
        outbound_channel(process, "short") as short,
        outbound_channel(process, "long") as long,
    ):
        # The upstream knows the deadline too, and may say that it is over before the gateway sees it.
        assert call_through(short, name, item()) in [
            fixed(_Code.DEADLINE_EXCEEDED, cause) for cause in (Cause.UPSTREAM_TIMEOUT, None)
        ]
        assert call_through(long, name, item(), timeout=0.4).code is _Code.DEADLINE_EXCEEDED
        for _ in range(2):
            assert lost.cancelled.acquire(timeout=TIMEOUT_SECONDS)
        assert all(seconds <= 0.5 for seconds in lost.remaining_seconds)
        first, second = wait_until(
            lambda: (
                [entry["code"] for entry in access_log(process)][1:]
                and [entry["code"] for entry in access_log(process)]
            )
        )
        # Which of the two ends comes first at the gateway, the caller's or its own, is a matter of microseconds.
        assert first == _Code.DEADLINE_EXCEEDED.value[0]
        assert second in (_Code.DEADLINE_EXCEEDED.value[0], _Code.CANCELLED.value[0])


def test_an_upstream_that_takes_connections_and_says_nothing_ends_a_call_in_time(tmp_path: Path) -> None:
    with (
        serve_http2(lambda connection, stream: None, hello=b"") as port,
        gateway(tmp_path, policy(route("up", port, timeout="0.4s", wait_for_ready=True))) as process,
        outbound_channel(process, "up") as channel,
    ):
        assert call_through(channel, "One", item()) == fixed(_Code.DEADLINE_EXCEEDED, Cause.UPSTREAM_TIMEOUT)


# Rows 3 and 4: an upstream that resets, or talks rubbish.


def says(*parts: Callable[[int], bytes] | bytes) -> Reply:
    """Answers a stream with these bytes."""
    return lambda connection, stream: connection.sendall(
        b"".join(part if isinstance(part, bytes) else part(stream) for part in parts)
    )


def _reset(connection: socket.socket, stream: int) -> None:
    """TCP's own reset: close without lingering (socket(7))."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RD)
    connection.close()


def _hang_up(connection: socket.socket, stream: int) -> None:
    connection.sendall(response_headers(stream)[:-3])
    connection.shutdown(socket.SHUT_RDWR)


def status(code: bytes, *more: tuple[bytes, bytes]) -> Callable[[int], bytes]:
    return lambda stream: trailers(stream, (b"grpc-status", code), *more)


def message(raw: bytes, **more: Any) -> Callable[[int], bytes]:
    return lambda stream: data_frame(stream, raw, **more)


WRONG_TYPE: Final = b"\x0a\x7f" + SECRET
"""A field whose length goes beyond the message."""

FAULTS: Final[Mapping[str, tuple[grpc.StatusCode, Reply]]] = {
    "internal": (_Code.INTERNAL, says(response_headers, lambda stream: reset(stream, 2))),
    "internal-at-once": (_Code.INTERNAL, says(lambda stream: reset(stream, 2))),
    "no-error": (_Code.INTERNAL, says(response_headers, lambda stream: reset(stream, 0))),
    "refused": (_Code.UNAVAILABLE, says(response_headers, lambda stream: reset(stream, 7))),
    "cancel": (_Code.CANCELLED, says(response_headers, lambda stream: reset(stream, 8))),
    "calm": (_Code.RESOURCE_EXHAUSTED, says(response_headers, lambda stream: reset(stream, 11))),
    "unknown-error": (_Code.INTERNAL, says(response_headers, lambda stream: reset(stream, 0xFFFF))),
    "tcp-reset": (_Code.UNAVAILABLE, _reset),
    "hang-up": (_Code.UNAVAILABLE, _hang_up),
    "goaway": (_Code.UNAVAILABLE, says(goaway(2, SECRET))),
    "bad-hpack": (
        _Code.INTERNAL,
        says(lambda stream: frame(HEADERS, END_HEADERS, stream, b"\xff\xff\xff\xff\xff\xff" + SECRET)),
    ),
    "bad-settings": (_Code.UNKNOWN, says(frame(SETTINGS, 0, 0, b"xyz"))),
    "lone-continuation": (_Code.UNKNOWN, says(lambda stream: frame(9, END_HEADERS, stream, SECRET))),
    "huge-frame": (_Code.UNKNOWN, says(b"\xff\xff\xff\0\0\0\0\0\1", SECRET)),
    "http-503": (
        _Code.UNAVAILABLE,
        says(
            lambda stream: frame(
                HEADERS, END_HEADERS | END_STREAM, stream, fields((b":status", b"503"), (b"x-name", SECRET))
            )
        ),
    ),
    "http-text": (
        _Code.UNKNOWN,
        says(
            lambda stream: frame(
                HEADERS, END_HEADERS | END_STREAM, stream, b"\x88" + fields((b"content-type", b"text/html"))
            )
        ),
    ),
    "malformed": (_Code.INTERNAL, says(response_headers, message(WRONG_TYPE), status(b"0"))),
    "not-utf-8": (_Code.INTERNAL, says(response_headers, message(b"\x22\x02\xff\xfe"), status(b"0"))),
    "status-99": (_Code.UNKNOWN, says(response_headers, message(item()), status(b"99", (b"grpc-message", SECRET)))),
    "status-word": (_Code.INTERNAL, says(response_headers, message(item()), status(b"ok", (b"grpc-message", SECRET)))),
    "no-status": (
        _Code.UNKNOWN,
        says(response_headers, message(item()), lambda stream: trailers(stream, (b"x-name", SECRET))),
    ),
    "no-trailers": (_Code.UNKNOWN, says(response_headers, message(item(), last=True))),
    "named": (
        _Code.NOT_FOUND,
        says(
            response_headers,
            status(b"5", (b"grpc-message", SECRET), (b"x-name", SECRET), (b"grpc-status-details-bin", b"CgAa")),
        ),
    ),
    "prefix-too-long": (_Code.UNKNOWN, says(response_headers, message(SECRET, length=200, last=True))),
    "prefix-of-4-gb": (
        _Code.RESOURCE_EXHAUSTED,
        says(response_headers, message(SECRET, length=0xFFFFFFFF), status(b"0")),
    ),
    "compressed-badly": (
        _Code.INTERNAL,
        says(
            lambda stream: response_headers(stream, ((b"grpc-encoding", b"gzip"),)),
            message(SECRET, flag=1),
            status(b"0"),
        ),
    ),
    "compressed-oddly": (
        _Code.INTERNAL,
        says(
            lambda stream: response_headers(stream, ((b"grpc-encoding", SECRET),)),
            message(SECRET, flag=1),
            status(b"0"),
        ),
    ),
}
GREETINGS: Final[Mapping[str, bytes]] = {
    "http-1": b"HTTP/1.1 400 Bad Request\r\ncontent-length: 26\r\n\r\n" + SECRET,
    "noise": bytes(range(1, 256)) + SECRET,
}


BROKEN: Final[Mapping[str, bytes]] = {
    "another-first-byte": b"\2\0\0\0\1x",
    "last-first-byte": b"\xff\0\0\0\0",
    "half-a-prefix": b"\0\0\0",
    "half-a-message": b"\0\0\0\0\5abc",
    "nothing": b"",
}


def framed(data: bytes) -> Reply:
    """An answer whose one frame of data holds this."""
    return says(response_headers, lambda stream: frame(DATA, 0, stream, data), status(b"0"))


REPLIES: Final[Mapping[str, Reply]] = {
    **{name: reply for name, (_, reply) in FAULTS.items()},
    **{name: framed(data) for name, data in BROKEN.items()},
    "empty": says(response_headers, message(b""), status(b"0")),
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with an upstream for each reply, and a sound one."""
    with ExitStack() as stack:
        ports = {name: stack.enter_context(serve_http2(reply)) for name, reply in REPLIES.items()}
        ports |= {
            name: stack.enter_context(serve_http2(lambda connection, stream: None, hello=hello))
            for name, hello in GREETINGS.items()
        }
        ports["sound"] = stack.enter_context(serve_methods(One=lambda request, context: request))
        written = policy(*(route(name, port) for name, port in ports.items()))
        yield stack.enter_context(gateway(tmp_path_factory.mktemp("faulty"), written))


@pytest.mark.parametrize("name", CALL_KINDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_rubbish_from_an_upstream_becomes_a_status_with_a_fixed_text(
    faulty: GatewayProcess, fault: str, name: str
) -> None:
    code, before = FAULTS[fault][0], len(faulty.output)
    with outbound_channel(faulty, fault) as channel, outbound_channel(faulty, "sound") as sound:
        outcome = call_through(channel, name, item(op="a"))
        assert (outcome.code, outcome.text) == (code, fixed(code).text)
        assert call_through(sound, "One", item(op="b")) == [item(op="b")]
    assert SECRET not in faulty.output[before:]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_answer_is_no_empty_one(faulty: GatewayProcess, broken: str) -> None:
    with outbound_channel(faulty, broken) as channel:
        assert {call_through(channel, "One", item(op="a")).code for _ in range(20)} == {_Code.INTERNAL}


@pytest.mark.parametrize("name", CALL_KINDS)
def test_an_empty_answer_passes(faulty: GatewayProcess, name: str) -> None:
    with outbound_channel(faulty, "empty") as channel:
        assert call_through(channel, name, item(op="a")) == [b""]


@pytest.mark.parametrize("greeting", GREETINGS)
def test_an_upstream_that_does_not_speak_http_2_is_unavailable(faulty: GatewayProcess, greeting: str) -> None:
    before = len(faulty.output)
    with outbound_channel(faulty, greeting) as channel:
        assert call_through(channel, "One", item(op="a")) == fixed(_Code.UNAVAILABLE, Cause.UPSTREAM_NOT_GRPC)
    assert SECRET not in faulty.output[before:]


# Row 5: a caller that goes.

CALLER: Final = """
import sys, threading, grpc
address, path, kind, message = sys.argv[1:]
channel = grpc.insecure_channel(address, (("grpc.default_authority", "up"), ("grpc.enable_http_proxy", 0)))
def endless():
    yield bytes.fromhex(message)
    threading.Event().wait()
given = endless() if kind.startswith("stream") else bytes.fromhex(message)
answer = getattr(channel, kind)(path)
call = answer.future(given) if kind.endswith("unary") else list(answer(given))
threading.Event().wait()
"""


def _killed(process: GatewayProcess, name: str, lost: UnansweredCalls) -> None:
    arguments = (process.listener_address("outbound"), f"/t.Echo/{name}", CALL_KINDS[name], item(op="a").hex())
    with subprocess.Popen((sys.executable, "-c", CALLER, *arguments), stdin=subprocess.DEVNULL) as caller:
        try:
            assert lost.arrived.acquire(timeout=TIMEOUT_SECONDS)
        finally:
            caller.kill()


def _cancelled(process: GatewayProcess, name: str, lost: UnansweredCalls) -> None:
    more = threading.Event()
    requests = _one_and_wait(item(op="a"), more) if CALL_KINDS[name].startswith("stream") else item(op="a")
    with outbound_channel(process, "up") as channel:
        call = method(channel, name)
        call = call.future(requests) if CALL_KINDS[name].endswith("unary") else call(requests)
        assert lost.arrived.acquire(timeout=TIMEOUT_SECONDS)
        call.cancel()
    more.set()


@pytest.mark.parametrize("leave", [_killed, _cancelled])
@pytest.mark.parametrize("name", CALL_KINDS)
def test_the_upstream_learns_that_the_caller_has_gone(
    tmp_path: Path, name: str, leave: Callable[[GatewayProcess, str, UnansweredCalls], None]
) -> None:
    lost = UnansweredCalls()
    behaviour: Any = lost.answering if CALL_KINDS[name].endswith("stream") else lost
    room = {"LISTENERS__OUTBOUND__MAX_CALLS": "1"}
    with (
        serve_methods(**{name: behaviour}) as port,
        serve_methods(One=lambda request, context: request) as other,
        gateway(tmp_path, policy(route("up", port), route("other", other)), **room) as process,
        outbound_channel(process, "other") as channel,
    ):
        leave(process, name, lost)
        assert lost.cancelled.acquire(timeout=TIMEOUT_SECONDS)
        wait_until(lambda: call_through(channel, "One", item(op="b")) == [item(op="b")])
        wait_until(lambda: _Code.CANCELLED.value[0] in [entry.get("code") for entry in access_log(process)])


# A caller whose stream goes wrong while the upstream begins to answer.


@pytest.mark.parametrize("name", ["Up", "Both"])
def test_a_stream_with_a_malformed_message_ends_at_once(tmp_path: Path, name: str) -> None:
    """gRPC's server began to send initial metadata twice, and the call had no end but its deadline."""
    behaviour: Any = {"Up": lambda requests, context: max(requests), "Both": lambda requests, context: requests}[name]
    with (
        serve_methods(**{name: behaviour}) as port,
        gateway(tmp_path, policy(route("up", port))) as process,
        outbound_channel(process, "up") as channel,
    ):
        ends = [call_through(channel, name, item(op="a"), b"\xff") for _ in range(40)]
    assert {end.code for end in ends if isinstance(end, CallStatus)} == {_Code.INVALID_ARGUMENT}
    assert all(isinstance(end, CallStatus) for end in ends)


# Row 12: a status that comes while the caller still sends (grpc issue 36066).


def _large() -> Iterator[bytes]:
    large = item(body=bytes(64 * 1024))
    return (large for _ in range(64))


def _early(tmp_path: Path, port: int, name: str, count: int) -> set[Any]:
    with gateway(tmp_path, policy(route("up", port))) as process, outbound_channel(process, "up") as channel:
        ends = {call_through(channel, name, *_large()) for _ in range(count)}
        assert process.alive
    return ends


@pytest.mark.parametrize("name", ["Up", "Both"])
def test_a_status_that_comes_early_stays_what_it_is(tmp_path: Path, name: str) -> None:
    with serve_http2(says(lambda stream: trailers_only(stream, 7, SECRET))) as port:
        assert _early(tmp_path, port, name, 200) == {fixed(_Code.PERMISSION_DENIED)}


@pytest.mark.skipif(grpc_go_interop.MISSING, reason="Go is not installed")
@pytest.mark.parametrize("name", ["Up", "Both"])
def test_a_status_that_comes_early_from_grpc_go_stays_what_it_is(tmp_path: Path, name: str) -> None:
    with grpc_go_interop.serving(grpc_go_interop.binaries()) as port:
        assert _early(tmp_path, port, name, 200) == {fixed(_Code.UNIMPLEMENTED)}


# Rows 13 and 14: trying again, and waiting.


class Failing:
    """Fails twice, then answers."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.calls += 1
        if self.calls <= 2:
            context.abort(_Code.UNAVAILABLE, "not yet")
        return request

    def stream(self, requests: object, context: grpc.ServicerContext) -> bytes:
        """Answers a stream of requests, whatever is in it."""
        return self(item(op="a"), context)


RETRIES: Final[Mapping[str, tuple[Mapping[str, Any], Any, int]]] = {
    "enough": (
        {"retry": {"max_attempts": 4, "codes": ["UNAVAILABLE"], "initial_backoff": "0.01s"}},
        [item(op="a")],
        3,
    ),
    "too-few": (
        {"retry": {"max_attempts": 2, "codes": ["UNAVAILABLE"], "initial_backoff": "0.01s"}},
        fixed(_Code.UNAVAILABLE),
        2,
    ),
    "other-code": (
        {"retry": {"max_attempts": 4, "codes": ["ABORTED"], "initial_backoff": "0.01s"}},
        fixed(_Code.UNAVAILABLE),
        1,
    ),
    "none": ({}, fixed(_Code.UNAVAILABLE), 1),
}
"""What a route says of trying again, how a call ends that fails twice, and how often it is made."""


@pytest.mark.parametrize("name", ["One", "Up"])
def test_a_call_is_tried_again_as_the_route_says(tmp_path: Path, name: str) -> None:
    failing = {authority: Failing() for authority in RETRIES}
    with ExitStack() as stack:
        ports = {
            authority: stack.enter_context(serve_methods(One=one, Up=one.stream)) for authority, one in failing.items()
        }
        routes = (route(authority, ports[authority], **more) for authority, (more, _, _) in RETRIES.items())
        process = stack.enter_context(gateway(tmp_path, policy(*routes)))
        channels = {authority: stack.enter_context(outbound_channel(process, authority)) for authority in RETRIES}
        ends = {
            authority: (call_through(channel, name, item(op="a")), failing[authority].calls)
            for authority, channel in channels.items()
        }
    assert ends == {authority: (outcome, calls) for authority, (_, outcome, calls) in RETRIES.items()}


@pytest.mark.parametrize("name", CALL_KINDS)
def test_a_call_waits_for_an_upstream_that_is_still_to_come_where_its_route_says_so(tmp_path: Path, name: str) -> None:
    ends = "unary" if CALL_KINDS[name].endswith("unary") else "stream"
    with (
        reserved() as port,
        gateway(tmp_path, policy(route("patient", port, wait_for_ready=True), route("hasty", port))) as process,
        outbound_channel(process, "patient") as patient,
        outbound_channel(process, "hasty") as hasty,
    ):
        waiting = method(patient, name)
        call = (waiting.future if ends == "unary" else waiting)(request_of(name, item(op="a")), timeout=TIMEOUT_SECONDS)
        assert call_through(hasty, name, item(op="a")) == fixed(_Code.UNAVAILABLE, Cause.UPSTREAM_REFUSED)
        with UpstreamProcess(port):
            assert (call.result() if ends == "unary" else next(call)) == item(op="a")
            call.cancel()
