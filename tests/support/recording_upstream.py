"""A service behind the proxy that notes what it gets and answers by a script."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import grpc

from tests.support.channels import TIMEOUT_SECONDS

Pairs = Sequence[tuple[str, str | bytes]]


@dataclass
class ReceivedCall:
    """A call that came to an upstream."""

    path: str
    metadata: Pairs
    messages: list[bytes] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def own_metadata(self) -> Pairs:
        """Its metadata, but for what gRPC writes."""
        return [pair for pair in self.metadata if pair[0] != "user-agent"]


AnswerScript = Callable[[ReceivedCall, Iterator[bytes], grpc.ServicerContext], Iterator[bytes]]
"""How an upstream answers a call."""


def record_messages(seen: ReceivedCall, requests: Iterator[bytes]) -> Iterator[bytes]:
    """A call's messages, noted as they come."""
    for raw in requests:
        seen.messages.append(raw)
        yield raw


def echo(seen: ReceivedCall, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    """The same back."""
    yield from record_messages(seen, requests)


def answer_with(*answers: bytes, initial: Pairs = (), trailing: Pairs = ()) -> AnswerScript:
    """Hear everything, then give these answers."""

    def script(seen: ReceivedCall, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        context.send_initial_metadata(tuple(initial))
        list(record_messages(seen, requests))
        context.set_trailing_metadata(tuple(trailing))
        yield from answers

    return script


def fail_with(
    code: grpc.StatusCode, text: str, *, initial: Pairs = (), trailing: Pairs = (), answers: Sequence[bytes] = ()
) -> AnswerScript:
    """Hear everything, give these answers, then fail."""

    def script(seen: ReceivedCall, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        if initial:
            context.send_initial_metadata(tuple(initial))
        list(record_messages(seen, requests))
        yield from answers
        context.set_trailing_metadata(tuple(trailing))
        context.abort(code, text)

    return script


class RecordingUpstream(grpc.GenericRpcHandler):
    """A server of any method, which notes each call and answers it by its `script`."""

    def __init__(self, compression: grpc.Compression = grpc.Compression.NoCompression) -> None:
        self.calls: list[ReceivedCall] = []
        self.script: AnswerScript = echo
        options = [
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.so_reuseport", 0),
        ]
        self._server = grpc.server(ThreadPoolExecutor(16), options=options, compression=compression)
        self._server.add_generic_rpc_handlers((self,))
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    def service(self, details: Any) -> grpc.RpcMethodHandler[Any, Any]:
        seen = ReceivedCall(details.method, [(key, value) for key, value in details.invocation_metadata])
        self.calls.append(seen)
        return grpc.stream_stream_rpc_method_handler(lambda requests, context: self._serve(seen, requests, context))

    def _serve(self, seen: ReceivedCall, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        context.add_callback(seen.ended.set)
        yield from self.script(seen, requests, context)

    @contextmanager
    def scripted(self, script: AnswerScript) -> Iterator[list[ReceivedCall]]:
        """Answer otherwise for a while; what is seen in it."""
        before, self.script, self.calls = self.script, script, []
        try:
            yield self.calls
        finally:
            self.script = before

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait(TIMEOUT_SECONDS)
