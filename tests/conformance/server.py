"""The interop server on grpcio: https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md#server.

It has no `CompressedRequest`, for grpcio shows no server whether a message was compressed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import grpc

from tests.conformance.messages import INITIAL, PACKAGE, TRAILING, kind, message, method, payload, reader, write

SERVICE: Final = "TestService"
CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


def _empty_call(request: Any, context: grpc.ServicerContext) -> Any:
    return message("Empty")


def _unary_call(request: Any, context: grpc.ServicerContext) -> Any:
    if request.response_compressed.value:
        context.set_compression(grpc.Compression.Gzip)
    _echo(context)
    _end_as_asked(request, context)
    return message("SimpleResponse", payload=payload(request.response_size))


def _streaming_output_call(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
    if any(asked.compressed.value for asked in request.response_parameters):
        context.set_compression(grpc.Compression.Gzip)
    yield from _answers(request, context)


def _streaming_input_call(requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
    return message(
        "StreamingInputCallResponse", aggregated_payload_size=sum(len(request.payload.body) for request in requests)
    )


def _full_duplex_call(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
    _echo(context)
    for request in requests:
        _end_as_asked(request, context)
        yield from _answers(request, context)


def _answers(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
    for asked in request.response_parameters:
        time.sleep(asked.interval_us / 1e6)
        if not asked.compressed.value:
            context.disable_next_message_compression()
        yield message("StreamingOutputCallResponse", payload=payload(asked.size))


def _echo(context: grpc.ServicerContext) -> None:
    given = context.invocation_metadata()
    context.send_initial_metadata(tuple(entry for entry in given if entry[0] == INITIAL))
    context.set_trailing_metadata(tuple(entry for entry in given if entry[0] == TRAILING))


def _end_as_asked(request: Any, context: grpc.ServicerContext) -> None:
    asked = request.response_status
    if asked.code:
        context.abort(CODES[asked.code], asked.message)


METHODS: Final[Mapping[str, Callable[..., Any]]] = {
    "EmptyCall": _empty_call,
    "UnaryCall": _unary_call,
    "StreamingOutputCall": _streaming_output_call,
    "StreamingInputCall": _streaming_input_call,
    "FullDuplexCall": _full_duplex_call,
}


@contextmanager
def serving() -> Iterator[int]:
    """Serve on loopback; the port."""
    server = grpc.server(ThreadPoolExecutor(max_workers=8), options=(("grpc.so_reuseport", 0),))
    handlers = {name: _handler(name, behaviour) for name, behaviour in METHODS.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(f"{PACKAGE}.{SERVICE}", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def _handler(name: str, behaviour: Callable[..., Any]) -> Any:
    found = method(f"{SERVICE}/{name}")
    make = getattr(grpc, f"{kind(found)}_rpc_method_handler")
    return make(behaviour, reader(found.input_type.full_name), write)
