"""The interop cases as grpcio's client plays them.

See https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md#client.

Each takes a channel and fails where the answer isn't what the description asks for. Whether a message came compressed,
which the `server_compressed` ones ask for too, grpcio doesn't show a client: of those, the sizes are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Final

import grpc
import pytest

from tests.conformance.messages import INITIAL, PACKAGE, TRAILING, flag, kind, message, method, payload, reader, write
from tests.support.channels import TIMEOUT_SECONDS, CallStatus, status_of

LARGE: Final = (271828, 314159)
"""Bytes asked with, and bytes answered."""

ASKED: Final = (27182, 8, 1828, 45904)
ANSWERED: Final = (31415, 9, 2653, 58979)

ECHOED: Final = ((INITIAL, "test_initial_metadata_value"), (TRAILING, b"\xab\xab\xab"))

SPECIAL: Final = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
"""Of `special_status_message`, as all implementations have it."""

RESET_AT_DEADLINE: Final = (
    grpc.StatusCode.CANCELLED,
    "Stream removed (RST_STREAM (Received RST_STREAM with error code 8))",
)
"""What grpcio says when a server's own timer resets the stream a moment before the client's runs out.

grpc-go's does so in one call of ten, gRPC's C core in one of some hundreds.
"""


def empty_unary(channel: grpc.Channel) -> None:
    assert _call(channel, "EmptyCall")(message("Empty"), timeout=TIMEOUT_SECONDS) == message("Empty")


def large_unary(channel: grpc.Channel) -> None:
    assert _answer(_call(channel, "UnaryCall")(_large(), timeout=TIMEOUT_SECONDS)) == LARGE[1]


def client_streaming(channel: grpc.Channel) -> None:
    requests = (message("StreamingInputCallRequest", payload=payload(size)) for size in ASKED)
    assert _call(channel, "StreamingInputCall")(requests, timeout=TIMEOUT_SECONDS).aggregated_payload_size == sum(ASKED)


def server_streaming(channel: grpc.Channel) -> None:
    replies = _call(channel, "StreamingOutputCall")(_stream_request(*ANSWERED), timeout=TIMEOUT_SECONDS)
    assert tuple(map(_answer, replies)) == ANSWERED


def ping_pong(channel: grpc.Channel) -> None:
    with _talk() as (say, said):
        replies = _call(channel, "FullDuplexCall")(said, timeout=TIMEOUT_SECONDS)
        for asked, answered in zip(ASKED, ANSWERED, strict=True):
            say(_stream_request(answered, asked=asked))
            assert _answer(next(replies)) == answered
        say(None)
        assert list(replies) == []


def empty_stream(channel: grpc.Channel) -> None:
    assert list(_call(channel, "FullDuplexCall")(iter(()), timeout=TIMEOUT_SECONDS)) == []


def timeout_on_sleeping_server(channel: grpc.Channel) -> None:
    with _talk() as (say, said):
        say(_stream_request(asked=ASKED[0]))
        # The standard's millisecond is over before many a call has begun: this one reaches the server, which sleeps.
        replies = _call(channel, "FullDuplexCall")(said, timeout=0.1)
        end = _end(lambda: next(replies))
        assert end.code is grpc.StatusCode.DEADLINE_EXCEEDED or (end.code, end.text) == RESET_AT_DEADLINE


def cancel_after_begin(channel: grpc.Channel) -> None:
    with _talk() as (_, said):
        call = _call(channel, "StreamingInputCall").future(said, timeout=TIMEOUT_SECONDS)
        call.cancel()
        assert call.code() is grpc.StatusCode.CANCELLED


def cancel_after_first_response(channel: grpc.Channel) -> None:
    with _talk() as (say, said):
        replies = _call(channel, "FullDuplexCall")(said, timeout=TIMEOUT_SECONDS)
        say(_stream_request(ANSWERED[0], asked=ASKED[0]))
        assert _answer(next(replies)) == ANSWERED[0]
        replies.cancel()
        assert _end(lambda: next(replies)).code is grpc.StatusCode.CANCELLED


def status_code_and_message(channel: grpc.Channel) -> None:
    asked = message("EchoStatus", code=2, message="test status message")
    unary, stream = (
        message("SimpleRequest", response_status=asked),
        message("StreamingOutputCallRequest", response_status=asked),
    )
    for end in (
        _end(lambda: _call(channel, "UnaryCall")(unary, timeout=TIMEOUT_SECONDS)),
        _end(lambda: list(_call(channel, "FullDuplexCall")(iter((stream,)), timeout=TIMEOUT_SECONDS))),
    ):
        assert (end.code, end.text) == (grpc.StatusCode.UNKNOWN, asked.message)


def special_status_message(channel: grpc.Channel) -> None:
    request = message("SimpleRequest", response_status=message("EchoStatus", code=2, message=SPECIAL))
    end = _end(lambda: _call(channel, "UnaryCall")(request, timeout=TIMEOUT_SECONDS))
    assert (end.code, end.text) == (grpc.StatusCode.UNKNOWN, SPECIAL)


def custom_metadata(channel: grpc.Channel) -> None:
    answer, unary = _call(channel, "UnaryCall").with_call(_large(), metadata=ECHOED, timeout=TIMEOUT_SECONDS)
    request = _stream_request(LARGE[1], asked=LARGE[0])
    stream = _call(channel, "FullDuplexCall")(iter((request,)), metadata=ECHOED, timeout=TIMEOUT_SECONDS)
    assert [_answer(answer), *map(_answer, stream)] == [LARGE[1]] * 2
    for call in (unary, stream):
        initial, trailing = call.initial_metadata(), call.trailing_metadata()
        assert [entry for entry in initial if entry[0] == INITIAL] == [ECHOED[0]]
        assert [entry for entry in trailing if entry[0] == TRAILING] == [ECHOED[1]]


def unimplemented_method(channel: grpc.Channel) -> None:
    assert (
        _end(lambda: _call(channel, "UnimplementedCall")(message("Empty"), timeout=TIMEOUT_SECONDS)).code
        is grpc.StatusCode.UNIMPLEMENTED
    )


def unimplemented_service(channel: grpc.Channel) -> None:
    call = _call(channel, "UnimplementedCall", "UnimplementedService")
    assert _end(lambda: call(message("Empty"), timeout=TIMEOUT_SECONDS)).code is grpc.StatusCode.UNIMPLEMENTED


def server_compressed_unary(channel: grpc.Channel) -> None:
    for compressed in (True, False):
        answer = _call(channel, "UnaryCall")(_large(response_compressed=flag(compressed)), timeout=TIMEOUT_SECONDS)
        assert _answer(answer) == LARGE[1]


def server_compressed_streaming(channel: grpc.Channel) -> None:
    asked = {31415: True, 92653: False}
    parameters = [
        message("ResponseParameters", size=size, compressed=flag(compressed)) for size, compressed in asked.items()
    ]
    replies = _call(channel, "StreamingOutputCall")(
        message("StreamingOutputCallRequest", response_parameters=parameters), timeout=TIMEOUT_SECONDS
    )
    assert list(map(_answer, replies)) == list(asked)


CASES: Final[Mapping[str, Callable[[grpc.Channel], None]]] = {
    case.__name__: case
    for case in (
        empty_unary,
        large_unary,
        client_streaming,
        server_streaming,
        ping_pong,
        empty_stream,
        timeout_on_sleeping_server,
        cancel_after_begin,
        cancel_after_first_response,
        status_code_and_message,
        special_status_message,
        custom_metadata,
        unimplemented_method,
        unimplemented_service,
        server_compressed_unary,
        server_compressed_streaming,
    )
}


def _call(channel: grpc.Channel, name: str, service: str = "TestService") -> Any:
    found = method(f"{service}/{name}")
    return getattr(channel, kind(found))(f"/{PACKAGE}.{service}/{name}", write, reader(found.output_type.full_name))


def _large(**more: Any) -> Any:
    return message("SimpleRequest", response_size=LARGE[1], payload=payload(LARGE[0]), **more)


def _stream_request(*answered: int, asked: int | None = None) -> Any:
    parameters = [message("ResponseParameters", size=size) for size in answered]
    held = {} if asked is None else {"payload": payload(asked)}
    return message("StreamingOutputCallRequest", response_parameters=parameters, **held)


def _answer(reply: Any) -> int:
    """The size of an answer, which is of zeros."""
    assert reply.payload == payload(len(reply.payload.body))
    return len(reply.payload.body)


def _end(ask: Callable[[], Any]) -> CallStatus:
    with pytest.raises(grpc.RpcError) as raised:
        ask()
    return status_of(raised.value)


@contextmanager
def _talk() -> Iterator[tuple[Callable[[Any], None], Iterator[Any]]]:
    """Say requests one by one; None ends them."""
    queue: SimpleQueue[Any] = SimpleQueue()
    try:
        yield queue.put, iter(queue.get, None)
    finally:
        queue.put(None)
